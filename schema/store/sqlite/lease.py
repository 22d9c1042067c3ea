"""The right to load one sensor's captures, and one attempt at a capture: a single transaction from claim to commit."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import repeat
from types import TracebackType
from typing import Self, cast

from schema.bucketpolicy import BucketPolicy
from schema.errors import LeaseHeldError, LeaseLostError
from schema.records import CaptureFacts, LedgerPosition, NameRepair, NameTold
from schema.store.notes import refuse_loading
from schema.store.owners import known_dead
from schema.store.sealing import Sealing
from schema.store.sqlite import captures, ledger, names, seals
from schema.store.sqlite.database import Database, Session, Transaction
from schema.store.sqlite.notes import read_notes
from schema.store.sqlite.oldsegments import let_go
from schema.store.sqlite.repairs import repair_flows
from schema.store.sqlite.retention import Span, empty_span, plan_expiry
from schema.store.sqlite.rewriting import SqliteRewriting
from schema.store.sqlite.statements import insert_of, time_column
from schema.store.sqlite.steps import Steps
from schema.store.sqlite.values import sql_rows
from schema.store.writing import Attempt, Claim, ClaimRefusal, Commit, Known, LedgerHead, Rewriting
from schema.tables import BY_NAME, Ownership, RowBatch

_MOVE_HEAD = """
    UPDATE ledger SET version = ?, nonce = ?, state_version = ?, state_nonce = ?, loaded_at = ?, endpoints = endpoints + ?,
      lease_until = max(lease_until, ?)
    WHERE sensor = ? AND segment = ? AND version = ? AND epoch = ?
"""
_EMPTY_LEDGER = """
    INSERT OR IGNORE INTO ledger (sensor, segment, first_segment, version, nonce, epoch, owner, lease_until, state_version,
      state_nonce, loaded_at, opened_seq, opened_endpoints, endpoints)
    VALUES (?, 0, 0, 0, X'', 0, '', 0, 0, X'', 0, 0, 0, 0)
"""


def take(database: Database, sensor: str, network: str, owner: str, times_ms: tuple[int, int]) -> "SqliteLease":
    """Take a sensor's lease; `times_ms` are now and until when. Raises LeaseHeldError, StoreMovedError."""
    now_ms, until_ms = times_ms
    with database.transaction() as transaction:
        refuse_loading(read_notes(transaction))
        transaction.execute(
            "INSERT OR IGNORE INTO sensors (sensor, network, segment, first_seen) VALUES (?, ?, 0, ?)",
            (sensor, network, now_ms),
        )
        transaction.execute(_EMPTY_LEDGER, (sensor,))
        row = ledger.read_row(transaction, sensor)
        assert row is not None
        held = row.owner not in ("", owner) and row.lease_until_ms > now_ms
        if held and not known_dead(row.owner, owner):
            raise LeaseHeldError(sensor, row.owner, row.lease_until_ms)
        ledger.check_chain(transaction, sensor, row.head.position)
        transaction.execute(
            "UPDATE ledger SET epoch = ?, owner = ?, lease_until = ? WHERE sensor = ?",
            (row.epoch + 1, owner, until_ms, sensor),
        )
        transaction.commit()
    return SqliteLease(database, sensor, row.epoch + 1, row.head)


class SqliteLease:
    """A sensor's lease (`schema.store.writing.SensorLease`)."""

    def __init__(self, database: Database, sensor: str, epoch: int, head: LedgerHead) -> None:
        self._database, self._sensor, self._epoch, self._head = database, sensor, epoch, head

    @property
    def sensor(self) -> str:
        """Whose captures it loads."""
        return self._sensor

    @property
    def head(self) -> LedgerHead:
        """The ledger as of the newest commit through this lease, or of taking it."""
        return self._head

    def carried(self) -> bytes | None:
        """The open flows that `head` names."""
        with self._database.snapshot() as session:
            rows = session.execute(
                ledger.CARRIED,
                (self._sensor, self._head.state_version, self._head.state_nonce),
            )
        return rows[0][0] if rows else None

    def names_told(self, clients: Collection[bytes]) -> Iterator[NameTold]:
        """What these clients were told, as of `head`."""
        return self._names().names_told(clients)

    def names_told_at(self, addresses: Mapping[bytes, int], policy: BucketPolicy) -> list[NameTold]:
        """What anyone was told of these addresses, each until a time."""
        return self._names().names_told_at(addresses, policy)

    def names_told_of(self, pairs: Mapping[tuple[bytes, bytes], int], policy: BucketPolicy) -> list[NameTold]:
        """What each client was told of one address, each pair until a time."""
        return self._names().names_told_of(pairs, policy)

    def look_up(self, capture_id: bytes, origin: str) -> Known:
        """What is known of a content and of an origin."""
        with self._database.snapshot() as session:
            self._check_held(session)
            content = captures.read_capture(session, capture_id)
            return Known(content=content, of_origin=captures.read_capture_of_origin(session, origin))

    def begin(self, claim: Claim) -> AbstractContextManager[Attempt] | ClaimRefusal:
        """Claim a capture: the transaction is open from here to the end of the attempt's context."""
        with ExitStack() as stack:
            transaction = stack.enter_context(self._database.transaction())
            self._check_held(transaction)
            if captures.is_loaded(transaction, claim.facts.capture_id):
                return ClaimRefusal.ALREADY_LOADED
            captures.put_claim(transaction, self._sensor, self._epoch, claim)
            return SqliteAttempt(self, claim, transaction, stack.pop_all())

    def note_origin(self, origin: str, capture_id: bytes, at_ms: int) -> None:
        """Remember that this origin, too, holds a capture that is committed."""
        with self._database.transaction() as transaction:
            captures.note_origin(transaction, origin, capture_id, at_ms)
            transaction.commit()

    @contextmanager
    def rewrite(self, capture_id: bytes) -> Iterator[Rewriting]:
        """Put rows of a committed capture right, in one transaction."""
        with self._database.transaction() as transaction:
            self._check_held(transaction)
            yield SqliteRewriting(transaction, self._sensor, capture_id)
            transaction.commit()

    def quarantine(self, facts: CaptureFacts, reason: str, detail: str, at_ms: int) -> None:
        """Record that a content cannot be loaded; one that is loaded stays so."""
        with self._database.transaction() as transaction:
            self._check_held(transaction)
            if not captures.is_loaded(transaction, facts.capture_id):
                captures.put_quarantine(transaction, (self._sensor, self._epoch), facts, (reason, detail), at_ms)
                transaction.commit()

    def seal_if_due(self, rule: Sealing) -> bool:
        """Seal the segment where the rule says so, and let go of old ones; others write meanwhile."""
        with self._database.snapshot() as session:
            row = self._check_held(session)
        if not row.size.is_due(rule, self._head.position.seq):
            return False
        steps = Steps(self._database, self._check_held)
        self._head = seals.seal(steps, self._sensor, self._head, rule)
        let_go(steps, self._sensor, self._head.position.segment, rule)
        return True

    def renew(self, until_ms: int) -> None:
        """Keep the lease; while an attempt is open this rides in its transaction."""
        changed = self._database.writer.change(
            "UPDATE ledger SET lease_until = ? WHERE sensor = ? AND epoch = ?", (until_ms, self._sensor, self._epoch)
        )
        if not changed:
            raise self._lost()

    def release(self) -> None:
        """Let another loader have the sensor at once."""
        self._database.writer.change(
            "UPDATE ledger SET owner = '', lease_until = 0 WHERE sensor = ? AND epoch = ?", (self._sensor, self._epoch)
        )

    def move_head(self, transaction: Transaction, after: LedgerHead, commit: Commit) -> None:
        """Make the ledger stand at `after`, on condition that it stands where this lease knows it."""
        at = after.position
        new = ledger.count_new(transaction, self._sensor, at.segment, commit.deltas.endpoints)
        moved = (at.seq, at.nonce, after.state_version, after.state_nonce, commit.loaded_at_ms, new, commit.lease_until_ms)
        known = self._head.position
        if not transaction.change(_MOVE_HEAD, (*moved, self._sensor, known.segment, known.seq, self._epoch)):
            raise self._lost()

    def stand_at(self, head: LedgerHead) -> None:
        """The commit that made `head` is durable."""
        self._head = head

    def _names(self) -> names.NamesAsOf:
        return names.NamesAsOf(self._database, self._sensor, self._head.position.seq)

    def _check_held(self, source: Session | Transaction) -> ledger.LedgerRow:
        row = ledger.read_row(source, self._sensor)
        if row is None or (row.epoch, row.head.position) != (self._epoch, self._head.position):
            raise self._lost()
        return row

    def _lost(self) -> LeaseLostError:
        return LeaseLostError(f"another loader took sensor {self._sensor} over: its captures are loaded there")


class SqliteAttempt:
    """One claimed capture on its way in (`schema.store.writing.Attempt`)."""

    def __init__(self, lease: SqliteLease, claim: Claim, transaction: Transaction, ending: ExitStack) -> None:
        self._lease, self._claim, self._transaction, self._ending = lease, claim, transaction, ending
        self._spans: dict[str, Span] = {name: empty_span(BY_NAME[name]) for name in claim.manifest.own_rows}
        self._rows_from_ms = int(claim.inputs.get("rows_from_ms", "0"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.close()

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Write rows; the last of equal keys wins, but in a table that says when a row was first and last seen."""
        for batch in batches:
            shared = batch.table.ownership is Ownership.SHARED
            further = [repeat(self._rows_from_ms)] if shared else []
            if not shared:
                self._widen_span(batch)
            self._transaction.for_each(insert_of(batch.table), sql_rows(batch, *further))

    def repair(self, repairs: Sequence[NameRepair]) -> int:
        """Late names of rows of earlier captures; without the commit they are as they were."""
        return repair_flows(self._transaction, self._lease.sensor, repairs)

    def commit(self, commit: Commit) -> LedgerHead:
        """Ledger, totals, carried state and capture, and then all of it durable at once."""
        sensor, transaction = self._lease.sensor, self._transaction
        after = _after(self._lease.head, moves_state=commit.carried is not None)
        self._lease.move_head(transaction, after, commit)
        ledger.add_commit(
            transaction, commit.record(self._claim, sensor, after.position, previous=self._lease.head.position.nonce), after
        )
        ledger.add_totals(transaction, sensor, commit.deltas, after.position)
        capture_id = self._claim.facts.capture_id
        captures.set_loaded(transaction, capture_id, after.position, commit.reason, commit.loaded_at_ms)
        plan_expiry(transaction, capture_id, self._rows_from_ms, self._spans)
        if commit.carried is not None:
            _carry(transaction, sensor, after, commit.carried)
        transaction.commit()
        self._lease.stand_at(after)
        return after

    def _widen_span(self, batch: RowBatch) -> None:
        if time := time_column(batch.table):
            times = cast(Sequence[int], batch.column(time))
            first, last = self._spans.get(batch.table.name, empty_span(batch.table))
            self._spans[batch.table.name] = min(first, min(times, default=first)), max(last, max(times, default=last))


def _after(before: LedgerHead, *, moves_state: bool) -> LedgerHead:
    position = LedgerPosition(segment=before.position.segment, seq=before.position.seq + 1, nonce=secrets.token_bytes(16))
    if moves_state:
        return LedgerHead(position=position, state_version=position.seq, state_nonce=position.nonce)
    return LedgerHead(position=position, state_version=before.state_version, state_nonce=before.state_nonce)


def _carry(transaction: Transaction, sensor: str, head: LedgerHead, carried: bytes) -> None:
    transaction.execute("DELETE FROM carried_state WHERE sensor = ?", (sensor,))
    transaction.execute(
        "INSERT INTO carried_state (sensor, version, nonce, data) VALUES (?, ?, ?, ?)",
        (sensor, head.state_version, head.state_nonce, carried),
    )

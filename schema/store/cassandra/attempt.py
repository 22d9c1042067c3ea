"""One claimed capture on its way in: rows under the attempt's timestamp, then the one commit that makes them count."""

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from schema.errors import StoreError
from schema.records import NO_TOTALS, LedgerPosition, NameRepair
from schema.store.cassandra import captures, ledger
from schema.store.cassandra.carriedstate import PUT_PART, parts_of
from schema.store.cassandra.commitments import Commitment, read_commitment
from schema.store.cassandra.hold import Hold
from schema.store.cassandra.own_rows import delete_rows_in
from schema.store.cassandra.repairs import repaired_rows
from schema.store.cassandra.writer import Writer
from schema.store.codec import encode_deltas
from schema.store.writing import Claim, Commit, LedgerHead
from schema.tables import RowBatch, Table

_DROP_CARRIED = "DELETE FROM pcapline.carried_state WHERE sensor = ? AND version < ?"


class CassandraAttempt:
    """An attempt (`schema.store.writing.Attempt`): without its commit no row of it counts, and the next attempt has them."""

    def __init__(self, hold: Hold, claim: Claim, standing: captures.Standing) -> None:
        self._hold, self._claim, self._standing = hold, claim, standing
        self._connection = hold.connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to take back, as what was written does not count; but who overtook this attempt while its process slept has
        looked for its rows already, and not found what was still on its way."""
        if isinstance(error, StoreError):
            with suppress(StoreError):
                self._sweep_if_overtaken()

    def _sweep_if_overtaken(self) -> None:
        now = captures.read_standing(self._connection, self._claim.facts.capture_id)
        if now is not None and now.attempt != self._standing.attempt:
            delete_rows_in(self._connection, self._claim.manifest.own, self._standing)

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Write rows; returns when every one is acknowledged."""
        with self._writer() as writer:
            for batch in filter(len, batches):
                if batch.table.spans:
                    writer.add(self._hold.spans.widened(batch), batch.table.ttl_seconds)
                else:
                    writer.add(batch, self._seconds_left(batch.table))

    def repair(self, repairs: Sequence[NameRepair]) -> int:
        """Late names of rows of earlier captures, under this attempt's timestamp: it is larger than any committed one."""
        count = 0
        with self._writer() as writer:
            for batch, seconds in repaired_rows(self._hold, repairs):
                writer.add(batch, seconds)
                count += len(batch)
        return count

    def commit(self, commit: Commit) -> LedgerHead:
        """What the commit names goes first, then the commit; the marks, which only repeat what it says, are under way when it
        is told: what asks next waits for them."""
        at = self._next_position()
        named = self._begin_what_it_names(at, commit)
        step = self._step(at, commit)
        batch = ledger.commit_batch(self._connection, step)
        for written in named:
            written()
        self._make(step, batch)
        self._hold.stand_at(step, commit.carried)
        self._mark(step, commit)
        return step.after

    def _seconds_left(self, table: Table) -> int:
        """Rows expire by the time of the claim, so that an attempt that is repeated writes the same rows."""
        return max(1, self._hold.seconds_left(table, self._standing.record.rows_expire_from_ms))

    def _writer(self) -> Writer:
        return Writer(self._connection, self._standing.row_ts, self._hold.check_awake)

    def _next_position(self) -> LedgerPosition:
        seq = self._hold.head.position.seq + 1
        return LedgerPosition(segment=self._hold.segment, seq=seq, nonce=secrets.token_bytes(16))

    def _step(self, at: LedgerPosition, commit: Commit) -> ledger.Step:
        hold, before = self._hold, self._hold.head
        moves = commit.carried is not None
        state = (at.seq, at.nonce) if moves else (before.state_version, before.state_nonce)
        deltas, before_it = commit.deltas, hold.endpoints.of(commit.deltas.endpoints)
        return ledger.Step(
            record=commit.record(self._claim, hold.sensor, at, previous=before.position.nonce),
            before=before,
            after=LedgerHead(position=at, state_version=state[0], state_nonce=state[1]),
            epoch=hold.epoch,
            row_ts=self._standing.row_ts,
            reason=commit.reason,
            endpoints={name: before_it.get(name, NO_TOTALS).plus(gained) for name, gained in deltas.endpoints.items()},
            totals={name: hold.totals.get(name, 0) + gained for name, gained in deltas.totals.items()},
            lease_until_ms=max(hold.until_ms, commit.lease_until_ms),
            endpoint_count=hold.size.endpoints + len(deltas.endpoints) - len(before_it),
        )

    def _begin_what_it_names(self, at: LedgerPosition, commit: Commit) -> list[captures.Begun]:
        connection, sensor = self._connection, self._hold.sensor
        parts = () if commit.carried is None else parts_of((sensor, at.seq, at.nonce), commit.carried)
        deltas = (sensor, at.segment, at.seq, at.nonce, encode_deltas(commit.deltas))
        deltas_put, parts_put = connection.begun(ledger.PUT_DELTAS, deltas), connection.each(PUT_PART, parts, quorum=True)
        return [deltas_put, lambda: list(parts_put)]

    def _make(self, step: ledger.Step, batch: Any) -> None:
        def made() -> bool:
            found = read_commitment(self._connection, self._hold.sensor, self._hold.segment, step.record.capture_id)
            return found is not None and found.position.nonce == step.after.position.nonce

        if not self._connection.conditionally(batch, made):
            raise self._hold.lost()

    def _mark(self, step: ledger.Step, commit: Commit) -> None:
        committed = Commitment(position=step.after.position, reason=commit.reason, loaded_at_ms=commit.loaded_at_ms)
        if commit.carried is not None:  # no attempt starts from an older state any more, unless a node loses this commit
            older = self._connection.bound(_DROP_CARRIED, (self._hold.sensor, step.after.state_version))
            self._connection.owe(self._connection.begun_once(older))
        self._connection.owe(captures.begin_loaded(self._connection, self._standing, committed))

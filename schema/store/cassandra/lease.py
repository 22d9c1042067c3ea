"""The right to load one sensor's captures: taken, kept and given back by conditional writes to its ledger."""

import secrets
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager

from schema.errors import LeaseHeldError, LeaseLostError, StoreUnavailableError
from schema.records import CaptureFacts, LedgerTotals, NameTold
from schema.store.cassandra import captures, claims, ledger
from schema.store.cassandra.attempt import CassandraAttempt
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.own_rows import delete_own_rows
from schema.store.owners import known_dead
from schema.store.port import Attempt, Claim, ClaimRefusal, LedgerHead

_FIRST_SEEN = "INSERT INTO pcapline.sensors (sensor, network, segment, first_seen) VALUES (?, ?, 0, ?) IF NOT EXISTS"
_TAKE = """
    UPDATE pcapline.ledger SET epoch = ?, owner = ?, lease_until = ?, version = ?, row_ts = ?
    WHERE sensor = ? AND segment = ? IF epoch = ? AND version = ?
"""
_RENEW = "UPDATE pcapline.ledger SET lease_until = ? WHERE sensor = ? AND segment = ? IF epoch = ?"
_RELEASE = "UPDATE pcapline.ledger SET owner = '', lease_until = 0 WHERE sensor = ? AND segment = ? IF epoch = ?"
_NAMES_TOLD = """
    SELECT client_ip, address, valid_from, hostname, capture_id, valid_to, frame, seq FROM pcapline.names_by_client
    WHERE sensor = ? AND client_ip = ?
"""
_CARRIED = "SELECT data FROM pcapline.carried_state WHERE sensor = ? AND version = ? AND nonce = ?"
_TAKE_TRIES = 20

Clock = Callable[[], float]


def take(connection: Connection, clock: Clock, asked: tuple[str, str, str], until_ms: int) -> "CassandraLease":
    """Take a sensor's lease; `asked`: sensor, network, owner. Raises LeaseHeldError."""
    sensor, network, owner = asked
    if ledger.segment_of(connection, sensor) is None:
        first_seen = connection.bound(_FIRST_SEEN, (sensor, network, int(clock() * 1000)))
        connection.conditionally(first_seen, lambda: True)  # refused: another one was first, and fixed the network
    for _ in range(_TAKE_TRIES):
        segment = (ledger.segment_of(connection, sensor) or ("", 0))[1]
        guard = ledger.read_guard(connection, sensor, segment)
        held = guard.owner not in ("", owner) and guard.lease_until_ms > int(clock() * 1000)
        if held and not known_dead(guard.owner, owner):
            raise LeaseHeldError(sensor, guard.owner, guard.lease_until_ms)
        if _raise_epoch(connection, sensor, guard, (owner, until_ms)):
            return CassandraLease(connection, clock, ledger.read_totals(connection, sensor), guard.epoch + 1)
    raise StoreUnavailableError(f"many loaders ask for sensor {sensor} at once: try again")


def _raise_epoch(connection: Connection, sensor: str, guard: ledger.Guard, holder: tuple[str, int]) -> bool:
    owner, until_ms = holder
    before = (guard.epoch, guard.version) if guard.epoch else (None, None)
    values = (guard.epoch + 1, owner, until_ms, guard.version, guard.row_ts, sensor, guard.segment, *before)

    def taken() -> bool:
        now = ledger.read_guard(connection, sensor, guard.segment)
        return (now.epoch, now.owner) == (guard.epoch + 1, owner)

    return connection.conditionally(connection.bound(_TAKE, values), taken)


class CassandraLease:
    """A sensor's lease (`schema.store.port.SensorLease`), with the running totals that only its holder changes."""

    def __init__(self, connection: Connection, clock: Clock, totals: LedgerTotals, epoch: int) -> None:
        self.connection, self.clock, self.epoch = connection, clock, epoch
        self.endpoints, self.totals = dict(totals.endpoints), dict(totals.totals)
        guard = ledger.read_guard(connection, totals.sensor, totals.position.segment)
        self.row_ts = guard.row_ts
        self._sensor, self._network, self._head = totals.sensor, totals.network, self._head_at(totals)

    def _head_at(self, totals: LedgerTotals) -> LedgerHead:
        at = totals.position
        guard = ledger.Guard(segment=at.segment, version=at.seq, epoch=self.epoch, owner="", lease_until_ms=0, row_ts=0)
        return ledger.read_head(self.connection, totals.sensor, guard)

    @property
    def sensor(self) -> str:
        """Whose captures it loads."""
        return self._sensor

    @property
    def head(self) -> LedgerHead:
        """The ledger as of the newest commit through this lease, or of taking it."""
        return self._head

    @property
    def segment(self) -> int:
        """The ledger's segment that it commits to."""
        return self._head.position.segment

    def carried(self) -> bytes | None:
        """The open flows that `head` names."""
        asked = (self._sensor, self._head.state_version, self._head.state_nonce)
        parts = self.connection.read(_CARRIED, asked) if self._head.state_version else []
        return b"".join(data for (data,) in parts) if parts else None

    def names_told(self, clients: Collection[bytes]) -> list[NameTold]:
        """What these clients were told, as of `head`."""
        newest = self._head.position.seq
        found = self.connection.each(_NAMES_TOLD, ((self._sensor, client) for client in clients))
        return [
            NameTold(
                client_ip=client,
                address=address,
                valid_from_ms=valid_from,
                hostname=hostname,
                capture_id=capture_id,
                valid_to_ms=valid_to,
                frame=frame,
            )
            for rows in found
            for client, address, valid_from, hostname, capture_id, valid_to, frame, seq in rows
            if seq <= newest
        ]

    def begin(self, claim: Claim) -> AbstractContextManager[Attempt] | ClaimRefusal:
        """Claim a capture."""
        self.check_held()
        claimed = claims.claim(self, claim)
        return claimed if isinstance(claimed, ClaimRefusal) else CassandraAttempt(self, claim, claimed)

    def quarantine(self, facts: CaptureFacts, reason: str, detail: str, at_ms: int) -> None:
        """Record that a content cannot be loaded; one that is loaded, or being loaded elsewhere, stays so."""
        self.check_held()
        standing = captures.read_standing(self.connection, facts.capture_id)
        if standing is not None:
            if claims.refusal(self, standing) is not None:
                return
            delete_own_rows(self.connection, standing)
        entry = captures.Entry(
            facts=facts,
            sensor=self._sensor,
            epoch=self.epoch,
            attempt=secrets.token_bytes(16),
            row_ts=self.next_row_ts(standing),
            inputs={},
            state="quarantined",
            reason=reason,
            detail=detail,
            started_at_ms=at_ms,
            finished_at_ms=at_ms,
        )
        if captures.put(self.connection, entry, standing) and standing is not None:
            captures.drop_manifest(self.connection, standing)

    def renew(self, until_ms: int) -> None:
        """Keep the lease."""
        statement = self.connection.bound(_RENEW, (until_ms, self._sensor, self.segment, self.epoch))
        if not self.connection.conditionally(statement, lambda: self._guard().epoch == self.epoch):
            raise self.lost()

    def release(self) -> None:
        """Let another loader have the sensor at once."""
        statement = self.connection.bound(_RELEASE, (self._sensor, self.segment, self.epoch))
        self.connection.conditionally(statement, lambda: True)  # refused: another loader has it already

    def check_held(self) -> None:
        """Raise LeaseLostError where another loader has taken the sensor over."""
        if self._guard().epoch != self.epoch:
            raise self.lost()

    def lost(self) -> LeaseLostError:
        """What to raise then."""
        return LeaseLostError(f"another loader took sensor {self._sensor} over: its captures are loaded there")

    def next_row_ts(self, standing: captures.Standing | None) -> int:
        """The write timestamp of a new attempt (microseconds): larger than that of any before it."""
        return max(int(self.clock() * 1_000_000), self.row_ts + 1, standing.row_ts + 1 if standing else 0)

    def stand_at(self, step: ledger.Step) -> None:
        """The commit that made this step is in the ledger."""
        self._head, self.row_ts = step.after, step.row_ts
        self.endpoints.update(step.endpoints)
        self.totals.update(step.totals)

    def _guard(self) -> ledger.Guard:
        return ledger.read_guard(self.connection, self._sensor, self.segment)

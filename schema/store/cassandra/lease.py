"""The right to load one sensor's captures: taken, kept and given back by conditional writes to its ledger."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from schema.bucketpolicy import BucketPolicy
from schema.errors import LeaseHeldError, StoreMovedError, StoreUnavailableError
from schema.records import CaptureFacts, NameTold
from schema.store.cassandra import claims, ledger, names, origins
from schema.store.cassandra.attempt import CassandraAttempt
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.guard import Guard, current_guard, note_segment, read_guard, segment_of
from schema.store.cassandra.hold import Clock, Hold, Memory
from schema.store.cassandra.notes import read_notes
from schema.store.cassandra.oldsegments import let_go
from schema.store.cassandra.rewriting import CassandraRewriting
from schema.store.cassandra.seal import seal
from schema.store.notes import refuse_loading
from schema.store.owners import known_dead
from schema.store.sealing import Sealing
from schema.store.writing import Attempt, Claim, ClaimRefusal, Known, LedgerHead, Rewriting

_FIRST_SEEN = "INSERT INTO pcapline.sensors (sensor, network, segment, first_seen) VALUES (?, ?, 0, ?) IF NOT EXISTS"
_TAKE = """
    UPDATE pcapline.ledger SET epoch = ?, owner = ?, lease_until = ?, version = ?, row_ts = ?
    WHERE sensor = ? AND segment = ? IF epoch = ? AND version = ?
"""
_RENEW = "UPDATE pcapline.ledger SET lease_until = ? WHERE sensor = ? AND segment = ? IF epoch = ?"
_RELEASE = "UPDATE pcapline.ledger SET owner = '', lease_until = 0, row_ts = ? WHERE sensor = ? AND segment = ? IF epoch = ?"
_TAKE_TRIES = 20


def take(connection: Connection, clock: Clock, asked: tuple[str, str, str], until_ms: int, memory: Memory) -> "CassandraLease":
    """Take a sensor's lease; `asked`: sensor, network, owner; `memory`: of all leases of the process. Raises LeaseHeldError,
    StoreMovedError."""
    sensor, network, owner = asked
    if segment_of(connection, sensor) is None:
        first_seen = connection.bound(_FIRST_SEEN, (sensor, network, int(clock() * 1000)))
        connection.conditionally(first_seen, lambda: True)  # refused: another one was first, and fixed the network
    for _ in range(_TAKE_TRIES):
        noted = (segment_of(connection, sensor) or ("", 0))[1]
        guard = current_guard(connection, sensor, noted)
        held = guard.owner not in ("", owner) and guard.lease_until_ms > int(clock() * 1000)
        if held and not known_dead(guard.owner, owner):
            raise LeaseHeldError(sensor, guard.owner, guard.lease_until_ms)
        row_ts = max(guard.row_ts, guard.lease_until_ms * 1000)  # who died without giving it back was before its end
        now = replace(guard, epoch=guard.epoch + 1, owner=owner, lease_until_ms=until_ms, row_ts=row_ts)
        if ledger.check_chain(connection, guard) and _raise_epoch(connection, guard, now):
            if guard.segment != noted:  # whoever sealed it died
                note_segment(connection, sensor, noted, guard.segment)
            return _allowed(CassandraLease(Hold(connection, clock, now, memory)))
    raise StoreUnavailableError(f"many loaders ask for sensor {sensor} at once: try again")


def _allowed(lease: "CassandraLease") -> "CassandraLease":
    """The lease, unless nobody may load here. Asked once it is taken: whoever says so looks for leases after it has."""
    try:
        refuse_loading(read_notes(lease.connection))
    except StoreMovedError:
        lease.release()
        raise
    return lease


def _raise_epoch(connection: Connection, guard: Guard, now: Guard) -> bool:
    before = (guard.epoch, guard.version) if guard.epoch else (None, None)
    values = (now.epoch, now.owner, now.lease_until_ms, now.version, now.row_ts, now.sensor, now.segment, *before)

    def taken() -> bool:
        found = read_guard(connection, guard.sensor, guard.segment)
        return (found.epoch, found.owner) == (now.epoch, now.owner)

    return connection.conditionally(connection.bound(_TAKE, values), taken)


class CassandraLease:
    """A sensor's lease (`schema.store.writing.SensorLease`)."""

    def __init__(self, hold: Hold) -> None:
        self._hold, self.connection = hold, hold.connection
        self._unclaimed: tuple[bytes, Guard] | None = None  # a content, and the guard as it was when nobody had claimed it

    @property
    def sensor(self) -> str:
        """Whose captures it loads."""
        return self._hold.sensor

    @property
    def head(self) -> LedgerHead:
        """The ledger as of the newest commit through this lease, or of taking it."""
        return self._hold.head

    def carried(self) -> bytes | None:
        """The open flows that `head` names."""
        return self._hold.carried()

    def names_told(self, clients: Collection[bytes]) -> Iterator[NameTold]:
        """What these clients were told, as of `head`."""
        return self._names().names_told(clients)

    def names_told_at(self, addresses: Mapping[bytes, int], policy: BucketPolicy) -> list[NameTold]:
        """What anyone was told of these addresses, each until a time, as of `head`."""
        return self._names().names_told_at(addresses, policy)

    def names_told_of(self, pairs: Mapping[tuple[bytes, bytes], int], policy: BucketPolicy) -> list[NameTold]:
        """What each client was told of one address, each pair until a time, as of `head`."""
        return self._names().names_told_of(pairs, policy)

    def look_up(self, capture_id: bytes, origin: str) -> Known:
        """What is known of a content and of an origin. That nobody has claimed it saves `begin` from asking again."""
        self.connection.settle()
        found = claims.look(self._hold, capture_id, origin)
        self._unclaimed = None if found.standing else (capture_id, found.guard)
        return Known(content=found.standing.record if found.standing else None, of_origin=found.of_origin)

    def begin(self, claim: Claim) -> AbstractContextManager[Attempt] | ClaimRefusal:
        """Claim a capture."""
        self.connection.settle()
        (looked_up, guard), self._unclaimed = self._unclaimed or (b"", None), None
        claimed = claims.claim(self._hold, claim, guard if looked_up == claim.facts.capture_id else None)
        if isinstance(claimed, ClaimRefusal):
            return claimed
        self._hold.endpoints.foresee(claim.endpoints)
        return CassandraAttempt(self._hold, claim, claimed)

    def note_origin(self, origin: str, capture_id: bytes, at_ms: int) -> None:
        """Remember that this origin, too, holds a capture that is committed."""
        for noted in origins.begin_origins(self.connection, [origin], capture_id, at_ms):
            noted()

    @contextmanager
    def rewrite(self, capture_id: bytes) -> Iterator[Rewriting]:
        """Put rows of a committed capture right; row by row, for nobody counts them by what is there now."""
        self.connection.settle()
        self._hold.check()
        yield CassandraRewriting(self._hold, capture_id)

    def quarantine(self, facts: CaptureFacts, reason: str, detail: str, at_ms: int) -> None:
        """Record that a content cannot be loaded; one that is loaded, or being loaded elsewhere, stays so."""
        self.connection.settle()
        self._hold.check()
        claims.give_up(self._hold, facts, (reason, detail), at_ms)

    def seal_if_due(self, rule: Sealing) -> bool:
        """Seal the segment where the rule says so, and let go of old ones."""
        if not self._hold.size.is_due(rule, self.head.position.seq):
            return False
        self.connection.settle()
        seal(self._hold, rule)
        let_go(self._hold, rule)
        return True

    def renew(self, until_ms: int) -> None:
        """Keep the lease."""
        with self._hold.lease_stands:
            statement = self.connection.bound(_RENEW, (until_ms, *self._fence()))
            if not self.connection.conditionally(statement, lambda: self._hold.guard().epoch == self._hold.epoch):
                raise self._hold.lost()
            self._hold.until_ms = until_ms

    def release(self) -> None:
        """Let another loader have the sensor at once."""
        self.connection.settle()
        statement = self.connection.bound(_RELEASE, (self._hold.row_ts, *self._fence()))
        self.connection.conditionally(statement, lambda: True)  # refused: another loader has it already

    def _names(self) -> names.NamesAsOf:
        return names.NamesAsOf(self.connection, self.sensor, self.head.position.seq, self._hold.committed)

    def _fence(self) -> tuple[str, int, int]:
        return self.sensor, self._hold.segment, self._hold.epoch

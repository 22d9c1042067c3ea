"""What a lease's holder knows and may do: the sensor's totals, which only it changes, and how to see that it was overtaken."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock

from schema.errors import LeaseLostError
from schema.sharedroom import SharedRoom
from schema.store.cassandra import ledger
from schema.store.cassandra.carriedstate import read_carried
from schema.store.cassandra.commitments import committed_among
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.guard import Guard, read_guard
from schema.store.cassandra.heldtotals import HeldTotals
from schema.store.cassandra.spans import Spans
from schema.store.writing import LedgerHead
from schema.tables import Table

Clock = Callable[[], float]

_BELIEVED_S = 1.0  # how long a lease whose time is over is believed after its ledger was asked


@dataclass(frozen=True, slots=True)
class Memory:
    """What the holders of a process's leases remember between them, at most; for one, or for a hundred."""

    captures: SharedRoom = field(default_factory=lambda: SharedRoom(100_000))  # some 10 MB
    states: SharedRoom = field(default_factory=lambda: SharedRoom(8 << 20))  # octets
    spans: SharedRoom = field(default_factory=lambda: SharedRoom(20_000))  # rows, some 8 MB
    endpoints: SharedRoom = field(default_factory=lambda: SharedRoom(100_000))  # some 40 MB


class Hold:
    """One epoch of a sensor's ledger, as its holder has it."""

    def __init__(self, connection: Connection, clock: Clock, guard: Guard, memory: Memory) -> None:
        """`guard`: as it stands since the lease was taken."""
        self.connection, self.clock, self.sensor = connection, clock, guard.sensor
        self.epoch, self.owner, self.until_ms, self.row_ts = guard.epoch, guard.owner, guard.lease_until_ms, guard.row_ts
        self.head = ledger.read_head(connection, guard)
        self.size, self.totals = guard.size, ledger.read_flat_totals(connection, guard)
        self.spans = Spans(connection, clock, is_new=self.head.position.seq == 0, room=memory.spans)
        self.endpoints = HeldTotals(connection, (guard.sensor, guard.segment), memory.endpoints)
        self.lease_stands = Lock()  # a timer may renew it beside a seal, which takes its end along
        self._memory = memory
        self._believed_until = 0.0
        self._carried = b"", b""  # the name of a state, and the state
        self._committed: set[bytes] = set()  # captures of this ledger, as far as anyone has asked
        for room in (memory.captures, memory.states, memory.spans, memory.endpoints):
            room.join(self)

    @property
    def segment(self) -> int:
        """The ledger's segment that it commits to."""
        return self.head.position.segment

    def guard(self) -> Guard:
        """The ledger's guard as it stands now."""
        return read_guard(self.connection, self.sensor, self.segment)

    def check(self) -> Guard:
        """The guard; raises LeaseLostError where the ledger does not stand where the holder knows it: another loader has taken
        the sensor over, or how a commit or a seal ended is not known."""
        guard = self.guard()
        if (guard.epoch, guard.version, guard.successor) != (self.epoch, self.head.position.seq, None):
            raise self.lost()
        return guard

    def check_awake(self) -> None:
        """The same for one who may have slept: asks the ledger only once the lease's time is over."""
        if self.clock() * 1000 > self.until_ms and time.monotonic() > self._believed_until:
            self.check()
            self._believed_until = time.monotonic() + _BELIEVED_S

    def lost(self) -> LeaseLostError:
        """What to raise then."""
        return LeaseLostError(f"another loader took sensor {self.sensor} over: its captures are loaded there")

    def next_row_ts(self, last_row_ts: int) -> int:
        """The write timestamp of a new attempt (microseconds): larger than the capture's last one, than any committed one, and
        than any that a holder of this lease used before it gave it back. An attempt that was abandoned leaves dictionary rows
        and late names in rows of other captures, which all later ones have to win over, whatever the clocks say."""
        self.row_ts = max(int(self.clock() * 1_000_000), self.row_ts + 1, last_row_ts + 1)
        return self.row_ts

    def seconds_left(self, table: Table, rows_from_ms: int) -> int:
        """What is left of the lifetime of rows that count from then; 0 or less: nothing."""
        age_s = int(self.clock()) - rows_from_ms // 1000 if rows_from_ms else 0
        return min(table.ttl_seconds, table.ttl_seconds - age_s)

    def carried(self) -> bytes | None:
        """What `head` carries; read where this holder did not write it, or it is large."""
        nonce, state = self._carried
        if nonce and nonce == self.head.state_nonce:
            return state
        return read_carried(self.connection, (self.sensor, self.head.state_version, self.head.state_nonce))

    def committed(self, capture_ids: set[bytes]) -> set[bytes]:
        """Those of these captures that this sensor's ledger holds, or did; each is asked for once."""
        unknown = capture_ids - self._committed
        if len(self._committed) > self._memory.captures.part:
            self._committed &= capture_ids
        self._committed |= committed_among(self.connection, self.sensor, self.segment, unknown)
        return capture_ids & self._committed

    def stand_at(self, step: ledger.Step, carried: bytes | None) -> None:
        """The commit that made this step is in the ledger; `carried`: the state that it brought, if it did."""
        if carried is not None:
            self._carried = (step.after.state_nonce, carried)
        self.head, self.until_ms = step.after, step.lease_until_ms
        self.size = replace(self.size, endpoints=step.endpoint_count)
        self._committed.add(step.record.capture_id)
        self.endpoints.are(step.endpoints)
        self.totals.update(step.totals)
        self.make_room()  # a large capture may have exceeded it, and it may be long until the next one

    def stand_in(self, guard: Guard, head: LedgerHead, totals: dict[str, int]) -> None:
        """The segment was sealed; this is the one that follows it."""
        self.head, self.size, self.totals = head, guard.size, totals
        self.endpoints = HeldTotals(self.connection, (guard.sensor, guard.segment), self._memory.endpoints)

    def make_room(self) -> None:
        """Forget what is beyond this holder's part of the memory."""
        if len(self._committed) > self._memory.captures.part:
            self._committed.clear()
        if len(self._carried[1]) > self._memory.states.part:
            self._carried = b"", b""
        self.spans.make_room()
        self.endpoints.make_room()

"""What a lease's holder knows and may do: the sensor's totals, which only it changes, and how to see that it was overtaken."""

import time
from collections.abc import Callable

from schema.errors import LeaseLostError
from schema.records import LedgerTotals
from schema.store.cassandra import ledger
from schema.store.cassandra.connection import Connection
from schema.tables import Table

Clock = Callable[[], float]

_BELIEVED_S = 1.0  # how long a lease whose time is over is believed after its ledger was asked

_REMEMBERED = 100_000  # captures; some 10 MB


class Hold:
    """One epoch of a sensor's ledger, as its holder has it."""

    def __init__(self, connection: Connection, clock: Clock, totals: LedgerTotals, guard: ledger.Guard) -> None:
        self.connection, self.clock, self.sensor = connection, clock, totals.sensor
        self.epoch, self.owner, self.until_ms, self.row_ts = guard.epoch, guard.owner, guard.lease_until_ms, guard.row_ts
        self.endpoints, self.totals = dict(totals.endpoints), dict(totals.totals)
        self.head = ledger.read_head(connection, totals.sensor, totals.position)
        self._believed_until = 0.0
        self._committed: set[bytes] = set()  # captures of this ledger, as far as anyone has asked

    @property
    def segment(self) -> int:
        """The ledger's segment that it commits to."""
        return self.head.position.segment

    def guard(self) -> ledger.Guard:
        """The ledger's guard as it stands now."""
        return ledger.read_guard(self.connection, self.sensor, self.segment)

    def check(self) -> None:
        """Raise LeaseLostError where another loader has taken the sensor over."""
        if self.guard().epoch != self.epoch:
            raise self.lost()

    def check_awake(self) -> None:
        """The same for one who may have slept: asks the ledger only once the lease's time is over."""
        if self.clock() * 1000 > self.until_ms and time.monotonic() > self._believed_until:
            self.check()
            self._believed_until = time.monotonic() + _BELIEVED_S

    def lost(self) -> LeaseLostError:
        """What to raise then."""
        return LeaseLostError(f"another loader took sensor {self.sensor} over: its captures are loaded there")

    def next_row_ts(self, last_row_ts: int) -> int:
        """The write timestamp of a new attempt (microseconds): larger than any committed one and the last attempt's."""
        return max(int(self.clock() * 1_000_000), self.row_ts + 1, last_row_ts + 1)

    def seconds_left(self, table: Table, rows_from_ms: int) -> int:
        """What is left of the lifetime of rows that count from then; 0 or less: nothing."""
        age_s = int(self.clock()) - rows_from_ms // 1000 if rows_from_ms else 0
        return min(table.ttl_seconds, table.ttl_seconds - age_s)

    def committed(self, capture_ids: set[bytes]) -> set[bytes]:
        """Those of these captures that this sensor's ledger holds; each is asked for once."""
        unknown = capture_ids - self._committed
        if len(self._committed) > _REMEMBERED:
            self._committed &= capture_ids
        self._committed |= ledger.committed_among(self.connection, self.sensor, self.segment, unknown)
        return capture_ids & self._committed

    def stand_at(self, step: ledger.Step) -> None:
        """The commit that made this step is in the ledger."""
        self.head, self.row_ts = step.after, step.row_ts
        self._committed.add(step.record.capture_id)
        self.endpoints.update(step.endpoints)
        self.totals.update(step.totals)

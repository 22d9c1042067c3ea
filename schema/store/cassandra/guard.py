"""The row that guards a segment of a sensor's ledger: what every write to the segment is conditional on, and where it leads."""

from collections.abc import Mapping
from dataclasses import dataclass

from schema.store.cassandra.connection import Connection, Row
from schema.store.sealing import SegmentSize

_GUARD = """
    SELECT DISTINCT sensor, segment, version, epoch, owner, lease_until, row_ts, endpoints, opened_seq, opened_endpoints,
      kept, whole, refusals, allocated, successor
    FROM pcapline.ledger WHERE sensor = ? AND segment = ?
"""
_SENSOR = "SELECT network, segment FROM pcapline.sensors WHERE sensor = ?"
_POINT = "UPDATE pcapline.sensors SET segment = ? WHERE sensor = ? IF segment = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The guard, the lease, and the segments before this one."""

    sensor: str
    segment: int
    version: int
    epoch: int  # 0: never taken
    owner: str
    lease_until_ms: int
    row_ts: int
    size: SegmentSize
    kept: Mapping[int, int]  # sealed segments whose commits are kept -> the seq that each began with
    whole: int  # the oldest of which everything is kept
    refusals: int | None
    allocated: int | None
    successor: int | None  # None: the segment is open

    @property
    def begins(self) -> dict[int, int]:
        """Segments whose commits are kept, this one among them, oldest first, and the seq that each began with."""
        return dict(sorted({**self.kept, self.segment: self.size.opened_seq}.items()))

    @property
    def whole_segments(self) -> list[int]:
        """Those of which everything is kept, newest first."""
        return [segment for segment in reversed(self.begins) if segment >= self.whole]

    def has_dropped(self, segment: int) -> bool:
        """Whether a segment is one that was sealed, and is not kept any more."""
        return segment < self.segment and segment not in self.kept


def segment_of(connection: Connection, sensor: str) -> tuple[str, int] | None:
    """A sensor's network and the ledger's current segment, as far as that was noted; None for one that was never seen."""
    for network, segment in connection.read(_SENSOR, (sensor,), serial=True):
        return network, segment
    return None


def note_segment(connection: Connection, sensor: str, before: int, now: int) -> None:
    """Note the current segment, so that nobody has to find it from the one before it."""
    connection.conditionally(connection.bound(_POINT, (now, sensor, before)), lambda: True)  # refused: another one did


def read_guard(connection: Connection, sensor: str, segment: int) -> Guard:
    """The guard after every conditional write that was acknowledged."""
    for row in connection.read(_GUARD, (sensor, segment), serial=True):
        return _guard(row)
    return _guard((sensor, segment, *[None] * 13))


def current_guard(connection: Connection, sensor: str, noted: int | None = None) -> Guard:
    """The guard of the open segment: from the one that is noted, or given, over successors."""
    if noted is None:
        noted = (segment_of(connection, sensor) or ("", 0))[1]
    guard = read_guard(connection, sensor, noted)
    while guard.successor is not None:
        guard = read_guard(connection, sensor, guard.successor)
    return guard


def _guard(row: Row) -> Guard:
    sensor, segment, version, epoch, owner, until, row_ts, endpoints, opened_seq, opened_endpoints, kept, whole, *rest = row
    return Guard(
        sensor=sensor,
        segment=segment,
        version=version or 0,
        epoch=epoch or 0,
        owner=owner or "",
        lease_until_ms=until or 0,
        row_ts=row_ts or 0,
        size=SegmentSize(opened_seq=opened_seq or 0, opened_endpoints=opened_endpoints or 0, endpoints=endpoints or 0),
        kept=dict(kept or {}),
        whole=whole or 0,
        refusals=rest[0],
        allocated=rest[1],
        successor=rest[2],
    )

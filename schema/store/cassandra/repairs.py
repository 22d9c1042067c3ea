"""Late names of flow rows that other captures brought.

A row is read whole and written whole: an UPDATE of some columns would leave a partial row where the row is gone, and give the
columns of one row two lifetimes. Only rows of committed captures are touched, for what an unfinished attempt left is deleted as
of its own timestamp: a newer one would outlive that.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from schema.records import NameRepair
from schema.store.cassandra import captures
from schema.store.cassandra.connection import Row
from schema.store.cassandra.hold import Hold
from schema.store.cassandra.statements import row_of
from schema.tables import FLOWS, RowBatch, batches_of

_CAPTURE, _SENSOR = FLOWS.index("capture_id"), FLOWS.index("sensor")
_NAME = [FLOWS.index(name) for name in ("hostname", "name_evidence", "name_conflict")]


def repaired_rows(hold: Hold, repairs: Sequence[NameRepair]) -> Iterator[tuple[RowBatch, int]]:
    """The rows that are there with their late names, and what is left of their lifetime (seconds): a batch a capture."""
    committed = hold.committed({repair.key.capture_id for repair in repairs})
    standing = [repair for repair in repairs if repair.key.capture_id in committed]
    found = hold.connection.each(row_of(FLOWS), (repair.key for repair in standing))
    rows = [_named(row, repair) for repair, rows in zip(standing, found, strict=True) for row in rows if _is_of(hold, row)]
    rows.sort(key=itemgetter(_CAPTURE))
    for capture_id, of_capture in groupby(rows, key=itemgetter(_CAPTURE)):
        seconds = _seconds_left(hold, capture_id)
        if seconds > 0:
            for batch in batches_of(FLOWS, list(of_capture)):
                yield batch, seconds


def _is_of(hold: Hold, row: Row) -> bool:
    return bool(row[_SENSOR] == hold.sensor)


def _named(row: Row, repair: NameRepair) -> Row:
    named = list(row)
    for at, value in zip(_NAME, (repair.hostname, repair.evidence, repair.conflict), strict=True):
        named[at] = value
    return tuple(named)


def _seconds_left(hold: Hold, capture_id: bytes) -> int:
    """Of the capture's own rows: its claim says from when they count."""
    standing = captures.read_standing(hold.connection, capture_id)
    return hold.seconds_left(FLOWS, standing.record.rows_expire_from_ms) if standing is not None else 0

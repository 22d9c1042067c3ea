"""Dictionary rows that say from when to when they were seen: captures come in any order, and from several loaders at once.

Each column has its own write timestamp, made of packet time: that of `first_seen` falls as the time rises, that of
`last_seen` and of what goes with it rises. So a cluster keeps the least and the greatest whoever writes last, and however
late. But the cell that wins brings its own end with it: a name that was first seen 90 days ago would lose its `first_seen`
although it is seen every day, and the expired cell would go on to hide every later one. So what is there is read first, and
what wins is written again with a whole lifetime: of two cells with one timestamp the one that ends later stays. Two loaders
that read at once may miss each other's row, and then only what the other one wrote ends when it would have ended.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.statements import row_of
from schema.tables import RowBatch, Table

_SPAN = ("first_seen", "last_seen")
_US = 1_000  # microseconds, as write timestamps are, in a millisecond


def spanning_batches(connection: Connection, batch: RowBatch) -> Iterator[tuple[RowBatch, list[int]]]:
    """What is to be written of the rows: columns of one timestamp, and the timestamp of each row."""
    rows = _widened(connection, batch)
    merged = RowBatch(batch.table, tuple(zip(*rows, strict=True)))
    first, last = (cast(Sequence[int], merged.column(name)) for name in _SPAN)
    beside = [name for name in batch.table.names if name not in (*batch.table.key, *_SPAN)]
    yield _part(merged, ["first_seen"]), [-ms * _US for ms in first]
    yield _part(merged, ["last_seen", *beside]), [ms * _US for ms in last]


def _part(batch: RowBatch, names: Sequence[str]) -> RowBatch:
    wanted = [batch.table.index(name) for name in (*batch.table.key, *names)]
    part = replace(batch.table, columns=tuple(batch.table.columns[n] for n in wanted))
    return RowBatch(part, tuple(batch.columns[n] for n in wanted))


def _widened(connection: Connection, batch: RowBatch) -> list[Row]:
    table, width = batch.table, len(batch.table.key)
    rows = list(batch.rows())
    found = connection.each(row_of(table), (row[:width] for row in rows))
    return [_widest(table, row, known[0]) if known else row for row, known in zip(rows, found, strict=True)]


def _widest(table: Table, row: Row, known: Row) -> Row:
    first, last = map(table.index, _SPAN)
    of_both: list[Any] = list(_seen_last(row, known, last))
    of_both[first] = min(row[first], row[first] if known[first] is None else known[first])
    return tuple(of_both)


def _seen_last(row: Row, known: Row, last: int) -> Row:
    """The one that was seen later; of equals the greater values, as the cluster decides it."""
    if known[last] is None or known[last] < row[last]:
        return row
    if known[last] > row[last]:
        return known
    return tuple(value if other is None else max(value, other) for value, other in zip(row, known, strict=True))

"""Dictionary rows that say from when to when they were seen: captures come in any order, and from several loaders at once.

Each column has its own write timestamp: the day of the loader's clock, and within the day packet time, with that of
`first_seen` falling as the time rises, that of `last_seen` and of what goes with it rising. So a cluster keeps the least and
the greatest whoever writes last on that day, which is what two loaders need that read at once and miss each other's row. What
is there is read first and written again with what is new: a later day's timestamps win whatever packet time is, over what has
expired as well, which would otherwise go on to hide what is seen after it. Every load gives a row a whole lifetime, which is
longer than a day. Two loaders that read at once with midnight between their writes may lose a sighting.

All of these timestamps are below zero: whoever deletes a row by hand deletes it, and until a compaction has purged that
(`gc_grace_seconds`, ten days) what is seen after it stays hidden.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.statements import row_of
from schema.tables import RowBatch, Table

_SPAN = ("first_seen", "last_seen")
_DAY_S = 86_400
_END_OF_TIME = 1 << 17  # days, more than packet time has
_DAY_BITS = 44  # for packet time in milliseconds: 2**63 nanoseconds at most


def spanning_batches(connection: Connection, batch: RowBatch, now_s: float) -> Iterator[tuple[RowBatch, list[int]]]:
    """What is to be written of the rows: columns of one timestamp, and the timestamp of each row."""
    rows = _widened(connection, batch)
    merged = RowBatch(batch.table, tuple(zip(*rows, strict=True)))
    first, last = (cast(Sequence[int], merged.column(name)) for name in _SPAN)
    beside = [name for name in batch.table.names if name not in (*batch.table.key, *_SPAN)]
    day = int(now_s) // _DAY_S - _END_OF_TIME << _DAY_BITS
    yield _part(merged, ["first_seen"]), [day + (1 << _DAY_BITS) - 1 - ms for ms in first]
    yield _part(merged, ["last_seen", *beside]), [day + ms for ms in last]


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

"""Dictionary rows that say from when to when a sensor saw them: captures of a sensor may come in any order.

A row belongs to its sensor, and so to one loader at a time: what is there is read first, and written again with what is new
under the attempt's timestamp, so that whoever slept loses here as everywhere, and what has expired hides nothing. Every load
gives a row a whole lifetime.
"""

from operator import itemgetter
from typing import Any

from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.statements import row_of
from schema.tables import RowBatch, Table


def widened(connection: Connection, batch: RowBatch) -> RowBatch:
    """The rows as they are to be: with what earlier captures saw."""
    table, width = batch.table, len(batch.table.key)
    rows = list(batch.rows())
    found = connection.each(row_of(table), (row[:width] for row in rows))
    merged = [_widest(table, row, known[0]) if known else row for row, known in zip(rows, found, strict=True)]
    return RowBatch(table, tuple(zip(*merged, strict=True)))


def _widest(table: Table, row: Row, known: Row) -> Row:
    first, last = table.index("first_seen"), table.index("last_seen")
    of_both: list[Any] = list(_seen_last(row, known, last))
    of_both[first] = min(row[first], known[first])
    return tuple(of_both)


def _seen_last(row: Row, known: Row, last: int) -> Row:
    """The one that was seen later; of equals the greater values, so that order decides nothing."""
    if known[last] == row[last]:
        return tuple(map(max, row, known))
    return max(row, known, key=itemgetter(last))

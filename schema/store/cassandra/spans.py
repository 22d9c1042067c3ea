"""Dictionary rows that say from when to when a sensor saw them: captures of a sensor may come in any order.

A row belongs to its sensor, and so to one loader at a time: what is there is written again with what is new under the attempt's
timestamp, so that whoever slept loses here as everywhere, and what has expired hides nothing. Every load gives a row a whole
lifetime. As nobody else writes them, the holder of the lease reads each row once.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from schema.sharedroom import SharedRoom
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.statements import row_of
from schema.tables import RowBatch, Table

_Known = dict[Row, tuple[Row, float]]  # by key: a row as it is there, and when it expires


class Spans:
    """What a lease's holder knows of its sensor's dictionary."""

    def __init__(self, connection: Connection, clock: Callable[[], float], *, is_new: bool, room: SharedRoom) -> None:
        """`is_new`: nothing of the sensor was ever committed, so nothing is read; `room`: rows that are remembered,
        here and by others."""
        self._connection, self._clock, self._room = connection, clock, room
        self._known: dict[Table, _Known] = {}
        self._knows_all = is_new

    def widened(self, batch: RowBatch) -> RowBatch:
        """The rows as they are to be: with what earlier captures saw. They are taken to be written at once."""
        table, width, now_s = batch.table, len(batch.table.key), self._clock()
        first, last = table.index("first_seen"), table.index("last_seen")
        rows = list(batch.rows())
        keys = dict.fromkeys(row[:width] for row in rows)
        self.make_room(len(_unknown(keys, self._known.get(table, {}))))
        known = self._known.setdefault(table, {})
        self._read(table, _unknown(keys, known), known)
        merged = []
        for row in rows:
            before, until_s = known.get(row[:width], (row, 0.0))
            wide = _widest(row, before, first, last) if now_s < until_s else row
            known[row[:width]] = wide, now_s + table.ttl_seconds
            merged.append(wide)
        return RowBatch(table, tuple(zip(*merged, strict=True)))

    def _read(self, table: Table, keys: Sequence[Row], known: _Known) -> None:
        if self._knows_all:
            return
        for key, found in zip(keys, self._connection.each(row_of(table), keys), strict=True):
            if found:
                known[key] = found[0], float("inf")  # it is there now

    def make_room(self, rows: int = 0) -> None:
        """Forget all where there is no room for so many more."""
        if sum(map(len, self._known.values())) + rows > self._room.part:
            self._known.clear()
            self._knows_all = False


def _unknown(keys: Iterable[Row], known: _Known) -> list[Row]:
    return [key for key in keys if key not in known]


def _widest(row: Row, known: Row, first: int, last: int) -> Row:
    of_both: list[Any] = list(_seen_last(row, known, last))
    of_both[first] = min(row[first], known[first])
    return tuple(of_both)


def _seen_last(row: Row, known: Row, last: int) -> Row:
    """The one that was seen later; of equals the greater values, so that order decides nothing."""
    if known[last] == row[last]:
        return tuple(map(max, row, known))
    return max(row, known, key=itemgetter(last))

# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
"""The kernel that encodes rows as the body of a batch message has them, and gathers those of one partition.

A row is a head (the kind of statement, its id, the number of values) and then its values: four octets of
length and the value, or a length that says that the value is unset.
"""

from __future__ import annotations

import sys
from typing import Any

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

_FLAG = cython.declare(cython.int, 1)
_SMALL = cython.declare(cython.int, 2)
_INT = cython.declare(cython.int, 4)
_DAY = cython.declare(cython.int, 5)  # an unsigned 32-bit number whose middle is 1970-01-01
_LONG = cython.declare(cython.int, 8)
_RAW = cython.declare(cython.int, 16)
_TEXT = cython.declare(cython.int, 17)
# How a value of a CQL type is encoded: whole numbers by their octets.
CODES = {
    "boolean": _FLAG,
    "smallint": _SMALL,
    "int": _INT,
    "date": _DAY,
    "bigint": _LONG,
    "timestamp": _LONG,
    "inet": _RAW,
    "uuid": _RAW,
    "tuple": _RAW,  # its members are ready
    "text": _TEXT,
}
_UNSET = cython.declare(cython.longlong, -2)  # not null, which would be written as a tombstone
_DAY_ZERO = cython.declare(cython.longlong, 1 << 31)
_FIRST_ROOM = cython.declare(cython.Py_ssize_t, 4_096)
_LENGTH_ROOM = cython.declare(cython.Py_ssize_t, 4)
_NUMBER_ROOM = cython.declare(cython.Py_ssize_t, 12)  # of a length and the longest number


class RowForm:
    """Of one statement: what stands before each row, how each column is encoded (`CODES`), how many make up the key."""

    __slots__ = ("head", "key_columns", "kinds")

    def __init__(self, head: bytes, kinds: bytes, key_columns: int) -> None:
        self.head, self.kinds, self.key_columns = head, kinds, key_columns


class Gathered:
    """Rows of one partition so far: its key as values on the wire, and the bodies of its rows."""

    __slots__ = ("body", "key", "rows")

    def __init__(self, key: bytes) -> None:
        self.key, self.body, self.rows = key, bytearray(), 0


@cython.final
@cython.cclass
class RowBytes:
    """Room for one row at a time. What does not fit its column raises OverflowError, TypeError or UnicodeEncodeError."""

    room: bytearray
    out: cython.uchar[::1]
    size: cython.Py_ssize_t
    end: cython.Py_ssize_t  # octets of the row so far
    encoded: cython.Py_ssize_t

    def __init__(self) -> None:
        self.room, self.end, self.size, self.encoded = bytearray(), 0, 0, 0
        self._grow(_FIRST_ROOM)

    @property
    def octets(self) -> int:
        """Of all rows so far."""
        return self.encoded

    def gather(
        self,
        form: RowForm,
        columns: list[list[Any]],
        groups: dict[bytes, Gathered],
        limit: int,
        octets: int = sys.maxsize,
    ) -> list[Gathered]:
        """Add every row to the group of its partition; returns groups of `limit` rows, or of so many `octets` or one row more,
        taken out of `groups`."""
        head: bytes = form.head
        kinds: bytes = form.kinds
        rows: cython.Py_ssize_t = len(columns[0])
        if len(kinds) != len(columns) or any([len(column) != rows for column in columns]):
            raise ValueError("columns of different lengths, or of another form")
        full: list[Gathered] = []
        start: cython.Py_ssize_t = len(head)
        most: cython.Py_ssize_t = octets
        key_end: cython.Py_ssize_t
        row: cython.Py_ssize_t
        key_columns: cython.Py_ssize_t = form.key_columns
        for row in range(rows):
            self.end = 0
            self._put(head)
            self._encode(kinds, columns, row, 0, key_columns)
            key_end = self.end
            self._encode(kinds, columns, row, key_columns, len(kinds))
            key = bytes(self.room[start:key_end])
            group = groups.get(key)
            if group is None:
                group = groups[key] = Gathered(key)
            body: bytearray = group.body
            body += self.room[: self.end]
            group.rows += 1
            self.encoded += self.end
            if group.rows >= limit or len(body) >= most:
                full.append(groups.pop(key))
        return full

    @cython.cfunc
    @cython.exceptval(-1)
    def _encode(
        self,
        kinds: bytes,
        columns: list[list[Any]],
        row: cython.Py_ssize_t,
        first: cython.Py_ssize_t,
        behind: cython.Py_ssize_t,
    ) -> cython.int:
        n: cython.Py_ssize_t
        column: list[Any]
        for n in range(first, behind):
            column = columns[n]
            value = column[row]
            if value is None:
                self._reserve(_LENGTH_ROOM)
                self._write(_INT, _UNSET)
            elif kinds[n] == _TEXT:
                text: str = value
                self._bytes(text.encode())
            elif kinds[n] == _RAW:
                self._bytes(value)
            elif kinds[n] == _FLAG:
                self._number(_FLAG, 1 if value else 0, 0)
            elif kinds[n] == _DAY:
                self._number(_INT, value, _DAY_ZERO)
            else:
                self._number(kinds[n], value, 0)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _number(self, octets: cython.int, value: cython.longlong, flipped: cython.longlong) -> cython.int:
        """A length and a whole number, big-endian; `flipped`: bits that are turned over in it."""
        half: cython.longlong = value >> 1  # so that 64 bits are checked in 64
        bound: cython.longlong = 1
        bound <<= 8 * octets - 2
        if half < -bound or half >= bound:
            raise OverflowError(f"{value} does not fit into {octets} octets")
        self._reserve(_NUMBER_ROOM)
        self._write(_INT, octets)
        self._write(octets, value ^ flipped)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _bytes(self, value: bytes) -> cython.int:
        """A length and octets."""
        self._reserve(_LENGTH_ROOM)
        self._write(_INT, len(value))
        self._put(value)
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _put(self, value: bytes) -> cython.int:
        n: cython.Py_ssize_t
        length: cython.Py_ssize_t = len(value)
        self._reserve(length)
        for n in range(length):
            self.out[self.end + n] = value[n]
        self.end += length
        return 0

    @cython.cfunc
    @cython.inline
    def _write(self, octets: cython.int, value: cython.longlong) -> cython.int:
        """The lowest octets, for which there is room, the highest first."""
        n: cython.int
        for n in range(octets):
            self.out[self.end + n] = (value >> (8 * (octets - 1 - n))) & 0xFF
        self.end += octets
        return 0

    @cython.cfunc
    @cython.inline
    @cython.exceptval(-1)
    def _reserve(self, more: cython.Py_ssize_t) -> cython.int:
        if self.end + more > self.size:
            self._grow(2 * (self.end + more))
        return 0

    @cython.cfunc
    @cython.exceptval(-1)
    def _grow(self, size: cython.Py_ssize_t) -> cython.int:
        """More room; what is in it goes along."""
        room = bytearray(size)
        room[: self.end] = self.room[: self.end]
        self.room, self.size = room, size
        self.out = room
        return 0

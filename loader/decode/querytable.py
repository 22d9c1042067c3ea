"""Queries that wait for their response: owns the kernel's arrays, and carries them to the sensor's next capture.

The section of the carried state: number of queries; then the queries, oldest first, each with its name behind it.
"""

import struct
from array import array

from loader.decode import layout
from loader.decode.carried import UnreadableState
from loader.decode.queries import QueryKernel
from loader.decode.tables import table_of, zeroed

_HEADER = struct.Struct("<I")
# Client's and resolver's address, ends, tunnel, packet time, clock, type asked for, place in its frame, length of the name.
_QUERY = struct.Struct("<QQQQQQQQHHH")
_FIELDS = (
    layout.QUERY_CLIENT_HI,
    layout.QUERY_CLIENT_LO,
    layout.QUERY_RESOLVER_HI,
    layout.QUERY_RESOLVER_LO,
    layout.QUERY_ENDS,
    layout.QUERY_TUNNEL,
    layout.QUERY_TS,
    layout.QUERY_CLOCK,
    layout.QUERY_QTYPE,
    layout.QUERY_BLANK,
    layout.QUERY_NAME_LENGTH,
)
# Those that wait, and of one chunk those that have ended.
_ROWS = layout.MAX_QUERIES + 8_192
_PLACES = 2 * layout.MAX_QUERIES


class QueryTable:
    """Waiting queries of one capture."""

    def __init__(
        self, tables: tuple[memoryview, memoryview, memoryview], arena: memoryview, words: "array[int]", seed: int
    ) -> None:
        """Messages, records, spans, arena and words are those of the DNS kernel."""
        self._rows = table_of(_ROWS, layout.QUERY_WIDTH)
        self._text = zeroed(2 * layout.MAX_QUERY_TEXT)
        self._words = memoryview(array("Q", bytes(8 * layout.QUERIES_WIDTH)))
        own = (self._rows, self._text, zeroed(4 * _PLACES).cast("I"), self._words)
        self.kernel = QueryKernel(tables, arena, words, own, seed)

    def counters(self) -> dict[str, int]:
        """What became of queries so far."""
        return {
            "dns_unanswered_queries": self._words[layout.QUERIES_UNANSWERED],
            "dns_repeated_queries": self._words[layout.QUERIES_REPEATED],
            "dns_evicted_queries": self._words[layout.QUERIES_EVICTED],
            "dns_unasked_responses": self._words[layout.QUERIES_UNASKED],
        }

    def encode(self) -> bytes:
        """The waiting queries; nothing if there are none."""
        if not self._words[layout.QUERIES_USED]:
            return b""
        parts = [_HEADER.pack(self._words[layout.QUERIES_USED])]
        following = self._words[layout.QUERIES_OLDEST]
        while following:
            row = following - 1
            parts.append(_QUERY.pack(*(self._rows[row, field] for field in _FIELDS)))
            at = self._rows[row, layout.QUERY_NAME]
            parts.append(bytes(self._text[at : at + self._rows[row, layout.QUERY_NAME_LENGTH]]))
            following = self._rows[row, layout.QUERY_NEXT]
        return b"".join(parts)

    def restore(self, section: bytes) -> None:
        """Put carried queries into an empty table; raises `UnreadableState` for bytes that `encode` did not make."""
        if len(section) < _HEADER.size:
            raise UnreadableState("the carried queries are cut")
        (count,) = _HEADER.unpack_from(section)
        at, text = _HEADER.size, 0
        for row in range(min(count, layout.MAX_QUERIES)):
            if len(section) < at + _QUERY.size:
                raise UnreadableState("the carried queries are cut")
            values = _QUERY.unpack_from(section, at)
            name = section[at + _QUERY.size : at + _QUERY.size + values[-1]]
            at += _QUERY.size + values[-1]
            if len(name) < values[-1] or text + len(name) > layout.MAX_QUERY_TEXT:
                raise UnreadableState("the carried queries are cut")
            self._restore_query(row, values, text, name)
            text += len(name)
        if at != len(section):
            raise UnreadableState("the carried queries are cut")

    def _restore_query(self, row: int, values: tuple[int, ...], text: int, name: bytes) -> None:
        for field, value in zip(_FIELDS, values, strict=True):
            self._rows[row, field] = value
        self._rows[row, layout.QUERY_NAME] = text
        self._text[text : text + len(name)] = name
        self._words[layout.QUERIES_HIGH] = row + 1
        self._words[layout.QUERIES_TEXT] = text + len(name)
        self.kernel.enter(row)

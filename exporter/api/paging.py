"""Pages of rows in one total order, newest first, that neither repeat nor skip a row. Pure.

Stores find by the millisecond, at most so many rows, and order those of one time as they please. So only milliseconds that were
read whole are told; the one that a store's answer ended in is read again with the next.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from operator import itemgetter
from typing import Annotated

from msgspec import Meta

from exporter.api.problems import TOO_BROAD, ProblemError
from schema.tables import Table

_MS = 1_000_000
_PLACE = itemgetter(0)
# Rows of one question in one millisecond that a page is found among.
MOST_AT_ONE_TIME = 20_000
# Rows that are looked at for one page: behind them it ends, with what was found.
MOST_LOOKED_AT = 20_000

Row = tuple[object, ...]
# Minus the time (Unix ns), capture, frame, what is left of the key: their order is the rows'.
Place = tuple[Annotated[int, Meta(gt=-(1 << 63), le=0)], str, int, str]
Fetch = Callable[[int | None, int], Sequence[Row]]  # newest time wanted (Unix ms), at most so many -> rows, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when (Unix ns) until when, without the end; and the place that was reached before."""

    since_ns: int | None = None
    until_ns: int | None = None
    after: Place | None = None

    @property
    def since_ms(self) -> int | None:
        """The millisecond that it begins in."""
        return None if self.since_ns is None else self.since_ns // _MS

    @property
    def until_ms(self) -> int | None:
        """The last millisecond that may have rows."""
        ends = [] if self.until_ns is None else [(self.until_ns - 1) // _MS]
        return min([*ends, -self.after[0] // _MS] if self.after else ends, default=None)

    def holds(self, place: Place) -> bool:
        """Whether a row at this place belongs to it and is still to come."""
        ts_ns = -place[0]
        return (
            (self.since_ns is None or ts_ns >= self.since_ns)
            and (self.until_ns is None or ts_ns < self.until_ns)
            and (self.after is None or place > self.after)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows in order, and the place that was reached; None: these were the last."""

    rows: list[Row]
    reached: Place | None


class RowOrder:
    """The places of one table's rows."""

    def __init__(self, table: Table, rest: str) -> None:
        """`rest`: the column that tells rows of one frame apart."""
        self._ts, self._ns, self._capture, self._frame, self._rest = (
            table.index(name) for name in ("ts", "ns", "capture_id", "frame", rest)
        )

    def time_ms(self, row: Row) -> int:
        """Unix ms of a row."""
        ts = row[self._ts]
        assert isinstance(ts, int)
        return ts

    def place(self, row: Row) -> Place:
        """Where a row stands."""
        ns, capture, frame, rest = row[self._ns], row[self._capture], row[self._frame], row[self._rest]
        assert isinstance(ns, int)
        assert isinstance(capture, bytes)
        assert isinstance(frame, int)
        # text that sorts as the value does: bytes by their digits; an index may be -1
        told = rest.hex() if isinstance(rest, bytes) else f"{int(str(rest)) + 1:010d}"
        return -(self.time_ms(row) * _MS + ns), capture.hex(), frame, told


def in_order(order: RowOrder, fetch: Fetch, span: Span, size: int) -> Iterator[tuple[Place, Row]]:
    """All rows of a span with their places; `size`: how many are fetched at first, and again after each advance."""
    until_ms, length = span.until_ms, size
    while True:
        rows = fetch(until_ms, length)
        cut = order.time_ms(rows[-1]) if len(rows) >= length else None
        whole = [(order.place(row), row) for row in rows if order.time_ms(row) != cut]
        yield from sorted((placed for placed in whole if span.holds(placed[0])), key=_PLACE)
        if cut is None:
            return
        if whole:
            until_ms, length = cut, size
        elif length < MOST_AT_ONE_TIME:
            length = min(10 * length, MOST_AT_ONE_TIME)
        else:
            detail = f"more than {MOST_AT_ONE_TIME:,} rows are of one millisecond (Unix ms {cut})"
            raise ProblemError(TOO_BROAD, detail, "name the source as well, or leave this time out by `since` and `until`")


def page_of(sources: Iterable[Iterator[tuple[Place, Row]]], limit: int, wanted: Callable[[Row], bool]) -> Page:
    """The first rows of several sources together that are wanted. Where very many are not, it ends early: with fewer rows,
    or none, and the place that was reached."""
    rows: list[Row] = []
    reached: Place | None = None
    for looked_at, (place, row) in enumerate(merge(*sources, key=_PLACE)):
        if looked_at == MOST_LOOKED_AT:
            return Page(rows=rows, reached=reached)
        if wanted(row):
            if len(rows) == limit:
                return Page(rows=rows, reached=reached)
            rows.append(row)
        reached = place
    return Page(rows=rows, reached=None)

"""The flow table: owns the kernel's arrays, enlarges them within bounds, and hands out the rows that have ended."""

from array import array
from typing import Any

from loader.decode import layout
from loader.decode.columns import DecodeOptions, FlowColumns, MinuteColumns
from loader.decode.flows import FlowKernel
from loader.decode.lazy import AddressBook
from loader.decode.namebook import NameBook
from loader.decode.openflows import OpenFlows
from loader.decode.tables import enlarged, table_of, zeroed
from schema.enums import FlowEndReason

_FIRST_ROWS = 4_096
MOST_TAKEN = 32_768  # rows at a time; of minutes twice as many
_NS = 1_000_000_000


def _flat(table: memoryview) -> memoryview:
    return table.cast("B").cast("Q")


class FlowTable:
    """Open and ended flows of one capture."""

    def __init__(self, options: DecodeOptions) -> None:
        self.words = array("Q", bytes(8 * layout.TABLE_WIDTH))
        self.rows = table_of(_FIRST_ROWS, layout.FLOW_WIDTH)
        self.aside = table_of(_FIRST_ROWS, layout.ASIDE_WIDTH)
        self.minutes = table_of(2 * _FIRST_ROWS, layout.MINUTE_WIDTH)
        self.idle_ns = options.idle_timeout_s * _NS
        # The seed differs from process to process, so that nobody can make packets whose keys all collide.
        seed = hash("flow table") & 0xFFFF_FFFF_FFFF_FFFF
        ahead = array("Q", bytes(8 * layout.AHEAD_PACKETS * layout.AHEAD_WIDTH))
        self.kernel = FlowKernel(self.words, ahead, seed, self.idle_ns, options.active_timeout_s * _NS)
        self._attach()

    def _attach(self) -> None:
        places = 1
        while places < 2 * len(self.rows):
            places *= 2
        index = zeroed(8 * places).cast("Q")
        self.kernel.attach(_flat(self.rows), _flat(self.aside), _flat(self.minutes), index)

    @property
    def ended(self) -> int:
        """Rows that have ended and wait for `take`."""
        return self.words[layout.TABLE_ENDED_COUNT]

    def track(self, packets: memoryview, span: tuple[int, int]) -> None:
        """Count packets[first:last] in their flows."""
        at, last = span
        flat = _flat(packets)
        while at < last:
            at = self.kernel.track(flat, at, last, len(self.rows))
            want = self.words[layout.TABLE_WANT]
            if want == layout.WANT_EVICTION:
                self._evict()
            elif want:
                self.make_room(want)

    def make_room(self, want: int) -> None:
        """Double what has become too small."""
        if want == layout.WANT_MINUTES:
            self.minutes = enlarged(self.minutes, 2 * len(self.minutes))
        else:
            self.rows = enlarged(self.rows, 2 * len(self.rows))
            self.aside = enlarged(self.aside, len(self.rows))
        self._attach()

    def open_flows(self, by: int) -> tuple[OpenFlows, memoryview]:
        """The kernel for the open rows, and their numbers in one of the orders of `layout`."""
        most = max(self.words[layout.TABLE_HIGH], 1)
        order, spare = (memoryview(bytearray(4 * most)).cast("I") for _ in range(2))
        listed = OpenFlows((_flat(self.rows), _flat(self.aside)), self.words, order, spare)
        return listed, order[: listed.listed(by)]

    def restore(self, columns: "array[int]", count: int) -> int:
        """Put flows that the kernel saved into a table that is empty; returns how many it took, fewer than `count` where it did
        not save them."""
        if len(self.rows) < count + 2:
            self.rows, self.aside = table_of(2 * count, layout.FLOW_WIDTH), table_of(2 * count, layout.ASIDE_WIDTH)
        taken = self.open_flows(layout.BY_FRAME)[0].load(columns, count)
        self._attach()
        return taken

    def _evict(self) -> None:
        """If what is idle is not enough, end the longest silent flows until an eighth of the table is free."""
        self.kernel.sweep()
        if not self.kernel.is_crowded():
            return
        _, oldest = self.open_flows(layout.BY_SILENCE)
        surplus = len(oldest) - layout.MAX_OPEN_FLOWS * 7 // 8
        for row in oldest[: max(surplus, 0)]:
            self.kernel.end(row, FlowEndReason.LACK_OF_RESOURCES)
            self.words[layout.TABLE_EVICTED] += 1

    def finish(self) -> None:
        """The capture is over: what is not idle is forced to its end, or was closed."""
        self.kernel.sweep()
        _, rows = self.open_flows(layout.BY_FRAME)
        self.kernel.finish(rows, len(rows))

    def take(self, book: AddressBook, said: NameBook) -> tuple[FlowColumns, MinuteColumns]:
        """The first of the rows that ended, at most MOST_TAKEN; their places are free again."""
        ended = self.ended
        if not ended:
            return FlowColumns(), MinuteColumns()
        count, minutes = min(ended, MOST_TAKEN), min(self.words[layout.TABLE_MINUTES_ENDED], 2 * MOST_TAKEN)
        out = memoryview(bytearray(_FLOW_FIELDS * count * 8)).cast("Q", (_FLOW_FIELDS, count))
        minute_out = memoryview(bytearray(6 * minutes * 8)).cast("Q", (6, minutes))
        filled = self.kernel.take(out, minute_out)
        return _flow_columns(out, ended - self.ended, book, said), _minute_columns(minute_out, filled)


_FLOW_FIELDS = 20


def _columns(table: memoryview, rows: int, count: int) -> "list[array[int]]":
    """The rows of a table as arrays of `count` values."""
    data = table.cast("B")
    width = len(data) // rows
    made = []
    for row in range(rows):
        column = array("Q")
        column.frombytes(data[row * width : row * width + count * 8])
        made.append(column)
    return made


def _flow_columns(out: memoryview, count: int, book: AddressBook, said: NameBook) -> FlowColumns:
    c = _columns(out, _FLOW_FIELDS, count)
    numbers: list[Any] = [*c[4:-1], *said.columns(c[-1])]
    return FlowColumns(book.column(c[0], c[1]), book.column(c[2], c[3]), *numbers)


def _minute_columns(out: memoryview, count: int) -> MinuteColumns:
    return MinuteColumns(*_columns(out, 6, count))

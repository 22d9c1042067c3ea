"""Packet rows: one a frame, where they were asked for."""

from collections.abc import Container

from loader.decode import layout
from loader.decode.columns import PacketColumns
from loader.decode.lazy import AddressBook
from loader.decode.namebook import NameBook
from loader.decode.reasons import REASON_TEXT

_Row = tuple[object, ...]


class FrameRows:
    """Collects packet rows out of chunks until the batch is complete."""

    def __init__(self, book: AddressBook, said: NameBook, outer: memoryview) -> None:
        """`said`: the texts that packets say; `outer`: the chunk's address pairs around the innermost ones."""
        self._book, self._said = book, said
        self._outer = outer.cast("B").cast("Q")
        self._rows: list[_Row] = []

    def add(self, words: memoryview, count: int, held: Container[int]) -> None:
        """Rows of the first `count` packets of a table, given in one row, but for the frames held for a second pass."""
        width = layout.PACKET_WIDTH
        for at in range(0, count * width, width):
            if words[at + layout.PACKET_FRAME] not in held:
                self._rows.append(self._row(words[at : at + width].tolist()))

    def _row(self, word: list[int]) -> _Row:
        kind = word[layout.PACKET_KIND]
        head = (
            word[layout.PACKET_FRAME],
            word[layout.PACKET_TS],
            word[layout.PACKET_WIRE],
            word[layout.PACKET_CAPTURED] & layout.LOW_HALF,
        )
        tail = (_tags(word[layout.PACKET_VLAN]),)
        reason = REASON_TEXT.get(word[layout.PACKET_REASON])
        if not kind & layout.KIND_IP:
            return (*head, None, None, None, None, None, None, None, *tail, None, (), reason, None, None)
        source = self._book.address(word[layout.PACKET_SRC_HI], word[layout.PACKET_SRC_LO])
        destination = self._book.address(word[layout.PACKET_DST_HI], word[layout.PACKET_DST_LO])
        known = kind & layout.KIND_TRANSPORT
        ports = (word[layout.PACKET_SPORT], word[layout.PACKET_DPORT]) if known else (None, None)
        protocol = word[layout.PACKET_PROTOCOL]
        flags = word[layout.PACKET_TCP_FLAGS] if known and protocol == 6 else None
        ip = (source, destination, *ports, protocol, word[layout.PACKET_IP_LENGTH], flags)
        around, said = self._around(word[layout.PACKET_OUTER]), self._said.said(word[layout.PACKET_NAME])
        return (*head, *ip, *tail, bool(kind & layout.KIND_FRAGMENT), around, reason, *said)

    def _around(self, word: int) -> tuple[tuple[bytes, bytes], ...]:
        first = (word & 0xFFFF_FFFF) * layout.OUTER_WIDTH
        ends = range(first, first + (word >> layout.OUTER_COUNT_SHIFT) * layout.OUTER_WIDTH, layout.OUTER_WIDTH)
        return tuple((self._address(at), self._address(at + layout.OUTER_DST_HI)) for at in ends)

    def _address(self, at: int) -> bytes:
        return self._book.address(self._outer[at], self._outer[at + 1])

    def take(self) -> PacketColumns:
        """The rows since the last call."""
        rows, self._rows = self._rows, []
        return PacketColumns(*zip(*rows, strict=True)) if rows else PacketColumns()


def _tags(word: int) -> tuple[int, ...]:
    count = word >> 48
    return tuple((word >> (12 * (count - 1 - k))) & 0xFFF for k in range(count))

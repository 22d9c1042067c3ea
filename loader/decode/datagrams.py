"""Fragmented datagrams of one capture: owns the fragment kernel's arrays, hands out DNS messages that have become whole."""

import struct
from array import array
from typing import NamedTuple

from loader.decode import layout
from loader.decode.carried import UnreadableState
from loader.decode.fragments import FragmentKernel
from loader.decode.tables import table_of, zeroed

_ROW = struct.Struct(f"<{layout.DATAGRAM_NEXT}Q")
_HEADER = struct.Struct("<QI")  # where to look first for room; datagrams
_UDP_HEADER = 8


class Whole(NamedTuple):
    """A datagram, and the packet that made it whole, as a table of one row, in which its offsets are those of `data`."""

    behind: int  # packets of the chunk up to and with that one
    data: bytes
    packet: memoryview


class Datagrams:
    """All datagrams of which a fragment was seen and whose time is not over."""

    def __init__(self) -> None:
        self._words = array("Q", bytes(8 * layout.FRAGMENTS_WIDTH))
        self._rows = table_of(layout.MAX_DATAGRAMS, layout.DATAGRAM_WIDTH)
        self._present = table_of(layout.DATAGRAM_ROOMS, layout.ROOM_WORDS)
        self._rooms = zeroed(layout.DATAGRAM_ROOMS * layout.ROOM_BYTES)
        shaped = self._rooms.cast("B", (layout.DATAGRAM_ROOMS, layout.ROOM_BYTES))
        # The seed differs from process to process, so that nobody can make fragments whose keys all collide.
        seed = hash("fragments") & 0xFFFF_FFFF_FFFF_FFFF
        index = zeroed(4 * layout.DATAGRAM_PLACES).cast("I")
        owners = array("Q", bytes(8 * layout.DATAGRAM_ROOMS))
        self._kernel = FragmentKernel((self._rows, shaped, self._present), index, memoryview(owners), self._words, seed)

    def believe(self, doubted: int, believed: int) -> None:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said."""
        self._kernel.believe(doubted, believed)

    def read(self, buffer: memoryview, words: memoryview, span: tuple[int, int], by_reason: "array[int]") -> list[Whole]:
        """Complete the fragments among packets[first:last] of a chunk; gives the messages that became whole."""
        made, (at, last) = [], span
        while at < last:
            at = self._kernel.read(buffer, words, at, last, by_reason)
            row = self._words[layout.FRAGMENTS_READY] - 1
            if row >= 0:
                packet = words[(at - 1) * layout.PACKET_WIDTH : at * layout.PACKET_WIDTH]
                made.append(self._whole(row, at, packet))
                self._kernel.release(row)
        return made

    def _whole(self, row: int, behind: int, last: memoryview) -> Whole:
        room = (self._rows[row, layout.DATAGRAM_ROOM] - 1) * layout.ROOM_BYTES
        data = bytes(self._rooms[room : room + self._rows[row, layout.DATAGRAM_TOTAL]])
        packet = table_of(1, layout.PACKET_WIDTH)
        for word, value in enumerate(last):
            packet[0, word] = value
        ports = self._rows[row, layout.DATAGRAM_PORTS]
        packet[0, layout.PACKET_SPORT], packet[0, layout.PACKET_DPORT] = ports >> 24, (ports >> 8) & 0xFFFF
        packet[0, layout.PACKET_KIND] = layout.KIND_IP | layout.KIND_TRANSPORT | layout.KIND_WHOLE
        length = int.from_bytes(data[4:6], "big")
        packet[0, layout.PACKET_PAYLOAD] = _UDP_HEADER
        packet[0, layout.PACKET_PAYLOAD_END] = min(length, len(data)) if length >= _UDP_HEADER else len(data)
        return Whole(behind, data, packet)

    def finish(self) -> None:
        """No capture follows: what is not whole never will be."""
        for row in self._ring():
            state = self._rows[row, layout.DATAGRAM_STATE]
            if state & layout.DATAGRAM_KNOWN and not state & (layout.DATAGRAM_LOST | layout.DATAGRAM_WHOLE):
                self._words[layout.FRAGMENTS_INCOMPLETE] += 1

    def counters(self) -> dict[str, int]:
        """What the bounds and the fragments' own faults cost."""
        return {
            "fragments_evicted": self._words[layout.FRAGMENTS_EVICTED],
            "fragments_overlapping": self._words[layout.FRAGMENTS_OVERLAPPING],
            "fragments_incomplete": self._words[layout.FRAGMENTS_INCOMPLETE],
        }

    def _ring(self) -> list[int]:
        oldest, used = self._words[layout.FRAGMENTS_OLDEST], self._words[layout.FRAGMENTS_USED]
        return [(oldest + k) % layout.MAX_DATAGRAMS for k in range(used)]

    def encode(self) -> bytes:
        """The datagrams in the order in which they began, each with the bytes it has; nothing if there are none."""
        rows = self._ring()
        if not rows:
            return b""
        parts = [_HEADER.pack(self._words[layout.FRAGMENTS_ROOM], len(rows))]
        for row in rows:
            parts.append(_ROW.pack(*(self._rows[row, word] for word in range(layout.DATAGRAM_NEXT))))
            room = self._rows[row, layout.DATAGRAM_ROOM]
            if room:
                reach = self._rows[row, layout.DATAGRAM_REACH]
                present = [self._present[room - 1, k] for k in range(layout.ROOM_WORDS)]
                parts.append(struct.pack(f"<{layout.ROOM_WORDS}Q", *present))
                parts += (bytes(self._rooms[first:last]) for first, last in _spans(present, reach, room - 1))
        return b"".join(parts)

    def restore(self, section: bytes) -> None:
        """Put carried datagrams into an empty table; raises `UnreadableState` for bytes that `encode` did not make."""
        if len(section) < _HEADER.size:
            raise UnreadableState("the carried fragments are cut")
        looked_at, count = _HEADER.unpack_from(section)
        if count > layout.MAX_DATAGRAMS or looked_at >= layout.DATAGRAM_ROOMS:
            raise UnreadableState("the carried fragments are more than there can be")
        self._words[layout.FRAGMENTS_ROOM] = looked_at
        at, rooms = _HEADER.size, set[int]()
        for row in range(count):
            if len(section) < at + _ROW.size:
                raise UnreadableState("the carried fragments are cut")
            for word, value in enumerate(_ROW.unpack_from(section, at)):
                self._rows[row, word] = value
            at += _ROW.size
            room = self._rows[row, layout.DATAGRAM_ROOM]
            if room:
                if room > layout.DATAGRAM_ROOMS or room in rooms or self._rows[row, layout.DATAGRAM_REACH] > layout.ROOM_BYTES:
                    raise UnreadableState("the carried fragments are where none can be")
                rooms.add(room)
                at = self._restore_room(row, room - 1, section, at)
            self._kernel.enter(row, room)
        if at != len(section):
            raise UnreadableState("the carried fragments are cut")

    def _restore_room(self, row: int, room: int, section: bytes, at: int) -> int:
        size = 8 * layout.ROOM_WORDS
        if len(section) < at + size:
            raise UnreadableState("the carried fragments are cut")
        present = list(struct.unpack_from(f"<{layout.ROOM_WORDS}Q", section, at))
        at += size
        for k, word in enumerate(present):
            self._present[room, k] = word
        for first, last in _spans(present, self._rows[row, layout.DATAGRAM_REACH], room):
            if len(section) < at + last - first:
                raise UnreadableState("the carried fragments are cut")
            self._rooms[first:last] = section[at : at + last - first]
            at += last - first
        return at


def _spans(present: list[int], reach: int, room: int) -> list[tuple[int, int]]:
    """Where in all rooms the bytes of one datagram are, by eights."""
    begin = room * layout.ROOM_BYTES
    units = [unit for unit in range(layout.ROOM_BYTES // 8) if present[unit >> 6] >> (unit & 63) & 1]
    spans = ((begin + 8 * unit, begin + min(8 * unit + 8, reach)) for unit in units)
    return [(first, last) for first, last in spans if first < last]

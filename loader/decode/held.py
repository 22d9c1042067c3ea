"""Frames that the kernels have no use for, held until the end of the capture for a decoder that knows more link types.

A held frame is in no count of the first pass: it goes through the kernels a second time (`deepened.py`), from the IP header
that was found in it, or as it was. So each frame is counted once.
"""

from array import array
from typing import NamedTuple

from loader.decode import layout
from loader.decode.reasons import DEEP_REASONS

# What one capture may hold, so that memory and time of the second pass are bounded; frames beyond it keep their reason.
MAX_HELD_FRAMES = 20_000
MAX_HELD_BYTES = 16 * 1024 * 1024


class HeldFrame(NamedTuple):
    """One frame of a capture."""

    frame: int  # its number, from 1
    ts_ns: int
    link_type: int
    wire: int  # bytes on the wire
    data: bytes  # those captured


class HeldFrames:
    """Collects frames out of chunks."""

    def __init__(self, *, wanted: bool, watch: int = 0) -> None:
        """`wanted`: whether anybody will take them; `watch`: number of a frame to copy, whether or not it is held."""
        self._wanted, self._watch = wanted, watch
        self.watched: HeldFrame | None = None
        self.frames: list[HeldFrame] = []
        self.numbers: set[int] = set()  # their frame numbers
        self.passed_by = 0  # frames for which there was no room
        self._bytes = 0
        self._full = False  # a frame found no room

    def hold(self, buffer: memoryview, packets: memoryview, counts: tuple[int, int], by_reason: "array[int]") -> None:
        """Hold what is of use to a second pass, and take it out of the counts of `by_reason`.

        `counts`: the packets of the chunk, and those of them that are of use (`layout.HEADERS_UNREAD`).
        """
        count, unread = counts
        watched = self._watch - packets[0, layout.PACKET_FRAME]
        if 0 <= watched < count:
            self.watched = _copied(buffer, packets, watched)
        if not self._wanted:
            return
        i = 0
        while unread:
            if _is_flagged(packets, i):
                size = packets[i, layout.PACKET_CAPTURED] & layout.LOW_HALF
                self._full = self._full or len(self.frames) == MAX_HELD_FRAMES or self._bytes + size > MAX_HELD_BYTES
                if self._full:
                    break
                by_reason[packets[i, layout.PACKET_REASON]] -= 1
                self._bytes += size
                self.numbers.add(packets[i, layout.PACKET_FRAME])
                self.frames.append(_copied(buffer, packets, i))
                unread -= 1
            i += 1
        self.passed_by += unread


def _copied(buffer: memoryview, packets: memoryview, i: int) -> HeldFrame:
    at, captured = packets[i, layout.PACKET_AT], packets[i, layout.PACKET_CAPTURED]
    return HeldFrame(
        frame=packets[i, layout.PACKET_FRAME],
        ts_ns=packets[i, layout.PACKET_TS],
        link_type=captured >> layout.LINK_SHIFT,
        wire=packets[i, layout.PACKET_WIRE],
        data=bytes(buffer[at : at + (captured & layout.LOW_HALF)]),
    )


def _is_flagged(packets: memoryview, i: int) -> bool:
    """Whether the kernels found no IP header, for a reason that another decoder may know better."""
    none = not packets[i, layout.PACKET_KIND] & layout.KIND_IP and not packets[i, layout.PACKET_OUTER] >> 32
    return none and packets[i, layout.PACKET_REASON] in DEEP_REASONS

"""The clock of one capture: owns the kernel's words, and hands what it says to the sensor's next capture."""

import struct
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from loader.decode import layout
from loader.decode.carried import UnreadableState
from loader.decode.clock import ClockKernel

_STATE = struct.Struct(f"<{layout.CLOCK_CARRIED}Q")


class Belief(NamedTuple):
    """The time of the packet before was in doubt, and is not any more."""

    doubted: int  # what the clock said at it
    believed: int  # what the clock would have said
    ts: int  # its time; 0: that is as wrong as it looked, but it came when this packet did


class CaptureClock:
    """What time it is, by the packets' own times."""

    def __init__(self) -> None:
        self._words = array("Q", bytes(8 * layout.CLOCK_WIDTH))
        self._kernel = ClockKernel(self._words)

    @property
    def now(self) -> int:
        """What it says: nanoseconds since the first packet."""
        return self._words[layout.CLOCK_NOW]

    @property
    def has_stopped(self) -> bool:
        """It is at the end of its word: times jumped ahead for 584 years in all, and no time-out comes any more."""
        return self.now == layout.WORD

    @property
    def stands_for(self) -> int:
        """The packet time that it stands for; 0: there was none."""
        return self._words[layout.CLOCK_REFERENCE]

    @property
    def jumps(self) -> int:
        """Packets whose time jumped."""
        return self._words[layout.CLOCK_JUMPS]

    def spans(self, words: memoryview, count: int) -> Iterator[tuple[Belief | None, tuple[int, int]]]:
        """Tell the first `count` packets of a chunk, whose words lie in one row, what time it is. Gives spans of them, each
        with what is to be told the tables before it: nearly always it is one span and nothing."""
        at = 0
        while at < count:
            behind = self._kernel.read(words, at, count)
            yield self._belief(), (at, behind)
            at = behind

    def _belief(self) -> Belief | None:
        words = self._words
        if not words[layout.CLOCK_BELIEVED]:
            return None
        return Belief(words[layout.CLOCK_DOUBTED], words[layout.CLOCK_BELIEVED], words[layout.CLOCK_BELIEVED_TS])

    def encode(self) -> bytes:
        """Its section of the carried state; nothing if no packet had a time."""
        state = self._words[: layout.CLOCK_CARRIED]
        return _STATE.pack(*state) if any(state) else b""

    def restore(self, section: bytes) -> None:
        """Go on from a section; raises `UnreadableState` for bytes that `encode` did not make."""
        if len(section) != _STATE.size:
            raise UnreadableState("the carried clock is cut")
        self._words[: layout.CLOCK_CARRIED] = array("Q", _STATE.unpack(section))

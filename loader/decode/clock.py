# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
"""The kernel that tells what time it is: the clock that all time-outs of a capture run on.

It says nanoseconds of packet time since the first packet, and only goes forward. A packet whose time is more than an hour off
what the clock stands for has jumped: its time is in doubt, and the clock follows only when the next packet is off to the same
side. So one packet dated 2100 ends nothing. Until then what the packet began, or went on with, is a nanosecond old: the clock
says that at no other packet, and a table knows by it what is to be as young as the packet when its time is believed.

Where times went back and return to within an hour of where they were, no time has passed but what is beyond that.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

if cython.compiled:
    import cython.cimports.loader.decode.layout as layout
else:
    from loader.decode import layout


@cython.final
@cython.cclass
class ClockKernel:
    """Works on words of the caller's (`layout.CLOCK_WIDTH`)."""

    words: cython.ulonglong[::1]

    def __init__(self, words: cython.ulonglong[::1]) -> None:
        self.words = words

    def read(self, packets: cython.ulonglong[::1], first: cython.Py_ssize_t, count: cython.Py_ssize_t) -> int:
        """Write to each of packets[first:count], whose words lie in one row, what the clock says at it, and whether its time is
        in doubt. Returns where it stopped: at `count`, or before a packet with which the clock goes ahead to the one before,
        so that what has that one's time is told first. With such a packet the next call begins, and says so in the clock's
        BELIEVED words.
        """
        i: cython.Py_ssize_t
        at: cython.Py_ssize_t
        ts: cython.ulonglong
        reference: cython.ulonglong
        behind: cython.Py_ssize_t = count
        words: cython.ulonglong[::1] = self.words
        words[layout.CLOCK_BELIEVED] = 0
        with cython.nogil:
            for i in range(first, count):
                at = i * layout.PACKET_WIDTH
                ts = packets[at + layout.PACKET_TS]
                reference = words[layout.CLOCK_REFERENCE]
                if reference and ts >= reference and ts - reference <= layout.JUMP_NS:
                    self._advance(ts - reference)
                    words[layout.CLOCK_REFERENCE] = ts
                    words[layout.CLOCK_PENDING] = 0
                elif ts == 0:  # it has none: nothing is heard of it, and a packet in doubt stays so
                    self._advance(words[layout.CLOCK_PENDING] != 0)
                elif self._goes_ahead(ts) and i > first:
                    behind = i
                    break
                elif self._jump(ts):
                    packets[at + layout.PACKET_KIND] |= layout.KIND_IN_DOUBT
                packets[at + layout.PACKET_CLOCK] = words[layout.CLOCK_NOW]
        return behind

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _advance(self, by: cython.ulonglong) -> cython.int:
        """The clock stops at the end of its word: times that jump to and fro for centuries move it that far."""
        room: cython.ulonglong = layout.WORD - self.words[layout.CLOCK_NOW]
        self.words[layout.CLOCK_NOW] += by if by < room else room
        return 0

    @cython.cfunc
    @cython.nogil
    def _goes_ahead(self, ts: cython.ulonglong) -> cython.bint:
        """Whether a packet with this time confirms one before it that jumped ahead."""
        reference: cython.ulonglong = self.words[layout.CLOCK_REFERENCE]
        return (
            reference != 0
            and self.words[layout.CLOCK_PENDING] > reference
            and ts > reference
            and ts - reference > layout.JUMP_NS
        )

    @cython.cfunc
    @cython.nogil
    def _jump(self, ts: cython.ulonglong) -> cython.bint:
        """A packet's time is not of the hour behind the clock's; whether it is in doubt."""
        reference: cython.ulonglong = self.words[layout.CLOCK_REFERENCE]
        pending: cython.ulonglong = self.words[layout.CLOCK_PENDING]
        if reference == 0:
            self.words[layout.CLOCK_REFERENCE] = ts
            return False
        self.words[layout.CLOCK_PENDING] = 0
        if ts < reference and reference - ts <= layout.JUMP_NS:
            return False
        self.words[layout.CLOCK_JUMPS] += 1
        if pending == 0 or (pending > reference) != (ts > reference):
            return self._doubt(ts)
        if ts > reference:
            self._go_ahead(min(ts, pending), pending)
        else:
            self.words[layout.CLOCK_HOME] = reference
            self.words[layout.CLOCK_REFERENCE] = max(ts, pending)
        reference = self.words[layout.CLOCK_REFERENCE]
        if (ts - reference if ts > reference else reference - ts) > layout.JUMP_NS:
            return self._doubt(ts)
        if ts > reference:
            self._advance(ts - reference)
            self.words[layout.CLOCK_REFERENCE] = ts
        return False

    @cython.cfunc
    @cython.nogil
    def _doubt(self, ts: cython.ulonglong) -> cython.bint:
        self.words[layout.CLOCK_PENDING] = ts
        self._advance(1)
        self.words[layout.CLOCK_PENDING_NOW] = self.words[layout.CLOCK_NOW]
        return True

    @cython.cfunc
    @cython.nogil
    def _go_ahead(self, ts: cython.ulonglong, pending: cython.ulonglong) -> cython.int:
        """The clock stands for this time from now on: the packet in doubt, with time `pending`, came behind a silence too, and
        where it is of this hour was not dated wrongly."""
        start: cython.ulonglong = self.words[layout.CLOCK_REFERENCE]
        home: cython.ulonglong = self.words[layout.CLOCK_HOME]
        if home > start and (ts - home if ts > home else home - ts) <= layout.JUMP_NS:
            start = min(home, ts)
        self.words[layout.CLOCK_DOUBTED] = self.words[layout.CLOCK_PENDING_NOW]
        self._advance(ts - start)
        self.words[layout.CLOCK_BELIEVED] = self.words[layout.CLOCK_NOW]
        self.words[layout.CLOCK_BELIEVED_TS] = pending if pending - ts <= layout.JUMP_NS else 0
        self.words[layout.CLOCK_REFERENCE] = ts
        return 0

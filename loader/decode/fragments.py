# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call,no-redef"
"""The kernel that knows which IP fragments belong together (RFC 791 3.2, RFC 8200 4.5), in arrays that the caller owns.

A later fragment gets the ports of the first one, if that was seen before it, and is a packet of its flow. Datagrams of DNS are
put together in whatever order their fragments come; one whose fragments overlap or contradict each other never is (RFC 5722).
Nothing is kept for longer than its time.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

if cython.compiled:
    import cython.cimports.loader.decode.layout as layout
    import cython.cimports.loader.decode.reasons as reasons
else:
    from loader.decode import layout, reasons

_WORD = cython.declare(cython.ulonglong, 0xFFFF_FFFF_FFFF_FFFF)
_LOW32 = cython.declare(cython.ulonglong, 0xFFFF_FFFF)
_MIX = cython.declare(cython.ulonglong, 0x9E37_79B9_7F4A_7C15)


@cython.final
@cython.cclass
class FragmentKernel:
    """Datagrams in `rows`, a ring; `index` (row plus one, by hash); the rooms where their bytes are put together, with a bit
    for each eight bytes there (`present`) and the row that has it, plus one (`owners`).
    """

    rows: cython.ulonglong[:, ::1]
    index: cython.uint[::1]
    rooms: cython.uchar[:, ::1]
    present: cython.ulonglong[:, ::1]
    owners: cython.ulonglong[::1]
    table: cython.ulonglong[::1]
    buf: cython.const[cython.uchar][::1]
    words: cython.ulonglong[::1]
    by_reason: cython.ulonglong[::1]
    seed: cython.ulonglong

    def __init__(
        self,
        tables: tuple[memoryview, memoryview, memoryview],
        index: cython.uint[::1],
        owners: cython.ulonglong[::1],
        table: cython.ulonglong[::1],
        seed: int,
    ) -> None:
        """`tables`: rows, rooms, present."""
        self.rows, self.rooms, self.present = tables
        self.index, self.owners, self.table = index, owners, table
        self.seed = seed

    @cython.cfunc
    @cython.nogil
    def _place(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        """Where in the index the list begins that a datagram is in."""
        value: cython.ulonglong = self.seed
        k: cython.int
        for k in range(layout.DATAGRAM_TUNNEL + 1):
            value = ((value ^ (value >> 29) ^ self.rows[row, k]) * _MIX) & _WORD
        return (value >> 32) & (layout.DATAGRAM_PLACES - 1)

    @cython.cfunc
    @cython.nogil
    def _begin(self, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Write the key of the packet at `at` into the ring's next row, which is not used yet."""
        row: cython.Py_ssize_t = (
            self.table[layout.FRAGMENTS_OLDEST] + self.table[layout.FRAGMENTS_USED]
        ) % layout.MAX_DATAGRAMS
        protocol: cython.ulonglong = 256
        k: cython.int
        for k in range(layout.DATAGRAM_WIDTH):
            self.rows[row, k] = 0
        for k in range(4):
            self.rows[row, k] = self.words[at + layout.PACKET_SRC_HI + k]
        if self.rows[row, 0] == 0 and self.rows[row, 1] >> 32 == 0xFFFF:
            protocol = self.words[at + layout.PACKET_PROTOCOL]
        self.rows[row, layout.DATAGRAM_ID] = (self.words[at + layout.PACKET_SEQUENCE] & _LOW32) | (protocol << 32)
        self.rows[row, layout.DATAGRAM_TUNNEL] = self.words[at + layout.PACKET_TUNNEL]
        self.rows[row, layout.DATAGRAM_CLOCK] = self.words[at + layout.PACKET_CLOCK]
        return row

    @cython.cfunc
    @cython.nogil
    def _find(self, wanted: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The row with the key that row `wanted` has; -1 if there is none, or its time is over."""
        following: cython.ulonglong = self.index[self._place(wanted)]
        row: cython.Py_ssize_t
        now: cython.ulonglong = self.rows[wanted, layout.DATAGRAM_CLOCK]
        k: cython.int
        while following:
            row = following - 1
            k = 0
            while k <= layout.DATAGRAM_TUNNEL and self.rows[row, k] == self.rows[wanted, k]:
                k += 1
            if k > layout.DATAGRAM_TUNNEL:
                if now - self.rows[row, layout.DATAGRAM_CLOCK] <= layout.FRAGMENT_TIMEOUT_NS:
                    return row
                self._forget(row)
                return -1
            following = self.rows[row, layout.DATAGRAM_NEXT]
        return -1

    @cython.cfunc
    @cython.nogil
    def _enter(self, row: cython.Py_ssize_t) -> cython.int:
        """The ring's next row, filled in, becomes a datagram."""
        place: cython.ulonglong = self._place(row)
        self.rows[row, layout.DATAGRAM_STATE] |= layout.DATAGRAM_LIVE
        self.rows[row, layout.DATAGRAM_NEXT] = self.index[place]
        self.index[place] = row + 1
        self.table[layout.FRAGMENTS_USED] += 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _forget(self, row: cython.Py_ssize_t) -> cython.int:
        """A datagram's time is over; its row stays in the ring until its turn comes."""
        place: cython.ulonglong = self._place(row)
        before: cython.Py_ssize_t
        following: cython.ulonglong = self.index[place]
        state: cython.ulonglong = self.rows[row, layout.DATAGRAM_STATE]
        if following == cython.cast(cython.ulonglong, row + 1):
            self.index[place] = self.rows[row, layout.DATAGRAM_NEXT]
        else:
            before = following - 1
            while self.rows[before, layout.DATAGRAM_NEXT] != cython.cast(cython.ulonglong, row + 1):
                before = self.rows[before, layout.DATAGRAM_NEXT] - 1
            self.rows[before, layout.DATAGRAM_NEXT] = self.rows[row, layout.DATAGRAM_NEXT]
        if state & layout.DATAGRAM_KNOWN and not state & (layout.DATAGRAM_LOST | layout.DATAGRAM_WHOLE):
            self.table[layout.FRAGMENTS_INCOMPLETE] += 1
        self._leave_room(row)
        self.rows[row, layout.DATAGRAM_STATE] = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _leave_room(self, row: cython.Py_ssize_t) -> cython.int:
        room: cython.ulonglong = self.rows[row, layout.DATAGRAM_ROOM]
        if room:
            self.owners[room - 1] = 0
            self.rows[row, layout.DATAGRAM_ROOM] = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _lose(self, row: cython.Py_ssize_t) -> cython.int:
        """It will not be put together."""
        self.rows[row, layout.DATAGRAM_STATE] |= layout.DATAGRAM_LOST
        self._leave_room(row)
        return 0

    @cython.cfunc
    @cython.nogil
    def _drop_oldest(self) -> cython.int:
        row: cython.Py_ssize_t = self.table[layout.FRAGMENTS_OLDEST]
        if self.rows[row, layout.DATAGRAM_STATE]:
            self._forget(row)
        self.table[layout.FRAGMENTS_OLDEST] = (row + 1) % layout.MAX_DATAGRAMS
        self.table[layout.FRAGMENTS_USED] -= 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _drop_old(self, now: cython.ulonglong) -> cython.int:
        """Forget what is over by now."""
        while (
            self.table[layout.FRAGMENTS_USED]
            and now - self.rows[self.table[layout.FRAGMENTS_OLDEST], layout.DATAGRAM_CLOCK] > layout.FRAGMENT_FORGOTTEN_NS
        ):
            self._drop_oldest()
        return 0

    @cython.cfunc
    @cython.nogil
    def _packet(self, at: cython.Py_ssize_t) -> cython.int:
        """One fragment, first or later, whose words begin at `at`."""
        offset: cython.ulonglong = (self.words[at + layout.PACKET_SEQUENCE] >> layout.FRAGMENT_OFFSET_SHIFT) & 0x1FFF
        wanted: cython.Py_ssize_t
        row: cython.Py_ssize_t
        self._drop_old(self.words[at + layout.PACKET_CLOCK])
        if self.table[layout.FRAGMENTS_USED] == layout.MAX_DATAGRAMS:
            self.table[layout.FRAGMENTS_EVICTED] += 1
            self._drop_oldest()
        wanted = self._begin(at)
        row = self._find(wanted)
        if row >= 0 and offset == 0 and self.rows[row, layout.DATAGRAM_STATE] & layout.DATAGRAM_WHOLE:
            self._forget(row)  # its identification is used again
            row = -1
        if row < 0:
            if offset and self.words[at + layout.PACKET_PROTOCOL] != 17:
                return 0  # nothing to be kept of it
            row = wanted
            self._enter(row)
        if offset == 0:
            self._learn(row, at)
        elif self.rows[row, layout.DATAGRAM_STATE] & layout.DATAGRAM_KNOWN:
            self._join(row, at, offset)
        if self.words[at + layout.PACKET_PROTOCOL] == 17 and not self.rows[row, layout.DATAGRAM_STATE] & (
            layout.DATAGRAM_LOST | layout.DATAGRAM_WHOLE
        ):
            self._collect(row, at, offset)
        return 0

    @cython.cfunc
    @cython.nogil
    def _learn(self, row: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.int:
        """A first fragment tells the ports, and whether anybody wants the datagram whole."""
        source: cython.ulonglong = self.words[at + layout.PACKET_SPORT]
        destination: cython.ulonglong = self.words[at + layout.PACKET_DPORT]
        protocol: cython.ulonglong = self.words[at + layout.PACKET_PROTOCOL]
        state: cython.ulonglong = layout.DATAGRAM_KNOWN
        ports: cython.ulonglong = (source << 24) | (destination << 8) | protocol
        before: cython.ulonglong = self.rows[row, layout.DATAGRAM_STATE]
        if (
            before & layout.DATAGRAM_KNOWN
            and not before & layout.DATAGRAM_LOST
            and ports != self.rows[row, layout.DATAGRAM_PORTS]
        ):
            self._contradict(row)
        self.rows[row, layout.DATAGRAM_PORTS] = ports
        if self.words[at + layout.PACKET_KIND] & layout.KIND_ONE_WAY:
            state |= layout.DATAGRAM_ONE_WAY
        if self.words[at + layout.PACKET_SEQUENCE] & layout.FRAGMENT_TINY:
            state |= layout.DATAGRAM_TINY
        self.rows[row, layout.DATAGRAM_STATE] |= state
        if protocol != 17 or not (
            source == 53 or destination == 53 or source == 5353 or destination == 5353 or source == 5355 or destination == 5355
        ):
            self._lose(row)
        return 0

    @cython.cfunc
    @cython.nogil
    def _join(self, row: cython.Py_ssize_t, at: cython.Py_ssize_t, offset: cython.ulonglong) -> cython.int:
        """A later fragment becomes a packet of the first one's flow."""
        ports: cython.ulonglong = self.rows[row, layout.DATAGRAM_PORTS]
        state: cython.ulonglong = self.rows[row, layout.DATAGRAM_STATE]
        begin: cython.Py_ssize_t = self.words[at + layout.PACKET_PAYLOAD]
        self.words[at + layout.PACKET_SPORT] = ports >> 24
        self.words[at + layout.PACKET_DPORT] = (ports >> 8) & 0xFFFF
        self.words[at + layout.PACKET_PROTOCOL] = ports & 255
        if state & layout.DATAGRAM_ONE_WAY:
            self.words[at + layout.PACKET_KIND] |= layout.KIND_ONE_WAY
        if (
            state & layout.DATAGRAM_TINY
            and ports & 255 == 6
            and offset == 1
            and begin
            and begin + 6 <= cython.cast(cython.Py_ssize_t, self.words[at + layout.PACKET_PAYLOAD_END])
        ):
            self.words[at + layout.PACKET_TCP_FLAGS] = self.buf[begin + 5]
        self.words[at + layout.PACKET_REASON] = 0
        self.by_reason[reasons.LATER_FRAGMENT] -= 1
        self.by_reason[0] += 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _collect(self, row: cython.Py_ssize_t, at: cython.Py_ssize_t, offset: cython.ulonglong) -> cython.int:
        """Put a fragment where it belongs in its datagram, if it is whole and agrees with those before it."""
        flags: cython.ulonglong = self.words[at + layout.PACKET_SEQUENCE]
        begin: cython.Py_ssize_t = self.words[at + layout.PACKET_PAYLOAD]
        end: cython.Py_ssize_t = self.words[at + layout.PACKET_PAYLOAD_END]
        length: cython.Py_ssize_t
        reach: cython.Py_ssize_t
        total: cython.Py_ssize_t = self.rows[row, layout.DATAGRAM_TOTAL]
        furthest: cython.Py_ssize_t
        if offset == 0:
            begin -= 8  # the UDP header
        length = end - begin
        reach = cython.cast(cython.Py_ssize_t, offset) * 8 + length
        if flags & layout.FRAGMENT_SNAPPED or begin <= 0 or length <= 0 or reach > layout.ROOM_BYTES:
            return self._lose(row)
        if flags & layout.FRAGMENT_MORE and length % 8:
            return self._lose(row)
        furthest = max(reach, cython.cast(cython.Py_ssize_t, self.rows[row, layout.DATAGRAM_REACH]))
        if not flags & layout.FRAGMENT_MORE:
            if total and total != reach:
                return self._contradict(row)
            total = reach
        if total and furthest > total:
            return self._contradict(row)
        self.rows[row, layout.DATAGRAM_TOTAL] = total
        self.rows[row, layout.DATAGRAM_REACH] = furthest
        return self._put(row, at, offset, begin, length)

    @cython.cfunc
    @cython.nogil
    def _contradict(self, row: cython.Py_ssize_t) -> cython.int:
        self.table[layout.FRAGMENTS_OVERLAPPING] += 1
        return self._lose(row)

    @cython.cfunc
    @cython.nogil
    def _put(
        self,
        row: cython.Py_ssize_t,
        at: cython.Py_ssize_t,
        offset: cython.ulonglong,
        begin: cython.Py_ssize_t,
        length: cython.Py_ssize_t,
    ) -> cython.int:
        """Copy a fragment's bytes into the datagram's room: none of them may be there, or all of them, and equal."""
        room: cython.Py_ssize_t = self._room(row)
        first: cython.Py_ssize_t = cython.cast(cython.Py_ssize_t, offset)
        units: cython.Py_ssize_t = (length + 7) // 8
        there: cython.Py_ssize_t = 0
        k: cython.Py_ssize_t
        for k in range(first, first + units):
            if self.present[room, k >> 6] & (cython.cast(cython.ulonglong, 1) << (k & 63)):
                there += 1
        if there:
            k = 0
            while k < length and self.rooms[room, first * 8 + k] == self.buf[begin + k]:
                k += 1
            if there < units or k < length:
                return self._contradict(row)
        else:
            for k in range(first, first + units):
                self.present[room, k >> 6] |= cython.cast(cython.ulonglong, 1) << (k & 63)
            for k in range(length):
                self.rooms[room, first * 8 + k] = self.buf[begin + k]
            self.rows[row, layout.DATAGRAM_HAVE] += length
        if offset == 0:
            self.words[at + layout.PACKET_PAYLOAD] = 0  # it is read as a part of the whole
        if (
            self.rows[row, layout.DATAGRAM_STATE] & layout.DATAGRAM_KNOWN
            and self.rows[row, layout.DATAGRAM_HAVE] == self.rows[row, layout.DATAGRAM_TOTAL]
        ):
            self.rows[row, layout.DATAGRAM_STATE] |= layout.DATAGRAM_WHOLE
            self.table[layout.FRAGMENTS_READY] = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _room(self, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The datagram's room: a free one, or that of the one that got its own longest ago."""
        room: cython.Py_ssize_t = self.table[layout.FRAGMENTS_ROOM]
        looked: cython.int = 0
        k: cython.int
        if self.rows[row, layout.DATAGRAM_ROOM]:
            return self.rows[row, layout.DATAGRAM_ROOM] - 1
        while self.owners[room] and looked < layout.DATAGRAM_ROOMS:
            room = (room + 1) % layout.DATAGRAM_ROOMS
            looked += 1
        if self.owners[room]:
            self.table[layout.FRAGMENTS_EVICTED] += 1
            self._lose(self.owners[room] - 1)
        for k in range(layout.ROOM_WORDS):
            self.present[room, k] = 0
        self.owners[room] = row + 1
        self.rows[row, layout.DATAGRAM_ROOM] = room + 1
        self.table[layout.FRAGMENTS_ROOM] = (room + 1) % layout.DATAGRAM_ROOMS
        return room

    def believe(self, doubted: cython.ulonglong, believed: cython.ulonglong) -> None:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said."""
        row: cython.Py_ssize_t
        if self.table[layout.FRAGMENTS_USED]:
            row = (self.table[layout.FRAGMENTS_OLDEST] + self.table[layout.FRAGMENTS_USED] - 1) % layout.MAX_DATAGRAMS
            if self.rows[row, layout.DATAGRAM_CLOCK] == doubted:
                self.rows[row, layout.DATAGRAM_CLOCK] = believed

    def release(self, row: cython.Py_ssize_t) -> None:
        """The caller has the bytes of a datagram that was whole."""
        self._leave_room(row)
        self.table[layout.FRAGMENTS_READY] = 0

    def enter(self, row: cython.Py_ssize_t, room: cython.Py_ssize_t) -> None:
        """The ring's next row is one that the caller filled in; `room` (plus one) is what it has."""
        if self.rows[row, layout.DATAGRAM_STATE]:
            self._enter(row)
        else:
            self.table[layout.FRAGMENTS_USED] += 1
        if room:
            self.owners[room - 1] = row + 1

    def read(
        self,
        buf: cython.const[cython.uchar][::1],
        words: cython.ulonglong[::1],
        first: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
        by_reason: cython.ulonglong[::1],
    ) -> int:
        """Look at the fragments among packets[first:count], whose words are in one row, and complete them.

        Returns where it stopped: behind a packet that made a datagram whole (its row, plus one, is the table's READY word).
        """
        i: cython.Py_ssize_t = first
        at: cython.Py_ssize_t
        reason: cython.ulonglong
        self.buf, self.words, self.by_reason = buf, words, by_reason
        with cython.nogil:
            while i < count and self.table[layout.FRAGMENTS_READY] == 0:
                at = i * layout.PACKET_WIDTH
                i += 1
                if not words[at + layout.PACKET_KIND] & layout.KIND_FRAGMENT:
                    continue
                reason = words[at + layout.PACKET_REASON]
                if reason == 0 or reason == reasons.LATER_FRAGMENT:
                    self._packet(at)
                if reason:
                    words[at + layout.PACKET_PAYLOAD] = 0  # not of the transport's
        return i

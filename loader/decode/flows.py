# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call,no-redef"

"""The kernel that keeps flows: a hash table over arrays that the caller owns and enlarges.

Time-outs run on the clock (`clock.py`), so sweeping early or late changes no row: whether too many flows are open is asked once
in so many packets of flows, and a flow that is idle by then is none of them, swept or not.

A flow is found by its key, and a busy link has more flows than the processor's cache has room for. So packets are taken some
tens at a time: first their keys are made and the places where their flows must be are read, so that memory fetches them all at
once; then they are counted one by one.
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
class FlowKernel:
    """One pass over flat arrays: `rows` and `aside` (flows), `minutes`, `index` (40 bits of a key's hash above its row plus
    one; 0: empty), `table` (own words)."""

    rows: cython.ulonglong[::1]
    aside: cython.ulonglong[::1]
    minutes: cython.ulonglong[::1]
    index: cython.ulonglong[::1]
    table: cython.ulonglong[::1]
    packets: cython.ulonglong[::1]
    ahead: cython.ulonglong[::1]
    mask: cython.ulonglong
    seed: cython.ulonglong
    idle: cython.ulonglong
    active: cython.ulonglong
    fetched: cython.ulonglong

    def __init__(
        self, table: cython.ulonglong[::1], ahead: cython.ulonglong[::1], seed: int, idle_ns: int, active_ns: int
    ) -> None:
        """`ahead` has room for the keys of `layout.AHEAD_PACKETS` packets."""
        self.table = table
        self.ahead = ahead
        self.seed = seed
        self.idle = idle_ns
        self.active = active_ns
        self.mask = 0
        self.fetched = 0

    def attach(
        self,
        rows: cython.ulonglong[::1],
        aside: cython.ulonglong[::1],
        minutes: cython.ulonglong[::1],
        index: cython.ulonglong[::1],
    ) -> None:
        """Take arrays, enlarged or new; `index` has a power of two of places and is filled from the open rows."""
        row: cython.Py_ssize_t
        self.rows, self.aside, self.minutes, self.index = rows, aside, minutes, index
        self.mask = index.shape[0] - 1
        for row in range(self.table[layout.TABLE_HIGH]):
            if rows[row * layout.FLOW_WIDTH + layout.FLOW_STATE] & layout.STATE_OPEN:
                self._enter(row)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _hash(
        self,
        a_hi: cython.ulonglong,
        a_lo: cython.ulonglong,
        b_hi: cython.ulonglong,
        b_lo: cython.ulonglong,
        ports: cython.ulonglong,
        tunnel: cython.ulonglong,
    ) -> cython.ulonglong:
        value: cython.ulonglong = ((self.seed ^ tunnel ^ a_lo) * layout.FLOW_MIX) & layout.WORD
        value = (((value ^ (value >> 29)) + b_lo) * layout.FLOW_MIX) & layout.WORD
        value = (((value ^ (value >> 32)) + ports) * layout.FLOW_MIX) & layout.WORD
        if a_hi | b_hi:
            value = (((value ^ (value >> 31)) + a_hi) * layout.FLOW_MIX) & layout.WORD
            value = (((value ^ (value >> 30)) + b_hi) * layout.FLOW_MIX) & layout.WORD
        return value ^ (value >> 32)

    @cython.cfunc
    @cython.nogil
    def _hash_of(self, row: cython.Py_ssize_t) -> cython.ulonglong:
        at: cython.Py_ssize_t = row * layout.FLOW_WIDTH
        return self._hash(
            self.rows[at + layout.FLOW_A_HI],
            self.rows[at + layout.FLOW_A_LO],
            self.rows[at + layout.FLOW_B_HI],
            self.rows[at + layout.FLOW_B_LO],
            self.rows[at + layout.FLOW_PORTS],
            self.rows[at + layout.FLOW_TUNNEL],
        )

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _place(self, entry: cython.ulonglong) -> cython.ulonglong:
        """Where in the index an entry, or a hash, belongs."""
        return (entry >> layout.INDEX_ROW_BITS) & self.mask

    @cython.cfunc
    @cython.nogil
    def _enter(self, row: cython.Py_ssize_t) -> cython.int:
        """Put a row into the index."""
        value: cython.ulonglong = self._hash_of(row)
        place: cython.ulonglong = self._place(value)
        while self.index[place]:
            place = (place + 1) & self.mask
        self.index[place] = (value & ~layout.INDEX_ROW & layout.WORD) | cython.cast(cython.ulonglong, row + 1)
        return 0

    @cython.cfunc
    @cython.nogil
    def _leave(self, row: cython.Py_ssize_t) -> cython.int:
        """Take a row out of the index, moving up what was displaced behind it."""
        mask: cython.ulonglong = self.mask
        place: cython.ulonglong = self._place(self._hash_of(row))
        hole: cython.ulonglong
        home: cython.ulonglong
        wanted: cython.ulonglong = row + 1
        while (self.index[place] & layout.INDEX_ROW) != wanted:
            place = (place + 1) & mask
        hole = place
        while True:
            place = (place + 1) & mask
            if self.index[place] == 0:
                break
            home = self._place(self.index[place])
            if ((place - home) & mask) >= ((place - hole) & mask):
                self.index[hole] = self.index[place]
                hole = place
        self.index[hole] = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _new_row(self) -> cython.Py_ssize_t:
        """A row from the free list; the caller has made sure that there is one."""
        row: cython.Py_ssize_t
        if self.table[layout.TABLE_FREE]:
            row = self.table[layout.TABLE_FREE] - 1
            self.table[layout.TABLE_FREE] = self.aside[row * layout.ASIDE_WIDTH + layout.ASIDE_NEXT]
        else:
            row = self.table[layout.TABLE_HIGH]
            self.table[layout.TABLE_HIGH] += 1
        self.table[layout.TABLE_USED] += 1
        return row

    @cython.cfunc
    @cython.nogil
    def _release(self, row: cython.Py_ssize_t) -> cython.int:
        self.rows[row * layout.FLOW_WIDTH + layout.FLOW_STATE] = 0
        self.aside[row * layout.ASIDE_WIDTH + layout.ASIDE_NEXT] = self.table[layout.TABLE_FREE]
        self.table[layout.TABLE_FREE] = row + 1
        self.table[layout.TABLE_USED] -= 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _end(self, row: cython.Py_ssize_t, reason: cython.ulonglong) -> cython.int:
        """The row, out of the index now, has ended; one without packets in this capture leaves no trace."""
        at: cython.Py_ssize_t = row * layout.FLOW_WIDTH
        aside: cython.Py_ssize_t = row * layout.ASIDE_WIDTH
        self.rows[at + layout.FLOW_STATE] &= ~layout.STATE_OPEN & layout.WORD
        if self.rows[at + layout.FLOW_FRAME] == 0:
            return self._release(row)
        self.aside[aside + layout.ASIDE_END] = reason
        self.aside[aside + layout.ASIDE_NEXT] = 0
        if self.table[layout.TABLE_ENDED_LAST]:
            self.aside[(self.table[layout.TABLE_ENDED_LAST] - 1) * layout.ASIDE_WIDTH + layout.ASIDE_NEXT] = row + 1
        else:
            self.table[layout.TABLE_ENDED] = row + 1
        self.table[layout.TABLE_ENDED_LAST] = row + 1
        self.table[layout.TABLE_ENDED_COUNT] += 1
        self.table[layout.TABLE_MINUTES_ENDED] += self.aside[aside + layout.ASIDE_MINUTE_COUNT] + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _flush_minute(self, row: cython.Py_ssize_t) -> cython.int:
        """Put what the row counted in its minute into the minute table: into its entry if that minute was seen before."""
        at: cython.Py_ssize_t = row * layout.FLOW_WIDTH
        aside: cython.Py_ssize_t = row * layout.ASIDE_WIDTH
        minute: cython.ulonglong = self.rows[at + layout.FLOW_MINUTE]
        entry: cython.ulonglong = self.aside[aside + layout.ASIDE_MINUTES]
        place: cython.Py_ssize_t
        k: cython.int
        while entry and self.minutes[(entry - 1) * layout.MINUTE_WIDTH + layout.MINUTE_MINUTE] != minute:
            entry = self.minutes[(entry - 1) * layout.MINUTE_WIDTH + layout.MINUTE_NEXT]
        if entry == 0:
            entry = self._new_minute(aside, minute)
            if self.aside[aside + layout.ASIDE_MINUTE_COUNT] >= layout.MAX_MINUTES:
                self.rows[at + layout.FLOW_STATE] |= layout.STATE_FULL
        place = (entry - 1) * layout.MINUTE_WIDTH
        for k in range(4):
            self.minutes[place + layout.MINUTE_PACKETS + k] += (
                self.rows[at + layout.FLOW_PACKETS + k] - self.aside[aside + layout.ASIDE_COUNTED + k]
            )
            self.aside[aside + layout.ASIDE_COUNTED + k] = self.rows[at + layout.FLOW_PACKETS + k]
        return 0

    @cython.cfunc
    @cython.nogil
    def _new_minute(self, aside: cython.Py_ssize_t, minute: cython.ulonglong) -> cython.ulonglong:
        """An entry of the minute table that has counted nothing, in the list of a row; returns its number plus one."""
        entry: cython.ulonglong
        place: cython.Py_ssize_t
        k: cython.int
        if self.table[layout.TABLE_MINUTES_FREE]:
            entry = self.table[layout.TABLE_MINUTES_FREE]
            self.table[layout.TABLE_MINUTES_FREE] = self.minutes[(entry - 1) * layout.MINUTE_WIDTH + layout.MINUTE_NEXT]
        else:
            self.table[layout.TABLE_MINUTES_HIGH] += 1
            entry = self.table[layout.TABLE_MINUTES_HIGH]
        place = (entry - 1) * layout.MINUTE_WIDTH
        self.minutes[place + layout.MINUTE_MINUTE] = minute
        for k in range(4):
            self.minutes[place + layout.MINUTE_PACKETS + k] = 0
        self.minutes[place + layout.MINUTE_NEXT] = self.aside[aside + layout.ASIDE_MINUTES]
        self.aside[aside + layout.ASIDE_MINUTES] = entry
        self.aside[aside + layout.ASIDE_MINUTE_COUNT] += 1
        return entry

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _count(self, packet: cython.Py_ssize_t, row: cython.Py_ssize_t, is_b: cython.ulonglong) -> cython.int:
        """Add a packet, sent by B or by A, to its row."""
        at: cython.Py_ssize_t = row * layout.FLOW_WIDTH
        flags: cython.ulonglong = self.packets[packet + layout.PACKET_TCP_FLAGS]
        ts: cython.ulonglong = self.packets[packet + layout.PACKET_TS]
        minute: cython.ulonglong = ts // layout.MINUTE_NS
        state: cython.ulonglong
        back: cython.Py_ssize_t
        if self.rows[at + layout.FLOW_MINUTE] != minute:
            self._flush_minute(row)
            self.rows[at + layout.FLOW_MINUTE] = minute
        state = self.rows[at + layout.FLOW_STATE]
        back = at + 2 * (((state & layout.STATE_FORWARD_IS_B) ^ is_b) & 1)
        self.rows[back + layout.FLOW_PACKETS] += 1
        self.rows[back + layout.FLOW_BYTES] += self.packets[packet + layout.PACKET_IP_LENGTH]
        self.rows[at + layout.FLOW_SEEN] = self.table[layout.TABLE_CLOCK]
        if ts > self.rows[at + layout.FLOW_LAST] and not self.packets[packet + layout.PACKET_KIND] & layout.KIND_IN_DOUBT:
            self.rows[at + layout.FLOW_LAST] = ts
        if self.packets[packet + layout.PACKET_NAME] and back == at:
            self._name(row, self.packets[packet + layout.PACKET_NAME])
        if flags == 0:
            return 0
        state |= flags << layout.STATE_TCP_FLAGS_SHIFT
        if flags & 1:
            state |= layout.STATE_FIN_B if is_b else layout.STATE_FIN_A
        if flags & 4 or (state & layout.STATE_FIN_BOTH) == layout.STATE_FIN_BOTH:
            state |= layout.STATE_CLOSED
        self.rows[at + layout.FLOW_STATE] = state
        return 0

    @cython.cfunc
    @cython.nogil
    def _name(self, row: cython.Py_ssize_t, name: cython.ulonglong) -> cython.int:
        """The first name that the initiator says stands."""
        aside: cython.Py_ssize_t = row * layout.ASIDE_WIDTH
        if self.aside[aside + layout.ASIDE_NAME] == 0:
            self.aside[aside + layout.ASIDE_NAME] = name
        return 0

    @cython.cfunc
    @cython.nogil
    def _begin_row(self, packet: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """Set what a row counts to nothing, and its times to those of its first packet."""
        at: cython.Py_ssize_t = row * layout.FLOW_WIDTH
        aside: cython.Py_ssize_t = row * layout.ASIDE_WIDTH
        ts: cython.ulonglong = self.packets[packet + layout.PACKET_TS]
        k: cython.int
        for k in range(4):
            self.rows[at + layout.FLOW_PACKETS + k] = 0
            self.aside[aside + layout.ASIDE_COUNTED + k] = 0
        self.rows[at + layout.FLOW_STATE] &= layout.STATE_CHAIN
        self.rows[at + layout.FLOW_FRAME] = self.packets[packet + layout.PACKET_FRAME]
        self.rows[at + layout.FLOW_LAST] = ts
        self.rows[at + layout.FLOW_MINUTE] = ts // layout.MINUTE_NS
        self.aside[aside + layout.ASIDE_FIRST] = ts
        self.aside[aside + layout.ASIDE_END] = 0
        self.aside[aside + layout.ASIDE_MINUTES] = 0
        self.aside[aside + layout.ASIDE_MINUTE_COUNT] = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _direction(self, packet: cython.Py_ssize_t) -> cython.int:
        """Who began a flow, by its first packet: initiator (schema.enums) shifted left, plus 1 if not the sender.

        A SYN's sender, a SYN+ACK's receiver; else, where there are ports, the side whose port is not well-known (below 1024)
        if the other's is; else, for an ICMP answer, its receiver; else the sender.
        """
        protocol: cython.ulonglong = self.packets[packet + layout.PACKET_PROTOCOL]
        source: cython.ulonglong = self.packets[packet + layout.PACKET_SPORT]
        destination: cython.ulonglong = self.packets[packet + layout.PACKET_DPORT]
        flags: cython.ulonglong = self.packets[packet + layout.PACKET_TCP_FLAGS] & 0x12
        if protocol == 6 and flags & 2:
            return 2 if flags == 2 else 3
        if protocol != 1 and protocol != 58:
            if destination < 1024 and source >= 1024:
                return 6
            return 7 if source < 1024 and destination >= 1024 else 8
        if self.packets[packet + layout.PACKET_KIND] & layout.KIND_ONE_WAY:
            return 8
        if protocol == 1 and source != 10:
            return 7 if destination == 9 or source == 0 or (source != 8 and source > destination) else 8
        return 7 if protocol == 58 and source > destination else 8

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _ended_by(self, at: cython.Py_ssize_t, flags: cython.ulonglong) -> cython.ulonglong:
        """Why a row of the table ends before a packet with these flags joins it; 0: it does not."""
        state: cython.ulonglong = self.rows[at + layout.FLOW_STATE]
        clock: cython.ulonglong = self.table[layout.TABLE_CLOCK]
        if clock - self.rows[at + layout.FLOW_SEEN] > self.idle:
            return layout.END_DETECTED if state & layout.STATE_CLOSED else layout.END_IDLE
        if state & layout.STATE_CLOSED and (flags & 0x12) == 2:
            return layout.END_DETECTED
        if clock - self.rows[at + layout.FLOW_STARTED] >= self.active:
            return layout.END_ACTIVE
        return layout.END_RESOURCES if state & layout.STATE_FULL else 0

    @cython.cfunc
    @cython.nogil
    def _look_ahead(self, first: cython.Py_ssize_t, last: cython.Py_ssize_t) -> cython.int:
        """Make the keys of packets[first:last], and have memory fetch the index and the rows where they lead.

        Loops that do nothing else, so that the processor has many of the reads under way at once.
        """
        i: cython.Py_ssize_t
        entry: cython.ulonglong
        fetched: cython.ulonglong = 0
        for i in range(last - first):
            self._make_key((first + i) * layout.PACKET_WIDTH, i * layout.AHEAD_WIDTH)
        for i in range(last - first):
            fetched ^= self.index[self._place(self.ahead[i * layout.AHEAD_WIDTH + layout.AHEAD_HASH])]
        for i in range(last - first):
            entry = self.index[self._place(self.ahead[i * layout.AHEAD_WIDTH + layout.AHEAD_HASH])] & layout.INDEX_ROW
            entry -= entry != 0
            fetched ^= self.rows[entry * layout.FLOW_WIDTH + layout.FLOW_A_HI]
            fetched ^= self.rows[entry * layout.FLOW_WIDTH + layout.FLOW_BYTES_REV]
        self.fetched = fetched  # nobody reads it, but a compiler must believe that somebody may
        return 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _make_key(self, packet: cython.Py_ssize_t, key: cython.Py_ssize_t) -> cython.int:
        """Write a packet's key, its hash, and whether B sent it, to `ahead`: without a branch, because which of the two
        addresses is the lower one cannot be foretold."""
        a_hi: cython.ulonglong = self.packets[packet + layout.PACKET_SRC_HI]
        a_lo: cython.ulonglong = self.packets[packet + layout.PACKET_SRC_LO]
        b_hi: cython.ulonglong = self.packets[packet + layout.PACKET_DST_HI]
        b_lo: cython.ulonglong = self.packets[packet + layout.PACKET_DST_LO]
        a_port: cython.ulonglong = self.packets[packet + layout.PACKET_SPORT]
        b_port: cython.ulonglong = self.packets[packet + layout.PACKET_DPORT]
        tunnel: cython.ulonglong = self.packets[packet + layout.PACKET_TUNNEL]
        ports: cython.ulonglong
        is_b: cython.ulonglong = ((self.packets[packet + layout.PACKET_KIND] & layout.KIND_ONE_WAY) == 0) & (
            (b_hi < a_hi) | ((b_hi == a_hi) & ((b_lo < a_lo) | ((b_lo == a_lo) & (b_port < a_port))))
        )
        swap: cython.ulonglong = (0 - is_b) & layout.WORD
        hi: cython.ulonglong = (a_hi ^ b_hi) & swap
        lo: cython.ulonglong = (a_lo ^ b_lo) & swap
        port: cython.ulonglong = (a_port ^ b_port) & swap
        a_hi, b_hi, a_lo, b_lo, a_port, b_port = a_hi ^ hi, b_hi ^ hi, a_lo ^ lo, b_lo ^ lo, a_port ^ port, b_port ^ port
        ports = (a_port << 24) | (b_port << 8) | self.packets[packet + layout.PACKET_PROTOCOL]
        self.ahead[key + layout.FLOW_A_HI] = a_hi
        self.ahead[key + layout.FLOW_A_LO] = a_lo
        self.ahead[key + layout.FLOW_B_HI] = b_hi
        self.ahead[key + layout.FLOW_B_LO] = b_lo
        self.ahead[key + layout.FLOW_PORTS] = ports
        self.ahead[key + layout.FLOW_TUNNEL] = tunnel
        self.ahead[key + layout.AHEAD_HASH] = self._hash(a_hi, a_lo, b_hi, b_lo, ports, tunnel)
        self.ahead[key + layout.AHEAD_IS_B] = is_b
        return 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _find(self, key: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The open row with this key; -1: there is none."""
        value: cython.ulonglong = self.ahead[key + layout.AHEAD_HASH]
        place: cython.ulonglong = self._place(value)
        entry: cython.ulonglong
        at: cython.Py_ssize_t
        while True:
            entry = self.index[place]
            if entry == 0:
                return -1
            if ((entry ^ value) >> layout.INDEX_ROW_BITS) == 0:
                at = ((entry & layout.INDEX_ROW) - 1) * layout.FLOW_WIDTH
                if (
                    (self.rows[at + layout.FLOW_A_HI] ^ self.ahead[key + layout.FLOW_A_HI])
                    | (self.rows[at + layout.FLOW_A_LO] ^ self.ahead[key + layout.FLOW_A_LO])
                    | (self.rows[at + layout.FLOW_B_HI] ^ self.ahead[key + layout.FLOW_B_HI])
                    | (self.rows[at + layout.FLOW_B_LO] ^ self.ahead[key + layout.FLOW_B_LO])
                    | (self.rows[at + layout.FLOW_PORTS] ^ self.ahead[key + layout.FLOW_PORTS])
                    | (self.rows[at + layout.FLOW_TUNNEL] ^ self.ahead[key + layout.FLOW_TUNNEL])
                ) == 0:
                    return (entry & layout.INDEX_ROW) - 1
            place = (place + 1) & self.mask

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _packet(self, packet: cython.Py_ssize_t, key: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Count one packet in its flow, ending and beginning rows as its time and flags ask; returns the row."""
        why: cython.ulonglong
        row: cython.Py_ssize_t = self._find(key)
        if row >= 0:
            why = self._ended_by(row * layout.FLOW_WIDTH, self.packets[packet + layout.PACKET_TCP_FLAGS])
            if why:
                row = self._succeed(packet, row, why)
            elif self.rows[row * layout.FLOW_WIDTH + layout.FLOW_FRAME] == 0:
                self._begin_row(packet, row)
        if row < 0:
            row = self._begin_chain(packet, key)
        self._count(packet, row, self.ahead[key + layout.AHEAD_IS_B])
        return row

    @cython.cfunc
    @cython.nogil
    def _begin_chain(self, packet: cython.Py_ssize_t, key: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The first row of a flow that was not open."""
        row: cython.Py_ssize_t = self._new_row()
        at: cython.Py_ssize_t = row * layout.FLOW_WIDTH
        aside: cython.Py_ssize_t = row * layout.ASIDE_WIDTH
        found: cython.ulonglong = self._direction(packet)
        k: cython.int
        for k in range(layout.FLOW_STATE):
            self.rows[at + k] = self.ahead[key + k]
        self.rows[at + layout.FLOW_STATE] = (
            layout.STATE_OPEN
            | ((found & 1) ^ self.ahead[key + layout.AHEAD_IS_B])
            | ((found >> 1) << layout.STATE_INITIATOR_SHIFT)
        )
        self._begin_row(packet, row)
        self.aside[aside + layout.ASIDE_NAME] = 0
        self.aside[aside + layout.ASIDE_CHAIN] = self.packets[packet + layout.PACKET_TS]
        self.rows[at + layout.FLOW_STARTED] = self.table[layout.TABLE_CLOCK]
        self._enter(row)
        return row

    @cython.cfunc
    @cython.nogil
    def _succeed(self, packet: cython.Py_ssize_t, row: cython.Py_ssize_t, why: cython.ulonglong) -> cython.Py_ssize_t:
        """End a row; -1 if the packet begins a new chain, else the row that goes on with the old one."""
        k: cython.int
        new: cython.Py_ssize_t
        self._leave(row)
        if why == layout.END_IDLE or why == layout.END_DETECTED:
            self._end(row, why)
            return -1
        new = self._new_row()
        for k in range(layout.FLOW_SEEN):
            self.rows[new * layout.FLOW_WIDTH + k] = self.rows[row * layout.FLOW_WIDTH + k]
        for k in range(layout.ASIDE_CHAIN, layout.ASIDE_END):
            self.aside[new * layout.ASIDE_WIDTH + k] = self.aside[row * layout.ASIDE_WIDTH + k]
        self._begin_row(packet, new)
        self.rows[new * layout.FLOW_WIDTH + layout.FLOW_STARTED] = self.table[layout.TABLE_CLOCK]
        self._end(row, why)
        self._enter(new)
        return new

    @cython.cfunc
    @cython.nogil
    def _sweep(self) -> cython.int:
        """End what is idle by now."""
        row: cython.Py_ssize_t
        state: cython.ulonglong
        clock: cython.ulonglong = self.table[layout.TABLE_CLOCK]
        for row in range(self.table[layout.TABLE_HIGH]):
            state = self.rows[row * layout.FLOW_WIDTH + layout.FLOW_STATE]
            if state & layout.STATE_OPEN and clock - self.rows[row * layout.FLOW_WIDTH + layout.FLOW_SEEN] > self.idle:
                self._leave(row)
                self._end(row, layout.END_DETECTED if state & layout.STATE_CLOSED else layout.END_IDLE)
        self.table[layout.TABLE_SWEPT] = clock
        self.table[layout.TABLE_SINCE_SWEEP] = 0
        return 0

    def believe(self, doubted: cython.ulonglong, believed: cython.ulonglong, ts: cython.ulonglong) -> None:
        """The last packet's time `ts` (0: but not that), in doubt until now, is believed: what the clock said at it, and would
        have said."""
        at: cython.Py_ssize_t
        self.table[layout.TABLE_CLOCK] = believed  # no row is ahead of it where room is made for the next packet
        if self.table[layout.TABLE_LAST_ROW] == 0:
            return
        at = (self.table[layout.TABLE_LAST_ROW] - 1) * layout.FLOW_WIDTH
        if self.rows[at + layout.FLOW_SEEN] != doubted:
            return
        self.rows[at + layout.FLOW_SEEN] = believed
        if self.rows[at + layout.FLOW_STARTED] == doubted:  # by that packet: it is not as old as the jump is wide
            self.rows[at + layout.FLOW_STARTED] = believed
        if self.rows[at + layout.FLOW_FRAME]:
            self.rows[at + layout.FLOW_LAST] = max(self.rows[at + layout.FLOW_LAST], ts)

    def sweep(self) -> None:
        """End every row that is idle by the table clock."""
        self._sweep()

    def finish(self, order: cython.uint[::1], count: cython.Py_ssize_t) -> None:
        """The capture is over: end the first `count` of these rows of the table, which are closed or forced to their end."""
        n: cython.Py_ssize_t
        row: cython.Py_ssize_t
        closed: cython.ulonglong
        with cython.nogil:
            for n in range(count):
                row = order[n]
                closed = self.rows[row * layout.FLOW_WIDTH + layout.FLOW_STATE] & layout.STATE_CLOSED
                self._leave(row)
                self._end(row, layout.END_DETECTED if closed else layout.END_FORCED)

    def end(self, row: cython.Py_ssize_t, reason: cython.ulonglong) -> None:
        """End one row of the table, for a reason of the caller's."""
        self._leave(row)
        self._end(row, reason)

    @cython.cfunc
    @cython.nogil
    def _copy_minutes(
        self, row: cython.Py_ssize_t, number: cython.ulonglong, out: cython.ulonglong[:, ::1], filled: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """Write a row's minutes to out[:, filled:], free their entries; returns how many are filled now."""
        entry: cython.ulonglong
        place: cython.Py_ssize_t
        k: cython.int
        self._flush_minute(row)
        entry = self.aside[row * layout.ASIDE_WIDTH + layout.ASIDE_MINUTES]
        while entry:
            place = (entry - 1) * layout.MINUTE_WIDTH
            out[0, filled] = number
            for k in range(5):
                out[1 + k, filled] = self.minutes[place + k]
            filled += 1
            entry = self._free_minute(entry)
        return filled

    @cython.cfunc
    @cython.nogil
    def _free_minute(self, entry: cython.ulonglong) -> cython.ulonglong:
        """Give an entry of the minute table back; returns the one behind it in its row's list."""
        place: cython.Py_ssize_t = (entry - 1) * layout.MINUTE_WIDTH
        following: cython.ulonglong = self.minutes[place + layout.MINUTE_NEXT]
        self.minutes[place + layout.MINUTE_NEXT] = self.table[layout.TABLE_MINUTES_FREE]
        self.table[layout.TABLE_MINUTES_FREE] = entry
        return following

    def take(self, out: cython.ulonglong[:, ::1], minutes: cython.ulonglong[:, ::1]) -> int:
        """Write the rows that ended first, as FlowColumns orders them (addresses as two words), and their minutes, as many as
        there is room for; free them.

        Returns how many minutes there are. `minutes` has room for those that one row may have, or for MINUTES_ENDED.
        """
        n: cython.Py_ssize_t = 0
        filled: cython.Py_ssize_t = 0
        row: cython.Py_ssize_t
        following: cython.ulonglong = self.table[layout.TABLE_ENDED]
        with cython.nogil:
            while following and n < out.shape[1]:
                row = following - 1
                self._flush_minute(row)
                if filled + self.aside[row * layout.ASIDE_WIDTH + layout.ASIDE_MINUTE_COUNT] > minutes.shape[1]:
                    break
                following = self.aside[row * layout.ASIDE_WIDTH + layout.ASIDE_NEXT]
                self._copy(row, n, out)
                filled = self._copy_minutes(row, n, minutes, filled)
                self._release(row)
                n += 1
            self.table[layout.TABLE_ENDED] = following
            self.table[layout.TABLE_ENDED_COUNT] -= n
            self.table[layout.TABLE_MINUTES_ENDED] -= filled
            if not following:
                self.table[layout.TABLE_ENDED_LAST] = self.table[layout.TABLE_MINUTES_ENDED] = 0
        return filled

    @cython.cfunc
    @cython.nogil
    def _copy(self, row: cython.Py_ssize_t, n: cython.ulonglong, out: cython.ulonglong[:, ::1]) -> cython.int:
        """Write a row to out[:, n], told from its initiator."""
        at: cython.Py_ssize_t = row * layout.FLOW_WIDTH
        aside: cython.Py_ssize_t = row * layout.ASIDE_WIDTH
        state: cython.ulonglong = self.rows[at + layout.FLOW_STATE]
        ports: cython.ulonglong = self.rows[at + layout.FLOW_PORTS]
        from_b: cython.int = 2 if state & layout.STATE_FORWARD_IS_B else 0
        k: cython.int
        for k in range(4):
            out[k ^ from_b, n] = self.rows[at + layout.FLOW_A_HI + k]
        out[4, n] = (ports >> (8 if from_b else 24)) & 0xFFFF
        out[5, n] = (ports >> (24 if from_b else 8)) & 0xFFFF
        out[6, n] = ports & 255
        out[7, n] = self.rows[at + layout.FLOW_FRAME]
        out[8, n] = self.aside[aside + layout.ASIDE_FIRST]
        out[9, n] = self.rows[at + layout.FLOW_LAST]
        out[10, n] = self.aside[aside + layout.ASIDE_CHAIN]
        for k in range(4):
            out[11 + k, n] = self.rows[at + layout.FLOW_PACKETS + k]
        out[15, n] = state >> layout.STATE_TCP_FLAGS_SHIFT
        out[16, n] = self.aside[aside + layout.ASIDE_END]
        out[17, n] = (state >> layout.STATE_INITIATOR_SHIFT) & 255
        out[18, n] = self.rows[at + layout.FLOW_TUNNEL]
        out[19, n] = self.aside[aside + layout.ASIDE_NAME]
        return 0

    def track(
        self, packets: cython.ulonglong[::1], first: cython.Py_ssize_t, count: cython.Py_ssize_t, room: cython.ulonglong
    ) -> int:
        """Count packets[first:count] (a flat table of them), a span of the clock's, in their flows; returns where it stopped:
        at `count`, or earlier when `room` rows or the minute entries are used up, or too many flows are open (the reason is in
        the table's WANT word).
        """
        i: cython.Py_ssize_t = first
        last: cython.Py_ssize_t
        self.packets = packets
        with cython.nogil:
            self.table[layout.TABLE_WANT] = layout.WANT_NOTHING
            while i < count and self.table[layout.TABLE_WANT] == layout.WANT_NOTHING:
                last = min(i + layout.AHEAD_PACKETS, count)
                self._look_ahead(i, last)
                i = self._track(i, last, room)
            if i == count and count > first:
                self.table[layout.TABLE_CLOCK] = packets[(count - 1) * layout.PACKET_WIDTH + layout.PACKET_CLOCK]
        return i

    @cython.cfunc
    @cython.nogil
    def _track(self, first: cython.Py_ssize_t, last: cython.Py_ssize_t, room: cython.ulonglong) -> cython.Py_ssize_t:
        """`track` for the packets whose keys are in `ahead`."""
        i: cython.Py_ssize_t
        packet: cython.Py_ssize_t
        for i in range(first, last):
            packet = i * layout.PACKET_WIDTH
            if self.packets[packet + layout.PACKET_REASON]:
                continue
            self.table[layout.TABLE_WANT] = self._want(room)
            if self.table[layout.TABLE_WANT] != layout.WANT_NOTHING:
                return i
            self.table[layout.TABLE_CLOCK] = self.packets[packet + layout.PACKET_CLOCK]
            self.table[layout.TABLE_SINCE_SWEEP] += 1
            if (
                self.table[layout.TABLE_CLOCK] - self.table[layout.TABLE_SWEPT] >= layout.SWEEP_NS
                and self.table[layout.TABLE_SINCE_SWEEP] * 8 >= self.table[layout.TABLE_HIGH]
            ):
                self._sweep()
            self.table[layout.TABLE_LAST_ROW] = self._packet(packet, (i - first) * layout.AHEAD_WIDTH) + 1
            self.table[layout.TABLE_FLOW_PACKETS] += 1
        return last

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _want(self, room: cython.ulonglong) -> cython.int:
        """What the next packet may need that is not there."""
        if self.table[layout.TABLE_USED] + 2 > room:
            return layout.WANT_ROWS
        if self._is_crowded():
            return layout.WANT_EVICTION
        if (self.table[layout.TABLE_MINUTES_HIGH] + 2) * layout.MINUTE_WIDTH > cython.cast(
            cython.ulonglong, self.minutes.shape[0]
        ):
            return layout.WANT_MINUTES
        return layout.WANT_NOTHING

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _is_crowded(self) -> cython.bint:
        """It is time to ask, and before it is again more flows may be open than are allowed. A sweep looks at the whole table,
        which is why not every packet asks."""
        step: cython.ulonglong = max(layout.MAX_OPEN_FLOWS // 16, 1)
        count: cython.ulonglong = self.table[layout.TABLE_USED] - self.table[layout.TABLE_ENDED_COUNT]
        return count + step > layout.MAX_OPEN_FLOWS and self.table[layout.TABLE_FLOW_PACKETS] % step == 0

    def is_crowded(self) -> bool:
        """Whether flows must be evicted before the next packet, if what is idle has been swept."""
        return self._is_crowded()

# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
# ruff: noqa: SIM109

"""The kernel that keeps flows: a hash table over arrays that the caller owns and enlarges.

State runs on the *table clock*: nanoseconds of packet time since the first packet, which only goes forward. A packet whose time
is more than an hour off the packet before is a jump: it is counted, and the clock follows only when the next packet is off to
the same side. So one packet dated 2100 expires nothing, and sweeping early or late changes no row.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from loader.decode import plain as cython

from loader.decode import layout

_P_TS = cython.declare(cython.int, layout.PACKET_TS)
_P_FRAME = cython.declare(cython.int, layout.PACKET_FRAME)
_P_REASON = cython.declare(cython.int, layout.PACKET_REASON)
_P_SRC_HI = cython.declare(cython.int, layout.PACKET_SRC_HI)
_P_SRC_LO = cython.declare(cython.int, layout.PACKET_SRC_LO)
_P_DST_HI = cython.declare(cython.int, layout.PACKET_DST_HI)
_P_DST_LO = cython.declare(cython.int, layout.PACKET_DST_LO)
_P_SPORT = cython.declare(cython.int, layout.PACKET_SPORT)
_P_DPORT = cython.declare(cython.int, layout.PACKET_DPORT)
_P_PROTOCOL = cython.declare(cython.int, layout.PACKET_PROTOCOL)
_P_IP_LENGTH = cython.declare(cython.int, layout.PACKET_IP_LENGTH)
_P_TCP_FLAGS = cython.declare(cython.int, layout.PACKET_TCP_FLAGS)
_P_TUNNEL = cython.declare(cython.int, layout.PACKET_TUNNEL)
_P_NAME = cython.declare(cython.int, layout.PACKET_NAME)
_P_KIND = cython.declare(cython.int, layout.PACKET_KIND)
_ONE_WAY = cython.declare(cython.ulonglong, layout.KIND_ONE_WAY)

_HASH = cython.declare(cython.int, layout.FLOW_HASH)
_A_HI = cython.declare(cython.int, layout.FLOW_A_HI)
_A_LO = cython.declare(cython.int, layout.FLOW_A_LO)
_B_HI = cython.declare(cython.int, layout.FLOW_B_HI)
_B_LO = cython.declare(cython.int, layout.FLOW_B_LO)
_PORTS = cython.declare(cython.int, layout.FLOW_PORTS)
_STATE = cython.declare(cython.int, layout.FLOW_STATE)
_SEEN = cython.declare(cython.int, layout.FLOW_SEEN)
_STARTED = cython.declare(cython.int, layout.FLOW_STARTED)
_FRAME = cython.declare(cython.int, layout.FLOW_FRAME)
_FIRST = cython.declare(cython.int, layout.FLOW_FIRST)
_LAST = cython.declare(cython.int, layout.FLOW_LAST)
_CHAIN = cython.declare(cython.int, layout.FLOW_CHAIN)
_PACKETS = cython.declare(cython.int, layout.FLOW_PACKETS)
_BYTES = cython.declare(cython.int, layout.FLOW_BYTES)
_PACKETS_REV = cython.declare(cython.int, layout.FLOW_PACKETS_REV)
_BYTES_REV = cython.declare(cython.int, layout.FLOW_BYTES_REV)
_TCP_FLAGS = cython.declare(cython.int, layout.FLOW_TCP_FLAGS)
_END = cython.declare(cython.int, layout.FLOW_END)
_MINUTE = cython.declare(cython.int, layout.FLOW_MINUTE)
_MINUTE_PACKETS = cython.declare(cython.int, layout.FLOW_MINUTE_PACKETS)
_MINUTE_BYTES = cython.declare(cython.int, layout.FLOW_MINUTE_BYTES)
_MINUTE_PACKETS_REV = cython.declare(cython.int, layout.FLOW_MINUTE_PACKETS_REV)
_MINUTE_BYTES_REV = cython.declare(cython.int, layout.FLOW_MINUTE_BYTES_REV)
_MINUTES = cython.declare(cython.int, layout.FLOW_MINUTES)
_MINUTE_COUNT = cython.declare(cython.int, layout.FLOW_MINUTE_COUNT)
_NEXT = cython.declare(cython.int, layout.FLOW_NEXT)
_TUNNEL = cython.declare(cython.int, layout.FLOW_TUNNEL)
_NAME = cython.declare(cython.int, layout.FLOW_NAME)

_FORWARD_IS_B = cython.declare(cython.ulonglong, layout.STATE_FORWARD_IS_B)
_FIN_A = cython.declare(cython.ulonglong, layout.STATE_FIN_A)
_FIN_B = cython.declare(cython.ulonglong, layout.STATE_FIN_B)
_CLOSED = cython.declare(cython.ulonglong, layout.STATE_CLOSED)
_OPEN = cython.declare(cython.ulonglong, layout.STATE_OPEN)
_INITIATOR_SHIFT = cython.declare(cython.int, layout.STATE_INITIATOR_SHIFT)

_M_MINUTE = cython.declare(cython.int, layout.MINUTE_MINUTE)
_M_NEXT = cython.declare(cython.int, layout.MINUTE_NEXT)

_CLOCK = cython.declare(cython.int, layout.TABLE_CLOCK)
_REFERENCE = cython.declare(cython.int, layout.TABLE_REFERENCE)
_PENDING = cython.declare(cython.int, layout.TABLE_PENDING)
_PENDING_ROW = cython.declare(cython.int, layout.TABLE_PENDING_ROW)
_JUMPS = cython.declare(cython.int, layout.TABLE_JUMPS)
_USED = cython.declare(cython.int, layout.TABLE_USED)
_HIGH = cython.declare(cython.int, layout.TABLE_HIGH)
_FREE = cython.declare(cython.int, layout.TABLE_FREE)
_ENDED = cython.declare(cython.int, layout.TABLE_ENDED)
_ENDED_LAST = cython.declare(cython.int, layout.TABLE_ENDED_LAST)
_ENDED_COUNT = cython.declare(cython.int, layout.TABLE_ENDED_COUNT)
_MINUTES_HIGH = cython.declare(cython.int, layout.TABLE_MINUTES_HIGH)
_MINUTES_FREE = cython.declare(cython.int, layout.TABLE_MINUTES_FREE)
_MINUTES_ENDED = cython.declare(cython.int, layout.TABLE_MINUTES_ENDED)
_SWEPT = cython.declare(cython.int, layout.TABLE_SWEPT)
_SINCE_SWEEP = cython.declare(cython.int, layout.TABLE_SINCE_SWEEP)
_FLOW_PACKETS = cython.declare(cython.int, layout.TABLE_FLOW_PACKETS)
_EVICTED = cython.declare(cython.int, layout.TABLE_EVICTED)
_WANT = cython.declare(cython.int, layout.TABLE_WANT)

_WORD = cython.declare(cython.ulonglong, 0xFFFF_FFFF_FFFF_FFFF)
_LOW32 = cython.declare(cython.ulonglong, 0xFFFF_FFFF)
_PORT = cython.declare(cython.ulonglong, 0xFFFF)
_MIX = cython.declare(cython.ulonglong, 0x9E37_79B9_7F4A_7C15)
_JUMP_NS = cython.declare(cython.ulonglong, layout.JUMP_NS)
_MINUTE_NS = cython.declare(cython.ulonglong, 60_000_000_000)
_SWEEP_NS = cython.declare(cython.ulonglong, 15_000_000_000)
_MAX_OPEN = cython.declare(cython.ulonglong, layout.MAX_OPEN_FLOWS)
_MAX_MINUTES = cython.declare(cython.ulonglong, 256)  # distinct minutes of one row; a row that has more is cut

_IDLE = cython.declare(cython.ulonglong, 1)
_ACTIVE = cython.declare(cython.ulonglong, 2)
_DETECTED = cython.declare(cython.ulonglong, 3)
_RESOURCES = cython.declare(cython.ulonglong, 5)


@cython.cclass
class FlowKernel:
    """One pass over arrays: `rows` (flows), `minutes`, `index` (hash tag and row plus one, 0: empty), `table` (own words)."""

    rows: cython.ulonglong[:, ::1]
    minutes: cython.ulonglong[:, ::1]
    index: cython.ulonglong[::1]
    table: cython.ulonglong[::1]
    mask: cython.ulonglong
    seed: cython.ulonglong
    idle: cython.ulonglong
    active: cython.ulonglong

    def __init__(self, table: cython.ulonglong[::1], seed: int, idle_ns: int, active_ns: int) -> None:
        self.table = table
        self.seed = seed
        self.idle = idle_ns
        self.active = active_ns
        self.mask = 0

    def attach(self, rows: cython.ulonglong[:, ::1], minutes: cython.ulonglong[:, ::1], index: cython.ulonglong[::1]) -> None:
        """Take arrays, enlarged or new; `index` has a power of two of places and is filled from the open rows."""
        row: cython.Py_ssize_t
        self.rows, self.minutes, self.index = rows, minutes, index
        self.mask = index.shape[0] - 1
        for row in range(self.table[_HIGH]):
            if rows[row, _STATE] & _OPEN:
                self._enter(row)

    @cython.cfunc
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
        value: cython.ulonglong = ((self.seed ^ tunnel ^ a_lo) * _MIX) & _WORD
        value = (((value ^ (value >> 29)) + b_lo) * _MIX) & _WORD
        value = (((value ^ (value >> 32)) + ports) * _MIX) & _WORD
        if a_hi | b_hi:
            value = (((value ^ (value >> 31)) + a_hi) * _MIX) & _WORD
            value = (((value ^ (value >> 30)) + b_hi) * _MIX) & _WORD
        return value ^ (value >> 32)

    @cython.cfunc
    @cython.nogil
    def _enter(self, row: cython.Py_ssize_t) -> cython.int:
        """Put a row into the index."""
        value: cython.ulonglong = self.rows[row, _HASH]
        place: cython.ulonglong = value & self.mask
        while self.index[place]:
            place = (place + 1) & self.mask
        self.index[place] = (value >> 32 << 32) | cython.cast(cython.ulonglong, row + 1)
        return 0

    @cython.cfunc
    @cython.nogil
    def _leave(self, row: cython.Py_ssize_t) -> cython.int:
        """Take a row out of the index, moving up what was displaced behind it."""
        mask: cython.ulonglong = self.mask
        place: cython.ulonglong = self.rows[row, _HASH] & mask
        hole: cython.ulonglong
        home: cython.ulonglong
        wanted: cython.ulonglong = row + 1
        while (self.index[place] & _LOW32) != wanted:
            place = (place + 1) & mask
        hole = place
        while True:
            place = (place + 1) & mask
            if self.index[place] == 0:
                break
            home = self.rows[(self.index[place] & _LOW32) - 1, _HASH] & mask
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
        if self.table[_FREE]:
            row = self.table[_FREE] - 1
            self.table[_FREE] = self.rows[row, _NEXT]
        else:
            row = self.table[_HIGH]
            self.table[_HIGH] += 1
        self.table[_USED] += 1
        return row

    @cython.cfunc
    @cython.nogil
    def _release(self, row: cython.Py_ssize_t) -> cython.int:
        self.rows[row, _STATE] = 0
        self.rows[row, _NEXT] = self.table[_FREE]
        self.table[_FREE] = row + 1
        self.table[_USED] -= 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _end(self, row: cython.Py_ssize_t, reason: cython.ulonglong) -> cython.int:
        """The row, out of the index now, has ended; one without packets in this capture leaves no trace."""
        self.rows[row, _STATE] &= ~_OPEN & _WORD
        if self.table[_PENDING_ROW] == cython.cast(cython.ulonglong, row + 1):
            self.table[_PENDING_ROW] = 0
        if self.rows[row, _FRAME] == 0:
            return self._release(row)
        self.rows[row, _END] = reason
        self.rows[row, _NEXT] = 0
        if self.table[_ENDED_LAST]:
            self.rows[self.table[_ENDED_LAST] - 1, _NEXT] = row + 1
        else:
            self.table[_ENDED] = row + 1
        self.table[_ENDED_LAST] = row + 1
        self.table[_ENDED_COUNT] += 1
        self.table[_MINUTES_ENDED] += self.rows[row, _MINUTE_COUNT] + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _tick(self, ts: cython.ulonglong) -> cython.int:
        """Move the clock to a packet's time, unless that jumped and nobody confirms it; returns 1 while it is in doubt."""
        reference: cython.ulonglong = self.table[_REFERENCE]
        pending: cython.ulonglong = self.table[_PENDING]
        if reference == 0:
            self.table[_REFERENCE] = ts
            return 0
        if ts >= reference and ts - reference <= _JUMP_NS:
            self.table[_CLOCK] += ts - reference
            self.table[_REFERENCE] = ts
            self.table[_PENDING] = 0
            return 0
        if ts < reference and reference - ts <= _JUMP_NS:
            self.table[_PENDING] = 0
            return 0
        self.table[_JUMPS] += 1
        self.table[_PENDING] = ts
        if pending == 0 or (pending > reference) != (ts > reference):
            return 1
        if ts > reference:
            self.table[_REFERENCE] = min(ts, pending)
            self.table[_CLOCK] += self.table[_REFERENCE] - reference
            if self.table[_PENDING_ROW]:
                self.rows[self.table[_PENDING_ROW] - 1, _SEEN] = self.table[_CLOCK]
        else:
            self.table[_REFERENCE] = max(ts, pending)
        reference = self.table[_REFERENCE]
        if ts > reference + _JUMP_NS or ts + _JUMP_NS < reference:
            return 1
        if ts > reference:
            self.table[_CLOCK] += ts - reference
            self.table[_REFERENCE] = ts
        self.table[_PENDING] = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _flush_minute(self, row: cython.Py_ssize_t) -> cython.int:
        """Put the row's current minute into the minute table: into its entry if that minute was seen before."""
        entry: cython.ulonglong = self.rows[row, _MINUTES]
        place: cython.Py_ssize_t
        k: cython.int
        while entry and self.minutes[entry - 1, _M_MINUTE] != self.rows[row, _MINUTE]:
            entry = self.minutes[entry - 1, _M_NEXT]
        if entry:
            place = entry - 1
            for k in range(1, 5):
                self.minutes[place, k] += self.rows[row, _MINUTE + k]
            return 0
        if self.table[_MINUTES_FREE]:
            place = self.table[_MINUTES_FREE] - 1
            self.table[_MINUTES_FREE] = self.minutes[place, _M_NEXT]
        else:
            place = self.table[_MINUTES_HIGH]
            self.table[_MINUTES_HIGH] += 1
        for k in range(5):
            self.minutes[place, k] = self.rows[row, _MINUTE + k]
        self.minutes[place, _M_NEXT] = self.rows[row, _MINUTES]
        self.rows[row, _MINUTES] = place + 1
        self.rows[row, _MINUTE_COUNT] += 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _count(
        self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, row: cython.Py_ssize_t, is_b: cython.ulonglong
    ) -> cython.int:
        """Add a packet, sent by B or by A, to its row."""
        length: cython.ulonglong = packets[i, _P_IP_LENGTH]
        flags: cython.ulonglong = packets[i, _P_TCP_FLAGS]
        ts: cython.ulonglong = packets[i, _P_TS]
        minute: cython.ulonglong = ts // _MINUTE_NS
        state: cython.ulonglong = self.rows[row, _STATE]
        k: cython.int
        back: cython.int = 2 if (state & _FORWARD_IS_B) != is_b else 0
        if self.rows[row, _MINUTE] != minute:
            self._flush_minute(row)
            self.rows[row, _MINUTE] = minute
            for k in range(1, 5):
                self.rows[row, _MINUTE + k] = 0
        self.rows[row, _PACKETS + back] += 1
        self.rows[row, _BYTES + back] += length
        self.rows[row, _MINUTE_PACKETS + back] += 1
        self.rows[row, _MINUTE_BYTES + back] += length
        self.rows[row, _SEEN] = self.table[_CLOCK]
        if self.table[_PENDING] == 0 and ts > self.rows[row, _LAST]:
            self.rows[row, _LAST] = ts
        if packets[i, _P_NAME] and back == 0 and self.rows[row, _NAME] == 0:
            self.rows[row, _NAME] = packets[i, _P_NAME]
        self.table[_FLOW_PACKETS] += 1
        if flags == 0:
            return 0
        self.rows[row, _TCP_FLAGS] |= flags
        if flags & 1:
            state |= _FIN_B if is_b else _FIN_A
        if flags & 4 or (state & (_FIN_A | _FIN_B)) == (_FIN_A | _FIN_B):
            state |= _CLOSED
        self.rows[row, _STATE] = state
        return 0

    @cython.cfunc
    @cython.nogil
    def _begin_row(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, row: cython.Py_ssize_t) -> cython.int:
        """Set what a row counts to nothing, and its times to those of its first packet."""
        ts: cython.ulonglong = packets[i, _P_TS]
        k: cython.int
        for k in range(_LAST, _MINUTE_COUNT + 1):
            self.rows[row, k] = 0
        self.rows[row, _FRAME] = packets[i, _P_FRAME]
        self.rows[row, _FIRST] = ts
        self.rows[row, _LAST] = ts
        self.rows[row, _MINUTE] = ts // _MINUTE_NS
        return 0

    @cython.cfunc
    @cython.nogil
    def _direction(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t) -> cython.int:
        """Who began a flow, by its first packet: initiator (schema.records) shifted left, plus 1 if not the sender.

        A SYN's sender, a SYN+ACK's receiver; else the side whose port is not well-known (below 1024) if the other's is;
        else, for an ICMP answer, its receiver; else the sender.
        """
        protocol: cython.ulonglong = packets[i, _P_PROTOCOL]
        source: cython.ulonglong = packets[i, _P_SPORT]
        destination: cython.ulonglong = packets[i, _P_DPORT]
        flags: cython.ulonglong = packets[i, _P_TCP_FLAGS] & 0x12
        if protocol == 6 and flags & 2:
            return 2 if flags == 2 else 3
        if protocol == 6 or protocol == 17:
            if destination < 1024 and source >= 1024:
                return 6
            return 7 if source < 1024 and destination >= 1024 else 8
        if packets[i, _P_KIND] & _ONE_WAY:
            return 8
        if protocol == 1 and source != 10:
            return 7 if destination == 9 or source == 0 or (source != 8 and source > destination) else 8
        if protocol == 58:
            return 7 if source > destination else 8
        return 8

    @cython.cfunc
    @cython.nogil
    def _ended_by(self, row: cython.Py_ssize_t, flags: cython.ulonglong) -> cython.ulonglong:
        """Why a row of the table ends before a packet with these flags joins it; 0: it does not."""
        state: cython.ulonglong = self.rows[row, _STATE]
        clock: cython.ulonglong = self.table[_CLOCK]
        if clock - self.rows[row, _SEEN] > self.idle:
            return _DETECTED if state & _CLOSED else _IDLE
        if state & _CLOSED and (flags & 0x12) == 2:
            return _DETECTED
        if clock - self.rows[row, _STARTED] >= self.active:
            return _ACTIVE
        if self.rows[row, _MINUTE_COUNT] >= _MAX_MINUTES:
            return _RESOURCES
        return 0

    @cython.cfunc
    @cython.nogil
    def _packet(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Count one packet in its flow, ending and beginning rows as its time and flags ask; returns the row."""
        a_hi: cython.ulonglong = packets[i, _P_SRC_HI]
        a_lo: cython.ulonglong = packets[i, _P_SRC_LO]
        b_hi: cython.ulonglong = packets[i, _P_DST_HI]
        b_lo: cython.ulonglong = packets[i, _P_DST_LO]
        a_port: cython.ulonglong = packets[i, _P_SPORT]
        b_port: cython.ulonglong = packets[i, _P_DPORT]
        protocol: cython.ulonglong = packets[i, _P_PROTOCOL]
        tunnel: cython.ulonglong = packets[i, _P_TUNNEL]
        ports: cython.ulonglong
        value: cython.ulonglong
        place: cython.ulonglong
        found: cython.ulonglong
        is_b: cython.ulonglong = 0
        why: cython.ulonglong
        row: cython.Py_ssize_t = -1
        if not packets[i, _P_KIND] & _ONE_WAY and (
            b_hi < a_hi or (b_hi == a_hi and (b_lo < a_lo or (b_lo == a_lo and b_port < a_port)))
        ):
            a_hi, b_hi, a_lo, b_lo, a_port, b_port, is_b = b_hi, a_hi, b_lo, a_lo, b_port, a_port, 1
        ports = (a_port << 24) | (b_port << 8) | protocol
        value = self._hash(a_hi, a_lo, b_hi, b_lo, ports, tunnel)
        place = value & self.mask
        while True:
            found = self.index[place]
            if found == 0:
                break
            if (found >> 32) == (value >> 32):
                row = (found & _LOW32) - 1
                if (
                    self.rows[row, _PORTS] == ports
                    and self.rows[row, _A_LO] == a_lo
                    and self.rows[row, _B_LO] == b_lo
                    and self.rows[row, _A_HI] == a_hi
                    and self.rows[row, _B_HI] == b_hi
                    and self.rows[row, _TUNNEL] == tunnel
                ):
                    break
                row = -1
            place = (place + 1) & self.mask
        if row >= 0:
            why = self._ended_by(row, packets[i, _P_TCP_FLAGS])
            if why:
                row = self._succeed(packets, i, row, why)
            elif self.rows[row, _FRAME] == 0:
                self._begin_row(packets, i, row)
        if row < 0:
            row = self._new_row()
            self.rows[row, _HASH] = value
            self.rows[row, _A_HI], self.rows[row, _A_LO] = a_hi, a_lo
            self.rows[row, _B_HI], self.rows[row, _B_LO] = b_hi, b_lo
            self.rows[row, _PORTS] = ports
            self.rows[row, _TUNNEL] = tunnel
            self.rows[row, _NAME] = 0
            found = self._direction(packets, i)
            self.rows[row, _STATE] = _OPEN | ((found & 1) ^ is_b) | ((found >> 1) << _INITIATOR_SHIFT)
            self._begin_row(packets, i, row)
            self.rows[row, _CHAIN] = packets[i, _P_TS]
            self.rows[row, _STARTED] = self.table[_CLOCK]
            self._enter(row)
        self._count(packets, i, row, is_b)
        return row

    @cython.cfunc
    @cython.nogil
    def _succeed(
        self,
        packets: cython.ulonglong[:, ::1],
        i: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        why: cython.ulonglong,
    ) -> cython.Py_ssize_t:
        """End a row; -1 if the packet begins a new chain, else the row that goes on with the old one."""
        k: cython.int
        new: cython.Py_ssize_t
        self._leave(row)
        if why == _IDLE or why == _DETECTED:
            self._end(row, why)
            return -1
        new = self._new_row()
        for k in range(_SEEN):
            self.rows[new, k] = self.rows[row, k]
        self.rows[new, _CHAIN] = self.rows[row, _CHAIN]
        self.rows[new, _TUNNEL] = self.rows[row, _TUNNEL]
        self.rows[new, _NAME] = self.rows[row, _NAME]
        self._begin_row(packets, i, new)
        self.rows[new, _STARTED] = self.table[_CLOCK]
        self._end(row, why)
        self._enter(new)
        return new

    @cython.cfunc
    @cython.nogil
    def _sweep(self) -> cython.int:
        """End what is idle by now."""
        row: cython.Py_ssize_t
        state: cython.ulonglong
        clock: cython.ulonglong = self.table[_CLOCK]
        for row in range(self.table[_HIGH]):
            state = self.rows[row, _STATE]
            if state & _OPEN and clock - self.rows[row, _SEEN] > self.idle:
                self._leave(row)
                self._end(row, _DETECTED if state & _CLOSED else _IDLE)
        self.table[_SWEPT] = clock
        self.table[_SINCE_SWEEP] = 0
        return 0

    def enter(self, row: cython.Py_ssize_t) -> None:
        """Put a row that the caller filled in (all but its hash) into the table."""
        rows: cython.ulonglong[:, ::1] = self.rows
        rows[row, _HASH] = self._hash(
            rows[row, _A_HI], rows[row, _A_LO], rows[row, _B_HI], rows[row, _B_LO], rows[row, _PORTS], rows[row, _TUNNEL]
        )
        self._enter(row)

    def sweep(self) -> None:
        """End every row that is idle by the table clock."""
        self._sweep()

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
        following: cython.ulonglong
        k: cython.int
        self._flush_minute(row)
        entry = self.rows[row, _MINUTES]
        while entry:
            out[0, filled] = number
            for k in range(5):
                out[1 + k, filled] = self.minutes[entry - 1, k]
            filled += 1
            following = self.minutes[entry - 1, _M_NEXT]
            self.minutes[entry - 1, _M_NEXT] = self.table[_MINUTES_FREE]
            self.table[_MINUTES_FREE] = entry
            entry = following
        return filled

    def take(self, out: cython.ulonglong[:, ::1], minutes: cython.ulonglong[:, ::1]) -> int:
        """Write the ended rows, as FlowColumns orders them (addresses as two words), and their minutes; free them all.

        Returns how many minutes there are: at most the table's MINUTES_ENDED word.
        """
        n: cython.ulonglong = 0
        filled: cython.Py_ssize_t = 0
        row: cython.Py_ssize_t
        following: cython.ulonglong = self.table[_ENDED]
        with cython.nogil:
            while following:
                row = following - 1
                following = self.rows[row, _NEXT]
                self._copy(row, n, out)
                filled = self._copy_minutes(row, n, minutes, filled)
                self._release(row)
                n += 1
            self.table[_ENDED] = self.table[_ENDED_LAST] = self.table[_ENDED_COUNT] = self.table[_MINUTES_ENDED] = 0
        return filled

    @cython.cfunc
    @cython.nogil
    def _copy(self, row: cython.Py_ssize_t, n: cython.ulonglong, out: cython.ulonglong[:, ::1]) -> cython.int:
        """Write a row to out[:, n], told from its initiator."""
        state: cython.ulonglong = self.rows[row, _STATE]
        ports: cython.ulonglong = self.rows[row, _PORTS]
        from_b: cython.int = 2 if state & _FORWARD_IS_B else 0
        k: cython.int
        for k in range(4):
            out[k ^ from_b, n] = self.rows[row, _A_HI + k]
        out[4, n] = (ports >> (8 if from_b else 24)) & _PORT
        out[5, n] = (ports >> (24 if from_b else 8)) & _PORT
        out[6, n] = ports & 255
        out[7, n] = self.rows[row, _FRAME]
        out[8, n] = self.rows[row, _FIRST]
        out[9, n] = self.rows[row, _LAST]
        out[10, n] = self.rows[row, _CHAIN]
        for k in range(4):
            out[11 + k, n] = self.rows[row, _PACKETS + k]
        out[15, n] = self.rows[row, _TCP_FLAGS]
        out[16, n] = self.rows[row, _END]
        out[17, n] = state >> _INITIATOR_SHIFT
        out[18, n] = self.rows[row, _TUNNEL]
        out[19, n] = self.rows[row, _NAME]
        return 0

    def track(
        self,
        packets: cython.ulonglong[:, ::1],
        first: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
        room: cython.ulonglong,
    ) -> int:
        """Count packets[first:count] in their flows; returns where it stopped: at `count`, or earlier
        when `room` rows or the minute entries are used up, or too many flows are open (the reason is in the table's WANT word).
        """
        i: cython.Py_ssize_t = first
        row: cython.Py_ssize_t
        doubt: cython.int
        minutes: cython.ulonglong = self.minutes.shape[0]
        with cython.nogil:
            self.table[_WANT] = 0
            while i < count:
                if packets[i, _P_REASON]:
                    i += 1
                    continue
                if self.table[_USED] + 2 > room:
                    self.table[_WANT] = 1
                    break
                if self.table[_USED] - self.table[_ENDED_COUNT] >= _MAX_OPEN:
                    self.table[_WANT] = 3
                    break
                if self.table[_MINUTES_HIGH] + 2 > minutes and self.table[_MINUTES_FREE] == 0:
                    self.table[_WANT] = 2
                    break
                doubt = self._tick(packets[i, _P_TS])
                self.table[_PENDING_ROW] = 0
                self.table[_SINCE_SWEEP] += 1
                if self.table[_CLOCK] - self.table[_SWEPT] >= _SWEEP_NS and self.table[_SINCE_SWEEP] * 8 >= self.table[_HIGH]:
                    self._sweep()
                row = self._packet(packets, i)
                if doubt:
                    self.table[_PENDING_ROW] = row + 1
                i += 1
        return i

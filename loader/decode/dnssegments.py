# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
"""The kernel that keeps the streams of DNS over TCP, one a direction of a connection, and follows those that give no trouble.

A SYN, a segment that is one whole message behind its length, and the length and the message in a segment each (many clients
write them so) are seen to here: the message is read where it lies. At any other segment the kernel stops, and `dnsstreams.py`
takes it; of a stream that holds more than a length, its bytes and its place in the stream are there.
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
class SegmentKernel:
    """Works on arrays of the caller's: streams (`rows`), first row by hash (`index`), `words`. Rows are linked by age."""

    rows: cython.ulonglong[:, ::1]
    index: cython.uint[::1]  # row plus one of the stream of this hash that began last; 0: there is none
    words: cython.ulonglong[::1]
    buf: cython.const[cython.uchar][::1]
    packets: cython.ulonglong[::1]  # their words one behind the other; `i` is where those of one begin
    seed: cython.ulonglong
    idle: cython.ulonglong

    def __init__(
        self, rows: cython.ulonglong[:, ::1], index: cython.uint[::1], words: cython.ulonglong[::1], seed: int, idle_ns: int
    ) -> None:
        """`rows`: one more than streams may be held; `index`: a power of two."""
        self.rows, self.index, self.words = rows, index, words
        self.seed, self.idle = seed, idle_ns

    @cython.cfunc
    @cython.nogil
    def _hash(self, i: cython.Py_ssize_t) -> cython.ulonglong:
        value: cython.ulonglong = self.seed ^ self.packets[i + layout.PACKET_TUNNEL]
        k: cython.Py_ssize_t
        for k in range(i + layout.PACKET_SRC_HI, i + layout.PACKET_DPORT + 1):
            value = ((value ^ self.packets[k]) * layout.FLOW_MIX) & layout.WORD
            value ^= value >> 29
        return value

    @cython.cfunc
    @cython.nogil
    def _find(self, i: cython.Py_ssize_t, value: cython.ulonglong) -> cython.Py_ssize_t:
        """The row of the packet's stream; -1: none."""
        mask: cython.ulonglong = self.index.shape[0] - 1
        row: cython.Py_ssize_t = self.index[value & mask]
        ports: cython.ulonglong = (self.packets[i + layout.PACKET_SPORT] << 16) | self.packets[i + layout.PACKET_DPORT]
        while row:
            row -= 1
            if (
                self.rows[row, layout.STREAM_HASH] == value
                and self.rows[row, layout.STREAM_SRC_LO] == self.packets[i + layout.PACKET_SRC_LO]
                and self.rows[row, layout.STREAM_DST_LO] == self.packets[i + layout.PACKET_DST_LO]
                and self.rows[row, layout.STREAM_SRC_HI] == self.packets[i + layout.PACKET_SRC_HI]
                and self.rows[row, layout.STREAM_DST_HI] == self.packets[i + layout.PACKET_DST_HI]
                and self.rows[row, layout.STREAM_PORTS] == ports
                and self.rows[row, layout.STREAM_TUNNEL] == self.packets[i + layout.PACKET_TUNNEL]
            ):
                return row
            row = self.rows[row, layout.STREAM_CHAIN]
        return -1

    @cython.cfunc
    @cython.nogil
    def _unlink(self, row: cython.Py_ssize_t) -> cython.int:
        """Take a row out of the order of ages."""
        older: cython.Py_ssize_t = self.rows[row, layout.STREAM_OLDER]
        newer: cython.Py_ssize_t = self.rows[row, layout.STREAM_NEWER]
        if older:
            self.rows[older - 1, layout.STREAM_NEWER] = newer
        else:
            self.words[layout.STREAMS_OLDEST] = newer
        if newer:
            self.rows[newer - 1, layout.STREAM_OLDER] = older
        else:
            self.words[layout.STREAMS_NEWEST] = older
        return 0

    @cython.cfunc
    @cython.nogil
    def _link(self, row: cython.Py_ssize_t, now: cython.ulonglong) -> cython.int:
        """Make a row the youngest."""
        older: cython.Py_ssize_t = self.words[layout.STREAMS_NEWEST]
        self.rows[row, layout.STREAM_SEEN] = now
        self.rows[row, layout.STREAM_OLDER] = older
        self.rows[row, layout.STREAM_NEWER] = 0
        if older:
            self.rows[older - 1, layout.STREAM_NEWER] = row + 1
        else:
            self.words[layout.STREAMS_OLDEST] = row + 1
        self.words[layout.STREAMS_NEWEST] = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _drop(self, row: cython.Py_ssize_t) -> cython.int:
        """Empty a row."""
        mask: cython.ulonglong = self.index.shape[0] - 1
        place: cython.ulonglong = self.rows[row, layout.STREAM_HASH] & mask
        before: cython.Py_ssize_t = self.index[place]
        if before == row + 1:
            self.index[place] = self.rows[row, layout.STREAM_CHAIN]
        else:
            while self.rows[before - 1, layout.STREAM_CHAIN] != cython.cast(cython.ulonglong, row + 1):
                before = self.rows[before - 1, layout.STREAM_CHAIN]
            self.rows[before - 1, layout.STREAM_CHAIN] = self.rows[row, layout.STREAM_CHAIN]
        self._unlink(row)
        self.rows[row, layout.STREAM_CHAIN] = self.words[layout.STREAMS_FREE]
        self.words[layout.STREAMS_FREE] = row + 1
        self.words[layout.STREAMS_USED] -= 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _fill(
        self, i: cython.Py_ssize_t, value: cython.ulonglong, sequence: cython.ulonglong, now: cython.ulonglong
    ) -> cython.Py_ssize_t:
        """A row for the packet's stream, which there must be one free for: a message begins with this number."""
        mask: cython.ulonglong = self.index.shape[0] - 1
        row: cython.Py_ssize_t = self.words[layout.STREAMS_FREE]
        if row:
            row -= 1
            self.words[layout.STREAMS_FREE] = self.rows[row, layout.STREAM_CHAIN]
        else:
            row = self.words[layout.STREAMS_HIGH]
            self.words[layout.STREAMS_HIGH] += 1
        self.words[layout.STREAMS_USED] += 1
        self.rows[row, layout.STREAM_SRC_HI] = self.packets[i + layout.PACKET_SRC_HI]
        self.rows[row, layout.STREAM_SRC_LO] = self.packets[i + layout.PACKET_SRC_LO]
        self.rows[row, layout.STREAM_DST_HI] = self.packets[i + layout.PACKET_DST_HI]
        self.rows[row, layout.STREAM_DST_LO] = self.packets[i + layout.PACKET_DST_LO]
        self.rows[row, layout.STREAM_PORTS] = (self.packets[i + layout.PACKET_SPORT] << 16) | self.packets[
            i + layout.PACKET_DPORT
        ]
        self.rows[row, layout.STREAM_TUNNEL] = self.packets[i + layout.PACKET_TUNNEL]
        self.rows[row, layout.STREAM_NEXT] = sequence
        self.rows[row, layout.STREAM_STATE] = layout.STREAM_IN_STEP
        self.rows[row, layout.STREAM_LENGTH] = 0
        self.rows[row, layout.STREAM_HASH] = value
        self.rows[row, layout.STREAM_CHAIN] = self.index[value & mask]
        self.index[value & mask] = row + 1
        self._link(row, now)
        return row

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _has_room(self, streams: cython.ulonglong, octets: cython.ulonglong) -> cython.bint:
        """Whether so many more are within the bounds."""
        streams += self.words[layout.STREAMS_USED]
        octets += self.words[layout.STREAMS_HELD] + streams * layout.PIECE_COST
        return streams <= layout.MAX_DNS_STREAMS and octets <= layout.MAX_DNS_STREAM_BYTES

    @cython.cfunc
    @cython.nogil
    def _open(
        self,
        i: cython.Py_ssize_t,
        row: cython.Py_ssize_t,
        value: cython.ulonglong,
        sequence: cython.ulonglong,
        now: cython.ulonglong,
    ) -> cython.bint:
        """A SYN: a new stream in place of that in `row`, or of the one silent longest; whether the caller need not do that."""
        if row < 0 and not self._has_room(1, 0):
            row = self.words[layout.STREAMS_OLDEST] - 1
            if not self._has_room(0, 0):
                return False
        if row >= 0:
            if self.rows[row, layout.STREAM_STATE] & layout.STREAM_HOLDS or self.rows[row, layout.STREAM_LENGTH]:
                return False
            self._drop(row)
        self._fill(i, value, sequence, now)
        return True

    @cython.cfunc
    @cython.nogil
    def _take(self, i: cython.Py_ssize_t, now: cython.ulonglong) -> cython.bint:
        """See to a packet; whether that is done, and the caller need not look at it."""
        first: cython.Py_ssize_t = self.packets[i + layout.PACKET_PAYLOAD]
        at: cython.Py_ssize_t = first
        end: cython.Py_ssize_t = self.packets[i + layout.PACKET_PAYLOAD_END]
        sequence: cython.ulonglong = self.packets[i + layout.PACKET_SEQUENCE]
        value: cython.ulonglong = self._hash(i)
        row: cython.Py_ssize_t = self._find(i, value)
        length: cython.Py_ssize_t
        if self.packets[i + layout.PACKET_TCP_FLAGS] & 2:
            return at >= end and self._open(i, row, value, (sequence + 1) & layout.LOW_HALF, now)
        if (
            row < 0
            or self.rows[row, layout.STREAM_STATE] != layout.STREAM_IN_STEP
            or self.rows[row, layout.STREAM_NEXT] != sequence
            or now - self.rows[row, layout.STREAM_SEEN] > self.idle
            or self.packets[i + layout.PACKET_KIND] & layout.KIND_CUT
        ):
            return False
        length = self.rows[row, layout.STREAM_LENGTH]
        if length == 0:
            if end - at < 2:
                return False
            length = self.buf[at]
            length = (length << 8) | self.buf[at + 1]
            at += 2
            if length < layout.DNS_HEADER or not (at + length == end or (at == end and self._has_room(0, 2))):
                return False
        elif at + length != end:
            return False
        if at == end:
            self.rows[row, layout.STREAM_LENGTH] = length
            self.words[layout.STREAMS_HELD] += 2
        else:
            if self.rows[row, layout.STREAM_LENGTH]:
                self.rows[row, layout.STREAM_LENGTH] = 0
                self.words[layout.STREAMS_HELD] -= 2
            self.packets[i + layout.PACKET_PAYLOAD] = at
            self.packets[i + layout.PACKET_KIND] |= layout.KIND_MESSAGE
        self.rows[row, layout.STREAM_NEXT] = (sequence + cython.cast(cython.ulonglong, end - first)) & layout.LOW_HALF
        self._unlink(row)
        self._link(row, now)
        return True

    def scan(
        self,
        buf: cython.const[cython.uchar][::1],
        packets: cython.ulonglong[::1],
        listed: cython.ulonglong[::1],
        first: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
    ) -> int:
        """See to the packets of listed[first:count], each its number: a SYN, or it bears data; returns where it stopped, at
        the one that the caller is to look at before going on behind it."""
        k: cython.Py_ssize_t = first
        i: cython.Py_ssize_t
        self.buf, self.packets = buf, packets
        with cython.nogil:
            while k < count:
                i = listed[k] * layout.PACKET_WIDTH
                if not self._take(i, packets[i + layout.PACKET_CLOCK]):
                    break
                k += 1
        return k

    def find(self, packet: cython.ulonglong[::1]) -> int:
        """The row of a packet's stream; -1: none."""
        self.packets = packet
        return self._find(0, self._hash(0))

    def fill(self, packet: cython.ulonglong[::1], sequence: cython.ulonglong, now: cython.ulonglong) -> int:
        """A row, the youngest, for a packet's stream, which has none: a message begins with this number."""
        self.packets = packet
        return self._fill(0, self._hash(0), sequence, now)

    def touch(self, row: cython.Py_ssize_t, now: cython.ulonglong) -> None:
        """A packet of this stream came: it is the youngest."""
        self._unlink(row)
        self._link(row, now)

    def believe(self, doubted: cython.ulonglong, believed: cython.ulonglong) -> int:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said.
        Returns the row of its stream; -1: it had none."""
        row: cython.Py_ssize_t = self.words[layout.STREAMS_NEWEST]
        if row == 0 or self.rows[row - 1, layout.STREAM_SEEN] != doubted:
            return -1
        self.rows[row - 1, layout.STREAM_SEEN] = believed
        return row - 1

    def drop(self, row: cython.Py_ssize_t) -> None:
        """There is no such stream any more."""
        self._drop(row)

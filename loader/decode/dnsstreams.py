"""DNS over TCP (RFC 1035 4.2.2, RFC 7766): messages behind their lengths, several a segment or split anywhere.

Each direction of a connection is a stream. One whose SYN was seen begins with a message. Of others, and behind a hole that
nothing fills, reading goes on at the first segment that begins as a message does; what comes before is given up and counted.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from operator import itemgetter

from loader.decode import layout
from loader.decode.assembly import Assembly
from loader.decode.tables import enlarged, table_of

MAX_STREAMS = 4_096
MAX_BYTES = 8 * 1024 * 1024
MAX_AHEAD = 65_536  # bytes, and segments, held behind a hole
MAX_HELD = 64
HOLE_NS = 3_000_000_000  # so long after it opened a hole is filled no more: a retransmission comes within a second or two
_WINDOW = 1 << 20  # a segment further from where its stream stands is of another connection
_WIDTH = layout.PACKET_WIDTH
_SYN = 2
_HEADER = 12  # octets of a message's header
_MAX_OPCODE = 6

Key = tuple[bytes, int]


class DnsStream(Assembly):
    """One direction: `base` is the sequence number of offset 0."""

    __slots__ = ("base", "hole_seen", "in_step", "seen")

    def __init__(self, base: int, *, in_step: bool) -> None:
        super().__init__()
        self.base = base
        self.in_step = in_step  # whether offset `start` is where a message begins
        self.seen = 0  # what the clock said at its last packet
        self.hole_seen = 0  # and when the first piece behind a hole came

    @property
    def at_message(self) -> bool:
        """Whether a message begins at `start`, and nothing has come that is behind it."""
        return self.in_step and not self.data and not self.held

    def offset(self, sequence: int) -> int:
        """Offset in the stream of a sequence number near to where it stands."""
        behind = self.start + len(self.data)
        ahead = (sequence - self.base - behind) & layout.LOW_HALF
        return behind + (ahead - layout.LOW_HALF - 1 if ahead > layout.LOW_HALF >> 1 else ahead)


class DnsStreams:
    """Gives the messages of one packet at a time: `count` rows of `rows`, packets whose payload lies in `source`."""

    def __init__(self, idle_ns: int) -> None:
        self._idle_ns = idle_ns
        self.streams: OrderedDict[Key, DnsStream] = OrderedDict()  # the longest silent first
        self._bytes = 0
        self.rows = table_of(64, _WIDTH)
        self._words = self.rows.cast("B").cast("Q")
        self.source: bytes = b""
        self.count = 0
        self.evicted = 0  # streams given up with something in them
        self.holes = 0  # that nothing filled
        self.lost_bytes = 0  # bytes in which no message was found, or of streams given up

    def add(self, buffer: memoryview, packets: memoryview, i: int, now: int) -> None:
        """Take packet i, one of words `packets`: a segment with data, or a SYN. `now`: nanoseconds of the believed clock."""
        row = packets[i * _WIDTH : (i + 1) * _WIDTH]
        sequence = row[layout.PACKET_SEQUENCE]
        key = (row[layout.PACKET_SRC_HI : layout.PACKET_DPORT + 1].tobytes(), row[layout.PACKET_TUNNEL])
        self.count = 0
        if row[layout.PACKET_TCP_FLAGS] & _SYN:
            sequence = (sequence + 1) & layout.LOW_HALF
            self._begin(key, DnsStream(sequence, in_step=True), now)
        piece = bytes(buffer[row[layout.PACKET_PAYLOAD] : row[layout.PACKET_PAYLOAD_END]])
        if piece:
            self._segment(key, sequence, piece, row, now)

    def _begin(self, key: Key, stream: DnsStream, now: int) -> DnsStream:
        """A new stream in place of an old one of that key."""
        if key in self.streams:
            self._forget(key)
        stream.seen = now
        return self.adopt(key, stream)

    def adopt(self, key: Key, stream: DnsStream) -> DnsStream:
        """Hold a stream from now on."""
        self.streams[key] = stream
        self._bytes += stream.size
        while len(self.streams) > MAX_STREAMS or self._bytes > MAX_BYTES:
            self._forget(next(iter(self.streams)))
        return stream

    def _forget(self, key: Key) -> None:
        stream = self.streams.pop(key)
        self._bytes -= stream.size
        lost = stream.octets
        self.lost_bytes += lost
        self.evicted += lost > 0

    def _segment(self, key: Key, sequence: int, piece: bytes, row: memoryview, now: int) -> None:
        stream = self.streams.get(key)
        if stream is None or now - stream.seen > self._idle_ns or abs(stream.offset(sequence) - stream.behind) > _WINDOW:
            stream = self._begin(key, DnsStream(sequence, in_step=False), now)
        elif len(self.streams) > 1:
            self.streams.move_to_end(key)
        stream.seen = now
        if not stream.at_message or (sequence - stream.base - stream.start) & layout.LOW_HALF:
            self._assemble(stream, stream.offset(sequence), piece, row)
            return
        used, sound = self._walk(piece, row)
        stream.start += used
        if not sound:
            self._lose_step(stream, len(piece) - used)
        elif used < len(piece):
            stream.data += piece[used:]
            self._bytes += len(piece) - used

    def _assemble(self, stream: DnsStream, offset: int, piece: bytes, row: memoryview) -> None:
        """What does not just go on where the last message ended."""
        before, held = stream.size, bool(stream.held)
        if stream.in_step:
            stream.add(offset, piece, row)
        elif offset >= stream.behind:
            self._enter(stream, offset, piece)
        if stream.held and not held:
            stream.hole_seen = stream.seen
        self._read(stream, row)
        if stream.held and (not stream.in_step or self._is_hopeless(stream)):
            self._skip_hole(stream, row)
        self._bytes += stream.size - before
        while self._bytes > MAX_BYTES:
            self._forget(next(iter(self.streams)))

    def _is_hopeless(self, stream: DnsStream) -> bool:
        waited = stream.seen - stream.hole_seen > HOLE_NS
        return waited or len(stream.held) > MAX_HELD or stream.octets - len(stream.data) > MAX_AHEAD

    def _skip_hole(self, stream: DnsStream, row: memoryview) -> None:
        """Give up what is before the hole, and read on behind it: what is whole there came with its own packets."""
        self.holes += 1
        self.lost_bytes += len(stream.data)
        stream.in_step = False
        stream.data.clear()
        for offset, piece, origin in stream.take_held():
            if stream.in_step:
                stream.add(offset, piece, origin)
            else:
                self._enter(stream, offset, piece)
            self._read(stream, memoryview(origin).cast("Q") if origin else row)
        self._sort()

    def _sort(self) -> None:
        """The messages of a frame stand together, however those of others lie between them: records are numbered by frame."""
        words, places = self._words, range(0, self.count * _WIDTH, _WIDTH)
        rows = sorted((words[at : at + _WIDTH].tolist() for at in places), key=itemgetter(layout.PACKET_FRAME))
        for at, row in zip(places, rows, strict=True):
            words[at : at + _WIDTH] = memoryview(array("Q", row))

    def _enter(self, stream: DnsStream, offset: int, piece: bytes) -> None:
        """Begin to read with this piece, if it begins as a message does."""
        stream.in_step = _is_credible(piece)
        stream.start = offset
        if stream.in_step:
            stream.data += piece
        else:
            stream.start += len(piece)
            self.lost_bytes += len(piece)

    def _read(self, stream: DnsStream, row: memoryview) -> None:
        """The messages that are whole now."""
        data = stream.data
        if len(data) < 2 or len(data) - 2 < int.from_bytes(data[:2], "big"):
            return
        used, sound = self._walk(bytes(data), row)
        del data[:used]
        stream.start += used
        if not sound:
            self._lose_step(stream, len(data))

    def _lose_step(self, stream: DnsStream, rest: int) -> None:
        """What follows is no message: so many octets are given up, and the next segment is looked at."""
        stream.in_step = False
        stream.start += rest
        stream.data.clear()
        self.lost_bytes += rest

    def _walk(self, source: bytes, row: memoryview) -> tuple[int, bool]:
        """Rows of the whole messages at the beginning of `source`; where the first comes that is not whole, and whether it may
        be one: shorter than a header there is none."""
        at, size = 0, len(source)
        before = len(self.source) if self.count else 0
        self.source = self.source + source if self.count else source
        while size - at >= 2:
            length = source[at] << 8 | source[at + 1]
            if length < _HEADER:
                return at, False
            end = at + 2 + length
            if end > size:
                break
            self._put(before + at + 2, before + end, row)
            at = end
        return at, True

    def _put(self, at: int, end: int, row: memoryview) -> None:
        if self.count == len(self.rows):
            self.rows = enlarged(self.rows, 2 * self.count)
            self._words = self.rows.cast("B").cast("Q")
        place, words = self.count * _WIDTH, self._words
        words[place : place + _WIDTH] = row
        words[place + layout.PACKET_PAYLOAD] = at
        words[place + layout.PACKET_PAYLOAD_END] = end
        words[place + layout.PACKET_KIND] = row[layout.PACKET_KIND] & ~layout.KIND_CUT | layout.KIND_WHOLE
        self.count += 1

    def finish(self) -> Iterator[None]:
        """No packet follows: read on behind every hole; yields when there are messages."""
        for stream in self.streams.values():
            while stream.held:
                self.count = 0
                self._skip_hole(stream, self._words[:_WIDTH])
                if self.count:
                    yield


def _is_credible(piece: bytes) -> bool:
    """Whether a message may begin here: its header's fields are in use, and its counts fit its length (RFC 1035 4.1.1)."""
    if len(piece) < 14:
        return False
    length, flags = int.from_bytes(piece[:2], "big"), int.from_bytes(piece[4:6], "big")
    questions, answers, authority, additional = (int.from_bytes(piece[at : at + 2], "big") for at in (6, 8, 10, 12))
    least = _HEADER + 5 * questions + 11 * (answers + authority + additional)
    return least <= length and questions <= 1 and not flags & 0x40 and flags >> 11 & 15 <= _MAX_OPCODE

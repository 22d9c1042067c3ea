"""DNS over TCP (RFC 1035 4.2.2, RFC 7766): messages behind their lengths, several a segment or split anywhere.

Each direction of a connection is a stream. One whose SYN was seen begins with a message. Of others, and behind a hole that
nothing fills, reading goes on at the first segment that begins as a message does; what comes before is given up and counted.
"""

from array import array
from collections.abc import Iterator
from operator import itemgetter

from loader.decode import layout
from loader.decode.assembly import Assembly
from loader.decode.dnssegments import SegmentKernel
from loader.decode.tables import enlarged, table_of, zeroed

MAX_AHEAD = 65_536  # bytes, and segments, held behind a hole
MAX_HELD = 64
HOLE_NS = 3_000_000_000  # so long after it opened a hole is filled no more: a retransmission comes within a second or two
_WINDOW = 1 << 20  # a segment further from where its stream stands is of another connection
_WIDTH = layout.PACKET_WIDTH
_SYN = 2
_MAX_OPCODE = 6


class DnsStream(Assembly):
    """One direction: `base` is the sequence number of offset 0."""

    __slots__ = ("base", "hole_seen", "in_step")

    def __init__(self, base: int, *, in_step: bool) -> None:
        super().__init__()
        self.base = base
        self.in_step = in_step  # whether offset `start` is where a message begins
        self.hole_seen = 0  # what the clock said when the first piece behind a hole came

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
    """Gives the messages of one packet at a time: `count` rows of `rows`, packets whose payload lies in `source`.

    A stream is a row of the kernel's table; where it holds octets it is also in `streams`, by the number of that row, and
    says there where it stands.
    """

    def __init__(self, idle_ns: int) -> None:
        self._idle_ns = idle_ns
        self._table = table_of(layout.MAX_DNS_STREAMS + 1, layout.STREAM_WIDTH)
        self.words = memoryview(array("Q", bytes(8 * layout.STREAMS_WIDTH)))
        # The seed differs from process to process, so that nobody can make streams that all collide.
        seed = hash("dns streams") & layout.WORD
        index = zeroed(4 * layout.DNS_STREAM_PLACES).cast("I")
        self.kernel = SegmentKernel(self._table, index, self.words, seed, idle_ns)
        self.streams: dict[int, DnsStream] = {}
        self.rows = table_of(64, _WIDTH)
        self._row_words = self.rows.cast("B").cast("Q")
        self.source: bytes = b""
        self.count = 0
        self.evicted = 0  # streams given up with something in them
        self.holes = 0  # that nothing filled
        self.lost_bytes = 0  # bytes in which no message was found, or of streams given up

    def believe(self, doubted: int, believed: int) -> None:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said."""
        stream = self.streams.get(self.kernel.believe(doubted, believed))
        if stream is not None and stream.hole_seen == doubted:
            stream.hole_seen = believed

    def add(self, buffer: memoryview, packets: memoryview, i: int) -> None:
        """Take packet i, one of words `packets`: a segment with data, or a SYN."""
        row = packets[i * _WIDTH : (i + 1) * _WIDTH]
        now, sequence = row[layout.PACKET_CLOCK], row[layout.PACKET_SEQUENCE]
        place = self.kernel.find(row)
        self.count = 0
        if row[layout.PACKET_TCP_FLAGS] & _SYN:
            sequence = (sequence + 1) & layout.LOW_HALF
            place = self._begin(place, row, DnsStream(sequence, in_step=True), now)
        piece = bytes(buffer[row[layout.PACKET_PAYLOAD] : row[layout.PACKET_PAYLOAD_END]])
        if piece:
            self._segment(place, sequence, piece, row, now)

    def _begin(self, place: int, row: memoryview, stream: DnsStream, now: int) -> int:
        """A new stream of the packet's key in place of that in this row of the table (-1: there is none); its row."""
        if place >= 0:
            self._forget(place)
        return self.adopt(row, stream, now)

    def adopt(self, row: memoryview, stream: DnsStream, seen: int) -> int:
        """Hold a stream from now on, whose key is the packet's; its row of the table."""
        place = self.kernel.fill(row, 0, seen)
        self._settle(place, stream, layout.PIECE_COST)
        return place

    def entries(self) -> Iterator[tuple[list[int], DnsStream, int]]:
        """All streams, the longest silent first: words of the key, the stream, what the clock said at its last packet."""
        for place in self._places():
            key = [self._table[place, word] for word in range(layout.STREAM_NEXT)]
            yield key, self._stream(place), self._table[place, layout.STREAM_SEEN]

    def _places(self) -> Iterator[int]:
        """The rows of the table, the longest silent first."""
        place = self.words[layout.STREAMS_OLDEST]
        while place:
            yield place - 1
            place = self._table[place - 1, layout.STREAM_NEWER]

    def _stream(self, place: int) -> DnsStream:
        """The stream of a row."""
        stream = self.streams.get(place)
        if stream is None:
            length, state = self._table[place, layout.STREAM_LENGTH], self._table[place, layout.STREAM_STATE]
            came = length.to_bytes(2, "big") if length else b""
            base = (self._table[place, layout.STREAM_NEXT] - len(came)) & layout.LOW_HALF
            stream = DnsStream(base, in_step=bool(state & layout.STREAM_IN_STEP))
            stream.data += came
        return stream

    def _settle(self, place: int, stream: DnsStream, before: int) -> None:
        """Say in its row how a stream stands, whose size was `before`; then keep the bounds."""
        holds = bool(stream.data or stream.held)
        if holds:
            self.streams[place] = stream
        else:
            self.streams.pop(place, None)
            self._table[place, layout.STREAM_NEXT] = (stream.base + stream.start) & layout.LOW_HALF
        self._table[place, layout.STREAM_LENGTH] = 0
        self._table[place, layout.STREAM_STATE] = stream.in_step * layout.STREAM_IN_STEP | holds * layout.STREAM_HOLDS
        self.words[layout.STREAMS_HELD] += stream.size - before
        while self._is_too_much():
            self._forget(self.words[layout.STREAMS_OLDEST] - 1)

    def _is_too_much(self) -> bool:
        streams = self.words[layout.STREAMS_USED]
        held = self.words[layout.STREAMS_HELD] + streams * layout.PIECE_COST
        return streams > layout.MAX_DNS_STREAMS or held > layout.MAX_DNS_STREAM_BYTES

    def _forget(self, place: int) -> None:
        stream = self._stream(place)
        self.streams.pop(place, None)
        self.kernel.drop(place)
        self.words[layout.STREAMS_HELD] -= stream.size - layout.PIECE_COST
        lost = stream.octets
        self.lost_bytes += lost
        self.evicted += lost > 0

    def _segment(self, place: int, sequence: int, piece: bytes, row: memoryview, now: int) -> None:
        stream = self._stream(place) if place >= 0 else None
        if stream is None or self._is_another(stream, place, sequence, now):
            stream = DnsStream(sequence, in_step=False)
            place = self._begin(place, row, stream, now)
        before = stream.size
        self.kernel.touch(place, now)
        if not stream.at_message or (sequence - stream.base - stream.start) & layout.LOW_HALF:
            self._assemble(stream, stream.offset(sequence), piece, row, now)
        else:
            used, sound = self._walk(piece, row)
            stream.start += used
            if not sound:
                self._lose_step(stream, len(piece) - used)
            elif used < len(piece):
                stream.data += piece[used:]
        self._settle(place, stream, before)

    def _is_another(self, stream: DnsStream, place: int, sequence: int, now: int) -> bool:
        """Whether a segment is not of the stream in this row: it comes too late for that, or too far from where it stands."""
        silent = now - self._table[place, layout.STREAM_SEEN] > self._idle_ns
        return silent or abs(stream.offset(sequence) - stream.behind) > _WINDOW

    def _assemble(self, stream: DnsStream, offset: int, piece: bytes, row: memoryview, now: int) -> None:
        """What does not just go on where the last message ended."""
        held = bool(stream.held)
        if stream.in_step:
            stream.add(offset, piece, row)
        elif offset >= stream.behind:
            self._enter(stream, offset, piece)
        if stream.held and not held:
            stream.hole_seen = now
        self._read(stream, row)
        if stream.held and (not stream.in_step or _is_hopeless(stream, now)):
            self._skip_hole(stream, row)

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
        words, places = self._row_words, range(0, self.count * _WIDTH, _WIDTH)
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
            if length < layout.DNS_HEADER:
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
            self._row_words = self.rows.cast("B").cast("Q")
        place, words = self.count * _WIDTH, self._row_words
        words[place : place + _WIDTH] = row
        words[place + layout.PACKET_PAYLOAD] = at
        words[place + layout.PACKET_PAYLOAD_END] = end
        words[place + layout.PACKET_KIND] = row[layout.PACKET_KIND] & ~layout.KIND_CUT | layout.KIND_WHOLE
        self.count += 1

    def finish(self) -> Iterator[None]:
        """No packet follows: read on behind every hole; yields when there are messages."""
        for place in self._places() if self.streams else ():
            stream = self._stream(place)
            while stream.held:
                self.count = 0
                self._skip_hole(stream, self._row_words[:_WIDTH])
                if self.count:
                    yield


def _is_hopeless(stream: DnsStream, now: int) -> bool:
    """Whether a hole is filled no more."""
    if now - stream.hole_seen > HOLE_NS or len(stream.held) > MAX_HELD:
        return True
    # The octets are counted only where that may matter: they are some of the bytes of memory.
    return stream.size > MAX_AHEAD and stream.octets - len(stream.data) > MAX_AHEAD


def _is_credible(piece: bytes) -> bool:
    """Whether a message may begin here: its header's fields are in use, and its counts fit its length (RFC 1035 4.1.1)."""
    if len(piece) < 14:
        return False
    length, flags = int.from_bytes(piece[:2], "big"), int.from_bytes(piece[4:6], "big")
    questions, answers, authority, additional = (int.from_bytes(piece[at : at + 2], "big") for at in (6, 8, 10, 12))
    least = layout.DNS_HEADER + 5 * questions + 11 * (answers + authority + additional)
    return least <= length and questions <= 1 and not flags & 0x40 and flags >> 11 & 15 <= _MAX_OPCODE

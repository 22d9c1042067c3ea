"""TLS ClientHellos and HTTP/1 heads that are not whole in one segment: put together until they say a name.

A stream is known by its slot in the kernel's table. What is held is bounded in streams, in bytes, in bytes and segments of a
stream, and in packet time (the kernel gives up a stream that was silent for too long).
"""

from loader.decode import layout
from loader.decode.assembly import Assembly
from loader.decode.evidence import EvidenceKernel
from loader.decode.namebook import NameBook

MAX_STREAMS = 1_024
MAX_BYTES = 8 * 1024 * 1024
MAX_PIECES = 512  # segments of one stream: with each of them its beginning may be looked at again
_HANDSHAKE, _CLIENT_HELLO = 22, 1


class HalfStreams:
    """Streams of which a part of a hello or head came; the first that came is the first given up."""

    def __init__(self, kernel: EvidenceKernel, book: NameBook, slots: memoryview) -> None:
        self._kernel, self._book, self._slots = kernel, book, slots
        self.streams: dict[int, Assembly] = {}
        self._bytes = 0
        self.given_up = 0  # streams that came to no end within the bounds

    def drop(self, slot: int) -> None:
        """The kernel gave up the stream of this slot."""
        stream = self.streams.pop(slot, None)
        if stream is not None:
            self._bytes -= stream.size
            self.given_up += 1

    def add(self, slot: int, sequence: int, piece: bytes) -> int:
        """Take a segment of the slot's stream; what it says with it, as PACKET_NAME has it, or 0."""
        stream = self.streams.get(slot)
        if stream is None:
            stream = self.adopt(slot, Assembly())
        offset = (sequence - (self._slots[slot, layout.SLOT_PORTS] >> 32)) & layout.LOW_HALF
        if offset > layout.LOW_HALF >> 1:
            offset -= layout.LOW_HALF + 1
        before = stream.size
        grew = stream.add(offset, piece)
        self._bytes += stream.size - before
        verdict = self._verdict(stream.data) if grew else layout.BEGINS_PART
        if verdict != layout.BEGINS_PART:
            self._close(slot)
            return self._kernel.said() if verdict == layout.BEGINS_SAID else 0
        if len(stream.data) >= layout.MAX_HELLO or stream.pieces >= MAX_PIECES:
            self.give_up(slot)
        while self._bytes > MAX_BYTES:
            self.give_up(next(iter(self.streams)))
        return 0

    def adopt(self, slot: int, stream: Assembly) -> Assembly:
        """Hold a stream, whose slot is open, from now on."""
        if len(self.streams) >= MAX_STREAMS:
            self.give_up(next(iter(self.streams)))
        self.streams[slot] = stream
        self._bytes += stream.size
        return stream

    def _close(self, slot: int) -> None:
        self._bytes -= self.streams.pop(slot).size
        self._kernel.close(slot)

    def give_up(self, slot: int) -> None:
        """The stream of this slot comes to no end; the kernel is told."""
        self._close(slot)
        self.given_up += 1

    def _verdict(self, data: bytearray) -> int:
        self._book.make_room(self._kernel)
        verdict = self._kernel.examine(memoryview(bytes(data)))
        return self._over_records(data) if verdict == layout.BEGINS_PART and data[0] == _HANDSHAKE else verdict

    def _over_records(self, data: bytearray) -> int:
        """A ClientHello may be spread over TLS records (RFC 8446 5.1): read it without their headers."""
        message = bytearray()
        at = 0
        while at + 5 <= len(data):
            length = int.from_bytes(data[at + 3 : at + 5], "big")
            if data[at] != _HANDSHAKE or data[at + 1] != 3 or not length:
                return layout.BEGINS_NOTHING
            message += data[at + 5 : at + 5 + length]
            at += 5 + length
        size = 4 + int.from_bytes(message[1:4], "big")
        if len(message) < 4 or (message[0] == _CLIENT_HELLO and len(message) < size <= layout.MAX_HELLO):
            return layout.BEGINS_PART
        if message[0] != _CLIENT_HELLO or size > layout.MAX_HELLO:
            return layout.BEGINS_NOTHING
        self._kernel.hello(memoryview(bytes(message)))
        return layout.BEGINS_SAID

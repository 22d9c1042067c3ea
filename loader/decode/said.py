"""What flows say of their destinations, and DNS out of TCP: the kernel's pass over a chunk, and what it leaves to others."""

from array import array
from collections.abc import Iterator

from loader.decode import layout
from loader.decode.dnsstreams import DnsStreams
from loader.decode.evidence import EvidenceKernel
from loader.decode.halfstreams import HalfStreams
from loader.decode.namebook import NameBook
from loader.decode.quic import QuicInitials
from loader.decode.tables import table_of, zeroed

_NS = 1_000_000_000
_WIDTH = layout.PACKET_WIDTH
_SYN = 2
_EVIDENCE = layout.NAME_EVIDENCE_SHIFT
_AS_QUIC = (layout.SAID_SNI ^ layout.SAID_QUIC) << _EVIDENCE

Messages = tuple[bytes, memoryview, int]  # buffer, packets, their number


class SaidNames:
    """Sets the packets' NAME. Between two calls it holds streams that are not whole; their bounds are those of the parts."""

    def __init__(self, idle_timeout_s: int) -> None:
        self.idle_ns = idle_ns = idle_timeout_s * _NS
        self.words = array("Q", bytes(8 * layout.SAID_WIDTH))
        self.slots = table_of(layout.SLOTS, layout.SLOT_WIDTH)
        self.tags = zeroed(4 * layout.SLOTS).cast("I")
        # The seed differs from process to process, so that nobody can make texts whose hashes all collide.
        seed = hash("said names") & 0xFFFF_FFFF_FFFF_FFFF
        self.kernel = EvidenceKernel(self.words, self.slots, self.tags, zeroed(layout.SLOT_SETS), seed, idle_ns)
        self._packets = self._words = memoryview(b"")  # the chunk's table, and its words one behind the other
        self._listed = memoryview(b"")  # its packets of DNS over TCP
        self._next = 0  # of these
        self.book = NameBook()
        self.book.attach(self.kernel)
        self.halves = HalfStreams(self.kernel, self.book, self.slots)
        self.dns = DnsStreams(idle_ns)
        self.quic = QuicInitials(idle_ns)

    def read(self, buffer: memoryview, packets: memoryview, span: tuple[int, int]) -> None:
        """Read packets[first:last] for names; their DNS over TCP is read by `next_messages`."""
        at, last = span
        if packets is not self._packets:
            self._packets, self._words = packets, packets.cast("B").cast("Q")
            self._listed = zeroed(8 * len(packets)).cast("Q")
        words = self._words
        self._next = self.words[layout.SAID_LISTED] = 0
        while (at := self.kernel.scan(buffer, words, self._listed, at, last)) < last:
            self._look(buffer, words, at)
            at += self.words[layout.SAID_STOP] != layout.STOP_ROOM

    def next_messages(self, buffer: memoryview, last: int) -> int:
        """Go on with the DNS over TCP among the packets that were `read` up to `last`. Whole messages in segments of their own
        are marked in the packets (`layout.KIND_MESSAGE`). Returns `last`, or the number behind the packet that completed
        other ones: they are in `messages` until the next call, and come behind that packet."""
        words, count = self._words, self.words[layout.SAID_LISTED]
        self.dns.count = 0
        while self._next < count:
            at = self.dns.kernel.scan(buffer, words, self._listed, self._next, count)
            self._next = at + 1
            if at < count:
                i = self._listed[at]
                self.dns.add(buffer, words, i)
                if self.dns.count:
                    return i + 1
        return last

    @property
    def messages(self) -> Messages:
        """The DNS messages that the last packet read completed, as packets in a buffer of their own."""
        return self.dns.source, self.dns.rows, self.dns.count

    def _look(self, buffer: memoryview, words: memoryview, i: int) -> None:
        """See to the packet at which the kernel stopped."""
        stop, dropped = self.words[layout.SAID_STOP], self.words[layout.SAID_DROPPED]
        if dropped:
            self.halves.drop(dropped - 1)
        if stop == layout.STOP_STREAM:
            words[i * _WIDTH + layout.PACKET_NAME] = self._segment(buffer, words, i)
        elif stop == layout.STOP_QUIC:
            words[i * _WIDTH + layout.PACKET_NAME] = self._initial(buffer, words, i)
        elif stop == layout.STOP_ROOM:
            self.book.make_room(self.kernel)

    def _segment(self, buffer: memoryview, words: memoryview, i: int) -> int:
        row = i * _WIDTH
        sequence = words[row + layout.PACKET_SEQUENCE] + (words[row + layout.PACKET_TCP_FLAGS] & _SYN) // _SYN
        payload = buffer[words[row + layout.PACKET_PAYLOAD] : words[row + layout.PACKET_PAYLOAD_END]]
        return self.halves.add(self.words[layout.SAID_SLOT], sequence & layout.LOW_HALF, bytes(payload))

    def _initial(self, buffer: memoryview, words: memoryview, i: int) -> int:
        hello = self.quic.hello(buffer, words, i)
        if hello is None:
            return 0
        self.book.make_room(self.kernel)
        self.kernel.hello(memoryview(hello))
        said = self.kernel.said()
        return said and said ^ _AS_QUIC

    def believe(self, doubted: int, believed: int) -> None:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said."""
        self.kernel.believe(doubted, believed)
        self.dns.believe(doubted, believed)
        self.quic.believe(doubted, believed)

    def silent(self, slot: int, now: int) -> bool:
        """Whether the last packet of a slot's stream came longer ago than a flow may be silent."""
        return now - self.slots[slot, layout.SLOT_SEEN] > self.idle_ns

    def give_up_silent(self, now: int) -> None:
        """The capture is over, another follows: what has been silent for too long is over too, and counted as where a packet
        finds it so."""
        for slot in list(self.halves.streams):
            if self.silent(slot, now):
                self.halves.give_up(slot)

    def finish(self) -> Iterator[Messages]:
        """The capture stands alone and is over: DNS messages behind holes that nothing fills. The rest will never be whole."""
        self.halves.given_up += len(self.halves.streams)
        for _ in self.dns.finish():
            yield self.messages

    def counters(self) -> dict[str, int]:
        """What was seen so far, and what the bounds cost."""
        words = self.words
        return {
            "said_names_not_kept": words[layout.SAID_NOT_KEPT],
            "tls_hellos": words[layout.SAID_HELLOS],
            "tls_hellos_unnamed": words[layout.SAID_HELLOS_UNNAMED],
            "tls_hellos_malformed": words[layout.SAID_HELLOS_MALFORMED],
            "tls_hellos_ech": words[layout.SAID_HELLOS_ECH],
            "http_heads": words[layout.SAID_HEADS],
            "http_heads_unnamed": words[layout.SAID_HEADS_UNNAMED],
            "half_streams_given_up": words[layout.SAID_EVICTED] + self.halves.given_up,
            "dns_streams_evicted": self.dns.evicted,
            "dns_stream_holes": self.dns.holes,
            "dns_stream_bytes_lost": self.dns.lost_bytes,
            "quic_not_read": self.quic.not_read,
            "quic_undecryptable": self.quic.undecryptable,
        }

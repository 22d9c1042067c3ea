"""The native decoder: one capture's bytes in, batches of columns out.

Memory is bounded whatever the capture: a chunk of packets; at most `layout.MAX_OPEN_FLOWS` open flows, each with at most 256
minutes; as many interned addresses; one batch of DNS records; and the batches that wait for `drain`, which grow with what is
fed in between: feed pieces, not the whole.
"""

from array import array
from collections.abc import Iterator

from loader.decode import carried as carried_state
from loader.decode import layout
from loader.decode.captureclock import Belief, CaptureClock
from loader.decode.carriedflows import encode_flows, restore_flows
from loader.decode.carriedstreams import CarriedTexts, encode_streams, restore_said
from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.datagrams import Datagrams, Whole
from loader.decode.flowtable import FlowTable
from loader.decode.frames import FrameRows
from loader.decode.headers import HeaderKernel
from loader.decode.held import HeldFrames
from loader.decode.lazy import AddressBook
from loader.decode.messages import DnsTable
from loader.decode.reasons import FLOW, REASON_COUNT, REASON_TEXT
from loader.decode.said import Messages, SaidNames
from loader.decode.tables import table_of
from loader.decode.walking import Container, Walker

# Packets that go through all kernels before the next ones are read: what stays in the processor's cache.
CHUNK_PACKETS = 2_048
BATCH_PACKETS = 32_768
# So many tell a wrong date at a capture's beginning from the right ones.
OPENING_PACKETS = 3


class CaptureDecoder:
    """Feed it the capture behind its header, piece by piece; drain batches in between; finish once."""

    def __init__(
        self,
        container: Container,
        options: DecodeOptions,
        carried: bytes | None = None,
        held: HeldFrames | None = None,
    ) -> None:
        """`carried`: what `carried()` of the sensor's last capture gave; raises `UnreadableState` if it is not that.

        `held`: takes the frames that a second pass may know more of, which are in no row and no count of this one.
        """
        self._options = options
        self._packets = table_of(CHUNK_PACKETS, layout.PACKET_WIDTH)
        self._words = self._packets.cast("B").cast("Q")  # the same, in one row
        self._walker = Walker(container, self._packets)
        outer = table_of(CHUNK_PACKETS * layout.MAX_OUTER, layout.OUTER_WIDTH)
        self._header_counts = array("Q", bytes(8 * layout.HEADERS_WIDTH))
        self._headers = HeaderKernel(outer, self._header_counts)
        self._clock = CaptureClock()
        self._datagrams = Datagrams()
        self._book = AddressBook()
        self._flows = FlowTable(options)
        self._said = SaidNames(options.idle_timeout_s)
        self._dns = DnsTable()
        self._frame_rows = FrameRows(self._book, self._said.book, outer)
        self.held = held or HeldFrames(wanted=False)
        if carried:
            self._restore(carried_state.unpack(carried))
        self._ready: list[DecodedBatch] = []
        self._by_reason = array("Q", bytes(8 * REASON_COUNT))
        self._in_batch = 0
        self._opening: list[int] = []  # times of the first packets
        self._last_ts_ns = 0
        self._carried = b""
        self._texts_not_carried = self._streams_not_carried = 0

    def _restore(self, sections: dict[bytes, bytes]) -> None:
        if carried_state.CLOCK in sections:
            self._clock.restore(sections[carried_state.CLOCK])
        now = self._clock.now
        restore_said(self._said, sections, now)
        if carried_state.FLOWS in sections:
            restore_flows(self._flows, sections[carried_state.FLOWS], now, self._said.words[layout.SAID_TEXTS])
        if carried_state.QUERIES in sections:
            self._dns.queries.restore(sections[carried_state.QUERIES])
        if carried_state.FRAGMENTS in sections:
            self._datagrams.restore(sections[carried_state.FRAGMENTS])

    def _sections(self) -> dict[bytes, bytes]:
        texts = CarriedTexts(self._said)
        streams, self._streams_not_carried = encode_streams(self._said, self._clock.now)
        sections = {
            carried_state.CLOCK: self._clock.encode(),
            carried_state.FLOWS: encode_flows(self._flows, self._options.max_carried_flows, texts.word),
            carried_state.TEXTS: texts.encode(),
            carried_state.QUERIES: self._dns.queries.encode(),
            carried_state.FRAGMENTS: self._datagrams.encode(),
            **streams,
        }
        self._texts_not_carried = texts.refused
        return sections

    def feed(self, buffer: memoryview, span: tuple[int, int], *, final: bool = False) -> int:
        """Decode the records in buffer[span]; returns the offset from which on the bytes are needed again, before new ones.

        `final`: no bytes follow.
        """
        for count in self._walker.chunks(buffer, span, final=final):
            self._decode(buffer, count)
        return self._walker.at

    def pass_over(self, buffer: memoryview, span: tuple[int, int], *, final: bool = False) -> int:
        """As `feed`, for what was decoded before: only what the container says of itself is kept for the records behind it.

        `final`: what follows is new; it begins with the first byte behind buffer[span].
        """
        for _ in self._walker.chunks(buffer, span, final=final):
            pass
        if final:
            self._walker.begin_tail()
        return self._walker.at

    def _decode(self, buffer: memoryview, count: int) -> None:
        """The whole chunk through the kernels."""
        packets = self._packets
        fragments = self._headers.read(buffer, self._words, count, self._by_reason)
        self.held.hold(buffer, packets, (count, self._header_counts[layout.HEADERS_UNREAD]), self._by_reason)
        missing = min(OPENING_PACKETS - len(self._opening), count)
        self._opening += [packets[n, layout.PACKET_TS] for n in range(missing)]
        self._last_ts_ns = packets[count - 1, layout.PACKET_TS]
        for belief, span in self._clock.spans(self._words, count):
            if belief:
                self._believe(belief)
            whole = self._datagrams.read(buffer, self._words, span, self._by_reason) if fragments else []
            self._read_span(buffer, span, whole)
            self._flows.track(packets, span)
        if self._options.packets:
            self._frame_rows.add(self._words, count, self.held.numbers)
        self._in_batch += count
        if self._in_batch + CHUNK_PACKETS > BATCH_PACKETS:
            self._collect()

    def _believe(self, belief: Belief) -> None:
        """Let what has the time of the packet before be as young as that is now known to be."""
        doubted, believed, ts = belief
        self._datagrams.believe(doubted, believed)
        self._said.believe(doubted, believed)
        self._dns.queries.kernel.believe(doubted, believed)
        self._flows.kernel.believe(doubted, believed, ts)

    def _read_span(self, buffer: memoryview, span: tuple[int, int], whole: list[Whole]) -> None:
        """What the packets of a span say, and the datagrams that became whole with them."""
        at, last = span
        for message in whole:
            self._read_payloads(buffer, (at, message.behind))
            self._dns.read(memoryview(message.data), message.packet, (0, 1), self._collect)
            at = message.behind
        self._read_payloads(buffer, (at, last))

    def _read_payloads(self, buffer: memoryview, span: tuple[int, int]) -> None:
        """What the packets of a span say: names of their flows, and DNS."""
        at, last = span
        self._said.read(buffer, self._packets, span)
        while at < last:
            behind = self._said.next_messages(buffer, last)
            self._dns.read(buffer, self._packets, (at, behind), self._collect)
            at = behind
            self._read_messages(self._said.messages)

    def _read_messages(self, messages: Messages) -> None:
        """DNS out of TCP, in its place among the packets."""
        buffer, packets, count = messages
        if count:
            self._dns.read(buffer, packets, (0, count), self._collect)

    def _collect(self) -> None:
        flows, minutes = self._flows.take(self._book, self._said.book)
        self._ready.append(DecodedBatch(flows, minutes, self._dns.take(self._book), self._frame_rows.take()))
        self._in_batch = 0

    def drain(self) -> list[DecodedBatch]:
        """The batches that became complete since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def finish(self) -> Iterator[DecodedBatch]:
        """The capture is over: every open flow gives its row. Yields the last batches; take them all."""
        goes_on = self._options.carries and not self._clock.has_stopped  # else the next capture's clock begins anew
        if self._options.carries:
            self._carried = carried_state.pack(self._sections() if goes_on else {})
        if not goes_on:
            self._datagrams.finish()
            for messages in self._said.finish():
                self._read_messages(messages)
            self._dns.finish(self._collect)
        self._collect()
        self._flows.finish()
        while self._flows.ended:
            yield from self.drain()
            self._collect()
        yield from self.drain()

    def carried(self) -> bytes:
        """After `finish` of a capture that carries: what the sensor's next capture goes on from. Where the clock has stopped,
        that is nothing, and the capture ends as one that stands alone."""
        return self._carried

    def report(self) -> DecodeReport:
        """After `finish`: the capture's balance."""
        flow = self._flows.words
        counters = {
            "time_jumps": self._clock.jumps,
            "evicted_flows": flow[layout.TABLE_EVICTED],
            "deep_not_asked": self.held.passed_by,
            "clamped_wire_lengths": self._header_counts[layout.HEADERS_CLAMPED],
            "flows_not_carried": flow[layout.TABLE_NOT_CARRIED],
            "texts_not_carried": self._texts_not_carried,
            "streams_not_carried": self._streams_not_carried,
            **self._datagrams.counters(),
            **self._dns.counters(),
            **self._walker.counters(),
            **self._said.counters(),
        }
        return DecodeReport(
            frames=self._walker.frames,
            flow_packets=flow[layout.TABLE_FLOW_PACKETS],
            non_flow={REASON_TEXT[n]: count for n, count in enumerate(self._by_reason) if count and n != FLOW},
            damage=dict(self._walker.damage),
            link_types=self._walker.link_types(),
            first_ts_ns=self._opening[0] if self._opening else 0,
            clock_first_ts_ns=_believed_start(self._opening),
            last_ts_ns=self._last_ts_ns,
            clock_last_ts_ns=self._clock.stands_for,
            consumed_bytes=self._walker.consumed,
            counters={name: count for name, count in counters.items() if count},
        )


def _believed_start(opening: list[int]) -> int:
    """Time of the first packet that is no jump from the median of the first ones (of two: the earlier); 0 without packets."""
    if not opening:
        return 0
    median = sorted(opening)[(len(opening) - 1) // 2]
    return next(ts for ts in opening if abs(ts - median) <= layout.JUMP_NS)

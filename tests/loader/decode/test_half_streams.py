"""Streams put together out of segments: a name is the same however they are cut, ordered, repeated, spread over captures."""

import tracemalloc
from array import array
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode import carriedstreams, halfstreams, layout
from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.said import SaidNames
from loader.decode.tables import table_of
from tests.examples import examples
from tests.fuzz.containers import Packet

from . import dns_wire as dns
from .captures import assert_balanced, decode, dns_rows, flow_rows, pcap_header, record
from .said_wire import (
    ACK,
    FIN,
    START_US,
    SYN,
    alpn,
    capture_of,
    crypto_frame,
    datagram,
    head,
    hello,
    initial,
    padding,
    records,
    segment,
    server_name,
)
from .splitting import totals

START = 0xFFFF_FF00  # the numbers of a stream's octets go through zero
HELLO = hello(server_name(b"www.example"), alpn(b"h2"), padding(120))
OPENINGS = {
    "hello": (records(HELLO), ("www.example", "sni", "h2")),
    "hello over records": (records(HELLO, 1, 2, 40, 100), ("www.example", "sni", "h2")),
    "head": (head("www.example", "/a", "GET", "Cookie: " + "x" * 200), ("www.example", "http", None)),
    "head without host": (head(None), (None, None, None)),
    "neither": (b"SSH-2.0-OpenSSH_9.9 and then key exchange, which is binary" + bytes(200), (None, None, None)),
}
MESSAGES = [
    dns.message(dns.question(dns.dotted(f"host-{n}.example")), [dns.address(dns.pointer(12), f"203.0.113.{n}")], txid=n)
    for n in range(1, 6)
]
DNS_STREAM = b"".join(len(message).to_bytes(2, "big") + message for message in MESSAGES)
NAMES = [f"host-{n}.example" for n in range(1, 6)]


def segments(stream: bytes, cuts: list[int], **how: int | bool) -> list[bytes]:
    """The stream in segments, behind their SYN."""
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    pieces = pairwise(edges)
    return [segment(stream[a:b], START + 1 + a, **how) for a, b in pieces]  # type: ignore[arg-type]


def opened(frames: list[bytes], **how: int | bool) -> list[bytes]:
    flags = SYN | ACK if how.get("back") else SYN
    return [segment(b"", START, flags, **how), *frames]  # type: ignore[arg-type]


def said(batches: list[DecodedBatch]) -> list[tuple[object, object, object]]:
    return [(row["said_name"], row["said_by"], row["alpn"]) for row in flow_rows(batches)]


def one(frames: list[bytes], **options: object) -> tuple[list[DecodedBatch], DecodeReport]:
    batches, report, _ = decode(capture_of(frames), DecodeOptions(**options))  # type: ignore[arg-type]
    assert_balanced(batches, report)
    return batches, report


def chained(frames: list[bytes], *splits: int) -> Iterator[list[DecodedBatch]]:
    """The same packets as captures of one sensor, split before these."""
    carried: bytes | None = None
    edges = sorted({0, len(frames), *(split % (len(frames) + 1) for split in splits)})
    whole = capture_of(frames)
    size = [24]
    for frame in frames:
        size.append(size[-1] + 16 + len(frame))
    for a, b in pairwise(edges):
        batches, report, carried = decode(whole[:24] + whole[size[a] : size[b]], DecodeOptions(carries=True), carried)
        assert_balanced(batches, report)
        yield batches


cuts = st.lists(st.integers(1, 1_000), max_size=6)
every = st.just(list(range(1, 400)))
orders = st.integers(0, 0xFFFF_FFFF)
openings = st.sampled_from(sorted(OPENINGS))


@settings(max_examples=examples(60))
@given(openings, cuts | every, orders, st.booleans())
def test_segments_cut_anywhere_in_any_order_and_repeated(what: str, cuts: list[int], order: int, again: bool) -> None:
    stream, expected = OPENINGS[what]
    frames = segments(stream, cuts)
    if again:
        frames += segments(stream, [Random(order).randrange(1, 300)])
    Random(order).shuffle(frames)
    assert said(one(opened(frames))[0]) == [expected]


@settings(max_examples=examples(60))
@given(openings, st.integers(16, 300), cuts)
def test_a_stream_whose_syn_was_not_captured(what: str, first: int, cuts: list[int]) -> None:
    """Its first segment must show what it is."""
    stream, expected = OPENINGS[what]
    frames = segments(stream, [min(max(cut, first), len(stream) - 1) for cut in (first, *cuts)])
    assert said(one(frames)[0]) == [expected]


@settings(max_examples=examples(60))
@given(openings, cuts | every, orders, st.lists(st.integers(0, 400), max_size=4))
def test_captures_split_anywhere_lose_no_name(what: str, cuts: list[int], order: int, splits: list[int]) -> None:
    stream, expected = OPENINGS[what]
    frames = segments(stream, cuts)
    Random(order).shuffle(frames)
    frames = [*opened(frames), segment(b"", START + 1 + len(stream), FIN | ACK)]
    *_, last = chained(frames, *splits)
    assert said(last) == [expected]


@settings(max_examples=examples(60))
@given(st.integers(0, 4))
def test_captures_split_between_two_initials(split: int) -> None:
    message = hello(server_name(b"www.example"), padding(1_500), alpn(b"h3"))
    parts = [message[:700], message[700:1_300], message[1_300:]]
    offsets = [0, 700, 1_300]
    frames = [datagram(initial(crypto_frame(at, part))) for at, part in zip(offsets, parts, strict=True)]
    *_, last = chained(frames, split)
    assert said(last) == [("www.example", "quic", "h3")]


def test_the_first_copy_of_an_octet_stands() -> None:
    stream, other = records(hello(server_name(b"first.example"))), records(hello(server_name(b"other.example")))
    assert len(stream) == len(other)
    half = len(stream) - 5
    frames = [segment(stream[:half], START + 1), segment(other, START + 1), segment(stream, START + 1)]
    assert said(one(opened(frames))[0]) == [("first.example", "sni", None)]
    ahead = [segment(stream[30:], START + 31), segment(other[20:], START + 21), segment(stream[:30], START + 1)]
    assert said(one(opened(ahead))[0]) == [("first.example", "sni", None)]


def test_a_syn_that_bears_data() -> None:
    stream, expected = OPENINGS["hello"]
    frames = [segment(stream[:50], START, SYN), segment(stream[50:], START + 51)]
    assert said(one(frames)[0]) == [expected]


def test_a_connection_anew_with_the_same_ports_forgets_the_old_one() -> None:
    stream, expected = OPENINGS["hello"]
    frames = [*opened(segments(stream[:100], [])), segment(b"", 77, SYN), segment(stream[:60], 78), segment(stream[60:], 138)]
    batches, report = one(frames)
    assert said(batches) == [expected]
    assert report.counters["half_streams_given_up"] == 1


def test_heads_without_end_are_given_up() -> None:
    line = b"X-Filler: " + b"y" * 1_000 + b"\r\n"
    frames = opened(segments(b"GET / HTTP/1.1\r\n" + line * 40, list(range(0, 41_000, 1_000))))
    batches, report = one(frames)
    assert said(batches) == [(None, None, None)]
    assert report.counters["half_streams_given_up"] == 1


def test_many_half_open_hellos_are_bounded() -> None:
    """100,000 of them: no more are held than the bound says, and each beyond it is counted."""
    count = 100_000
    part = OPENINGS["hello"][0][:60]
    names = SaidNames(60)
    packets = table_of(1, layout.PACKET_WIDTH)
    buffer = memoryview(b"\0" + part)
    for n in range(count):
        packets[0, layout.PACKET_SRC_LO], packets[0, layout.PACKET_DST_LO] = 0xFFFF_0A00_0000 + n, 0xFFFF_C000_0201
        packets[0, layout.PACKET_PROTOCOL], packets[0, layout.PACKET_TS] = 6, 1 + n
        packets[0, layout.PACKET_PAYLOAD], packets[0, layout.PACKET_PAYLOAD_END] = 1, len(buffer)
        names.read(buffer, packets, (0, 1))
    held = len(names.halves.streams)
    assert held <= halfstreams.MAX_STREAMS
    assert names.counters()["half_streams_given_up"] >= count - held
    assert sum(names.tags[slot] != 0 for slot in range(layout.SLOTS)) == held


def dns_names(batches: list[DecodedBatch]) -> list[object]:
    return [row["qname"] for row in dns_rows(batches)]


TO_53: dict[str, int | bool] = {"dport": 53, "back": True}


@settings(max_examples=examples(60))
@given(cuts | every, orders, st.booleans())
def test_dns_messages_cut_anywhere_in_any_order(cuts: list[int], order: int, again: bool) -> None:
    frames = segments(DNS_STREAM, cuts, **TO_53)
    if again:
        frames += segments(DNS_STREAM, [Random(order).randrange(1, 300)], **TO_53)
    near = [frames[n : n + 5] for n in range(0, len(frames), 5)]
    for group in near:
        Random(order).shuffle(group)
    batches, report = one(opened([frame for group in near for frame in group], **TO_53))
    assert dns_names(batches) == NAMES
    assert "dns_malformed" not in report.counters


@settings(max_examples=examples(60))
@given(cuts, st.lists(st.integers(0, 10), max_size=4))
def test_dns_streams_over_several_captures(cuts: list[int], splits: list[int]) -> None:
    frames = opened(segments(DNS_STREAM, cuts, **TO_53), **TO_53)
    assert [name for batches in chained(frames, *splits) for name in dns_names(batches)] == NAMES


def test_a_dns_message_is_told_of_the_frame_that_completes_it() -> None:
    first = 2 + len(MESSAGES[0])
    frames = opened(segments(DNS_STREAM, [first - 5, first], **TO_53), **TO_53)
    batches, _ = one(frames)
    assert [(row["frame"], row["qname"]) for row in dns_rows(batches)][:2] == [(3, NAMES[0]), (4, NAMES[1])]


def test_a_dns_stream_that_begins_in_the_middle_is_read_from_the_next_message_on() -> None:
    edges = [0]
    for message in MESSAGES:
        edges.append(edges[-1] + 2 + len(message))
    batches, report = one(segments(DNS_STREAM, [20, edges[2], edges[2] + 15], **TO_53)[1:])
    assert dns_names(batches) == NAMES[2:]
    assert report.counters["dns_stream_bytes_lost"] == edges[2] - 20


def test_behind_a_hole_reading_goes_on_at_a_message() -> None:
    edges = [0]
    for message in MESSAGES:
        edges.append(edges[-1] + 2 + len(message))
    frames = opened(segments(DNS_STREAM, edges, **TO_53), **TO_53)
    del frames[2]
    batches, report = one(frames)
    assert [(row["frame"], row["qname"]) for row in dns_rows(batches)] == [
        (2, NAMES[0]),
        (3, NAMES[2]),
        (4, NAMES[3]),
        (5, NAMES[4]),
    ]
    assert report.counters["dns_stream_holes"] == 1


def test_a_hole_is_waited_for_no_longer_than_a_retransmission_takes() -> None:
    edges = [0]
    for message in MESSAGES:
        edges.append(edges[-1] + 2 + len(message))
    frames = opened(segments(DNS_STREAM, edges, **TO_53), **TO_53)
    late = frames.pop(2)
    capture = capture_of([*frames, late], step_us=2_000_000)
    batches, report, _ = decode(capture, DecodeOptions(carries=True))
    assert dns_names(batches) == [NAMES[0], *NAMES[2:]]
    assert report.counters["dns_stream_holes"] == 1


def edges_of(stream: list[bytes]) -> list[int]:
    edges = [0]
    for message in stream:
        edges.append(edges[-1] + 2 + len(message))
    return edges


def test_a_segment_around_a_held_one_keeps_its_own_frame_on_both_sides() -> None:
    """Its messages, and those between them, are told of their own frames; no two rows have one frame and one number."""
    ahead = edges_of(MESSAGES)
    parts = [(ahead[1], ahead[2]), (ahead[0], ahead[3]), (ahead[3], ahead[4]), (ahead[4], ahead[5])]
    frames = [segment(DNS_STREAM[a:b], START + 500 + a, **TO_53) for a, b in parts]  # type: ignore[arg-type]
    batches, report = one(opened(frames, **TO_53))
    rows = [(row["frame"], row["rr_index"], row["qname"]) for row in dns_rows(batches)]
    assert rows == [
        (2, 0, NAMES[1]),
        (3, 0, NAMES[0]),
        (3, 1, NAMES[2]),
        (4, 0, NAMES[3]),
        (5, 0, NAMES[4]),
    ]
    assert report.counters["dns_stream_holes"] == 1


def test_what_repeats_behind_a_hole_is_not_held() -> None:
    """Each with another number, behind the stream's beginning."""
    names = SaidNames(60)
    packets = table_of(1, layout.PACKET_WIDTH)
    buffer = memoryview(b"\0y")
    packets[0, layout.PACKET_SPORT], packets[0, layout.PACKET_DPORT] = 40_000, 53
    packets[0, layout.PACKET_PROTOCOL], packets[0, layout.PACKET_TS] = 6, 1
    packets[0, layout.PACKET_PAYLOAD] = 1
    memory = array("Q")
    tracemalloc.start()
    for sequence, flags, end in [(20_000, SYN, 1), (20_100, ACK, 2), *((19_000 - n, ACK, 2) for n in range(2_000))]:
        packets[0, layout.PACKET_SEQUENCE], packets[0, layout.PACKET_TCP_FLAGS] = sequence, flags
        packets[0, layout.PACKET_PAYLOAD_END] = end
        names.read(buffer, packets, (0, 1))
        names.next_messages(buffer, 1)
        memory.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert memory[-1] - memory[1_000] < 50_000


LATER_US = 2_400_000_000_000_000  # in 2099


def dated(frames: list[bytes], odd: int | None) -> bytes:
    """A capture in which one packet is dated wrongly."""
    times = [START_US + n * 1_000 + (LATER_US if n == odd else 0) for n in range(len(frames))]
    return pcap_header() + b"".join(record(ts, frame) for ts, frame in zip(times, frames, strict=True))


ELSEWHERE = [segment(b"", 5, SYN, sport=50_000 + n) for n in range(3)]


@pytest.mark.parametrize("odd", range(1, 7))
def test_a_packet_dated_wrongly_ends_no_stream(odd: int) -> None:
    """Whether it is of the stream or of another one."""
    stream, expected = OPENINGS["hello"]
    parts, others = segments(stream, [50, 100]), ELSEWHERE
    frames = [segment(b"", START, SYN), others[0], parts[0], others[1], parts[1], others[2], parts[2]]
    batches, report, _ = decode(dated(frames, odd))
    assert expected in said(batches)
    assert "half_streams_given_up" not in report.counters
    messages = opened(segments(DNS_STREAM, [20, 70, 90, 120, 150], **TO_53), **TO_53)
    assert dns_names(decode(dated(messages, odd))[0]) == NAMES
    message = hello(server_name(b"www.example"), padding(1_500), alpn(b"h3"))
    initials = [datagram(initial(crypto_frame(at, message[at : at + 300]))) for at in range(0, len(message), 300)]
    assert ("www.example", "quic", "h3") in said(decode(dated(initials, odd))[0])


def test_a_capture_that_ends_with_a_packet_dated_wrongly_carries_its_streams() -> None:
    stream, expected = OPENINGS["hello"]
    first, last = segments(stream, [100])
    carried = decode(dated([segment(b"", START, SYN), first, ELSEWHERE[0]], 2), DecodeOptions(carries=True))[2]
    assert expected in said(decode(dated([last], None), None, carried)[0])


def test_a_stream_silent_for_too_long_is_over() -> None:
    stream, _ = OPENINGS["hello"]
    frames = opened(segments(stream, [100]))
    batches, report, _ = decode(capture_of(frames, step_us=1_000_000_000))
    assert {name for name, _, _ in said(batches)} == {None}
    assert report.counters["half_streams_given_up"] == 1


@pytest.mark.parametrize("cut", range(1, 6))
@pytest.mark.parametrize("again", [False, True])
def test_a_stream_silent_for_too_long_is_counted_once_wherever_captures_are_cut(cut: int, *, again: bool) -> None:
    """Whether a packet of its own finds it so, or a capture ends first."""
    first = segments(OPENINGS["hello"][0], [100])[0]
    anew = segment(b"", 77, SYN) if again else ELSEWHERE[2]
    frames = [segment(b"", START, SYN), first, *ELSEWHERE[:2], anew]
    times = [1_000_000_000 * (START_US // 1_000_000 + at_s) for at_s in (0, 1, 2, 100, 101)]
    packets = [Packet(ts, len(frame), 1, frame) for ts, frame in zip(times, frames, strict=True)]
    cuts = [cut] if cut < len(packets) else []
    assert totals(packets, cuts, DecodeOptions(carries=True)).counters == {"half_streams_given_up": 1}


def test_dns_in_both_directions_and_frames_of_udp_stay_in_their_order() -> None:
    query = dns.message(dns.question(dns.dotted("www.example")), flags=0x0100)
    ask = len(query).to_bytes(2, "big") + query
    frames = [
        datagram(MESSAGES[0], dport=53, back=True),
        *opened(segments(ask, [], dport=53), dport=53),
        *opened(segments(DNS_STREAM, [], **TO_53), **TO_53),
        datagram(MESSAGES[1], dport=53, back=True),
    ]
    assert dns_names(one(frames)[0]) == [NAMES[0], *NAMES, NAMES[1], "www.example"], "the last was never answered"


@settings(max_examples=examples(60))
@given(
    st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=60), st.sampled_from([SYN, ACK, SYN | ACK])), max_size=30),
    st.integers(0, 30),
)
def test_any_segments_on_port_53_balance(parts: list[tuple[int, bytes, int]], split: int) -> None:
    frames = [segment(payload, START + at, flags, dport=53) for at, payload, flags in parts]
    list(chained(frames, split))
    one(frames)


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 300), st.binary(max_size=60) | st.just(OPENINGS["hello"][0][:60]), st.sampled_from([SYN, ACK])
        ),
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_any_segments_balance(parts: list[tuple[int, bytes, int]], split: int) -> None:
    frames = [segment(payload, START + at, flags) for at, payload, flags in parts]
    list(chained(frames, split))
    one(frames)


@pytest.mark.parametrize("size", [0, 12, 65_535])
def test_a_dns_stream_of_claims_is_bounded(size: int) -> None:
    """Each connection claims a message and sends a part of it."""
    names = SaidNames(60)
    packets = table_of(1, layout.PACKET_WIDTH)
    buffer = memoryview(b"\0" + size.to_bytes(2, "big") + bytes(400))
    for n in range(10_000):
        packets[0, layout.PACKET_SRC_LO], packets[0, layout.PACKET_DST_LO] = 0xFFFF_0A00_0000 + n, 0xFFFF_C000_0201
        packets[0, layout.PACKET_SPORT], packets[0, layout.PACKET_DPORT] = 40_000, 53
        packets[0, layout.PACKET_PROTOCOL], packets[0, layout.PACKET_TS] = 6, 1 + n
        packets[0, layout.PACKET_TCP_FLAGS] = SYN
        packets[0, layout.PACKET_PAYLOAD], packets[0, layout.PACKET_PAYLOAD_END] = 1, len(buffer)
        names.read(buffer, packets, (0, 1))
        names.next_messages(buffer, 1)
    sizes = [stream.size for _, stream, _ in names.dns.entries()]
    assert len(sizes) <= layout.MAX_DNS_STREAMS
    assert sum(sizes) <= layout.MAX_DNS_STREAM_BYTES
    assert (names.counters()["dns_streams_evicted"] > 0) == (size == 65_535)
    assert (names.counters()["dns_stream_bytes_lost"] > 0) == (size < 65_535 or names.dns.evicted > 0)


def test_streams_that_find_no_room_in_what_is_carried_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carriedstreams, "MAX_STREAM_BYTES", 1)
    frames = opened(segments(DNS_STREAM, [0, 20], **TO_53), **TO_53)[:2]
    _, report, _ = decode(capture_of(frames), DecodeOptions(carries=True))
    assert report.counters["streams_not_carried"] == 1

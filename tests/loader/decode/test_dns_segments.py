"""DNS over TCP where the kernel hands a stream to Python and takes it back: the rows are those of one message a segment."""

from collections import Counter
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode import layout
from loader.decode.columns import DecodeOptions
from loader.decode.headers import HeaderKernel
from loader.decode.reasons import REASON_COUNT
from loader.decode.said import SaidNames
from loader.decode.tables import table_of, zeroed
from tests.examples import examples

from . import dns_wire as dns
from .captures import assert_balanced, decode, dns_rows
from .said_wire import ACK, FIN, SYN, capture_of, segment

START = 0xFFFF_FF80  # the numbers of a stream's octets go through zero
_WHEN = ("frame", "ts_ns", "latency_us")


def response(n: int, answers: int = 1) -> bytes:
    records = [dns.address(dns.pointer(12), f"203.0.113.{k + 1}") for k in range(answers)]
    return dns.message(dns.question(dns.dotted(f"host-{n}.example")), records, txid=n)


def framed(messages: list[bytes]) -> list[bytes]:
    return [len(message).to_bytes(2, "big") + message for message in messages]


def stream(pieces: list[bytes], sport: int = 40_000) -> list[bytes]:
    """A server's SYN, its segments and its FIN."""
    edges = list(accumulate(map(len, pieces), initial=START + 1))
    data = [segment(piece, at, ACK, sport=sport, dport=53, back=True) for piece, at in zip(pieces, edges, strict=False)]
    first = segment(b"", START, SYN | ACK, sport=sport, dport=53, back=True)
    return [first, *data, segment(b"", edges[-1], FIN | ACK, sport=sport, dport=53, back=True)]


def told(frames: list[bytes], splits: list[int] | None = None) -> tuple[list[dict[str, Any]], Counter[str]]:
    """What the records say but when, and the counts, of the frames as captures of one sensor."""
    rows: list[dict[str, Any]] = []
    counters: Counter[str] = Counter()
    carried: bytes | None = None
    edges = sorted({0, len(frames), *(split % (len(frames) + 1) for split in splits or ())})
    for a, b in pairwise(edges):
        batches, report, carried = decode(capture_of(frames[a:b]), DecodeOptions(carries=bool(splits)), carried)
        assert_balanced(batches, report)
        rows += [{name: value for name, value in row.items() if name not in _WHEN} for row in dns_rows(batches)]
        counters.update(report.counters)
    return rows, counters


messages = st.lists(st.integers(1, 20).flatmap(lambda n: st.integers(0, 40).map(lambda k: response(n, k))), max_size=8)
kinds = st.sampled_from(["whole", "apart", "together", "cut"])


@st.composite
def segmented(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """A stream's messages, and the stream in segments of every kind."""
    drawn = draw(messages)
    pieces: list[bytes] = []
    before = b""
    for message in framed(drawn):
        kind = draw(kinds)
        whole = before + message
        at = {"whole": len(whole), "apart": len(before) + 2, "together": 0}.get(kind) or draw(st.integers(0, len(whole)))
        if kind == "together":
            before = whole
            continue
        pieces += [part for part in (whole[:at], whole[at:]) if part]
        before = b""
    return drawn, pieces + [before] * bool(before)


@settings(max_examples=examples(150))
@given(segmented(), st.lists(st.integers(0, 30), max_size=3))
def test_any_segments_tell_what_one_message_a_segment_tells(drawn: tuple[list[bytes], list[bytes]], splits: list[int]) -> None:
    sent, pieces = drawn
    plain, counts = told(stream(framed(sent)))
    for row in plain:
        row["rr_index"] = None
    rows, counters = told(stream(pieces), splits)
    for row in rows:
        row["rr_index"] = None  # records are numbered by frame
    assert rows == plain
    assert counters == counts
    assert "dns_stream_bytes_lost" not in counters


@settings(max_examples=examples(60))
@given(st.lists(segmented(), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_streams_side_by_side_do_not_touch_each_other(drawn: list[tuple[list[bytes], list[bytes]]], order: Any) -> None:
    streams = [stream(pieces, 40_000 + n) for n, (_, pieces) in enumerate(drawn)]
    left = [list(frames) for frames in streams]
    mixed = []
    while any(left):
        mixed.append(order.choice([frames for frames in left if frames]).pop(0))
    rows = told(mixed)[0]
    for n, frames in enumerate(streams):
        assert [row for row in rows if row["client_port"] == 40_000 + n] == told(frames)[0]


def packets_of(frames: list[bytes]) -> tuple[memoryview, memoryview]:
    """The frames in a buffer, and the table of their packets behind the header kernel."""
    packets = table_of(len(frames), layout.PACKET_WIDTH)
    at = 0
    for n, frame in enumerate(frames):
        packets[n, layout.PACKET_TS], packets[n, layout.PACKET_AT] = n + 1, at
        packets[n, layout.PACKET_CAPTURED] = len(frame) | 1 << layout.LINK_SHIFT
        packets[n, layout.PACKET_WIRE] = len(frame)
        at += len(frame)
    buffer = memoryview(b"".join(frames))
    counts = [zeroed(8 * size).cast("Q") for size in (layout.HEADERS_WIDTH, REASON_COUNT)]
    outer = table_of(len(frames) * layout.MAX_OUTER, layout.OUTER_WIDTH)
    HeaderKernel(outer, counts[0]).read(buffer, packets.cast("B").cast("Q"), len(frames), counts[1])
    return buffer, packets


def test_whole_messages_are_read_where_they_lie() -> None:
    """With their length or behind it, and nothing of their stream is held."""
    first, second = framed([response(1), response(2, 3)])
    frames = stream([first, second[:2], second[2:]])
    buffer, packets = packets_of(frames)
    names = SaidNames(60)
    names.read(buffer, packets, (0, len(frames)))
    assert names.next_messages(buffer, len(frames)) == len(frames)
    assert not names.dns.count
    assert not names.dns.streams
    assert names.dns.words[layout.STREAMS_HELD] == 0
    marked = [n for n in range(len(frames)) if packets[n, layout.PACKET_KIND] & layout.KIND_MESSAGE]
    payloads = [bytes(buffer[packets[n, layout.PACKET_PAYLOAD] : packets[n, layout.PACKET_PAYLOAD_END]]) for n in marked]
    assert marked == [1, 3]
    assert payloads == [response(1), response(2, 3)]


def opened(first: int, count: int) -> list[bytes]:
    return [segment(b"", START, SYN, sport=sport, dport=53) for sport in range(first, first + count)]


def test_the_stream_silent_longest_makes_room() -> None:
    """A whole message makes its stream the youngest; of two that hold octets the one that was silent longer goes."""
    parts = framed([response(1), response(2), response(3)])
    busy, old, young = (stream([piece[:20], piece[20:]], 1_000 + n) for n, piece in enumerate(parts))
    whole = stream([parts[0], parts[1]], 1_009)
    before = [*whole[:1], *old[:2], *young[:2], *busy[:2], *whole[1:2]]
    frames = [*before, *opened(2_000, layout.MAX_DNS_STREAMS - 3), young[2], busy[2], whole[2], old[2]]
    rows, counters = told(frames)
    assert [row["qname"] for row in rows] == ["host-1.example", "host-3.example", "host-1.example", "host-2.example"]
    assert counters["dns_streams_evicted"] == 1
    assert counters["dns_stream_bytes_lost"] == len(parts[1])


@pytest.mark.parametrize("came", [1, 2, 3])
def test_a_connection_anew_forgets_the_octets_that_came(came: int) -> None:
    (first,) = framed([response(1)])
    rows, counters = told([*stream([first[:came]])[:2], *stream([first])])
    assert [row["qname"] for row in rows] == ["host-1.example"]
    assert counters["dns_streams_evicted"] == 1
    assert counters["dns_stream_bytes_lost"] == came


def test_many_parts_of_open_streams_are_bounded() -> None:
    """Each stream was open before any of them had to hold anything."""
    part = (65_535).to_bytes(2, "big") + bytes(60_000)
    count = layout.MAX_DNS_STREAM_BYTES // len(part) + 20
    frames = [*opened(2_000, count)]
    frames += [segment(part, START + 1, sport=sport, dport=53) for sport in range(2_000, 2_000 + count)]
    _, counters = told(frames)
    assert counters["dns_streams_evicted"] >= 20

"""Queries and their responses: latency, queries that nobody answered, and the same rows wherever a capture is cut in two."""

import struct
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode import layout
from loader.decode.columns import DecodeOptions
from tests.examples import examples

from . import dns_wire as dns
from .captures import assert_balanced, decode, dns_rows, ethernet, ipv4, pcap_header, record, tcp, udp

Row = dict[str, object]
Event = tuple[int, bytes]  # microseconds since the start, frame
CLIENT, RESOLVER = "10.0.0.1", "10.0.0.53"
START = 1_700_000_000_000_000
SECOND = 1_000_000
TIMEOUT = layout.QUERY_TIMEOUT_NS // 1_000
CARRIES = DecodeOptions(carries=True)


def asked(
    name: str = "a.example", *, txid: int = 7, port: int = 40_000, kind: int = dns.A, to: str = RESOLVER, dport: int = 53
) -> bytes:
    message = dns.message(dns.question(dns.dotted(name), kind), flags=0x0100, txid=txid)
    return ethernet(ipv4(CLIENT, to, 17, udp(port, dport, message)))


def told(
    name: str | None = "a.example", *, txid: int = 7, port: int = 40_000, kind: int = dns.A, rcode: int = 0, sport: int = 53
) -> bytes:
    question = b"" if name is None else dns.question(dns.dotted(name), kind)
    message = dns.message(question, flags=0x8180 | rcode, txid=txid)
    return ethernet(ipv4(RESOLVER, CLIENT, 17, udp(sport, port, message)))


def silence() -> bytes:
    """A packet that only moves the time on."""
    return ethernet(ipv4(CLIENT, "192.0.2.9", 17, udp(5_000, 443)))


def capture(events: Iterable[Event]) -> bytes:
    return pcap_header() + b"".join(record(START + at, frame) for at, frame in events)


def read(*events: Event) -> tuple[list[Row], dict[str, int]]:
    batches, report, _ = decode(capture(events))
    assert_balanced(batches, report)
    return list(dns_rows(batches)), dict(report.counters)


def brief(rows: Iterable[Row]) -> list[tuple[object, ...]]:
    return [(row["frame"], row["rcode"], row["latency_us"]) for row in rows]


def test_a_response_tells_how_long_it_took() -> None:
    rows, counters = read((0, asked()), (1_234, told()))
    assert brief(rows) == [(2, 0, 1_234)]
    assert counters == {"dns_queries": 1, "dns_responses/NOERROR": 1}


def test_a_query_that_nobody_answered_has_a_row_of_its_own() -> None:
    rows, counters = read((0, silence()), (5, asked("B.Example", kind=28)))
    (row,) = rows
    assert brief(rows) == [(2, None, None)]
    assert (row["qname"], row["qtype"], row["rr_index"], row["section"], row["names"]) == ("b.example", 28, -1, None, None)
    assert (row["client_port"], row["txid"], row["kind"], row["transport"]) == (40_000, 7, "dns", "udp")
    assert (row["client_ip"], row["resolver_ip"], row["ts_ns"]) == (
        bytes([10, 0, 0, 1]),
        bytes([10, 0, 0, 53]),
        (START + 5) * 1_000,
    )
    assert counters == {"dns_queries": 1, "dns_unanswered_queries": 1}


def test_a_repeated_query_counts_from_the_first() -> None:
    rows, counters = read((0, asked()), (SECOND, asked()), (SECOND + 9, told()))
    assert brief(rows) == [(3, 0, SECOND + 9)]
    assert counters == {"dns_queries": 2, "dns_repeated_queries": 1, "dns_responses/NOERROR": 1}


def test_a_query_waits_its_time_and_no_longer() -> None:
    assert brief(read((0, asked()), (TIMEOUT, told()))[0]) == [(2, 0, TIMEOUT)]
    rows, counters = read((0, asked()), (TIMEOUT + 1, told()))
    assert sorted(brief(rows), key=str) == [(1, None, None), (2, 0, None)]
    assert (counters["dns_unanswered_queries"], counters["dns_unasked_responses"]) == (1, 1)


def test_any_packet_moves_the_time_on() -> None:
    """The row is there before a response that comes when the packet times have gone back."""
    rows, _ = read((0, asked()), (TIMEOUT + 2, silence()), (TIMEOUT, told()))
    assert sorted(brief(rows), key=str) == [(1, None, None), (3, 0, None)]


def test_the_same_question_is_asked_anew_when_its_time_is_up() -> None:
    rows, _ = read((0, asked()), (TIMEOUT + 1, asked()), (TIMEOUT + 5, told()))
    assert sorted(brief(rows), key=str) == [(1, None, None), (3, 0, 4)]


def test_a_second_response_has_no_latency() -> None:
    rows, counters = read((0, asked()), (3, told()), (4, told()))
    assert brief(rows) == [(2, 0, 3), (3, 0, None)]
    assert counters["dns_unasked_responses"] == 1


def test_a_response_seen_before_its_query_has_no_latency() -> None:
    rows, _ = read((0, told()), (1, asked()))
    assert sorted(brief(rows), key=str) == [(1, 0, None), (2, None, None)]


def test_a_response_whose_time_went_back_answers_without_latency() -> None:
    assert brief(read((10, asked()), (3, told()))[0]) == [(2, 0, None)]


@pytest.mark.parametrize(
    "other",
    [told("b.example"), told(txid=8), told(port=40_001), told(kind=28), told(sport=5355)],
    ids=["question", "id", "port", "type", "protocol"],
)
def test_what_differs_answers_nothing(other: bytes) -> None:
    rows, _ = read((0, asked()), (1, other))
    assert sorted(brief(rows), key=str) == [(1, None, None), (2, 0, None)]


def test_case_makes_no_other_question() -> None:
    assert brief(read((0, asked("wWw.eXample")), (1, told("Www.Example")))[0]) == [(2, 0, 1)]


def test_a_response_without_a_question_answers_the_oldest_query_of_its_id() -> None:
    rows, _ = read((0, asked()), (1, asked("b.example")), (5, told(None, rcode=1)))
    assert sorted(brief(rows), key=str) == [(2, None, None), (3, 1, 5)]


def test_what_is_asked_of_a_group_waits_for_nobody() -> None:
    events = [(0, asked(to="224.0.0.251", dport=5353, port=5353)), (1, asked(to="224.0.0.252", dport=5355))]
    rows, counters = read(*events, (2, asked(to=RESOLVER, dport=5353)))
    assert (rows, counters) == ([], {"dns_queries": 3, "dns_multicast_queries": 3})
    rows, _ = read((0, asked(dport=5355)), (4, told(sport=5355)))
    assert [(row["kind"], row["latency_us"]) for row in rows] == [("llmnr", 4)]


def test_a_query_that_cannot_be_read_is_counted() -> None:
    broken = ethernet(ipv4(CLIENT, RESOLVER, 17, udp(40_000, 53, dns.message(b"\x3f", flags=0x0100, counts=(1, 0, 0, 0)))))
    assert read((0, broken)) == ([], {"dns_queries": 1, "dns_malformed": 1})


def test_one_wrong_date_ends_no_query() -> None:
    far = 2_000_000_000 * SECOND
    segment = _in_one_segment(dns.message(dns.question(dns.dotted("b.example")), flags=0x0100))
    rows, _ = read((0, asked()), (far, segment), (9, told()))
    assert brief(rows)[0] == (3, 0, 9)
    assert brief(read((0, asked()), (far, silence()), (5, silence()), (9, told()))[0]) == [(4, 0, 9)]
    rows, _ = read((0, asked()), (far, silence()), (far + 1, silence()), (far + 2, told()))
    assert sorted(brief(rows), key=str) == [(1, None, None), (4, 0, None)]


def test_too_many_queries_evict_the_oldest_and_are_counted() -> None:
    count = layout.MAX_QUERIES + 10
    events = [(n, asked(port=1_024 + n % 60_000, txid=n // 60_000)) for n in range(count)]
    rows, counters = read(*events)
    assert len(rows) == counters["dns_unanswered_queries"] == layout.MAX_QUERIES
    assert counters["dns_evicted_queries"] == 10
    assert min(int(str(row["frame"])) for row in rows) == 11


def test_queries_that_differ_in_their_question_alone_are_bounded() -> None:
    events = [(n, asked(f"n{n}.example")) for n in range(layout.MAX_ALIKE_QUERIES + 3)]
    last = len(events)
    rows, counters = read(*events, (last, asked("n3.example")), (last + 1, told("n4.example")), (last + 2, told(None, rcode=1)))
    assert brief(rows)[:2] == [(last + 2, 0, last - 3), (last + 3, 1, last - 1)]
    assert [row["qname"] for row in rows[2:]] == [f"n{n}.example" for n in range(5, last)]
    assert (counters["dns_evicted_queries"], counters["dns_repeated_queries"]) == (3, 1)


def test_long_names_are_bounded_by_their_octets() -> None:
    """Every octet of 250 is written as four characters."""
    name = dns.name(*[b"\xff" * 63] * 3, b"\xff" * 58)
    message = dns.message(dns.question(name), flags=0x0100)
    events = [(n, ethernet(ipv4(CLIENT, RESOLVER, 17, udp(1_024 + n, 53, message)))) for n in range(8_000)]
    rows, counters = read(*events)
    held = layout.MAX_QUERY_TEXT // (4 * (3 * 63 + 58) + 3)
    assert (len(rows), counters["dns_evicted_queries"]) == (held, 8_000 - held)
    assert {row["qname"] for row in rows} == {".".join(["\\255" * 63] * 3 + ["\\255" * 58])}


def test_carried_queries_are_answered_in_the_next_capture() -> None:
    first, _, carried = decode(capture([(0, asked()), (1, asked("b.example"))]), CARRIES)
    second, _, left = decode(capture([(50, told()), (TIMEOUT + 2, silence())]), CARRIES, carried)
    assert list(dns_rows(first)) == []
    rows = list(dns_rows(second))
    assert brief(rows) == [(1, 0, 50), (-1, None, None)]
    assert [(row["qname"], row["ts_ns"]) for row in rows[1:]] == [("b.example", (START + 1) * 1_000)]
    third, _, _ = decode(capture([(2 * TIMEOUT, silence())]), None, left)
    assert list(dns_rows(third)) == []


def test_carried_queries_that_end_have_frames_of_their_own() -> None:
    names = ["a.example", "b.example", "c.example"]
    _, _, carried = decode(capture((n, asked(name)) for n, name in enumerate(names)), CARRIES)
    second, _, _ = decode(capture([(5, asked("d.example"))]), None, carried)
    assert [(row["frame"], row["qname"]) for row in dns_rows(second)] == [
        (-1, "a.example"), (-2, "b.example"), (-3, "c.example"), (1, "d.example"),
    ]  # fmt: skip


def _through(gateway: str, frame: bytes) -> bytes:
    """A frame's IP packet in a tunnel (RFC 2003)."""
    return ethernet(ipv4("198.51.100.1", gateway, 4, frame[14:]))


def test_a_response_in_another_tunnel_answers_nothing() -> None:
    one, other = "203.0.113.1", "203.0.113.2"
    queries = [(0, asked()), (1, _through(one, asked())), (2, _through(other, asked()))]
    responses = [(7, _through(one, told())), (9, told()), (13, _through(other, told()))]
    expected = [(0, 6), (0, 9), (0, 11)]
    assert [(rcode, latency) for _, rcode, latency in brief(read(*queries, *responses)[0])] == expected
    _, _, carried = decode(capture(queries), CARRIES)
    second, _, _ = decode(capture(responses), None, carried)
    assert [(rcode, latency) for _, rcode, latency in brief(dns_rows(second))] == expected


def _in_one_segment(*messages: bytes, to_client: bool = False) -> bytes:
    ports, ends = ((53, 40_000), (RESOLVER, CLIENT)) if to_client else ((40_000, 53), (CLIENT, RESOLVER))
    stream = b"".join(struct.pack(">H", len(message)) + message for message in messages)
    return ethernet(ipv4(*ends, 6, tcp(*ports, 0x18) + stream))


def test_rows_of_one_frame_have_places_of_their_own() -> None:
    """Several messages come in one segment; a place in a frame is part of a row's key."""
    at, owner = dns.pointer(12), dns.dotted("a.example")
    questions = [dns.question(owner, kind) for kind in (dns.A, dns.AAAA)]
    queries = [dns.message(question, flags=0x0100) for question in questions]
    rows, _ = read((0, _in_one_segment(*queries)))
    assert [(row["transport"], row["frame"], row["rr_index"]) for row in rows] == [("tcp", 1, -1), ("tcp", 1, -2)]
    full = dns.message(questions[0], [dns.address(at, "192.0.2.1"), dns.address(at, "192.0.2.2")])
    rows, _ = read((0, _in_one_segment(dns.message(questions[1]), full, full, dns.message(questions[1]), to_client=True)))
    assert [row["rr_index"] for row in rows] == [-1, 0, 1, 2, 3, -2]


_names = st.sampled_from(["a.example", "b.example"])
_messages = st.one_of(
    st.builds(lambda name, txid, kind: asked(name, txid=txid, kind=kind), _names, st.integers(1, 2), st.sampled_from([1, 28])),
    st.builds(lambda name, txid, kind: told(name, txid=txid, kind=kind), _names, st.integers(1, 2), st.sampled_from([1, 28])),
    st.builds(lambda txid: told(None, txid=txid, rcode=1), st.integers(1, 2)),
    st.just(silence()),
)
_steps = st.sampled_from(
    [0, 1, SECOND, TIMEOUT // 2, TIMEOUT, -SECOND, 2 * TIMEOUT, 3_000 * SECOND, 9_000 * SECOND, -9_000 * SECOND]
)


def _multiset(rows: Iterable[Row]) -> Counter[str]:
    return Counter(str({**row, "frame": None}) for row in rows)


@settings(max_examples=examples(150))
@given(st.lists(st.tuples(_steps, _messages), max_size=25))
def test_cut_at_every_packet_a_capture_gives_the_same_rows(steps: list[tuple[int, bytes]]) -> None:
    moments = accumulate(step for step, _ in steps)
    events = [(moment, frame) for moment, (_, frame) in zip(moments, steps, strict=True)]
    whole, report, _ = decode(capture(events))
    queries = report.counters.get("dns_queries", 0)
    rows = list(dns_rows(whole))
    latencies = sum(row["latency_us"] is not None for row in rows)
    assert sum(row["rcode"] is None for row in rows) + report.counters.get("dns_repeated_queries", 0) + latencies <= queries
    for cut in range(len(events) + 1):
        first, _, carried = decode(capture(events[:cut]), CARRIES)
        second, _, _ = decode(capture(events[cut:]), None, carried)
        assert _multiset([*dns_rows(first), *dns_rows(second)]) == _multiset(rows)
        frames = [row["frame"] for row in dns_rows(second) if row["rcode"] is None]
        assert len(set(frames)) == len(frames)

"""Fragments: messages are put together in any order, later ones join the flow of the first, and no bound is passed."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode import layout
from loader.decode.carried import FRAGMENTS, UnreadableState, pack
from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from tests.examples import examples
from tests.fuzz.containers import Packet
from tests.golden import frames as f
from tests.golden import tunnels as t
from tests.golden.fragments import cut4, cut6, spans
from tests.golden.writing import START_US

from . import dns_wire as dns
from .captures import assert_balanced, decode, dns_rows, flow_rows, pcap_header, record, tcp, udp
from .splitting import totals

CARRYING = DecodeOptions(packets=True, carries=True)
Cut = Callable[[str, str, int, bytes, tuple[int, int], int], bytes]


def answer(port: int, records: int = 3) -> bytes:
    addresses = [dns.address(dns.pointer(12), f"203.0.113.{n % 256}") for n in range(records)]
    return udp(53, port, dns.message(dns.question(dns.dotted("www.example.com"), dns.A), addresses))


def told(payload: bytes, span: tuple[int, int], identification: int) -> bytes:
    return t.framed(cut4(f.SERVER, f.HOST, 17, payload, span, identification))


def at_times(frames: list[tuple[int, bytes]]) -> tuple[list[DecodedBatch], DecodeReport]:
    """Decode frames, each so many microseconds after the start."""
    batches, report, _ = decode(pcap_header() + b"".join(record(START_US + us, frame) for us, frame in frames))
    assert_balanced(batches, report)
    return batches, report


def in_turn(frames: list[bytes]) -> tuple[list[DecodedBatch], DecodeReport]:
    return at_times([(n, frame) for n, frame in enumerate(frames)])


@st.composite
def fragmented(draw: st.DrawFn) -> list[tuple[int, int, bool, bytes]]:
    """Fragments of several datagrams in any order, some of them twice: (datagram, offset, of DNS?, frame)."""
    pieces = []
    for number in range(draw(st.integers(1, 4))):
        of_dns = draw(st.booleans())
        payload = answer(40_000 + number, draw(st.integers(1, 12))) if of_dns else udp(40_000 + number, 443, bytes(60))
        units = st.integers(1, (len(payload) - 1) // 8).map(lambda unit: 8 * unit)
        borders = sorted(draw(st.sets(units, min_size=1, max_size=4)))
        six = draw(st.booleans())
        cut: Cut = cut6 if six else cut4
        ends = (f.SERVER6, f.HOST6) if six else (f.SERVER, f.HOST)
        wrap = t.ip_in_ip if draw(st.booleans()) else bytes
        for span in spans(len(payload), *borders):
            frame = t.framed(wrap(cut(*ends, 17, payload, span, number)))
            pieces += [(number, span[0], of_dns, frame)] * draw(st.sampled_from([1, 1, 1, 2]))
    return draw(st.permutations(pieces))


@settings(max_examples=examples(200))
@given(fragmented())
def test_messages_come_together_in_any_order(pieces: list[tuple[int, int, bool, bytes]]) -> None:
    batches, report = in_turn([frame for *_, frame in pieces])
    offsets = {number: {offset for other, offset, *_ in pieces if other == number} for number, *_ in pieces}
    missing: dict[int, set[int]] = {}
    wanted: Counter[tuple[int, int]] = Counter()
    for frame, (number, offset, of_dns, _) in enumerate(pieces, start=1):
        if number not in missing or (not missing[number] and offset == 0):  # a first fragment behind a whole datagram: another
            missing[number] = set(offsets[number])
        before = len(missing[number])
        missing[number].discard(offset)
        if of_dns and before and not missing[number]:
            wanted[40_000 + number, frame] = 1
    assert Counter({(row["client_port"], row["frame"]): 1 for row in dns_rows(batches)}) == wanted
    assert not {"dns_cut", "dns_malformed", "fragments_overlapping", "fragments_evicted"} & report.counters.keys()


@settings(max_examples=examples(200))
@given(fragmented())
def test_a_later_fragment_joins_once_its_first_one_was_seen(pieces: list[tuple[int, int, bool, bytes]]) -> None:
    batches, report = in_turn([frame for *_, frame in pieces])
    known: set[int] = set()
    joined: Counter[int] = Counter()
    for number, offset, *_ in pieces:
        known |= {number} if offset == 0 else set()
        joined[40_000 + number] += number in known
    counted = Counter({row["source_port"]: 0 for row in flow_rows(batches)})
    for row in flow_rows(batches):
        port = max(row["source_port"], row["destination_port"])  # type: ignore[type-var]
        counted[port] += row["packets"] + row["packets_rev"]  # type: ignore[operator]
    assert +counted == +joined
    assert report.non_flow.get("later_fragment", 0) == len(pieces) - joined.total()


@settings(max_examples=examples(100))
@given(fragmented(), st.data())
def test_where_captures_are_cut_changes_nothing(pieces: list[tuple[int, int, bool, bytes]], data: st.DataObject) -> None:
    packets = [Packet(START_US * 1_000 + n, len(frame), 1, frame) for n, (*_, frame) in enumerate(pieces)]
    cuts = data.draw(st.sets(st.integers(1, len(packets) - 1)))
    assert totals(packets, cuts, CARRYING) == totals(packets, [], CARRYING)


@pytest.mark.parametrize("cut", range(4))
def test_fragments_belong_together_though_times_went_back_before_them(cut: int) -> None:
    """Of a later fragment whose first one is not known nothing is kept."""
    payload, now_ns = udp(40_000, 443, bytes(60)), START_US * 1_000
    alone = t.framed(cut4(f.SERVER, f.HOST, 6, payload, (32, len(payload)), 1))
    pieces = [t.framed(cut4(f.SERVER, f.HOST, 6, payload, span, 2)) for span in spans(len(payload), 32)]
    times = (now_ns, now_ns - 2 * layout.FRAGMENT_FORGOTTEN_NS, now_ns - 2 * layout.FRAGMENT_FORGOTTEN_NS)
    packets = [Packet(ts, len(frame), 1, frame) for ts, frame in zip(times, (alone, *pieces), strict=True)]
    whole = totals(packets, [], CARRYING)
    assert whole.non_flow["later_fragment"] == 1
    assert totals(packets, [cut] if cut else [], CARRYING).non_flow == whole.non_flow


@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("port", [53, 443])
def test_what_waits_at_time_zero_is_carried(port: int, cut: int) -> None:
    """Of a sensor without a clock every packet is of 1970: the clock of fragments stands at zero, and still some wait."""
    payload = udp(port, 40_000, answer(40_000, 12)[8:])
    pieces = [told(payload, span, 1) for span in spans(len(payload), 32, 64)]
    packets = [Packet(0, len(frame), 1, frame) for frame in pieces]
    whole = totals(packets, [], CARRYING)
    assert not whole.non_flow
    assert whole.dns.total() == (12 if port == 53 else 0)
    assert totals(packets, [cut], CARRYING) == whole


@settings(max_examples=examples(300))
@given(st.integers(0, 23), st.integers(1, 20), st.one_of(st.none(), st.binary(min_size=8, max_size=8)))
def test_what_overlaps_is_never_put_together(unit: int, units: int, other: bytes | None) -> None:
    """A second account of bytes that are there: it is none if they are equal and nothing else is told (RFC 5722)."""
    payload = answer(40_000, 14)
    head, rest = spans(len(payload), 192)
    first, last = 8 * unit, min(8 * (unit + units), len(payload))
    second = payload if other is None else payload[:first] + (other * units)[: last - first] + payload[last:]
    agrees = second == payload and last <= 192
    batches, report = in_turn([told(payload, head, 1), told(second, (first, last), 1), told(payload, rest, 1)])
    assert bool(list(dns_rows(batches))) == agrees
    assert report.counters.get("fragments_overlapping", 0) == (not agrees)


@pytest.mark.parametrize(("after_s", "joined"), [(29, True), (31, False), (-29, True), (-31, True)])
def test_a_datagram_has_its_time(after_s: int, joined: bool) -> None:
    """Where packet times go back, none has passed."""
    payload = answer(40_000)
    first, last = spans(len(payload), 32)
    batches, report = at_times(
        [(40_000_000, told(payload, first, 1)), (40_000_000 + after_s * 1_000_000, told(payload, last, 1))]
    )
    assert bool(list(dns_rows(batches))) == joined
    assert report.non_flow.get("later_fragment", 0) == (0 if joined else 1)
    assert report.counters.get("fragments_incomplete", 0) == (0 if joined else 1)


def test_one_fragment_dated_2100_ends_no_datagram() -> None:
    payload = answer(40_000)
    first, last = spans(len(payload), 32)
    far = 4_102_444_800_000_000 - START_US
    frames = [(0, told(payload, first, 1)), (far, told(payload, first, 2)), (1, told(payload, last, 1))]
    batches, _ = at_times(frames)
    assert {row["frame"] for row in dns_rows(batches)} == {3}


def test_datagrams_are_bounded() -> None:
    """Later fragments whose first ones never come push the oldest out."""
    count = layout.MAX_DATAGRAMS + 904
    strays = [told(bytes(40), (16, 32), n) for n in range(count)]
    payload = answer(40_000)
    first, last = spans(len(payload), 32)
    batches, report = in_turn([told(payload, first, 60_000), *strays, told(payload, last, 60_000)])
    assert not list(dns_rows(batches))
    assert report.non_flow == {"later_fragment": count + 1}
    # All but the newest have lost their room first; then each new one, and the last fragment, takes the place of one.
    assert report.counters["fragments_evicted"] == (count + 2 - layout.DATAGRAM_ROOMS) + (count + 2 - layout.MAX_DATAGRAMS)


def test_bytes_are_bounded() -> None:
    """The oldest of too many messages at once is not put together; its fragments stay packets of their flow."""
    count = layout.DATAGRAM_ROOMS + 1
    payloads = [answer(40_000 + n) for n in range(count)]
    cuts = spans(len(payloads[0]), 32)
    frames = [told(payload, span, n) for span in cuts for n, payload in enumerate(payloads)]
    batches, report = in_turn(frames)
    assert {row["client_port"] for row in dns_rows(batches)} == {40_000 + n for n in range(1, count)}
    assert report.counters["fragments_evicted"] == 1
    assert report.flow_packets == 2 * count


def test_the_longest_datagram_fits_and_a_longer_one_is_none() -> None:
    payload = udp(53, 40_000, dns.message(dns.question(dns.dotted("www.example.com"), dns.A), []))
    payload += bytes(65_528 - len(payload))
    cuts = spans(len(payload), *range(8_192, len(payload), 8_192))
    _, report = in_turn([told(payload, span, 1) for span in cuts])
    assert report.counters["dns_responses/NOERROR"] == 1
    beyond = told(bytes(70_000), (65_528, 65_560), 2)
    _, report = in_turn([told(payload, cuts[0], 2), beyond])
    assert report.counters.get("fragments_incomplete", 0) == 0
    assert report.flow_packets == 2


def test_flags_of_a_tcp_header_in_two_fragments_are_read() -> None:
    segment = tcp(40_001, 443, 0x02) + bytes(20)
    frames = [t.framed(cut4(f.HOST, f.SERVER, 6, segment, span)) for span in spans(len(segment), 8)]
    batches, _ = in_turn(frames)
    (flow,) = flow_rows(batches)
    assert (flow["source_port"], flow["packets"], flow["tcp_flags"]) == (40_001, 2, 0x02)


def _carried() -> bytes:
    payload = answer(40_000)
    first, last = spans(len(payload), 32)
    frames = [told(payload, first, 1), told(payload, last, 2)]
    capture = pcap_header() + b"".join(record(START_US + n, frame) for n, frame in enumerate(frames))
    carried = decode(capture, CARRYING)[2]
    return carried[carried.index(FRAGMENTS) + 8 :]


SECTION = _carried()


@given(st.one_of(st.binary(min_size=1, max_size=300), st.integers(1, len(SECTION) - 1).map(lambda cut: SECTION[:cut])))
def test_other_bytes_are_an_unreadable_state(section: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode(pcap_header() + record(START_US, told(answer(1), (0, 32), 1)), CARRYING, pack({FRAGMENTS: section}))


@settings(max_examples=examples(300))
@given(st.lists(st.tuples(st.integers(0, len(SECTION) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_state_is_unreadable_or_does_no_harm(damage: list[tuple[int, int]]) -> None:
    section = bytearray(SECTION)
    for at, value in damage:
        section[at] = value
    payload = answer(40_000)
    frames = [told(payload, span, number) for span in spans(len(payload), 32) for number in (1, 2)]
    capture = pcap_header() + b"".join(record(START_US + n, frame) for n, frame in enumerate(frames))
    try:
        batches, report, _ = decode(capture, CARRYING, pack({FRAGMENTS: bytes(section)}))
    except UnreadableState:
        return
    assert_balanced(batches, report)

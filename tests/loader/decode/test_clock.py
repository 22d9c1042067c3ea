"""Times that jump: what begins after a long silence is whole, one date that is wrong ends nothing, and nothing is lost."""

from collections.abc import Iterable
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode.columns import DecodedBatch, DecodeOptions
from tests.examples import examples
from tests.fuzz.containers import PCAP_SPAN_NS, Packet

from . import dns_wire as dns
from .captures import assert_balanced, decode, dns_rows, ethernet, flow_rows, ipv4, pcap_header, record, udp
from .said_wire import ACK, SYN, alpn, crypto_frame, datagram, hello, initial, padding, records, segment, server_name
from .splitting import totals

START_US = 1_000_000_000_000_000
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
CENTURY_US = 3_200_000_000_000_000
HELLO = records(hello(server_name(b"www.example"), alpn(b"h2"), padding(120)))
INITIALS = hello(server_name(b"www.example"), padding(1_500), alpn(b"h3"))
QUESTION = dns.question(dns.dotted("a.example"))
QUERY = dns.message(QUESTION, flags=0x0100, txid=7)
ANSWER = dns.message(QUESTION, [dns.address(dns.pointer(12), "203.0.113.1")], txid=7)
LARGE = dns.message(QUESTION, [dns.address(dns.pointer(12), f"203.0.113.{n}") for n in range(200)], txid=7)


def _stream(payload: bytes, cuts: list[int], **ports: int | bool) -> list[bytes]:
    """A connection's first segments, the SYN before them."""
    edges = [0, *cuts, len(payload)]
    parts = [segment(payload[a:b], 1 + a, ACK, **ports) for a, b in pairwise(edges)]  # type: ignore[arg-type]
    return [segment(b"", 0, SYN, **ports), *parts]  # type: ignore[arg-type]


def _fragments(message: bytes) -> list[bytes]:
    """A datagram of DNS in fragments."""
    whole = udp(53, 40_000, message)
    return [
        ethernet(ipv4("192.0.2.53", "10.0.0.1", 17, whole[at : at + 1_000], fragment=at // 8 | (at + 1_000 < len(whole)) << 13))
        for at in range(0, len(whole), 1_000)
    ]


BEGUN = {
    "TLS": _stream(HELLO, [50, 100]),
    "TLS without its SYN": _stream(HELLO, [50, 100])[1:],
    "QUIC": [datagram(initial(crypto_frame(at, INITIALS[at : at + 300]))) for at in range(0, len(INITIALS), 300)],
    "DNS over TCP": _stream(len(ANSWER).to_bytes(2, "big") + ANSWER, [2, 20], sport=53, dport=40_000),
    "DNS over TCP, a query": _stream(len(QUERY).to_bytes(2, "big") + QUERY, [], dport=53),
    "DNS": [
        ethernet(ipv4("10.0.0.1", "192.0.2.53", 17, udp(40_000, 53, QUERY))),
        ethernet(ipv4("192.0.2.53", "10.0.0.1", 17, udp(53, 40_000, ANSWER))),
    ],
    "fragments": _fragments(LARGE),
}
OTHER = ethernet(ipv4("10.0.0.8", "10.0.0.9", 17, udp(50_000, 50_000, b"x")))


def _capture(packets: Iterable[tuple[int, bytes]]) -> bytes:
    return pcap_header() + b"".join(record(ts, frame) for ts, frame in packets)


def _rows(batches: list[DecodedBatch], first: int) -> list[dict[str, object]]:
    """Flows and DNS from this frame on, which is counted as the first, but for those of `OTHER`."""
    rows = [*flow_rows(batches), *dns_rows(batches)]
    later = [row for row in rows if row["frame"] >= first and row.get("source_port") != 50_000]  # type: ignore[operator]
    told = [{**row, "frame": row["frame"] - first + 1} for row in later]  # type: ignore[operator]
    return sorted(told, key=str)


@pytest.mark.parametrize("what", BEGUN)
@pytest.mark.parametrize("silence_us", [30 * SECOND_US, HOUR_US, HOUR_US + 1, 7 * HOUR_US, CENTURY_US])
@pytest.mark.parametrize("carried", [False, True])
def test_what_begins_after_a_silence_is_as_if_it_stood_alone(what: str, silence_us: int, *, carried: bool) -> None:
    """Its first packet's time is in doubt until the second one: it is not as old as the silence by then."""
    behind = [(START_US + silence_us + n, frame) for n, frame in enumerate(BEGUN[what])]
    alone, *_ = decode(_capture(behind))
    if carried:
        state = decode(_capture([(START_US, OTHER)]), DecodeOptions(carries=True))[2]
        together, report, _ = decode(_capture(behind), None, state)
    else:
        together, report, _ = decode(_capture([(START_US, OTHER), *behind]))
    assert_balanced(together, report)
    assert _rows(together, 2 - carried) == _rows(alone, 1)


@pytest.mark.parametrize("what", BEGUN)
def test_what_begins_with_the_last_packet_of_a_capture_goes_on_in_the_next(what: str) -> None:
    """Which confirms its time."""
    times = [START_US, *(START_US + 7 * HOUR_US + n for n in range(len(BEGUN[what])))]
    packets = [Packet(1_000 * ts, len(frame), 1, frame) for ts, frame in zip(times, [OTHER, *BEGUN[what]], strict=True)]
    options = DecodeOptions(carries=True)
    assert totals(packets, [2], options) == totals(packets, [], options)


@pytest.mark.parametrize("what", BEGUN)
@pytest.mark.parametrize("wrong_us", [CENTURY_US, -START_US, 2 * HOUR_US, -2 * HOUR_US])
def test_one_wrong_date_ends_nothing(what: str, wrong_us: int) -> None:
    """Wherever it lies."""
    frames = BEGUN[what]
    alone, *_ = decode(_capture((START_US + n, frame) for n, frame in enumerate(frames)))
    names, qnames = (
        [row[name] for row in rows] for name, rows in (("said_name", flow_rows(alone)), ("qname", dns_rows(alone)))
    )
    for odd in range(1, len(frames)):
        packets = [(START_US + n, frame) for n, frame in enumerate(frames)]
        packets.insert(odd, (START_US + wrong_us, OTHER))
        batches, report, _ = decode(_capture(packets))
        assert_balanced(batches, report)
        assert [row["said_name"] for row in flow_rows(batches) if row["source_port"] != 50_000] == names
        assert [row["qname"] for row in dns_rows(batches)] == qnames


@pytest.mark.parametrize("what", BEGUN)
@pytest.mark.parametrize("away_us", [2 * HOUR_US, 9 * HOUR_US, CENTURY_US])
def test_times_that_go_back_and_return_end_nothing(what: str, away_us: int) -> None:
    """As where two captures lie in one file, block by block, one of a clock that is slow: no time passes on the way back."""
    start = START_US + CENTURY_US
    frames = BEGUN[what]
    alone, *_ = decode(_capture((start + n, frame) for n, frame in enumerate(frames)))
    for odd in range(1, len(frames)):
        away = [(start - away_us + n, OTHER) for n in range(3)]
        packets = [(start + n, frame) for n, frame in enumerate([*frames, OTHER])]
        batches, report, _ = decode(_capture([*packets[:odd], *away, *packets[odd:]]))
        assert_balanced(batches, report)
        told = [{**row, "frame": 0} for row in _rows(batches, 1)]
        assert told == [{**row, "frame": 0} for row in _rows(alone, 1)]


def test_fragments_are_put_together_after_two_that_are_dated_wrongly() -> None:
    first, *rest = _fragments(LARGE)
    wrong = [(START_US + CENTURY_US, frame) for frame in (first, rest[0])]
    packets = [(START_US, OTHER), *wrong, *((START_US + n, frame) for n, frame in enumerate([OTHER, OTHER, first, *rest]))]
    batches, report, _ = decode(_capture(packets))
    assert_balanced(batches, report)
    assert {row["frame"] for row in dns_rows(batches)} == {len(packets)}


@pytest.mark.parametrize("behind_us", [0, 7 * HOUR_US])
def test_a_flow_does_not_end_at_a_date_that_is_wrong(behind_us: int) -> None:
    """Though the packets behind that one, after a silence, are off to the same side."""
    times = [START_US, START_US + CENTURY_US, START_US + behind_us + 1, START_US + behind_us + 2]
    other = BEGUN["DNS"][0]
    batches, report, _ = decode(_capture(zip(times, [OTHER, OTHER, other, other], strict=True)))
    assert_balanced(batches, report)
    assert [(row["frame"], row["last_ts_ns"]) for row in flow_rows(batches)] == [(1, START_US * 1_000), (3, times[-1] * 1_000)]


@pytest.mark.parametrize("carried", [False, True])
def test_packets_without_a_time_are_no_jumps_and_hide_none(*, carried: bool) -> None:
    """A pcapng's simple packet blocks before any other have none, nor have devices whose clock was never set."""
    timed = [(START_US, OTHER)] + [(START_US + 7 * HOUR_US + n * 70 * SECOND_US, OTHER) for n in range(4)]
    none = (0, BEGUN["DNS"][1])
    mixed = [none, *(packet for pair in timed for packet in (pair, none, none))]
    options = DecodeOptions(idle_timeout_s=60, carries=True)
    alone, plain, _ = decode(_capture(timed), options)
    cut = 5 if carried else 0  # behind the packet in doubt, and one without a time
    first, before, state = decode(_capture(mixed[:cut]), options)
    second, report, _ = decode(_capture(mixed[cut:]), options, state)
    assert_balanced(second, report)
    begun = {row["chain_ts_ns"] for row in flow_rows(first + second) if row["source_port"] == 50_000}
    assert begun == {row["chain_ts_ns"] for row in flow_rows(alone)}
    assert len(begun) == 4
    jumps = before.counters.get("time_jumps", 0) + report.counters["time_jumps"]
    assert jumps == plain.counters["time_jumps"] == 2


def test_a_sensor_whose_times_jumped_for_centuries_has_time_outs_again() -> None:
    """Its clock has come to its end with that capture: the next one begins anew."""
    options, latest = DecodeOptions(idle_timeout_s=60, carries=True), 4_294_967_295_000_000
    far = [ts for n in range(12) for ts in (SECOND_US, latest - 2 * n * HOUR_US)]  # none of them where times were before
    jumps = [(ts, frame) for ts in far for frame in (OTHER, BEGUN["DNS"][0])]
    batches, report, state = decode(_capture(jumps), options)
    assert_balanced(batches, report)
    assert report.counters["dns_unanswered_queries"] == len(list(dns_rows(batches))) > 0
    calm = _capture([(START_US + n * 70 * SECOND_US, OTHER) for n in range(3)])
    (behind, *_), (alone, *_) = decode(calm, options, state), decode(calm, options)
    assert list(flow_rows(behind)) == list(flow_rows(alone))
    assert len(list(flow_rows(behind))) == 3


_STEPS = [0, 1, SECOND_US, 20 * SECOND_US, 70 * SECOND_US, -SECOND_US, HOUR_US, HOUR_US + 1, 3 * HOUR_US, -3 * HOUR_US]


@settings(max_examples=examples(150))
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*_STEPS, CENTURY_US // 10, -CENTURY_US // 10]), st.sampled_from(sorted(BEGUN)), st.integers(0, 5)
        )
    ),
    st.sets(st.integers(1, 30), max_size=4),
)
def test_where_captures_are_cut_changes_nothing_whatever_the_times(steps: list[tuple[int, str, int]], cuts: set[int]) -> None:
    frames = [BEGUN[what][n % len(BEGUN[what])] for _, what, n in steps]
    times = accumulate((step for step, *_ in steps), initial=START_US)
    packets = [Packet(1_000 * ts % PCAP_SPAN_NS, len(frame), 1, frame) for ts, frame in zip(times, frames, strict=False)]
    options = DecodeOptions(carries=True, packets=True)
    inside = sorted(cut for cut in cuts if cut < len(packets))
    assert totals(packets, inside, options) == totals(packets, [], options)

"""What must hold for any packets: the balance, and that where a capture was cut changes no chain's sums."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode.columns import DecodedBatch, DecodeOptions
from tests.examples import examples

from .captures import assert_balanced, decode, ethernet, flow_rows, ipv4, pcap_header, record, tcp, udp

HOSTS = ["10.0.0.1", "10.0.0.2", "192.0.2.7"]
OPTIONS = DecodeOptions(idle_timeout_s=60, active_timeout_s=300, carries=True)


def _frame(draw: st.DrawFn) -> bytes:
    source, destination = draw(st.sampled_from(HOSTS)), draw(st.sampled_from(HOSTS))
    kind = draw(st.sampled_from(["tcp", "udp", "icmp", "arp", "fragment"]))
    ports = draw(st.sampled_from([40_000, 443])), draw(st.sampled_from([40_000, 443]))
    if kind == "tcp":
        flags = draw(st.sampled_from([0x02, 0x12, 0x10, 0x18, 0x11, 0x04]))
        return ethernet(ipv4(source, destination, 6, tcp(*ports, flags)))
    if kind == "udp":
        return ethernet(ipv4(source, destination, 17, udp(*ports, b"x")))
    if kind == "icmp":
        return ethernet(ipv4(source, destination, 1, bytes([draw(st.sampled_from([0, 8, 3])), 3, 0, 0])))
    if kind == "arp":
        return ethernet(bytes(28), 0x0806)
    return ethernet(ipv4(source, destination, 17, bytes(16), fragment=9))


@st.composite
def timed_frames(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Packets whose times mostly go on, sometimes back, sometimes far away."""
    now, packets = 1_700_000_000_000_000, []
    steps = st.sampled_from([0, 1_000, 20_000_000, 61_000_000, 400_000_000, -5_000_000, 7_300_000_000, -7_300_000_000])
    for _ in range(draw(st.integers(0, 30))):
        now += draw(steps)
        outlier = draw(st.integers(0, 19)) == 0
        packets.append((4_102_444_800_000_000 if outlier else now, _frame(draw)))
    return packets


def _capture(packets: list[tuple[int, bytes]]) -> bytes:
    return pcap_header() + b"".join(record(ts, frame) for ts, frame in packets)


def _sums(*captures: list[DecodedBatch]) -> Counter[tuple[object, ...]]:
    """Packets and bytes of each chain and direction."""
    sums: Counter[tuple[object, ...]] = Counter()
    for batches in captures:
        for row in flow_rows(batches):
            tuple_of = ("source_ip", "destination_ip", "source_port", "destination_port", "protocol", "chain_ts_ns")
            key = tuple(row[name] for name in tuple_of)
            for count in ("packets", "bytes", "packets_rev", "bytes_rev"):
                sums[(*key, count)] += row[count]  # type: ignore[operator]
    return sums


@settings(max_examples=examples(300))
@given(timed_frames())
def test_every_packet_is_in_a_flow_or_has_a_reason(packets: list[tuple[int, bytes]]) -> None:
    batches, report, _ = decode(_capture(packets), OPTIONS)
    assert report.frames == len(packets)
    assert_balanced(batches, report)
    frames = [row["frame"] for row in flow_rows(batches)]
    assert len(frames) == len(set(frames))


@settings(max_examples=examples(300))
@given(timed_frames(), st.data())
def test_where_a_capture_is_cut_changes_no_chain(packets: list[tuple[int, bytes]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(packets)))
    whole, _, carried_by_whole = decode(_capture(packets), OPTIONS)
    first, _, carried = decode(_capture(packets[:cut]), OPTIONS)
    second, _, carried_by_second = decode(_capture(packets[cut:]), OPTIONS, carried)
    assert _sums(first, second) == _sums(whole)
    assert len(carried_by_second) == len(carried_by_whole)


@settings(max_examples=examples(300))
@given(timed_frames(), st.lists(st.tuples(st.integers(24, 3_000), st.integers(0, 255)), max_size=8))
def test_damaged_captures_balance_too(packets: list[tuple[int, bytes]], damage: list[tuple[int, int]]) -> None:
    capture = bytearray(_capture(packets))
    for at, value in damage:
        if at < len(capture):
            capture[at] = value
    batches, report, _ = decode(bytes(capture), OPTIONS)
    assert_balanced(batches, report)
    assert report.consumed_bytes <= len(capture)


def test_times_that_jump_to_and_fro_for_centuries_stay_within_the_clock() -> None:
    """Each two packets confirm a jump of 136 years: five of them onwards are more than a 64-bit clock of nanoseconds holds."""
    frame = ethernet(ipv4(HOSTS[0], HOSTS[1], 17, udp(40_000, 443, b"x")))
    latest = [4_294_967_295_000_000 - n * 7_200_000_000 for n in range(12)]  # which are no returns to where times were
    times = [ts for far in latest for ts in (1_000_000, 1_000_000, far, far)]
    batches, report, *_ = decode(pcap_header() + b"".join(record(ts, frame) for ts in times), OPTIONS)
    assert_balanced(batches, report)
    assert report.counters["time_jumps"] > 10


@given(st.integers(61, 3_000_000_000), st.integers(1, 3))
def test_what_begins_after_a_long_silence_is_as_if_it_stood_alone(silence_s: int, packets: int) -> None:
    """Whose first packet's time is in doubt until the next one, and is not older than that."""
    begin_us = 1_000_000_000_000_000
    before = [(begin_us + n, ethernet(ipv4(HOSTS[0], HOSTS[1], 17, udp(40_000, 443, b"x")))) for n in range(packets)]
    behind = [
        (begin_us + silence_s * 1_000_000 + n, ethernet(ipv4(HOSTS[0], HOSTS[2], 6, tcp(40_000, 443, flags))))
        for n, flags in enumerate((0x02, 0x10, 0x18, 0x11))
    ]
    alone, *_ = decode(_capture(behind), OPTIONS)
    together, *_ = decode(_capture(before + behind), OPTIONS)
    (expected,) = ({**row, "frame": packets + 1} for row in flow_rows(alone))
    assert [row for row in flow_rows(together) if row["protocol"] == 6] == [expected]

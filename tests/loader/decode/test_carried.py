"""Carried state depends on the flows alone; one that cannot be read is told apart from captures that cannot."""

from array import array
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.decode import carried as carried_state
from loader.decode import carriedstreams, layout
from loader.decode.carried import UnreadableState
from loader.decode.columns import DecodeOptions
from loader.decode.said import SaidNames
from loader.reading.capture import CaptureReading
from schema.enums import FlowEndReason

from .captures import decode, ethernet, flow_rows, ipv4, pcap_header, record, tcp, udp

CAPTURE = pcap_header() + record(1_700_000_000_000_000, ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443))))
CARRIED = decode(CAPTURE, DecodeOptions(carries=True))[2]


@given(st.one_of(st.binary(min_size=1, max_size=80), st.integers(1, len(CARRIED) - 1).map(lambda cut: CARRIED[:cut])))
def test_other_bytes_are_an_unreadable_state(carried: bytes) -> None:
    with pytest.raises(UnreadableState):
        decode(CAPTURE, None, carried)


def test_the_format_is_what_its_number_says() -> None:
    """The columns are words of `layout`: where it moves one, a new magic keeps older flows from being misread."""
    words = array("Q", carried_state.unpack(CARRIED)[carried_state.FLOWS])
    start_ns, clock, pending, pending_now, home, count = 1_700_000_000_000_000_000, 0, 0, 0, 0, 1
    assert words[:2].tolist() == [int.from_bytes(b"PLF5flow"), count]
    assert array("Q", carried_state.unpack(CARRIED)[carried_state.CLOCK]).tolist() == [
        clock,
        start_ns,
        pending,
        pending_now,
        home,
    ]
    a, b, ports, tunnel = (0, 0xFFFF_0A00_0001), (0, 0xFFFF_0A00_0002), 40_000 << 24 | 443 << 8 | 17, 0
    state, seen, started, name = 16, clock, clock, 0
    assert carried_flows(CARRIED) == [(*a, *b, ports, tunnel, state, seen, started, start_ns, name)]


# Source, destination, destination's port, microseconds since the packet before, TCP flags (0: UDP).
PACKETS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(50, 53), st.sampled_from((0, 1, 30_000_000)),
              st.sampled_from((0, 2, 16, 17, 4)))
)  # fmt: skip


def capture_of(packets: list[tuple[int, int, int, int, int]]) -> bytes:
    ts, records = 1_700_000_000_000_000, [pcap_header()]
    for source, destination, port, gap, flags in packets:
        ts += gap
        segment = tcp(40_000, port, flags=flags) if flags else udp(40_000, port)
        records.append(record(ts, ethernet(ipv4(f"10.0.0.{source}", f"10.0.0.{destination}", 6 if flags else 17, segment))))
    return b"".join(records)


def carried_flows(carried: bytes) -> list[tuple[int, ...]]:
    """Each as its columns say."""
    words = array("Q", carried_state.unpack(carried)[carried_state.FLOWS])
    count = words[1]
    columns = [words[2 + field * count : 2 + (field + 1) * count] for field in range(layout.CARRIED_FIELDS)]
    return list(zip(*columns, strict=True))


@given(PACKETS, st.integers(0, 20))
def test_open_flows_are_carried_in_one_order_whatever_became_of_them_before(
    packets: list[tuple[int, int, int, int, int]], limit: int
) -> None:
    capture, options = capture_of(packets), DecodeOptions(carries=True)
    batches, _, carried = decode(capture, options)
    flows = carried_flows(carried)
    cut = Counter(row["chain_ts_ns"] for row in flow_rows(batches) if row["end_reason"] == FlowEndReason.FORCED_END)
    assert cut <= Counter(flow[layout.CARRIED_CHAIN] for flow in flows)
    assert flows == sorted(flows, key=lambda flow: (-flow[layout.FLOW_SEEN], flow[: layout.FLOW_STATE]))
    bounded = DecodeOptions(carries=True, max_carried_flows=limit)
    assert carried_flows(decode(capture, bounded)[2]) == flows[:limit]


@given(PACKETS)
def test_a_capture_without_packets_hands_on_what_it_was_handed(packets: list[tuple[int, int, int, int, int]]) -> None:
    options = DecodeOptions(carries=True)
    carried = decode(capture_of(packets), options)[2]
    assert decode(pcap_header(), options, carried)[2] == carried


@given(st.integers(0, 5), st.integers(0, 127) | st.integers(0, layout.WORD))
def test_a_flow_in_no_state_that_is_carried_is_unreadable(n: int, state: int) -> None:
    """One that is not open would be in no list of the table, and never end."""
    capture = capture_of([(source, 9, 50, 1, 16) for source in range(1, 7)])
    sections = carried_state.unpack(decode(capture, DecodeOptions(carries=True))[2])
    words = array("Q", sections[carried_state.FLOWS])
    words[2 + layout.FLOW_STATE * 6 + n] = state
    carried = carried_state.pack(sections | {carried_state.FLOWS: words.tobytes()})
    if state & layout.STATE_OPEN and not state & ~layout.STATE_CARRIED:
        decode(capture, None, carried)
    else:
        with pytest.raises(UnreadableState):
            decode(capture, None, carried)


def test_a_capture_behind_an_unreadable_state_is_read_without_it(tmp_path: Path) -> None:
    path = tmp_path / "good.pcap"
    path.write_bytes(CAPTURE)
    alone, behind = CaptureReading(path, DecodeOptions()), CaptureReading(path, DecodeOptions(), CARRIED[:-1])
    assert list(flow_rows(behind.batches())) == list(flow_rows(alone.batches())) != []
    assert (alone.state_refused, behind.state_refused) == ("", "the carried state is cut")
    assert behind.report == alone.report


def test_what_is_not_carried_is_counted() -> None:
    frames = [ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000 + n, 443))) for n in range(10)]
    capture = pcap_header() + b"".join(record(1_700_000_000_000_000 + n, frame) for n, frame in enumerate(frames))
    _, report, _ = decode(capture, DecodeOptions(carries=True, max_carried_flows=3))
    assert report.counters == {"flows_not_carried": 7}


def test_texts_that_find_no_room_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = SaidNames(120)
    for text in (b"www.example.com", b"a"):
        said.kernel.put(memoryview(text))
    monkeypatch.setattr(carriedstreams, "MAX_TEXT_BYTES", 10)
    texts = carriedstreams.CarriedTexts(said)
    assert [texts.word(word) for word in (1, 2, 1)] == [0, 1, 0]
    assert (texts.refused, texts.encode()) == (1, b"\x01\x00a")

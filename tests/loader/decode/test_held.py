"""Frames held for a second pass: once in every count, bounded, with their own numbers and lengths."""

import struct
from array import array

from hypothesis import given
from hypothesis import strategies as st

from loader.decode import held, layout
from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.decoder import CHUNK_PACKETS, CaptureDecoder
from loader.decode.deepened import both_passes, decode_held
from loader.decode.formats import container_of
from loader.decode.held import HeldFrames
from loader.decode.reasons import REASON_COUNT
from loader.decode.tables import table_of
from loader.decode.walking import Unreadable
from tests.loader.decode.captures import assert_balanced, decode, ethernet, flow_rows, ipv4, pcap_header, record, udp

RADIO = 127
START_US = 1_700_000_000_000_000
OPTIONS = DecodeOptions(packets=True)


def _once(capture: bytes, kept: HeldFrames) -> tuple[list[DecodedBatch], DecodeReport, HeldFrames]:
    container = container_of(memoryview(capture), final=True)
    assert not isinstance(container, Unreadable)
    decoder = CaptureDecoder(container, OPTIONS, None, kept)
    decoder.feed(memoryview(capture), (container.header_bytes, len(capture)), final=True)
    return [*decoder.drain(), *decoder.finish()], decoder.report(), kept


def _twice(
    capture: bytes, offsets: list[int | None]
) -> tuple[list[DecodedBatch], list[DecodedBatch], DecodeReport, HeldFrames]:
    """Rows of the first pass, of the second, the balance of both."""
    first, balance, kept = _once(capture, HeldFrames(wanted=True))
    second, report = decode_held(kept.frames, offsets[: len(kept.frames)], OPTIONS)
    return first, second, both_passes(balance, report, {}), kept


def test_a_jump_is_counted_once() -> None:
    """Whatever lies between the frames that are held."""
    hours = [0, 0, 3, 3, 3, 6]
    frames = [_behind(32, 1_000 + n) for n in range(len(hours))]
    capture = pcap_header(RADIO) + b"".join(
        record(START_US + hour * 3_600_000_000 + n, frame) for n, (hour, frame) in enumerate(zip(hours, frames, strict=True))
    )
    *_, report, _ = _twice(capture, [32] * len(frames))
    assert report.counters["time_jumps"] == 3


def _behind(prefix: int, sport: int) -> bytes:
    return bytes(prefix) + ipv4("10.0.0.1", "10.0.0.2", 17, udp(sport, 443))


@given(st.lists(st.one_of(st.none(), st.integers(0, 60)), min_size=1, max_size=30))
def test_each_frame_counts_once_whatever_is_answered(offsets: list[int | None]) -> None:
    """An answer may be wrong in any way that lies within the frame."""
    frames = [_behind(32, 1_000 + n) for n in range(len(offsets))]
    capture = pcap_header(RADIO) + b"".join(record(START_US + n, frame) for n, frame in enumerate(frames))
    first, second, report, kept = _twice(capture, offsets)
    assert [list(batch.packets.frame) for batch in first if len(batch.packets)] == []
    assert_balanced(first + second, report)
    rows = [row for batch in second for row in zip(batch.packets.frame, batch.packets.length, strict=True)]
    assert rows == [(n + 1, 60) for n in range(len(frames))]
    right = sum(offset == 32 for offset in offsets)
    assert report.flow_packets == right
    assert report.non_flow.get("unsupported_link_type", 0) == offsets.count(None)
    assert len(kept.frames) == len(frames)


def test_rows_are_those_of_a_capture_of_raw_ip() -> None:
    """More than a chunk of them; frame numbers, times and lengths are the capture's own."""
    count = CHUNK_PACKETS + 10
    packets = [ipv4("10.0.0.1", "10.0.0.2", 17, udp(1_000 + n % 50, 443, bytes(n % 7))) for n in range(count)]
    raw = pcap_header(101) + b"".join(record(START_US + n, packet) for n, packet in enumerate(packets))
    radio = pcap_header(RADIO) + b"".join(record(START_US + n, bytes(8) + packet) for n, packet in enumerate(packets))
    batches, plain, _ = decode(raw, OPTIONS)
    _, second, report, _ = _twice(radio, [8] * count)
    assert list(flow_rows(second)) == list(flow_rows(batches))
    assert report.flow_packets == plain.flow_packets == count
    lengths = [length for batch in second for length in batch.packets.captured_length]
    assert lengths == [8 + len(packet) for packet in packets]


def test_what_finds_no_room_stays_in_the_first_pass() -> None:
    frames = held.MAX_HELD_FRAMES + 7
    capture = pcap_header(RADIO) + b"".join(record(START_US + n, b"\x00" * 4) for n in range(frames))
    first, second, report, kept = _twice(capture, [None] * frames)
    assert len(kept.frames) == held.MAX_HELD_FRAMES
    assert report.counters == {"deep_not_asked": 7}
    assert report.non_flow == {"unsupported_link_type": frames}
    assert_balanced(first + second, report)


def test_bytes_are_bounded_too() -> None:
    big = 262_144
    capture = pcap_header(RADIO) + b"".join(record(START_US + n, bytes(big)) for n in range(70))
    _, _, report, kept = _twice(capture, [None] * 70)
    assert sum(len(frame.data) for frame in kept.frames) == held.MAX_HELD_BYTES
    assert report.counters == {"deep_not_asked": 70 - held.MAX_HELD_BYTES // big}


def test_nothing_is_held_for_nobody() -> None:
    capture = pcap_header(RADIO) + record(START_US, bytes(60))
    batches, report, _ = decode(capture)
    assert report.non_flow == {"unsupported_link_type": 1}
    assert [batch.packets.frame for batch in batches if len(batch.packets)] == [(1,)]


def test_a_frame_that_is_watched_is_copied_whether_or_not_it_is_held() -> None:
    frames = [ethernet(struct.pack(">I", n), 0x0806) for n in range(3_000)]
    capture = pcap_header() + b"".join(record(START_US + n, frame, wire=99) for n, frame in enumerate(frames))
    _, _, kept = _once(capture, HeldFrames(wanted=True, watch=2_500))
    assert kept.watched == (2_500, (START_US + 2_499) * 1_000, 1, 99, frames[2_499])
    assert kept.frames == []


def test_a_full_hold_stays_full() -> None:
    """What it was too small for is not made up for by smaller frames, so that nobody need look for them."""
    sizes = [262_144] * 63 + [262_000] + [262_144] + [4] * 3_000
    capture = pcap_header(RADIO) + b"".join(record(START_US + n, bytes(size)) for n, size in enumerate(sizes))
    _, _, report, kept = _twice(capture, [None] * len(sizes))
    assert (len(kept.frames), report.counters) == (64, {"deep_not_asked": 3_001})


def test_a_chunk_without_unread_frames_is_not_looked_through() -> None:
    """Whatever the chunks before it had: here the table ends behind its first packet."""
    kept = HeldFrames(wanted=True)
    _once(pcap_header(RADIO) + record(START_US, bytes(4)), kept)
    packets = table_of(1, layout.PACKET_WIDTH)
    packets[0, layout.PACKET_FRAME] = 2
    kept.hold(memoryview(b""), packets, (CHUNK_PACKETS, 0), array("Q", [1] * REASON_COUNT))
    assert (len(kept.frames), kept.passed_by) == (1, 0)

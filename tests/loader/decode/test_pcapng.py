"""Blocks: counted by kind, searched behind what cannot be true; interfaces within bounds; times exact; growth and cuts."""

import re
import struct
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode.columns import DecodeOptions, DecodeReport
from loader.decode.decoder import CaptureDecoder
from loader.decode.formats import container_of
from loader.decode.pcapng import MAX_INTERFACES
from loader.decode.walking import Unreadable
from loader.reading.capture import CaptureReading, LoadedPart, PartOfFile, first_packet_time, first_part_matches
from tests.examples import examples
from tests.shared_captures import SHARED, needs_shared, shared_captures

from .captures import decode, ethernet, ipv4, pcap_header, udp
from .containers import Packet, block, enhanced, interface, mixed, obsolete, option, pcapng, section, simple, statistics

_START_NS = 1_700_000_000_000_000_000
_FRAME = ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443, bytes(21))))
PACKETS = [Packet(_START_NS + n * 1_000_000, _FRAME) for n in range(12)]
_LAST_NS = 9_223_372_035_999_999_999


def _blocks(report: DecodeReport) -> dict[str, int]:
    """By kind."""
    prefix = "pcapng_blocks/"
    return {name.removeprefix(prefix): count for name, count in report.counters.items() if name.startswith(prefix)}


def _times(capture: bytes) -> list[int]:
    batches, _, _ = decode(capture)
    return [ts for batch in batches for ts in batch.packets.ts_ns]


def _balanced(report: DecodeReport) -> bool:
    return report.frames == report.flow_packets + sum(report.non_flow.values())


def _generated() -> list[Path]:
    return [path for path in shared_captures() if path.suffix == ".pcapng" and path.with_suffix(".txt").exists()]


@needs_shared
@pytest.mark.parametrize("path", _generated(), ids=lambda path: "/".join(path.parts[-3:]))
def test_blocks_are_those_that_the_generator_lists(path: Path) -> None:
    listed = dict(re.findall(r"^\t([A-Z]+): (\d+)$", path.with_suffix(".txt").read_text(), re.MULTILINE))
    reading = CaptureReading(path, DecodeOptions(), identify=False)
    for _ in reading.batches():
        pass
    assert _blocks(reading.report) == {kind: int(count) for kind, count in listed.items()}
    assert reading.report.frames == int(listed.get("EPB", 0)) + int(listed.get("SPB", 0))
    assert reading.report.counters.get("packets_without_time", 0) == int(listed.get("SPB", 0))
    assert _balanced(reading.report) and not reading.report.damage


def test_there_are_generated_captures() -> None:
    assert SHARED is None or len(_generated()) == 48


@given(
    st.one_of(st.integers(0, 20), st.integers(0x80, 0xC6), st.integers(0, 255)),
    st.one_of(st.just(0), st.integers(-(1 << 33), 1 << 33), st.integers(-(1 << 63), (1 << 63) - 1)),
    st.one_of(st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 54)),
    st.sampled_from("<>"),
)
@settings(max_examples=examples(500))
def test_times_are_exact_in_every_resolution(resolution: int, offset: int, units: int, order: str) -> None:
    per_second = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    exact = (Fraction(units, per_second) + offset) * 1_000_000_000 // 1
    capture = section(order) + interface(order, resolution=resolution, offset=offset) + enhanced(PACKETS[0], order, units=units)
    batches, report, _ = decode(capture)
    assert batches[0].packets.ts_ns[0] == min(max(exact, 0), _LAST_NS)
    assert report.counters.get("clamped_times", 0) == int(not 0 <= exact <= _LAST_NS)


def test_the_resolution_is_microseconds_where_none_is_given() -> None:
    assert _times(section() + interface() + enhanced(PACKETS[0], units=1_700_000_000_123_456)) == [1_700_000_000_123_456_000]


def test_a_simple_packet_has_the_time_of_the_packet_before() -> None:
    first, second = PACKETS[:2]
    capture = section() + interface(snap=50) + simple(first) + enhanced(second) + simple(first)
    batches, report, _ = decode(capture)
    columns = batches[0].packets
    assert list(columns.ts_ns) == [0, second.ts_ns, second.ts_ns]
    assert list(columns.captured_length) == [50, len(second.frame), 50]
    assert list(columns.length) == [len(_FRAME)] * 3
    assert report.counters["packets_without_time"] == 2


def test_the_first_packets_time_is_none_where_it_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(section() + interface() + simple(PACKETS[0]) + enhanced(PACKETS[1]))
    assert first_packet_time(path) is None
    path.write_bytes(section() + block(4, bytes(300_000)) + interface(resolution=9) + enhanced(PACKETS[1], units=77))
    assert first_packet_time(path) == 77
    path.write_bytes(section() + interface())
    assert first_packet_time(path) is None


def test_packets_of_unknown_interfaces_are_counted_with_a_reason() -> None:
    known, unknown = enhanced(PACKETS[0]), enhanced(PACKETS[1], number=1)
    _, report, _ = decode(section() + simple(PACKETS[2]) + interface() + known + unknown + obsolete(PACKETS[1], number=7))
    assert (report.frames, report.flow_packets) == (4, 1)
    assert report.non_flow == {"unknown_interface": 3}
    assert report.counters["packets_without_time"] == 3


def test_interfaces_of_a_section_before_are_forgotten() -> None:
    _, report, _ = decode(section() + interface() + enhanced(PACKETS[0]) + section() + enhanced(PACKETS[1]))
    assert (report.flow_packets, report.non_flow) == (1, {"unknown_interface": 1})


def test_a_million_interfaces_are_bounded() -> None:
    """Those beyond the bound are unknown; their packets are counted, and the next section begins anew."""
    described, last = interface(link_type=101) * 1_000_000, enhanced(PACKETS[0], number=MAX_INTERFACES - 1)
    beyond = enhanced(PACKETS[1], number=MAX_INTERFACES) + enhanced(PACKETS[1], number=999_999)
    capture = section() + described + last + beyond + section() + interface() + enhanced(PACKETS[2])
    _, report, _ = decode(capture)
    assert report.frames == 4
    assert report.non_flow["unknown_interface"] == 2
    assert report.counters["interfaces_beyond_bound"] == 1_000_000 - MAX_INTERFACES
    assert report.link_types == (101, 1)


def test_link_types_told_are_bounded() -> None:
    _, report, _ = decode(section() + b"".join(interface(link_type=n) for n in range(1_000)) + enhanced(PACKETS[0], number=1))
    assert report.link_types == tuple(range(64))
    assert report.flow_packets == 1


def test_drops_are_what_each_interface_said_last() -> None:
    parts = [section(), interface(), interface()]
    parts += [statistics(ifdrop=5, osdrop=1), statistics(number=1, ifdrop=2), statistics(ifdrop=9, osdrop=1)]
    parts += [statistics(number=2, ifdrop=1_000), statistics(osdrop=(1 << 64) - 1), section(">"), interface(">")]
    parts += [statistics(">", ifdrop=4), enhanced(PACKETS[0], ">")]
    _, report, _ = decode(b"".join(parts))
    assert (report.counters["isb_ifdrop"], report.counters["isb_osdrop"]) == (15, 1)
    assert _blocks(report) == {"SHB": 2, "IDB": 3, "ISB": 6, "EPB": 1}


def _with_word(whole: bytes, at: int, value: int) -> bytes:
    return whole[:at] + struct.pack("<I", value) + whole[at + 4 :]


_GOOD = enhanced(PACKETS[0])


@pytest.mark.parametrize(
    "corrupt",
    [
        _with_word(_GOOD, 4, 0),
        _with_word(_GOOD, 4, len(_GOOD) + 1),
        _with_word(_GOOD, 4, 8),
        _with_word(_GOOD, 4, 28),  # shorter than a packet's block
        _with_word(_GOOD, 4, 0xFFFF_FFFC),  # 4 GiB
        _with_word(_GOOD, 4, 2_000_000),
        _with_word(_GOOD, 20, len(_FRAME) + 4),  # more captured than the block has
        _with_word(_GOOD, 20, 0xFFFF_FFFF),
        _with_word(_GOOD, len(_GOOD) - 4, len(_GOOD) + 4),
        _with_word(section(), 8, 0x1A2B3C4E),
        _with_word(section(), 12, 2),  # version
        _with_word(block(77_777, bytes(40)), 4, 0xFFFF_FFFC),
    ],
)
def test_blocks_behind_a_corrupt_one_are_found(corrupt: bytes) -> None:
    is_section = corrupt.startswith(b"\n\r\r\n")
    before, after = PACKETS[:4], PACKETS[4:]
    behind = (interface() if is_section else b"") + b"".join(map(enhanced, after))
    _, report, _ = decode(pcapng(before) + corrupt + behind)
    assert report.flow_packets == report.frames == len(PACKETS)
    assert report.damage == {"corrupt_block": 1, "skipped_bytes": len(corrupt)}


def test_a_corrupt_interface_is_unknown_and_those_behind_it_keep_their_numbers() -> None:
    corrupt = _with_word(interface(), 4, 7)
    packets = b"".join(enhanced(packet, number=n % 2) for n, packet in enumerate(PACKETS))
    _, report, _ = decode(section() + corrupt + interface() + packets)
    assert (report.flow_packets, report.non_flow) == (6, {"unknown_interface": 6})


@pytest.mark.parametrize("kind", [4, 10, 0x0BAD, 77_777])
@pytest.mark.parametrize("size", [900_000, 1_100_000, 16_777_000])
def test_a_long_block_is_passed_over_however_it_comes(tmp_path: Path, kind: int, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(pcapng(PACKETS[:6]) + block(kind, bytes(size)) + b"".join(map(enhanced, PACKETS[6:])))
    reading = CaptureReading(path, DecodeOptions())
    for _ in reading.batches():
        pass
    report = reading.report
    assert (report.frames, report.damage, report.consumed_bytes) == (12, {}, path.stat().st_size)
    path.write_bytes(path.read_bytes()[: len(pcapng(PACKETS[:6])) + size - 9])
    reading = CaptureReading(path, DecodeOptions())
    for _ in reading.batches():
        pass
    assert (reading.report.frames, reading.report.damage) == (6, {"cut_tail": 1})


def test_a_long_block_that_does_not_end_as_it_begins_is_corrupt() -> None:
    long_block = block(4, bytes(2_000_000))
    _, report, _ = decode(pcapng(PACKETS[:6]) + long_block[:-4] + bytes(4) + b"".join(map(enhanced, PACKETS[6:])))
    assert (report.frames, report.damage["corrupt_block"]) == (12, 1)


_WHOLE = mixed(PACKETS, custom=True)


def test_every_prefix_gives_a_prefix_of_the_packets() -> None:
    times, found = _times(_WHOLE), 0
    for cut in range(len(section()), len(_WHOLE) + 1):
        batches, report, _ = decode(_WHOLE[:cut])
        prefix = [ts for batch in batches for ts in batch.packets.ts_ns]
        assert prefix == times[: len(prefix)] and len(prefix) >= found
        assert report.damage in ({}, {"cut_tail": 1})
        assert _WHOLE[: report.consumed_bytes] == _WHOLE[:cut][: report.consumed_bytes]
        found = len(prefix)
    assert found == len(PACKETS)


@pytest.mark.parametrize("cut", range(len(section()), len(section()) + 12))
def test_a_head_that_is_cut_is_no_capture(cut: int) -> None:
    assert isinstance(container_of(memoryview(section()[: cut - 12]), final=True), Unreadable)


def _in_pieces(capture: bytes, ends: list[int]) -> DecodeReport:
    """As a file that is read piece by piece."""
    container = container_of(memoryview(capture), final=True)
    assert not isinstance(container, Unreadable)
    fed, at, view = CaptureDecoder(container, DecodeOptions()), container.header_bytes, memoryview(capture)
    for end in sorted({*ends, len(capture)}):
        at = fed.feed(view, (at, end), final=end == len(capture))
    list(fed.finish())
    return fed.report()


@settings(max_examples=examples(300))
@given(
    st.lists(st.tuples(st.integers(28, len(_WHOLE) - 1), st.binary(min_size=1, max_size=12)), max_size=5),
    st.lists(st.integers(0, len(_WHOLE)), max_size=2),
    st.lists(st.integers(28, len(_WHOLE)), max_size=6),
)
def test_whatever_is_corrupt_the_balance_holds_however_the_bytes_come(
    wrong: list[tuple[int, bytes]], cut_out: list[int], ends: list[int]
) -> None:
    capture = bytearray(_WHOLE)
    for at, noise in wrong:
        capture[at : at + len(noise)] = noise
    if len(cut_out) == 2 and min(cut_out) >= 28:
        del capture[min(cut_out) : max(cut_out)]
    _, report, _ = decode(bytes(capture), DecodeOptions())
    assert _balanced(report)
    assert report.consumed_bytes <= len(capture)
    assert _in_pieces(bytes(capture), [end for end in ends if end < len(capture)]) == report


def _read(path: Path, after: LoadedPart | None = None) -> CaptureReading:
    reading = CaptureReading(path, DecodeOptions(packets=True), part=PartOfFile(after=after))
    reading.times = [ts for batch in reading.batches() for ts in batch.packets.ts_ns]  # type: ignore[attr-defined]
    return reading


def _part(reading: CaptureReading) -> LoadedPart:
    return LoadedPart(
        capture_id=reading.capture_id,
        prefix_id=reading.prefix_id,
        content_bytes=reading.content_bytes,
        consumed_bytes=reading.report.consumed_bytes,
    )


@pytest.mark.parametrize("share", range(1, 20))
def test_what_a_file_grew_by_is_decoded_as_its_section_and_interfaces_say(tmp_path: Path, share: int) -> None:
    path = tmp_path / "a"
    cuts = sorted({len(_WHOLE) * share // 20, len(_WHOLE) * (share + 7) // 27, len(_WHOLE)})
    parts: list[CaptureReading] = []
    for cut in cuts:
        path.write_bytes(_WHOLE[:cut])
        before = _part(parts[-1]) if parts else None
        assert before is None or first_part_matches(path, before)
        parts.append(_read(path, before))
        assert _balanced(parts[-1].report)
    path.write_bytes(_WHOLE)
    whole = _read(path)
    assert [ts for part in parts for ts in part.times] == whole.times  # type: ignore[attr-defined]
    assert parts[-1].report.consumed_bytes == whole.report.consumed_bytes == len(_WHOLE)
    assert sum(part.report.frames for part in parts) == len(PACKETS)
    names = {name for part in parts for name in part.report.counters}
    summed = {name: sum(part.report.counters.get(name, 0) for part in parts) for name in names}
    assert {name: summed[name] for name in _block_names(summed)} == {
        name: whole.report.counters[name] for name in _block_names(whole.report.counters)
    }


def _block_names(counters: dict[str, int] | object) -> list[str]:
    return [name for name in counters if name.startswith(("pcapng_blocks/", "isb_"))]  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", [(0, 0), (1, 1), (2, 0)])
def test_other_versions_are_named(version: tuple[int, int]) -> None:
    head = section()[:12] + struct.pack("<HH", *version) + section()[16:]
    refused = container_of(memoryview(head), final=True)
    assert isinstance(refused, Unreadable)
    assert (refused.reason, f"{version[0]}.{version[1]}" in refused.detail) == ("unsupported_format", True)


def test_options_that_lie_about_their_length_end_the_list() -> None:
    lying = block(1, struct.pack("<HHI", 1, 0, 0) + option(9, b"\x09") + struct.pack("<HH", 14, 0xFFFF))
    assert _times(section() + lying + enhanced(PACKETS[0], units=5)) == [5]


def test_a_record_of_pcap_that_claims_4_gib_costs_itself() -> None:
    lying = struct.pack("<IIII", 1_700_000_000, 0, 0xFFFF_FFFF, 0xFFFF_FFFF)
    _, report, _ = decode(pcap_header() + lying)
    assert (report.frames, report.damage) == (0, {"corrupt_record": 1, "skipped_bytes": 16})

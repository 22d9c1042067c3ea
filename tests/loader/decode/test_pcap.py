"""Records in a buffer: corrupt places are searched, found behind and counted, however the bytes come."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.decode import formats, walking
from loader.decode.columns import DecodeOptions, DecodeReport
from loader.decode.decoder import CaptureDecoder
from loader.decode.formats import container_of
from loader.decode.pcap import search
from loader.decode.walking import CHAIN_RECORDS, MAX_PACKET_BYTES, Unreadable
from tests.examples import examples

from .captures import decode, ethernet, ipv4, pcap_header, record, udp

_START_US = 1_700_000_000_000_000
_START_S = _START_US // 1_000_000
_LITTLE_US = (0, 1000)
# No record begins so: it would hold more than a packet can.
_IMPOSSIBLE = b"\xff" * 16


def _records(count: int, first: int = 0, size: int = 40) -> bytes:
    frame = ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443, bytes(size))))
    return b"".join(record(_START_US + 1_000 * n, frame) for n in range(first, first + count))


def _in_pieces(capture: bytes, ends: list[int]) -> DecodeReport:
    """As a file that is read piece by piece: what is left of one piece stands before the next."""
    container = container_of(memoryview(capture), final=True)
    assert not isinstance(container, Unreadable)
    fed = CaptureDecoder(container, DecodeOptions())
    at, view = container.header_bytes, memoryview(capture)
    for end in sorted({*ends, len(capture)}):
        at = fed.feed(view, (at, end), final=end == len(capture))
    list(fed.finish())
    return fed.report()


@settings(max_examples=examples(200))
@given(st.integers(1, 20), st.binary(max_size=300), st.integers(CHAIN_RECORDS, 20))
def test_records_behind_a_corrupt_place_are_found(before: int, noise: bytes, after: int) -> None:
    capture = pcap_header() + _records(before) + _IMPOSSIBLE + noise + _records(after, before)
    _, report, _ = decode(capture)
    assert report.frames == before + after
    assert report.damage == {"corrupt_record": 1, "skipped_bytes": len(_IMPOSSIBLE) + len(noise)}
    assert report.consumed_bytes == len(capture)


@settings(max_examples=examples(300))
@given(
    st.lists(st.one_of(st.integers(1, 6).map(_records), st.binary(max_size=80), st.just(_IMPOSSIBLE)), max_size=6),
    st.data(),
)
def test_a_capture_decodes_the_same_whole_and_in_pieces(parts: list[bytes], data: st.DataObject) -> None:
    capture = pcap_header() + b"".join(parts)
    ends = data.draw(st.lists(st.integers(24, len(capture)), max_size=8))
    assert _in_pieces(capture, ends) == decode(capture, DecodeOptions())[1]


def _found(content: bytes, *, final: bool = True, how: tuple[int, int] = _LITTLE_US) -> tuple[bool, int]:
    return search(memoryview(content), (0, len(content)), (*how, 1, 16, 0), final)


def test_a_chain_that_ends_with_the_file_may_be_short() -> None:
    assert _found(_IMPOSSIBLE + _records(1)) == (True, 16)
    assert _found(_IMPOSSIBLE + _records(CHAIN_RECORDS - 1) + b"x") == (False, len(_IMPOSSIBLE + _records(3)) + 1 - 15)


def test_a_chain_that_may_go_on_in_bytes_to_come_is_kept() -> None:
    found, look_on_at = _found(_IMPOSSIBLE + _records(CHAIN_RECORDS - 1), final=False)
    assert not found and look_on_at <= len(_IMPOSSIBLE)
    assert _found(_records(CHAIN_RECORDS), final=False) == (True, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (4, 1_000_000),  # microseconds in a second
        (8, 0),  # no packet
        (8, MAX_PACKET_BYTES + 1),
        (12, 1),  # less on the wire than captured
        (12, MAX_PACKET_BYTES + 1),
    ],
)
def test_records_that_cannot_be_true_are_no_chain(field: int, value: int) -> None:
    content = bytearray(_records(1))
    content[field : field + 4] = struct.pack("<I", value)
    assert _found(bytes(content))[0] is False
    assert _found(_records(1)) == (True, 0)


@pytest.mark.parametrize("days", [-2, 2])
def test_records_days_apart_are_no_chain(days: int) -> None:
    one, other = _records(1), bytearray(_records(1))
    other[:4] = struct.pack("<I", _START_S + days * 86_400)
    assert _found(one + bytes(other)) == (True, len(one))


@pytest.mark.parametrize("header", [_IMPOSSIBLE, struct.pack("<IIII", _START_S, 0, 200_000, 200_000)])
def test_a_corrupt_first_record_costs_itself(header: bytes) -> None:
    good = _records(1_000)
    _, report, _ = decode(pcap_header() + header + bytes(82) + good)
    assert report.frames == 1_000
    assert report.damage == {"corrupt_record": 1, "skipped_bytes": len(header) + 82}
    assert report.first_ts_ns == _START_US * 1_000


@pytest.mark.parametrize("seconds", [0, 4_102_444_800])  # 1970, 2100
def test_a_wrong_date_before_a_corrupt_place_costs_nothing_behind_it(seconds: int) -> None:
    wrong = record(seconds * 1_000_000, bytes(60))
    _, report, _ = decode(pcap_header() + _records(3) + wrong + _IMPOSSIBLE + _records(50, 3))
    assert report.frames == 54
    assert report.damage == {"corrupt_record": 1, "skipped_bytes": len(_IMPOSSIBLE)}


@given(st.integers(1, 5), st.integers(1, 200))
def test_a_record_that_is_cut_at_the_end_is_a_cut_and_no_corruption(count: int, cut: int) -> None:
    whole = pcap_header() + _records(count, size=180)
    _, report, _ = decode(whole[:-cut])
    assert (report.frames, report.damage) == (count - 1, {"cut_tail": 1})


def test_nanosecond_and_big_endian_records_are_found_as_such() -> None:
    big = struct.pack(">IIII", _START_S, 999_999_999, 20, 20) + bytes(20)
    assert _found(b"\0" + big, how=(1, 1)) == (True, 1)
    assert _found(b"\0" + big, how=(1, 1000))[0] is False


def test_the_search_gives_up_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_RESYNC_BYTES", 5_000)
    noise = b"\xff" * 20_000
    capture = pcap_header() + _records(2) + noise + _records(CHAIN_RECORDS, 2)
    ends = list(range(24, len(capture), 1_000))
    report = _in_pieces(capture, ends)
    assert report.frames == 2
    assert report.damage == {"corrupt_record": 1, "skipped_bytes": len(noise) + len(_records(CHAIN_RECORDS))}


def test_a_second_corrupt_place_is_a_second_count() -> None:
    part = _records(CHAIN_RECORDS)
    _, report, _ = decode(pcap_header() + part + _IMPOSSIBLE + part + _IMPOSSIBLE + part)
    assert (report.frames, report.damage) == (3 * CHAIN_RECORDS, {"corrupt_record": 2, "skipped_bytes": 32})


@given(st.binary(max_size=40))
def test_any_head_is_a_header_or_says_why_not(head: bytes) -> None:
    container = container_of(memoryview(head), final=True)
    assert isinstance(container, Unreadable) or len(head) >= max(container.header_bytes, 24)


@pytest.mark.parametrize("name", sorted({name for _, name, _ in formats._OTHER_FORMATS}))
def test_other_formats_are_named_with_a_way_out(name: str) -> None:
    magic = next(magic for magic, other, _ in formats._OTHER_FORMATS if other == name)
    refused = container_of(memoryview(magic + bytes(40)), final=True)
    assert isinstance(refused, Unreadable)
    assert (refused.reason, name in refused.detail) == ("unsupported_format", True)

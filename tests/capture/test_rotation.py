import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.pcap import FILE_HEADER_BYTES, PcapStreamError, file_header, record
from capture.rotation import RotationClock, StreamSplitter

FRAMES = st.lists(st.binary(max_size=90), max_size=60)
CUTS = st.lists(st.integers(min_value=0, max_value=8_000), max_size=30)


def files_of(stream: bytes, cuts: Sequence[int], rotate_bytes: int) -> list[bytes]:
    """The files that a stream becomes when it comes in these chunks."""
    splitter, files = StreamSplitter(rotate_bytes), []
    current = b""
    ends = [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for begin, end in zip([0, *ends], ends, strict=False):
        for piece in splitter.feed(stream[begin:end]):
            current = (current or splitter.header) + piece.content
            if piece.closes:
                files.append(current)
                current = b""
    return [*files, current] if current else files


@given(FRAMES, CUTS, CUTS, st.integers(min_value=64, max_value=1_000))
def test_any_chunking_gives_the_same_files_and_every_record(
    frames: list[bytes], cuts: list[int], others: list[int], rotate_bytes: int
) -> None:
    stream = file_header() + b"".join(record(number, frame) for number, frame in enumerate(frames))
    files = files_of(stream, cuts, rotate_bytes)
    assert files == files_of(stream, others, rotate_bytes)
    assert all(file.startswith(file_header()) for file in files)
    assert b"".join(file[FILE_HEADER_BYTES:] for file in files) == stream[FILE_HEADER_BYTES:]
    largest_single = FILE_HEADER_BYTES + 16 + max(map(len, frames), default=0)
    assert all(FILE_HEADER_BYTES < len(file) <= max(rotate_bytes, largest_single) for file in files)


@given(FRAMES, st.integers(min_value=1, max_value=40))
def test_half_a_record_at_the_end_waits(frames: list[bytes], missing: int) -> None:
    frames = [*frames, b"x" * 40]
    stream = file_header() + b"".join(record(number, frame) for number, frame in enumerate(frames))
    (splitter := StreamSplitter(1 << 20))
    given_out = b"".join(piece.content for piece in splitter.feed(stream[:-missing]))
    assert given_out == stream[FILE_HEADER_BYTES : len(stream) - 56]
    assert b"".join(piece.content for piece in splitter.feed(stream[-missing:])) == stream[-56:]


@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_resolutions(order: str, magic: int) -> None:
    header = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, 1)
    packet = struct.pack(order + "IIII", 7, 5, 3, 3) + b"abc"
    (piece,) = StreamSplitter(1 << 20).feed(header + packet)
    assert piece.records == 1
    assert piece.first_ns == 7_000_000_000 + (5_000 if magic == 0xA1B2C3D4 else 5)


def test_a_stream_that_has_come_apart_gives_what_stands_before() -> None:
    splitter = StreamSplitter(1 << 20)
    broken = struct.pack("<IIII", 1, 1, 0xFFFF_FFFF, 1)
    (piece,) = splitter.feed(file_header() + record(1, b"whole") + broken)
    assert piece.records == 1
    with pytest.raises(PcapStreamError):
        list(splitter.feed(b"more"))
    with pytest.raises(PcapStreamError):
        list(StreamSplitter(1 << 20).feed(b"HTTP/1.1 200 OK\r\n\r\n<html>"))


def test_a_file_whose_time_is_over_has_all_its_room_again() -> None:
    splitter, size = StreamSplitter(24 + 2 * 20), 20
    assert [piece.closes for piece in splitter.feed(file_header() + record(1, b"aaaa"))] == [False]
    splitter.begin_file()
    assert [piece.closes for piece in splitter.feed(record(2, b"bbbb") + record(3, b"cccc"))] == [False]
    assert [len(piece.content) for piece in splitter.feed(record(4, b"dddd"))] == [0, size]


@given(st.integers(1, 50), st.floats(0.1, 30), st.floats(0, 100))
def test_ticks_are_even_and_missed_ones_are_passed_over(ticks: int, rotate_s: float, slept_s: float) -> None:
    clock = RotationClock(1_000.0, rotate_s, 1.25)
    for tick in range(1, ticks + 1):
        assert clock.tick_s == pytest.approx(1_000 + tick * rotate_s)
        clock.close(clock.close_s)
    now_s = clock.close_s + slept_s
    clock.close(now_s)
    assert now_s - rotate_s * 1.001 <= clock.close_s - rotate_s <= now_s + rotate_s * 0.001

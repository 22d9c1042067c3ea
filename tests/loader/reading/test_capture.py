"""The file edge: compression, identity, growth, files that are no captures."""

import gzip
from pathlib import Path

import pytest
from blake3 import blake3

from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading, LoadedPart, PartOfFile, file_identity, first_packet_time, first_part_matches
from schema.errors import CaptureError
from tests.loader.decode.captures import ethernet, ipv4, pcap_header, record, udp

FRAME = ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443, bytes(900))))


def _capture(count: int) -> bytes:
    return pcap_header() + b"".join(record(1_700_000_000_000_000 + n, FRAME) for n in range(count))


def _read(path: Path, after: LoadedPart | None = None) -> CaptureReading:
    reading = CaptureReading(path, DecodeOptions(), part=PartOfFile(after=after))
    for _ in reading.batches():
        pass
    return reading


def test_a_capture_has_one_identity_however_it_is_stored(tmp_path: Path) -> None:
    content = _capture(5_000)
    plain, packed, members = tmp_path / "a.pcap", tmp_path / "b.pcap", tmp_path / "c.pcap"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content, mtime=0))
    members.write_bytes(gzip.compress(content[:70_001], mtime=0) + gzip.compress(content[70_001:]))
    readings = [_read(path) for path in (plain, packed, members)]
    assert {reading.capture_id for reading in readings} == {blake3(content).digest()[:16]}
    assert {reading.report.frames for reading in readings} == {5_000}
    assert {reading.content_bytes for reading in readings} == {len(content)}
    assert file_identity(packed) == readings[0].capture_id


def test_a_cut_gzip_file_gives_what_came_before(tmp_path: Path) -> None:
    packed = gzip.compress(_capture(5_000), mtime=0)
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(packed[: len(packed) // 2])
    report = _read(path).report
    assert report.damage["cut_stream"] == 1
    assert 0 < report.frames < 5_000


@pytest.mark.parametrize("cut", [1, 15, 17, 500])
def test_a_cut_tail_is_counted_and_consumed_ends_behind_the_last_whole_record(tmp_path: Path, cut: int) -> None:
    content = _capture(10)
    path = tmp_path / "a.pcap"
    path.write_bytes(content[:-cut])
    report = _read(path).report
    assert (report.frames, report.damage) == (9, {"cut_tail": 1})
    assert report.consumed_bytes == len(_capture(9))


def test_what_a_file_grew_by_is_a_capture_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(_capture(3_000)[:-7])
    first = _read(path)
    part = LoadedPart(
        capture_id=first.capture_id,
        prefix_id=first.prefix_id,
        content_bytes=first.content_bytes,
        consumed_bytes=first.report.consumed_bytes,
    )
    path.write_bytes(_capture(5_000))
    assert first_part_matches(path, part)
    tail = _read(path, part)
    assert first.report.frames + tail.report.frames == 5_000
    assert tail.report.consumed_bytes == len(_capture(5_000))
    assert tail.capture_id == blake3(first.capture_id + _capture(5_000)[part.consumed_bytes :]).digest()[:16]
    path.write_bytes(b"another")
    assert not first_part_matches(path, part)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text", "not_a_capture"),
        (pcap_header()[:20], "not_a_capture"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "not_a_capture"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), "cut_stream"),
        (b"\x1f\x8b" + bytes(40), "corrupt_stream"),
        (b"\x1f\x8b", "cut_stream"),
        (gzip.compress(_capture(5_000), mtime=0)[:12], "cut_stream"),
        (gzip.compress(b"text", mtime=0), "not_a_capture"),
        (gzip.compress(b"text", mtime=0) + b"tail that is no member", "corrupt_stream"),
    ],
)
def test_what_is_no_capture_is_refused_with_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as error:
        _read(path)
    assert error.value.reason == reason


@pytest.mark.parametrize("content", [b"", pcap_header()])
def test_files_without_packets_are_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    assert _read(path).report.frames == 0
    assert first_packet_time(path) is None


def test_the_first_packets_time_is_a_look_at_the_head(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(gzip.compress(_capture(2), mtime=0))
    assert first_packet_time(path) == 1_700_000_000_000_000_000


def test_a_gzip_file_that_turns_corrupt_gives_what_came_before(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(_capture(50_000), mtime=0))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(packed)
    report = _read(path).report
    assert report.damage["corrupt_stream"] == 1
    assert 20_000 < report.frames < 30_000


def test_what_stands_behind_the_last_member_is_damage_and_zeros_are_padding(tmp_path: Path) -> None:
    packed = gzip.compress(_capture(100), mtime=0)
    padded, trailed = tmp_path / "padded", tmp_path / "trailed"
    padded.write_bytes(packed + bytes(512))
    trailed.write_bytes(packed + b"no member")
    assert (_read(padded).report.frames, _read(padded).report.damage) == (100, {})
    assert (_read(trailed).report.frames, _read(trailed).report.damage) == (100, {"corrupt_stream": 1})


def test_members_may_be_empty_and_cut_anywhere(tmp_path: Path) -> None:
    content = _capture(30)
    path = tmp_path / "a"
    path.write_bytes(
        gzip.compress(b"", mtime=0)
        + b"".join(gzip.compress(content[n : n + 1]) for n in range(len(content)))
        + gzip.compress(b"")
    )
    reading = _read(path)
    assert (reading.report.frames, reading.content_bytes, reading.report.damage) == (30, len(content), {})


def test_a_checksum_that_is_wrong_is_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(_capture(100), mtime=0))
    packed[-8] ^= 1
    path = tmp_path / "a"
    path.write_bytes(packed)
    assert (_read(path).report.frames, _read(path).report.damage) == (100, {"corrupt_stream": 1})


def test_an_empty_gzip_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(b"", mtime=0))
    assert _read(path).report.frames == 0

"""Compressed content: the same however it is packed, concatenated and asked for; every byte before a fault; bounded memory."""

import bz2
import gzip
import lzma
import random
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader.decode.columns import DecodeOptions
from loader.reading import streams
from loader.reading.capture import CaptureReading, file_identity
from loader.reading.codecs import MAX_WINDOW_BYTES
from loader.reading.readahead import ReadAhead
from loader.reading.streams import opened
from schema.errors import CaptureError
from tests.loader.decode.captures import ethernet, ipv4, pcap_header, record, udp

ROOT = Path(__file__).resolve().parents[3]
Pack = Callable[[bytes], bytes]
PACKS: dict[str, Pack] = {
    "gzip": lambda content: gzip.compress(content, mtime=0),
    "zstd": zstandard.ZstdCompressor().compress,
    "zstd-checksum": zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress,
    "xz": lambda content: lzma.compress(content, preset=0),
    "bzip2": lambda content: bz2.compress(content, 1),
    "lz4": lz4.frame.compress,
    "lz4-checksums": lambda content: lz4.frame.compress(content, content_checksum=True, block_checksum=True),
}
_each_pack = pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)


def _content(size: int) -> bytes:
    """Neither dense nor trivial."""
    source = random.Random(size)
    return b"".join(source.randbytes(24) + bytes(40) for _ in range(size // 64 + 1))[:size]


CONTENT = _content(300_000)


def _read(path: Path, piece: int = 70_001, *, ahead: bool = False) -> tuple[bytes, str]:
    content, into = bytearray(), memoryview(bytearray(piece))
    with opened(path, ahead=ahead) as source:
        while count := source.readinto(into):
            content += into[:count]
        return bytes(content), source.damage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "packed"


@_each_pack
@pytest.mark.parametrize("ahead", [False, True])
def test_content_is_the_same_in_any_packing(path: Path, pack: Pack, ahead: bool) -> None:
    for packed in (
        pack(CONTENT),
        pack(CONTENT[:100_000]) + pack(b"") + pack(CONTENT[100_000:]),
        pack(b"") + pack(CONTENT) + bytes(100_000),
        pack(CONTENT[:1]) + bytes(3) + pack(CONTENT[1:]) + bytes(1),
    ):
        path.write_bytes(packed)
        for piece in (70_001, 1_048_576, 7_777_777):
            assert _read(path, piece, ahead=ahead) == (CONTENT, "")


@_each_pack
def test_pieces_may_be_single_bytes(path: Path, pack: Pack) -> None:
    path.write_bytes(pack(CONTENT[:3_000]) + pack(CONTENT[3_000:5_000]))
    assert _read(path, 1) == (CONTENT[:5_000], "")


@_each_pack
def test_an_empty_stream_is_no_content(path: Path, pack: Pack) -> None:
    path.write_bytes(pack(b""))
    assert _read(path) == (b"", "")


@_each_pack
@pytest.mark.parametrize("rest", [b"no stream", b"\0\0x", b"\x1f", gzip.compress(b"x")[:1] + b"y"])
def test_what_stands_behind_the_last_stream_is_damage(path: Path, pack: Pack, rest: bytes) -> None:
    path.write_bytes(pack(CONTENT) + rest)
    content, damage = _read(path)
    is_begun = rest == b"\x1f" and pack is PACKS["gzip"]
    assert (content, damage) == (CONTENT, "cut_stream" if is_begun else "corrupt_stream")


@_each_pack
def test_a_cut_stream_gives_what_came_before(path: Path, pack: Pack) -> None:
    packed = pack(CONTENT)
    whole = len(packed)
    for cut in {*range(8, 2 * whole, whole // 10), whole - 1, whole, whole + 1, whole + 10, 2 * whole - 1}:
        path.write_bytes((packed + packed)[:cut])
        content, damage = _read(path)
        assert damage == ("" if cut == whole else "cut_stream")
        assert (CONTENT + CONTENT).startswith(content)
        assert len(content) >= (len(CONTENT) if cut >= whole else 0)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), noise=st.binary(min_size=4, max_size=40))
def test_a_corrupt_gzip_stream_gives_every_byte_before_the_fault(path: Path, share: float, noise: bytes) -> None:
    """As zlib gives them, fed byte by byte."""
    packed = bytearray(gzip.compress(CONTENT, mtime=0))
    at = 10 + int(share * (len(packed) - 10))
    packed[at : at + len(noise)] = noise
    path.write_bytes(packed)
    inflate, expected, fault = zlib.decompressobj(31), bytearray(), ""
    try:
        for n in range(len(packed)):
            expected += inflate.decompress(packed[n : n + 1])
    except zlib.error:
        fault = "corrupt_stream"
    content, damage = _read(path)
    if fault:
        assert (content, damage) == (bytes(expected), fault)
    else:  # the noise was what had been there, or it runs into the end
        assert content == expected[: len(content)]


@pytest.mark.parametrize("name", ["zstd-checksum", "xz", "bzip2", "lz4-checksums"])
def test_a_corrupt_stream_gives_the_blocks_before_the_fault(path: Path, name: str) -> None:
    content = _content(2_000_000)
    packed = bytearray(PACKS[name](content))
    middle = len(packed) // 2
    packed[middle : middle + 64] = b"\xff" * 64
    path.write_bytes(packed)
    given_before, damage = _read(path)
    assert damage == "corrupt_stream"
    assert given_before[:500_000] == content[:500_000]


def test_skippable_frames_are_passed_over(path: Path) -> None:
    skippable = [struct.pack("<II", 0x184D2A50 + n, n * 9_000) + bytes(n * 9_000) for n in range(16)]
    zstd, frames = PACKS["zstd"], skippable[9] + PACKS["zstd"](CONTENT[:9]) + skippable[0]
    path.write_bytes(frames + zstd(CONTENT[9:]) + b"".join(skippable))
    assert _read(path) == (CONTENT, "")
    path.write_bytes(frames + skippable[2][:-1])
    assert _read(path) == (CONTENT[:9], "cut_stream")


def test_a_zstd_stream_that_needs_too_much_memory_is_refused_with_the_reason(path: Path) -> None:
    larger = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=False)
    largest = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    path.write_bytes(zstandard.ZstdCompressor(compression_params=largest).compressobj().compress(b"") or b"")
    packed = {}
    for name, how in (("larger", larger), ("largest", largest)):
        packing = zstandard.ZstdCompressor(compression_params=how).compressobj()
        packed[name] = packing.compress(CONTENT) + packing.flush()
    path.write_bytes(packed["largest"])
    assert _read(path) == (CONTENT, "")
    path.write_bytes(packed["largest"] + packed["larger"])
    assert _read(path) == (CONTENT, "refused_stream")
    path.write_bytes(packed["larger"])
    with pytest.raises(CaptureError, match="window of 256 MiB") as error:
        list(CaptureReading(path, DecodeOptions()).batches())
    assert error.value.reason == "refused_stream"
    assert MAX_WINDOW_BYTES == 1 << 27


def test_an_xz_stream_that_needs_too_much_memory_is_refused_with_the_reason(path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 << 20, "preset": 0}]
    path.write_bytes(lzma.compress(b"x", filters=filters))
    with pytest.raises(CaptureError, match="dictionary") as error:
        list(CaptureReading(path, DecodeOptions()).batches())
    assert error.value.reason == "refused_stream"


@_each_pack
def test_what_is_compressed_twice_is_refused(path: Path, pack: Pack) -> None:
    path.write_bytes(pack(pack(_capture(3))))
    with pytest.raises(CaptureError, match="more than once") as error:
        list(CaptureReading(path, DecodeOptions()).batches())
    assert error.value.reason == "unsupported_format"


def _capture(count: int) -> bytes:
    frame = ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443, bytes(900))))
    return pcap_header() + b"".join(record(1_700_000_000_000_000 + n, frame) for n in range(count))


def test_a_capture_is_the_same_in_every_compression(tmp_path: Path) -> None:
    content = _capture(3_000)
    found = set()
    for name, pack in {"plain": bytes, **PACKS}.items():
        path = tmp_path / name
        path.write_bytes(pack(content))
        reading = CaptureReading(path, DecodeOptions())
        rows = [batch.flows.packets for batch in reading.batches()]
        assert file_identity(path) == reading.capture_id
        found.add((reading.capture_id, repr(reading.report), repr([list(row) for row in rows])))
    assert len(found) == 1


_MEASURE = """
import sys
from pathlib import Path
from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading
from schema.errors import CaptureError
reading = CaptureReading(Path(sys.argv[1]), DecodeOptions())
try:
    for batch in reading.batches():
        pass
    report = reading.report
    assert report.frames == report.flow_packets + sum(report.non_flow.values())
    print("read", report.frames, *sorted(report.damage))
except CaptureError as error:
    print(error.reason)
most = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(most.split()[1]) // 1024)
"""


def _measured(path: Path) -> tuple[list[str], int]:
    """What came of it, and the most MiB that it took."""
    command = [sys.executable, "-c", _MEASURE, str(path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return told[0].split(), int(told[1])


def _bomb(head: bytes, blocks: int) -> bytes:
    """A zstd frame of runs of zeros, each of 128 KiB in four bytes."""
    frame = bytearray(struct.pack("<IBB", 0xFD2FB528, 0, 0x50))  # window: 1 MiB
    frame += struct.pack("<I", len(head) << 3)[:3] + head
    for n in range(blocks):
        frame += struct.pack("<I", 131_072 << 3 | 2 | (n == blocks - 1))[:3] + b"\0"
    return bytes(frame)


def test_a_decompression_bomb_that_is_no_capture_is_refused_at_its_head(path: Path) -> None:
    """10 GiB of zeros."""
    path.write_bytes(_bomb(b"", 81_920))
    told, mebibytes = _measured(path)
    assert told == ["not_a_capture"]
    assert mebibytes < 100


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_decompression_bomb_of_empty_records_ends_and_balances(path: Path, name: str) -> None:
    """A pcap header, then 64 MiB of zeros: four million records without a byte."""
    head = pcap_header()
    blocks = 512
    path.write_bytes(_bomb(head, blocks) if name == "zstd" else gzip.compress(head + bytes(blocks * 131_072)))
    told, mebibytes = _measured(path)
    assert told == ["read", str(blocks * 131_072 // 16)]
    assert mebibytes < 100


def test_content_that_expands_without_end_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_LARGE_BYTES", 20_000_000)
    path.write_bytes(_bomb(pcap_header(), 4_096))
    reading = CaptureReading(path, DecodeOptions())
    for _ in reading.batches():
        pass
    assert reading.report.damage["refused_stream"] == 1
    assert 20_000_000 < reading.content_bytes < 70_000_000  # of 512 MiB
    assert reading.report.frames == sum(reading.report.non_flow.values())
    gzipped = path.with_name("gzipped")  # deflate has 1,032 at most
    gzipped.write_bytes(gzip.compress(pcap_header() + bytes(40_000_000)))
    reading = CaptureReading(gzipped, DecodeOptions())
    assert [reading.report.damage for _ in reading.batches()][-1] == {}


def test_reading_ahead_may_be_given_up(path: Path) -> None:
    path.write_bytes(gzip.compress(bytes(50_000_000)))
    before = threading.active_count()
    with opened(path, ahead=True) as source:
        source.readinto(memoryview(bytearray(10)))
    assert threading.active_count() == before


def test_reading_ahead_raises_what_was_raised() -> None:
    class Failing:
        damage = detail = ""

        def readinto(self, into: memoryview) -> int:
            raise OSError(5, "Input/output error")

    ahead = ReadAhead(Failing())
    with pytest.raises(OSError, match="Input/output"):
        ahead.readinto(memoryview(bytearray(10)))
    assert ahead.readinto(memoryview(bytearray(10))) == 0
    ahead.close()

"""The decoder's file edge: opens a capture, decompresses it, hashes and decodes it in one pass. Door to blake3."""

import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from loader.decode.carried import UnreadableState
from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.container import HEADER_BYTES, CaptureHeader, Unreadable, read_header
from loader.decode.decoder import CaptureDecoder
from schema.errors import CaptureError, StoreError

_GZIP = b"\x1f\x8b"
# A read lands at a page's border; what is left of the one before is put in front of it (a chain of records at most).
_FRONT = 1_310_720
_READ = 1_048_576
_COMPRESSED_READ = 262_144
_PREVIEW = 65_536
_STREAM_DETAIL = {
    "corrupt_stream": "its gzip stream is corrupt before the capture begins (see `gzip -t`): copy it anew",
    "cut_stream": "its gzip stream is cut before the capture begins: copy it anew, or wait until it is whole",
}


class _Hash(Protocol):
    def update(self, data: memoryview | bytes) -> object: ...

    def digest(self) -> bytes: ...


class _NoHash:
    """Nobody asked who the capture is."""

    def update(self, _data: memoryview | bytes) -> None:
        return None

    def digest(self) -> bytes:
        return b""


def _hash() -> _Hash:
    from blake3 import blake3  # here: `read` has no need of it

    hasher: _Hash = blake3()
    return hasher


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPart:
    """What of a file was loaded before it grew."""

    capture_id: bytes
    prefix_id: bytes  # hash of the first `content_bytes`
    content_bytes: int  # decompressed bytes that the file had then
    consumed_bytes: int  # of them, those of whole records and the header


class _Plain:
    """Bytes of a file as they are."""

    damage = ""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readinto(self, into: memoryview) -> int:
        filled = 0
        while filled < len(into):
            count = self._file.readinto(into[filled:])  # type: ignore[attr-defined]
            if not count:
                break
            filled += count
        return filled


class _Gzip:
    """Decompressed bytes of a gzip file of one or more members (RFC 1952); a cut or corrupt one yields what came before."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(31)
        self._input = b""
        self.damage = ""
        self._ended = False

    def readinto(self, into: memoryview) -> int:
        filled = 0
        while filled < len(into) and not self._ended:
            piece = self._next(len(into) - filled)
            into[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def _next(self, limit: int) -> bytes:
        if self._inflate.eof and not self._next_member():
            return b""
        if not self._input:
            self._input = self._file.read(_COMPRESSED_READ)
        at_end = not self._input
        before = self._inflate.copy()
        try:
            piece = self._inflate.decompress(self._input, limit)
        except zlib.error:
            self._end("corrupt_stream")
            return _before_fault(before, self._input, limit)
        self._input = self._inflate.unconsumed_tail
        if at_end and not piece and not self._inflate.eof:
            self._end("cut_stream")
        return piece

    def _next_member(self) -> bool:
        self._input = self._inflate.unused_data.lstrip(b"\0") or self._file.read(_COMPRESSED_READ).lstrip(b"\0")
        if not self._input:
            self._end("")
            return False
        self._inflate = zlib.decompressobj(31)
        return True

    def _end(self, damage: str) -> None:
        self._ended, self.damage = True, damage


def _before_fault(inflate: "zlib._Decompress", data: bytes, limit: int) -> bytes:
    """What decompresses of data with a fault in it: zlib gives it only if it is asked for no byte too many."""
    whole, at, size = b"", 0, len(data)
    while size and at < len(data) and len(whole) < limit:
        trial = inflate.copy()
        try:
            whole += trial.decompress(data[at : at + size], limit - len(whole))
        except zlib.error:
            size //= 2
        else:
            inflate, at = trial, at + size
    return whole


@contextmanager
def _opened(path: Path) -> Iterator[_Plain | _Gzip]:
    with path.open("rb", buffering=0) as file:
        magic = file.read(2)
        file.seek(0)
        yield _Gzip(file) if magic == _GZIP else _Plain(file)


class CaptureReading:
    """One pass over one capture file. Iterate `batches()` to its end; then the rest is known."""

    def __init__(
        self,
        path: Path,
        options: DecodeOptions,
        carried: bytes | None = None,
        identify: bool = True,
        after: LoadedPart | None = None,
    ) -> None:
        """`carried`: open flows of the capture before; `identify`: hash the content; `after`: decode what follows it."""
        self._path, self._options, self._carried_before = path, options, carried
        self._identify, self._after = identify, after
        self.content_bytes = 0  # decompressed
        self.capture_id = b""  # 16 bytes, after the last batch
        self.prefix_id = b""  # hash of the whole content so far: the capture's id unless it is a tail
        self.carried = b""  # open flows for the sensor's next capture
        self.report = DecodeReport(
            frames=0, flow_packets=0, non_flow={}, damage={}, link_types=(), first_ts_ns=0, last_ts_ns=0,
            consumed_bytes=0, counters={},
        )  # fmt: skip

    def batches(self) -> Iterator[DecodedBatch]:
        """All rows, batch by batch; raises `CaptureError` if the file's head is not one of a capture."""
        with _opened(self._path) as source:
            yield from self._decode(source)

    def _decode(self, source: _Plain | _Gzip) -> Iterator[DecodedBatch]:
        identity = _Identity(self._identify, self._after)
        area = memoryview(mmap.mmap(-1, _FRONT + _READ))
        behind = _FRONT + source.readinto(area[_FRONT:])
        if behind == _FRONT and not source.damage:
            return
        header = _header(bytes(area[_FRONT : min(behind, _FRONT + HEADER_BYTES)]), source.damage)
        decoder = self._decoder(header)
        skip = self._after.consumed_bytes if self._after else HEADER_BYTES
        start = _FRONT
        while True:
            new = area[_FRONT:behind]
            identity.add(new)
            passed = min(skip, behind - start)
            skip -= passed
            final = behind < len(area)
            start = decoder.feed(area, (start + passed, behind), final=final)
            yield from decoder.drain()
            if final:
                break
            left = behind - start
            area[_FRONT - left : _FRONT] = area[start:behind]
            start = _FRONT - left
            behind = _FRONT + source.readinto(area[_FRONT:])
        yield from decoder.finish()
        self._conclude(decoder, identity, source.damage)

    def _decoder(self, header: CaptureHeader) -> CaptureDecoder:
        try:
            return CaptureDecoder(header, self._options, self._carried_before)
        except UnreadableState as error:  # not the capture's fault
            raise StoreError(f"the carried state cannot be read: {error}") from error

    def _conclude(self, decoder: CaptureDecoder, identity: "_Identity", stream_damage: str) -> None:
        report = decoder.report()
        skipped = self._after.consumed_bytes - HEADER_BYTES if self._after else 0
        damage = {**report.damage, **({stream_damage: 1} if stream_damage else {})}
        self.report = replace(report, damage=damage, consumed_bytes=report.consumed_bytes + skipped)
        self.carried = decoder.carried()
        self.content_bytes = identity.content_bytes
        self.capture_id, self.prefix_id = identity.capture_id(), identity.prefix_id()


class _Identity:
    """Hashes the whole content, and for a tail also what follows the part loaded before."""

    def __init__(self, wanted: bool, after: LoadedPart | None) -> None:
        self._whole = _hash() if wanted else _NoHash()
        self._tail = _hash() if wanted and after else None
        self._tail_from = after.consumed_bytes if after else 0
        self.content_bytes = 0
        if self._tail and after:
            self._tail.update(after.capture_id)

    def add(self, data: memoryview) -> None:
        self._whole.update(data)
        if self._tail:
            self._tail.update(data[min(max(self._tail_from - self.content_bytes, 0), len(data)) :])
        self.content_bytes += len(data)

    def prefix_id(self) -> bytes:
        return self._whole.digest()[:16]

    def capture_id(self) -> bytes:
        return (self._tail or self._whole).digest()[:16]


def _header(head: bytes, stream_damage: str) -> CaptureHeader:
    """The capture's header; where there is none, what is wrong with the stream comes before what is wrong with its content."""
    header = read_header(head)
    if isinstance(header, CaptureHeader):
        return header
    if stream_damage and len(head) < HEADER_BYTES:
        raise CaptureError(stream_damage, _STREAM_DETAIL[stream_damage])
    raise CaptureError(header.reason, header.detail)


def first_part_matches(path: Path, part: LoadedPart) -> bool:
    """Whether the file still begins with the content that was loaded."""
    hasher, left = _hash(), part.content_bytes
    area = memoryview(bytearray(_READ))
    with _opened(path) as source:
        while left:
            count = source.readinto(area[: min(left, _READ)])
            if not count:
                return False
            hasher.update(area[:count])
            left -= count
    return hasher.digest()[:16] == part.prefix_id


def first_packet_time(path: Path) -> int | None:
    """Time of the first packet (Unix ns) by a look at the file's head; None if there is none."""
    head = bytearray(_PREVIEW)
    with _opened(path) as source:
        count = source.readinto(memoryview(head))
    header = read_header(bytes(head[: min(count, HEADER_BYTES)]))
    if isinstance(header, Unreadable) or count < HEADER_BYTES + 16:
        return None
    order: Literal["big", "little"] = "big" if header.big_endian else "little"
    seconds = int.from_bytes(head[24:28], order)
    return seconds * 1_000_000_000 + int.from_bytes(head[28:32], order) * header.nanoseconds_per_fraction


def file_identity(path: Path) -> bytes:
    """Hash of a file's content (decompressed, where it can be) whether or not it is a capture: 16 bytes."""
    hasher = _hash()
    area = memoryview(bytearray(_READ))
    with _opened(path) as source:
        while count := source.readinto(area):
            hasher.update(area[:count])
    return hasher.digest()[:16]

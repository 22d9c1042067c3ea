"""The decoder's file edge: opens a capture, decompresses it, hashes and decodes it in one pass. Door to blake3."""

import mmap
from collections.abc import Callable, Generator, Iterator, Sequence
from io import FileIO
from os import PathLike
from typing import Protocol

from loader.decode import layout
from loader.decode.carried import UnreadableState
from loader.decode.columns import DecodedBatch, DecodeOptions, DecodeReport
from loader.decode.decoder import CaptureDecoder
from loader.decode.formats import container_of
from loader.decode.held import HeldFrame, HeldFrames
from loader.decode.record import Record
from loader.decode.tables import table_of
from loader.decode.walking import Container, Unreadable
from loader.reading.source import Source, UpTo
from loader.reading.streams import opened
from schema.errors import CaptureError

# A read lands at a page's border; what is left of the one before is put in front of it (a chain of records at most).
_FRONT = 1_310_720
_READ = 1_048_576
_FIRST_LOOK, _PREVIEW = 65_536, 1_048_576  # in most captures the first packet is near; a pcapng may begin with names
_LONGEST_HEADER = 28


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


class LoadedPart(Record):
    """What of a file was loaded before it grew."""

    capture_id: bytes
    prefix_id: bytes  # hash of the first `content_bytes`
    content_bytes: int  # decompressed bytes that the file had then
    consumed_bytes: int  # of them, those of whole records and the header


class PartOfFile(Record):
    """What of a file's decompressed content is a capture."""

    after: LoadedPart | None = None  # it follows this
    until: int | None = None  # the content's first so many bytes are all there is


WHOLE_FILE = PartOfFile()


class DeepAnswers(Protocol):
    """Where in frames their IP headers begin, once `wait()` has been iterated to its end (`deep.TsharkBatch`)."""

    outcome: str
    offsets: list[int | None]
    counters: dict[str, int]

    def wait(self) -> Iterator[None]:
        """Yields now and then."""


DeepDecoder = Callable[[Sequence[HeldFrame]], DeepAnswers]


class CaptureReading:
    """One pass over one capture file. Iterate `batches()` to its end; then the rest is known."""

    def __init__(
        self,
        path: str | PathLike[str],
        options: DecodeOptions,
        carried: bytes | None = None,
        identify: bool = True,
        part: PartOfFile = WHOLE_FILE,
    ) -> None:
        """`carried`: state of the capture before; `identify`: hash the content; `part`: what of the file is the capture."""
        self.path, self._options, self._carried_before = path, options, carried
        self._identify, self.part = identify, part
        self.content_bytes = 0  # decompressed
        self.capture_id = b""  # 16 bytes, after the last batch
        self.prefix_id = b""  # hash of the whole content so far: the capture's id unless it is a tail
        self.carried = b""  # state for the sensor's next capture
        self.state_refused = ""  # why the capture before's was of no use, if it was not
        self.deep_outcome = "off"  # what the rows of frames that only a deep decoder understands depend on
        self.watched: HeldFrame | None = None  # the frame asked for
        self.watched_ip: int | None = None  # where its IP header begins, if only the deep decoder knows
        self.report = DecodeReport(
            frames=0, flow_packets=0, non_flow={}, damage={}, link_types=(), first_ts_ns=0, last_ts_ns=0,
            consumed_bytes=0, clock_first_ts_ns=0, clock_last_ts_ns=0, counters={},
        )  # fmt: skip

    def batches(self, deep: DeepDecoder | None = None, *, watch: int = 0) -> Iterator[DecodedBatch]:
        """All rows, batch by batch; raises `CaptureError` if the file's head is not one of a capture.

        `deep` is asked, once, about frames that the kernels have no use for; `watch`: number of a frame to keep a copy of.
        """
        with opened(self.path, ahead=True) as whole:
            source = whole if self.part.until is None else UpTo(whole, self.part.until)
            decoder = yield from self._decode(source, HeldFrames(wanted=deep is not None, watch=watch))
        if decoder is None:
            return
        self.watched = decoder.held.watched
        if deep is not None:
            self.deep_outcome = "unneeded"
            if decoder.held.frames:
                yield from self._second_pass(deep(decoder.held.frames), decoder.held.frames)

    def _second_pass(self, asked: DeepAnswers, frames: list[HeldFrame]) -> Iterator[DecodedBatch]:
        """Rows of the held frames, after empty batches while the answers are waited for."""
        from loader.decode.deepened import both_passes, decode_held  # here: most captures hold none

        for _ in asked.wait():
            yield DecodedBatch()
        batches, report = decode_held(frames, asked.offsets, self._options)
        yield from batches
        self.deep_outcome = asked.outcome
        self.report = both_passes(self.report, report, asked.counters)
        if self.watched in frames:
            self.watched_ip = asked.offsets[frames.index(self.watched)]

    def _decode(self, source: Source, held: HeldFrames) -> Generator[DecodedBatch, None, CaptureDecoder | None]:
        after = self.part.after
        identity = _Identity(self._identify, after)
        window = _Window(source, identity)
        first_part = after.consumed_bytes if after else 0
        if not window.fill(first_part) and not source.damage:
            return None
        container = _container(window, source)
        decoder = self._decoder(container, held)
        window.start += container.header_bytes
        if first_part:
            _pass_over(first_part, decoder, window)
        while True:
            window.start = decoder.feed(window.area, window.span, final=window.ended)
            yield from decoder.drain()
            if window.ended:
                break
            window.fill()
        yield from decoder.finish()
        self._conclude(decoder, identity, source.damage)
        return decoder

    def _decoder(self, container: Container, held: HeldFrames) -> CaptureDecoder:
        try:
            return CaptureDecoder(container, self._options, self._carried_before, held)
        except UnreadableState as error:  # not the capture's fault, and no reason to hold it up
            self.state_refused = str(error)
            return CaptureDecoder(container, self._options, None, held)

    def _conclude(self, decoder: CaptureDecoder, identity: "_Identity", stream_damage: str) -> None:
        report = decoder.report()
        damage = {**report.damage, **({stream_damage: 1} if stream_damage else {})}
        self.report = report.with_changes(damage=damage)
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


class _Window:
    """The bytes of a capture that are looked at: those that were left of the pieces before stand in front of the newest."""

    def __init__(self, source: Source, identity: _Identity) -> None:
        self._source, self._identity = source, identity
        self.area = memoryview(mmap.mmap(-1, _FRONT + _READ))
        self.start = self.end = _FRONT
        self.read_bytes = 0
        self.ended = False

    @property
    def span(self) -> tuple[int, int]:
        """Where in `area` they are."""
        return self.start, self.end

    def fill(self, bound: int = 0) -> int:
        """Read the next piece, which ends at `bound` bytes from the beginning at the latest; returns its length."""
        left = self.end - self.start
        self.area[_FRONT - left : _FRONT] = self.area[self.start : self.end]
        self.start = _FRONT - left
        room = min(_READ, bound - self.read_bytes) if bound else _READ
        count = self._source.readinto(self.area[_FRONT : _FRONT + room])
        self.end = _FRONT + count
        self.ended = count < room
        self.read_bytes += count
        self._identity.add(self.area[_FRONT : self.end])
        return count


def _pass_over(first_part: int, decoder: CaptureDecoder, window: _Window) -> None:
    while window.read_bytes < first_part and not window.ended:
        window.start = decoder.pass_over(window.area, window.span)
        window.fill(first_part)
    decoder.pass_over(window.area, window.span, final=True)
    window.start = window.end
    window.fill()


def _container(window: _Window, source: Source) -> Container:
    """The capture's container; what is wrong with the stream is told before what is wrong with its content."""
    container = container_of(window.area[window.start : window.end], final=window.ended)
    if not isinstance(container, Unreadable):
        return container
    if source.damage and window.read_bytes < _LONGEST_HEADER:
        raise CaptureError(source.damage, source.detail)
    raise CaptureError(container.reason, container.detail)


def first_part_matches(path: str | PathLike[str], part: LoadedPart) -> bool:
    """Whether the file still begins with the content that was loaded."""
    hasher, left = _hash(), part.content_bytes
    area = memoryview(bytearray(_READ))
    with opened(path) as source:
        while left:
            count = source.readinto(area[: min(left, _READ)])
            if not count:
                return False
            hasher.update(area[:count])
            left -= count
    return hasher.digest()[:16] == part.prefix_id


def first_packet_time(path: str | PathLike[str]) -> int | None:
    """Time of the first packet (Unix ns) by a look at the file's head; None if there is none, or it has no time of its own."""
    head = memoryview(bytearray(_PREVIEW))
    count = 0
    with opened(path) as source:
        for size in (_FIRST_LOOK, _PREVIEW):
            count += source.readinto(head[count:size])
            container = container_of(head[:count], final=count < size)
            if isinstance(container, Unreadable):
                return None
            packets = table_of(1, layout.PACKET_WIDTH)
            found, _, _ = container.walk(head, (container.header_bytes, count), packets, 1)
            if found:
                return None if container.counters().get("packets_without_time") else packets[0, layout.PACKET_TS]
    return None


def file_identity(path: str | PathLike[str]) -> bytes:
    """Hash of a file's content (decompressed, where it can be) whether or not it is a capture: 16 bytes."""
    with opened(path) as source:
        return _identity_of(source)


def bytes_identity(path: str | PathLike[str]) -> bytes:
    """Hash of a file's bytes as they are stored: 16 bytes."""
    with FileIO(path) as source:
        return _identity_of(source)


def _identity_of(source: Source | FileIO) -> bytes:
    hasher = _hash()
    area = memoryview(bytearray(_READ))
    while count := source.readinto(area):
        hasher.update(area[:count])
    return hasher.digest()[:16]

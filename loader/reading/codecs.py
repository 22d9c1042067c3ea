"""What decompresses one stream of each format (a gzip member, a frame, ...), and what packs the loader's own bytes. Door to
isal, lz4 and zstandard.

A library is imported where a stream of its format turns up: most captures are not compressed.
"""

from collections.abc import Callable
from typing import Protocol

from loader.decode.record import Record

# Memory that a stream may ask for: the largest window of `zstd --long` without a further word, twice what `xz -9` needs.
MAX_WINDOW_BYTES = 134_217_728


class Codec(Protocol):
    """One stream, as the standard library's decompressors have it. Raises one of its format's errors for a corrupt one."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes | None:
        """What was given behind its end."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be given without more input."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next bytes, at most `max_length`; give b"" as long as no input is needed."""
        ...


class Format(Record):
    """A compression: how its streams begin, and what reads them."""

    name: str  # of the program too that checks it with -t
    magics: tuple[bytes, ...]
    open: Callable[[], tuple[Callable[[], Codec], tuple[type[Exception], ...]]]  # what makes a codec, what it raises
    exact: bool = False  # a call that meets a fault has nothing that it could have given


class TooMuchMemory(ValueError):  # noqa: N818 - what the stream asks for
    """A stream cannot be read within `MAX_WINDOW_BYTES`."""


def _gzip() -> tuple[Callable[[], Codec], tuple[type[Exception], ...]]:
    """RFC 1952; checksums are compared."""
    from isal import igzip_lib

    error: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stub takes it for an instance
    return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), (error,)


def _zstd() -> tuple[Callable[[], Codec], tuple[type[Exception], ...]]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    return lambda: _ZstdFrame(lambda: decompressor.decompressobj().decompress), (zstandard.ZstdError,)


def _xz() -> tuple[Callable[[], Codec], tuple[type[Exception], ...]]:
    import lzma

    return _XzStream, (lzma.LZMAError,)


def _bzip2() -> tuple[Callable[[], Codec], tuple[type[Exception], ...]]:
    import bz2

    return bz2.BZ2Decompressor, (OSError, ValueError)


def _lz4() -> tuple[Callable[[], Codec], tuple[type[Exception], ...]]:
    """Frames; blocks have 4 MiB at most."""
    import lz4.frame

    return lz4.frame.LZ4FrameDecompressor, (RuntimeError,)


# Skippable frames (RFC 8878 3.1.2), which pzstd puts in front.
_SKIPPABLE = tuple(bytes((0x50 + n, 0x2A, 0x4D, 0x18)) for n in range(16))
FORMATS = (
    Format("gzip", (b"\x1f\x8b",), _gzip),
    Format("zstd", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE), _zstd, exact=True),
    Format("xz", (b"\xfd7zXZ\0",), _xz),
    Format("bzip2", tuple(b"BZh%d" % level for level in range(1, 10)), _bzip2),
    Format("lz4", (b"\x04\x22\x4d\x18",), _lz4),
)
MAGIC_BYTES = 6


def format_of(magic: bytes) -> Format | None:
    """The compression of what begins with these bytes; None: it is not compressed."""
    return next((form for form in FORMATS if magic.startswith(form.magics)), None)


class _XzStream:
    """An xz stream, whose dictionary is bounded."""

    def __init__(self) -> None:
        import lzma

        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_WINDOW_BYTES)
        self.eof, self.unused_data, self.needs_input = False, b"", True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """As `Codec`."""
        import lzma

        try:
            piece = self._inner.decompress(data, max_length)
        except lzma.LZMAError as error:
            if "limit" in str(error):
                raise TooMuchMemory(f"its xz dictionary needs more than {MAX_WINDOW_BYTES >> 20} MiB") from error
            raise
        self.eof, self.unused_data, self.needs_input = self._inner.eof, self._inner.unused_data, self._inner.needs_input
        return piece


class _ZstdFrame:
    """One zstd frame (RFC 8878), given to the library block by block: so output comes in blocks of 128 KiB at most, a fault
    takes nothing with it of the blocks before, and a frame that is cut is told from one that is whole.
    """

    def __init__(self, decoder: Callable[[], Callable[[bytes], bytes]]) -> None:
        self._decode = decoder()
        self._input = b""
        self._at = 0
        self._output = b""
        self._next = self._header_end  # tells where the next part of the frame ends; 0: not yet
        self._checksum = False
        self._skip = 0  # bytes left of a skippable frame
        self._ended = False

    @property
    def eof(self) -> bool:
        """As `Codec`."""
        return self._ended and not self._output

    @property
    def unused_data(self) -> bytes:
        """As `Codec`."""
        return self._input[self._at :] if self._ended else b""

    @property
    def needs_input(self) -> bool:
        """As `Codec`."""
        return not self._output and not self._ended and not self._next()

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """As `Codec`."""
        if data:
            self._input, self._at = self._input[self._at :] + data, 0
        while not self._output and not self._ended and (end := self._next()):
            part = self._input[self._at : end]
            self._at = end
            self._advance(part)
        piece, self._output = self._output[:max_length], self._output[max_length:]
        return piece

    def _advance(self, part: bytes) -> None:
        if self._next == self._header_end:
            self._begin(part)
        elif self._next == self._block_end and part[0] & 1:
            self._next = self._checksum_end
            self._ended = not self._checksum
        elif self._next == self._checksum_end:
            self._ended = True
        if self._next == self._skip_end:
            self._skip -= len(part)
            self._ended = not self._skip
        else:
            self._output = self._decode(part)

    def _begin(self, header: bytes) -> None:
        """Its frame header: how much memory it needs, and whether a checksum ends it."""
        if header.startswith(_SKIPPABLE):
            self._skip, self._next = len(header) + int.from_bytes(header[4:8], "little"), self._skip_end
            return
        window = _window_bytes(header)
        if window > MAX_WINDOW_BYTES:
            raise TooMuchMemory(f"its zstd window of {window >> 20:,} MiB is more than {MAX_WINDOW_BYTES >> 20}")
        self._checksum, self._next = bool(header[4] & 4), self._block_end

    def _header_end(self) -> int:
        at, left = self._at, len(self._input) - self._at
        if self._input[at : at + 4] in _SKIPPABLE:
            return at + 8 if left >= 8 else 0
        size = _header_bytes(self._input[at + 4]) if left > 4 else 0
        return at + size if size and left >= size else 0

    def _block_end(self) -> int:
        head = self._input[self._at : self._at + 3]
        if len(head) < 3:
            return 0
        word = int.from_bytes(head, "little")
        size = 1 if word >> 1 & 3 == 1 else word >> 3  # a run of one byte, else bytes
        end = self._at + 3 + size
        return end if end <= len(self._input) else 0

    def _checksum_end(self) -> int:
        return self._at + 4 if self._at + 4 <= len(self._input) else 0

    def _skip_end(self) -> int:
        return min(self._at + self._skip, len(self._input)) if self._at < len(self._input) else 0


def _header_bytes(descriptor: int) -> int:
    """Length of a zstd frame's header by its fifth byte (RFC 8878 3.1.1.1)."""
    single = descriptor >> 5 & 1
    content = (single, 2, 4, 8)[descriptor >> 6]
    return 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + content


def _window_bytes(header: bytes) -> int:
    """What of its output a frame refers back to (RFC 8878 3.1.1.1.2); of a single segment all of it."""
    descriptor = header[4]
    if not descriptor >> 5 & 1:
        base = 1 << (10 + (header[5] >> 3))
        return base + (base >> 3) * (header[5] & 7)
    content = header[5 + (0, 1, 2, 4)[descriptor & 3] :]
    return int.from_bytes(content, "little") + (256 if descriptor >> 6 == 1 else 0)


def packed(data: bytes) -> bytes:
    """The loader's own bytes, smaller, as fast as that goes."""
    import zstandard

    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data)


def unpacked(data: bytes, at_most: int) -> bytes:
    """What `packed` was given; raises `ValueError` for other bytes, and for more than `at_most`, which take no memory."""
    import zstandard

    try:
        if zstandard.frame_content_size(data) > at_most:
            raise ValueError("the packed bytes say that they are too many")
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(f"the packed bytes are spoilt: {error}") from error

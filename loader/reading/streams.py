"""A file's content, decompressed where it is compressed: told by its first bytes, never by its name.

Concatenated streams of one format are one content; zeros behind them are padding. One level of compression is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from os import PathLike

from loader.reading.codecs import MAGIC_BYTES, Format, TooMuchMemory, format_of
from loader.reading.source import Plain, Source

_INPUT = 65_536
# Beyond so many bytes, content that is so many times as long as the file is no capture: it is made to keep its reader busy.
_LARGE_BYTES = 4 * 1024 * 1024 * 1024
_MAX_EXPANSION = 4_096


@contextmanager
def opened(path: str | PathLike[str], *, ahead: bool = False) -> Iterator[Source]:
    """The file's content; `ahead`: what is compressed is decompressed in a thread of its own, a few pieces ahead.

    Raises `OSError`.
    """
    with FileIO(path) as file:
        form = format_of(file.read(MAGIC_BYTES))
        file.seek(0)
        if form is None:
            yield Plain(file)
        elif not ahead:
            yield Compressed(file, form)
        else:
            from loader.reading.readahead import ReadAhead  # here: it needs threads

            reading = ReadAhead(Compressed(file, form))
            try:
                yield reading
            finally:
                reading.close()


class Compressed:
    """Content of one or more streams. A cut or corrupt one gives every byte before the fault.

    Where a codec meets a fault it keeps what it had of that call: so the stream is read again, its input from there on byte by
    byte.
    """

    def __init__(self, file: FileIO, form: Format) -> None:
        self.damage = self.detail = ""
        self._file, self._form = file, form
        self._new_codec, self._errors = form.open()
        self._codec = self._new_codec()
        self._input = b""  # read, and not given yet
        self._ended = False
        self._given = 0  # offset in the file behind what the codec was given
        self._piece_at = 0  # and behind what it was given before the last piece
        self._stream_at = 0  # where the stream begins
        self._stream_bytes = 0  # what it has given
        self._content_bytes = 0
        self._careful = (0, 0)  # where in the file a fault was met: input from there to there is given byte by byte
        self._repeated = 0  # bytes of a stream that is read again, still to come

    def readinto(self, into: memoryview) -> int:
        """As `Source`."""
        filled = 0
        while filled < len(into) and not self._ended:
            piece = self._next(len(into) - filled)
            into[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._content_bytes += filled
        if self._content_bytes > _LARGE_BYTES and self._content_bytes > _MAX_EXPANSION * self._given:
            self._end("refused_stream", f"its {self._form.name} stream expands more than {_MAX_EXPANSION:,}-fold")
        return filled

    def _next(self, limit: int) -> bytes:
        if self._codec.eof and not self._next_stream():
            return b""
        data = self._piece() if self._codec.needs_input else b""
        if not data and self._codec.needs_input:
            self._end("cut_stream", f"its {self._form.name} stream is cut: copy it anew, or wait until it is whole")
            return b""
        try:
            return self._new_of(self._codec.decompress(data, limit))
        except TooMuchMemory as error:
            self._end("refused_stream", str(error))
        except self._errors:
            self._fault()
        return b""

    def _piece(self) -> bytes:
        """The next input."""
        if not self._input:
            self._input = self._file.read(_INPUT)
        size = len(self._input)
        if self._given < self._careful[1]:
            size = min(size, max(self._careful[0] - self._given, 1))
        data, self._input = self._input[:size], self._input[size:]
        self._piece_at = self._given
        self._given += len(data)
        return data

    def _new_of(self, piece: bytes) -> bytes:
        """What of the piece was not given before the stream was read again."""
        new = piece[self._repeated :]
        self._repeated -= len(piece) - len(new)
        self._stream_bytes += len(new)
        return new

    def _next_stream(self) -> bool:
        """Whether another stream follows: anything else behind the last one but zeros is damage."""
        rest = self._codec.unused_data or b""  # lz4 has None for nothing
        self._given -= len(rest)
        rest += self._input
        while not (found := rest.lstrip(b"\0")):
            self._given += len(rest)
            rest = self._file.read(_INPUT)
            if not rest:
                self._end("", "")
                return False
        self._given += len(rest) - len(found)
        if len(found) < MAGIC_BYTES:
            found += self._file.read(MAGIC_BYTES)
        if not any(found.startswith(magic[: len(found)]) for magic in self._form.magics):
            self._end("corrupt_stream", f"what follows its {self._form.name} stream is none: copy it anew")
            return False
        self._input, self._codec = found, self._new_codec()
        self._stream_at, self._stream_bytes = self._given, 0
        return True

    def _fault(self) -> None:
        if self._form.exact or self._careful[1]:
            self._end("corrupt_stream", f"its {self._form.name} stream is corrupt (see `{self._form.name} -t`): copy it anew")
            return
        self._careful = (self._piece_at, self._given)
        self._repeated, self._stream_bytes = self._stream_bytes, 0
        self._codec, self._input, self._given = self._new_codec(), b"", self._stream_at
        self._file.seek(self._stream_at)

    def _end(self, damage: str, detail: str) -> None:
        self._ended, self.damage, self.detail = True, damage, detail

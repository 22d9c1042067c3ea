"""Where one capture ends and the next begins: by time and by size, always between two records. Pure: no clock, no file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from capture.pcap import FILE_HEADER_BYTES, StreamFormat, whole_records


class Piece(NamedTuple):
    """Whole records for the current file. `closes`: the file is full behind them; the next piece begins another."""

    content: bytes
    records: int
    first_ns: int
    closes: bool


class StreamSplitter:
    """A capture stream in chunks of any size becomes files of whole records, none larger than `rotate_bytes` (unless its
    only record is). The same stream gives the same files however it was cut into chunks."""

    def __init__(self, rotate_bytes: int) -> None:
        self.header = b""  # every file begins with it; empty until the stream has shown it
        self._rotate_bytes = rotate_bytes
        self._rest = b""
        self._form: StreamFormat | None = None
        self._size = FILE_HEADER_BYTES

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Take the next bytes; raises `PcapStreamError` where they are no capture."""
        content = self._rest + chunk
        self._rest = content
        if self._form is None:
            if len(content) < FILE_HEADER_BYTES:
                return
            self._form = StreamFormat.of(content)
            self.header, content = content[:FILE_HEADER_BYTES], content[FILE_HEADER_BYTES:]
            self._rest = content
        while True:
            room = self._rotate_bytes - self._size
            records = whole_records(content, self._form, room, least_one=self._size == FILE_HEADER_BYTES)
            if records.count or records.full:
                piece, content = content[: records.end], content[records.end :]
                self._rest = content
                self._size = FILE_HEADER_BYTES if records.full else self._size + len(piece)
                yield Piece(piece, records.count, records.first_ns, records.full)
            if not records.full:
                return

    def begin_file(self) -> None:
        """The next record begins a new file: the current one's time is over."""
        self._size = FILE_HEADER_BYTES


@dataclass(slots=True)
class RotationClock:
    """Ticks of one sensor, evenly spaced; times are seconds of a clock that only goes forward.

    A file is closed `linger_s` after its tick: the kernel hands packets over in blocks, the last of which may be that old.
    """

    started_s: float
    rotate_s: float
    linger_s: float
    closed: int = 0  # ticks that are done with

    @property
    def tick_s(self) -> float:
        """When the current file's time is over."""
        return self.started_s + (self.closed + 1) * self.rotate_s

    @property
    def close_s(self) -> float:
        """When the current file is to be closed."""
        return self.tick_s + self.linger_s

    def close(self, now_s: float) -> None:
        """The file was closed; ticks that were missed meanwhile (the machine slept) are passed over."""
        self.closed = max(self.closed + 1, int((now_s - self.linger_s - self.started_s) / self.rotate_s))

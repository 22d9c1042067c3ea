"""What waits until a capture is read to its end: in memory up to a number of rows, beyond in a temporary file."""

import errno
import pickle
import tempfile
from collections.abc import Iterator
from typing import IO, Generic, TypeVar

Item = TypeVar("Item")


class Spill(Generic[Item]):
    """Batches in, one after the other; the same batches out, in that order, as often as asked. Close it: it may hold a file."""

    def __init__(self, rows_in_memory: int) -> None:
        """`rows_in_memory`: more rows than that go to the file."""
        self._limit = rows_in_memory
        self._held: list[Item] = []
        self._held_rows = 0
        self._file: IO[bytes] | None = None
        self._filed = 0  # batches in the file

    def add(self, item: Item, rows: int) -> None:
        """Take a batch of so many rows; it must be one that pickle can keep."""
        self._held.append(item)
        self._held_rows += rows
        if self._held_rows > self._limit:
            self._write_out()

    def __iter__(self) -> Iterator[Item]:
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self._filed):
                yield pickle.load(self._file)  # our own file, made a moment ago
        yield from self._held

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _write_out(self) -> None:
        if self._file is None:
            self._file = temporary_file()
        for item in self._held:
            pickle.dump(item, self._file, protocol=pickle.HIGHEST_PROTOCOL)
        self._filed += len(self._held)
        self._held, self._held_rows = [], 0


def temporary_file() -> IO[bytes]:
    """A file without a name, gone when it is closed; raises `OSError` (ENOSPC) where none can be made."""
    try:
        return tempfile.TemporaryFile(prefix="pcapline-rows-")
    except FileNotFoundError as error:  # no directory can be written: not the capture is missing, but room
        raise OSError(errno.ENOSPC, "no temporary directory can be written", tempfile.gettempprefix()) from error

"""Decompression beside decoding: both libraries and kernels let go of the interpreter's lock."""

import threading
from queue import SimpleQueue

from loader.reading.source import Source

_AHEAD_BYTES = 1_048_576
_AHEAD_PIECES = 3


class ReadAhead:
    """A source that is read in a thread of its own, at most `_AHEAD_PIECES` pieces ahead of who asks."""

    def __init__(self, source: Source) -> None:
        self.damage = self.detail = ""
        self._source = source
        self._empty: SimpleQueue[bytearray | None] = SimpleQueue()
        self._full: SimpleQueue[tuple[bytearray, int] | Exception] = SimpleQueue()
        for _ in range(_AHEAD_PIECES):
            self._empty.put(bytearray(_AHEAD_BYTES))
        self._piece, self._at, self._filled = bytearray(), 0, 0
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="decompress", daemon=True)
        self._thread.start()

    def readinto(self, into: memoryview) -> int:
        """As `Source`."""
        filled = 0
        while filled < len(into):
            if self._at == self._filled and not self._next_piece():
                break
            count = min(len(into) - filled, self._filled - self._at)
            into[filled : filled + count] = memoryview(self._piece)[self._at : self._at + count]
            self._at += count
            filled += count
        return filled

    def close(self) -> None:
        """Stop reading; returns when the thread has ended."""
        self._empty.put(None)
        self._thread.join()

    def _next_piece(self) -> bool:
        if self._ended:
            return False
        if self._piece:
            self._empty.put(self._piece)
        got = self._full.get()
        if isinstance(got, Exception):
            self._ended = True
            raise got
        self._piece, self._filled = got
        self._at = 0
        if self._filled < len(self._piece):
            self._ended = True
            self.damage, self.detail = self._source.damage, self._source.detail
        return self._filled > 0

    def _read(self) -> None:
        while (piece := self._empty.get()) is not None:
            try:
                count = self._source.readinto(memoryview(piece))
            except Exception as error:  # for who asks to meet
                self._full.put(error)
                return
            self._full.put((piece, count))
            if count < len(piece):
                return

"""Where the bytes of a capture come from."""

from io import FileIO
from typing import Protocol


class Source(Protocol):
    """Bytes in order. When they have ended, `damage` says what ended them too early, and `detail` that in a sentence."""

    damage: str
    detail: str

    def readinto(self, into: memoryview) -> int:
        """Fill `into`; fewer bytes only where they end."""
        ...


class Plain:
    """Bytes of a file as they are."""

    damage = detail = ""

    def __init__(self, file: FileIO) -> None:
        self._file = file

    def readinto(self, into: memoryview) -> int:
        """As `Source`."""
        filled = 0
        while filled < len(into):
            count = self._file.readinto(into[filled:])
            if not count:
                break
            filled += count
        return filled


class UpTo:
    """The first bytes of a source, at most `limit`. What is wrong with it behind them is none of theirs."""

    def __init__(self, source: Source, limit: int) -> None:
        self.damage = self.detail = ""
        self._source, self._left = source, limit

    def readinto(self, into: memoryview) -> int:
        """As `Source`."""
        wanted = min(len(into), self._left)
        count = self._source.readinto(into[:wanted])
        self._left -= count
        if count < wanted:
            self.damage, self.detail = self._source.damage, self._source.detail
        return count

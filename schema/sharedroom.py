"""Room in memory that several have between them, each the same part: what is forgotten costs a read, and changes no answer."""

from typing import Protocol
from weakref import WeakSet


class Forgetful(Protocol):
    """Who remembers something in a part of it."""

    def make_room(self) -> None:
        """Forget what is beyond a part that has become smaller."""


class SharedRoom:
    """So many entries. Who is gone has no part any more. One thread uses it."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._sharers: WeakSet[Forgetful] = WeakSet()

    @property
    def part(self) -> int:
        """Entries that each may remember."""
        return self._entries // max(1, len(self._sharers))

    def join(self, sharer: Forgetful) -> None:
        """One more has a part; all others make room for it now, for they may be idle for long."""
        self._sharers.add(sharer)
        for each in list(self._sharers):
            each.make_room()

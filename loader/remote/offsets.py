"""How far a partition may be acknowledged: up to the first reference that is not settled. Pure."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class PartitionLog:
    """The offsets of one partition that were handed out, in their order, and which are settled."""

    assignment: int  # counts up: what belongs to an earlier assignment is somebody else's
    _open: deque[int] = field(default_factory=deque, init=False)
    _settled: set[int] = field(default_factory=set, init=False)
    _position: int | None = field(default=None, init=False)  # all before it is settled
    _committed: int | None = field(default=None, init=False)

    def add(self, offset: int) -> None:
        """It was handed out. Offsets come in order, with holes."""
        self._open.append(offset)

    def settle(self, offset: int) -> None:
        """It needs nothing more."""
        self._settled.add(offset)
        while self._open and self._open[0] in self._settled:
            done = self._open.popleft()
            self._settled.discard(done)
            self._position = done + 1

    def to_commit(self) -> int | None:
        """The offset to go on from, where it has moved since the last commit."""
        return self._position if self._position != self._committed else None

    def committed(self, position: int) -> None:
        """The broker has it."""
        self._committed = position

    def is_committed(self, offset: int) -> bool:
        """Whether the broker will not hand it out again."""
        return self._committed is not None and offset < self._committed

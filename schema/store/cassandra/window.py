"""How many requests may be under way: as many as the cluster answers, found out while writing."""

import threading
from dataclasses import dataclass, field

_FIRST = 4.0


@dataclass(slots=True)
class Window:
    """Grows by a request an answer until the first failure, then by one a round trip; halved once for all that was under way.

    Requests are numbered in the order in which they are sent. Any thread may tell and ask; what one writer learned the next
    begins with.
    """

    most: int
    size: float = _FIRST
    _doubles: bool = True
    _sent: int = 0
    _halved_at: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_number(self) -> int:
        """The number of a request that is about to be sent."""
        with self._lock:
            self._sent += 1
            return self._sent

    def answered(self) -> None:
        """A request succeeded."""
        with self._lock:
            self.size = min(self.most, self.size + (1.0 if self._doubles else 1 / self.size))

    def failed(self, number: int) -> None:
        """A request failed that may succeed later; those that were sent before the window was halved say nothing new."""
        with self._lock:
            self._doubles = False
            if number > self._halved_at:
                self.size, self._halved_at = max(1.0, self.size / 2), self._sent

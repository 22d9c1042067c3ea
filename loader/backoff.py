"""How long to wait before trying again: doubled each time up to a bound, and spread so that loaders do not come in step."""

from collections.abc import Callable
from dataclasses import dataclass, field

LONGEST_S = 30.0  # that anything waits
_FIRST_S = 1.0


def is_over(until: float, now: float) -> bool:
    """Whether a wait is over. None is longer than the longest: one that seems so was begun before the clock was set back."""
    return not 0 < until - now <= LONGEST_S


@dataclass(slots=True)
class BackOff:
    """Waiting times of one outage. `spread` gives numbers in [0, 1)."""

    spread: Callable[[], float]
    _failures: int = field(default=0, init=False)

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def failed(self) -> float:
        """Seconds until the next attempt: between half and all of 1, 2, 4 ... 30."""
        longest: float = min(_FIRST_S * 2 ** min(self._failures, 10), LONGEST_S)
        self._failures += 1
        return longest * (0.5 + self.spread() / 2)

    def succeeded(self) -> None:
        """Begin again at the shortest time."""
        self._failures = 0

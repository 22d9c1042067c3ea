"""Sensors that this loader does not hold: when to ask for one, so that sensors are shared out and the store has its peace."""

from dataclasses import dataclass, field
from typing import NamedTuple

from loader.backoff import LONGEST_S, is_over
from loader.watch.fellows import Fellows

_POLL_S = 1.0  # how often a lease that somebody else holds is asked for again
_POLLS_A_SECOND = 10  # for all of them together, as far as none waits longer than it may
_LONGEST_POLL_S = LONGEST_S - 1.0  # below the bound, whatever is rounded: a longer wait would pass for one that is over
_COURTESY_S = 0.25  # a new sensor is left to fellows for so long for each sensor that this loader holds
_LONGEST_COURTESY_S = 1.0
_GIVEN_AWAY_S = 5.0  # nor does it take back what it has just let go


class _Holder(NamedTuple):
    owner: str  # HOST:PID:RANDOM; "" where nobody had it
    ask_at: float


@dataclass(slots=True)
class Elsewhere:
    """By sensor: who holds it, and since when it has been free. One thread uses it."""

    fellows: Fellows
    _holders: dict[str, _Holder] = field(default_factory=dict, init=False)
    _wanted_since: dict[str, float] = field(default_factory=dict, init=False)

    def may_ask(self, sensor: str, now: float, holding: int) -> bool:
        """Whether a loader that holds so many others may ask for this one now."""
        holder = self._holders.get(sensor)
        if holder is not None and not is_over(holder.ask_at, now):
            return False
        if not self.fellows.group or (holder is not None and holder.owner and not self.fellows.include(holder.owner)):
            return True
        courtesy = min(holding * _COURTESY_S, _LONGEST_COURTESY_S)
        since = self._wanted_since.setdefault(sensor, now)
        return not 0 <= now - since < courtesy

    def is_held(self, sensor: str, owner: str, now: float) -> bool:
        """The store said so; whether that is news for people: what fellows hold is none."""
        known = self._holders.get(sensor)
        self._wanted_since.pop(sensor, None)
        self._holders[sensor] = _Holder(owner, now + self._poll_s())
        return not self.fellows.include(owner) and (known is None or not known.owner)

    def _poll_s(self) -> float:
        return min(max(_POLL_S, len(self._holders) / _POLLS_A_SECOND), _LONGEST_POLL_S)

    def is_taken(self, sensor: str) -> None:
        """It is held here now."""
        self._holders.pop(sensor, None)
        self._wanted_since.pop(sensor, None)

    def is_given_away(self, sensor: str, now: float) -> None:
        """It was let go for a fellow to take."""
        self._holders[sensor] = _Holder("", now + _GIVEN_AWAY_S)

    def ask_at_once(self) -> None:
        """Somebody has ended: what was held may be free."""
        self._holders.clear()

    def holder(self, sensor: str) -> str:
        """Who had it when it was asked for last; "": nobody."""
        known = self._holders.get(sensor)
        return "" if known is None else known.owner

"""Sensors that the store has a lasting quarrel with: each is tried again ever less often, the others go on."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from loader.backoff import BackOff, is_over


@dataclass(slots=True)
class SensorsAside:
    """Which sensors wait for their own next attempt. Each trouble is told once."""

    clock: Callable[[], float]
    tell: Callable[[str], None]
    _troubles: dict[str, tuple[BackOff, str]] = field(default_factory=dict, init=False)
    _until: dict[str, float] = field(default_factory=dict, init=False)

    def is_due(self, sensor: str) -> bool:
        """Whether its files may be tried now."""
        return is_over(self._until.get(sensor, 0.0), self.clock())

    def failed(self, sensor: str, why: str) -> None:
        """Leave it alone for a while."""
        if sensor not in self._troubles:
            self.tell(f"sensor {sensor}: {why}; its files wait, those of other sensors go on")
        back_off, _ = self._troubles.get(sensor) or (BackOff(random.random), "")
        self._troubles[sensor] = back_off, why
        self._until[sensor] = self.clock() + back_off.failed()

    def why(self, sensor: str) -> str:
        """What it is left alone for; empty where it is not."""
        return self._troubles[sensor][1] if sensor in self._troubles else ""

    def succeeded(self, sensor: str) -> None:
        """One of its files was answered for."""
        if self._troubles.pop(sensor, None) is not None:
            del self._until[sensor]
            self.tell(f"sensor {sensor} goes on")

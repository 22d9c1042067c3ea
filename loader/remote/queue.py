"""Which object is fetched next: round the sensors, each in its own order, within bounds of files and bytes. Pure."""

import random
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loader.backoff import BackOff
from loader.remote.port import ObjectVersion, Reference
from loader.spool.files import Stamp

_SHARE = 4  # one sensor has this part of all bytes at most, so that one that stands still does not stop the others


@dataclass(slots=True, kw_only=True)
class Landed:
    """A file in the spool that came from elsewhere."""

    reference: Reference
    path: Path
    stamp: Stamp
    version: ObjectVersion
    answered: bool = False
    missed: bool = False  # it was not there when it was looked for last


@dataclass(slots=True)
class _Sensor:
    """What waits of one sensor."""

    waiting: deque[Reference] = field(default_factory=deque)
    back_off: BackOff = field(default_factory=lambda: BackOff(random.random))
    not_before: float = 0.0


@dataclass(slots=True, kw_only=True)
class FetchQueue:
    """References that wait to be fetched, and files that landed and are still here."""

    ahead_files: int  # of one sensor, fetched and not yet answered for
    ahead_bytes: int  # of all that is here
    _sensors: dict[str, _Sensor] = field(default_factory=dict, init=False)  # in the order of their turns
    _landed: dict[Stamp, Landed] = field(default_factory=dict, init=False)

    def add(self, reference: Reference) -> None:
        """Behind the others of its sensor."""
        self._sensor(reference.sensor).waiting.append(reference)

    def next(self, now: float) -> Reference | None:
        """The object to fetch now; it stays at the head of its sensor until `landed` or `give_up`."""
        here = sum(landed.stamp.size for landed in self._landed.values())
        return next(
            (
                sensor.waiting[0]
                for name, sensor in self._sensors.items()
                if sensor.waiting and now >= sensor.not_before and self._has_room(name, sensor.waiting[0].size or 0, here)
            ),
            None,
        )

    def _has_room(self, sensor: str, size: int, here: int) -> bool:
        own = [
            landed.stamp.size for landed in self._landed.values() if landed.reference.sensor == sensor and not landed.answered
        ]
        if own and (len(own) >= self.ahead_files or sum(own) + size > self.ahead_bytes // _SHARE):
            return False
        return here == 0 or here + size <= self.ahead_bytes

    def landed(self, landed: Landed) -> None:
        """The head of its sensor is fetched; the others have their turn before the next."""
        self.give_up(landed.reference)
        self._landed[landed.stamp] = landed

    def give_up(self, reference: Reference) -> None:
        """The head of its sensor needs no fetching any more. Nothing happens where it was withdrawn meanwhile."""
        if not self._is_head(reference):
            return
        sensor = self._sensors.pop(reference.sensor)
        sensor.waiting.popleft()
        sensor.back_off.succeeded()
        sensor.not_before = 0.0
        if sensor.waiting:
            self._sensors[reference.sensor] = sensor  # behind the others

    def failed(self, reference: Reference, now: float) -> bool:
        """It could not be fetched: its sensor waits. Whether that is new."""
        if not self._is_head(reference):
            return False
        sensor = self._sensors[reference.sensor]
        new = not sensor.back_off.failing
        sensor.not_before = now + sensor.back_off.failed()
        return new

    def answered(self, stamp: Stamp) -> None:
        """A file waits for its disposal only."""
        if stamp in self._landed:
            self._landed[stamp].answered = True

    def gone(self, stamp: Stamp) -> Landed | None:
        """A file has left the spool; None where it did not come from elsewhere."""
        return self._landed.pop(stamp, None)

    def lost(self, landed: Landed) -> None:
        """A file vanished unasked: its object is fetched again."""
        del self._landed[landed.stamp]
        self._sensor(landed.reference.sensor).waiting.appendleft(landed.reference)

    def withdraw(self, tokens: frozenset[Hashable]) -> list[Landed]:
        """References that are somebody else's now: they are forgotten; returns those whose files are here."""
        for name, sensor in list(self._sensors.items()):
            sensor.waiting = deque(reference for reference in sensor.waiting if reference.token not in tokens)
            if not sensor.waiting:
                del self._sensors[name]
        files = [landed for landed in self._landed.values() if landed.reference.token in tokens]
        for landed in files:
            del self._landed[landed.stamp]
        return files

    def files(self) -> Iterator[Landed]:
        """All that landed and is still here."""
        return iter(list(self._landed.values()))

    def waiting(self) -> int:
        """References that are not fetched yet."""
        return sum(len(sensor.waiting) for sensor in self._sensors.values())

    def _is_head(self, reference: Reference) -> bool:
        sensor = self._sensors.get(reference.sensor)
        return sensor is not None and bool(sensor.waiting) and sensor.waiting[0] is reference

    def _sensor(self, name: str) -> _Sensor:
        return self._sensors.setdefault(name, _Sensor())

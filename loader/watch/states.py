"""The state of every file of a watched directory, with its reason: what the loader knows, in words. Decides nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from loader.backoff import is_over
from loader.settings import LoaderSettings
from loader.spool.files import Spool, SpoolFile
from loader.spool.ordering import next_file
from loader.watch.aside import SensorsAside
from loader.watch.leases import LeasedSensors
from schema.enums import FileState


class SpoolState(StrEnum):
    """Where a file is on its way."""

    LOADING = "loading"
    WAITING = "waiting"  # for itself, or for the store
    HELD_BACK = "held_back"  # it could be loaded, but something else comes first
    LOADED = "loaded"  # committed: in its grace, or kept
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"


class SeenFile(NamedTuple):
    """One file as the loader sees it."""

    file: str
    sensor: str
    state: SpoolState
    reason: str


def stays(settings: LoaderSettings) -> str:
    """Why a loaded file is still there."""
    if settings.after == "keep":
        return "stays where it is (loader.after = keep)"
    done = "archived" if settings.after == "archive" else "deleted"
    return f"is {done} {settings.grace_s} s after its commit (loader.grace_s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolView:
    """Looks at a spool and at what holds its files up."""

    spool: Spool
    sensors: LeasedSensors
    aside: SensorsAside
    settings: LoaderSettings

    def files(self, now: float, *, in_hand: Path | None = None, store_away: bool = False) -> Iterator[SeenFile]:
        """Every file that still lies in the directory."""
        for file in self.spool.answered():
            yield self._answered(file)
        for sensor in self.spool.sensors():
            if self.sensors.fellows.include(self.sensors.held_elsewhere(sensor)):
                continue  # who holds it tells of its files
            yield from self._of_sensor(
                sensor, now, in_hand, "the store does not answer; it is loaded once that does" if store_away else ""
            )

    def _answered(self, file: SpoolFile) -> SeenFile:
        outcome = file.outcome
        if outcome is not None and outcome.state is FileState.QUARANTINED:
            reason = f"{outcome.reason}; it cannot be moved away"
            return SeenFile(str(file.path), file.sensor, SpoolState.QUARANTINED, reason)
        return SeenFile(str(file.path), file.sensor, SpoolState.LOADED, file.trouble or stays(self.settings))

    def _of_sensor(self, sensor: str, now: float, in_hand: Path | None, store_away: str) -> Iterator[SeenFile]:
        held_back = self._quarrel(sensor) or self._gap(sensor, now)
        for file in self.spool.waiting_of(sensor):
            if file.path == in_hand:
                state, reason = SpoolState.LOADING, "since its turn came"
            elif why := self._waits_for_itself(file, now) or store_away:
                state, reason = SpoolState.WAITING, why
            elif held_back:
                state, reason = SpoolState.HELD_BACK, held_back
            else:
                state, reason = SpoolState.WAITING, "its turn comes"
            yield SeenFile(str(file.path), sensor, state, reason)

    def _waits_for_itself(self, file: SpoolFile, now: float) -> str:
        if not is_over(file.not_before, now):
            return file.trouble
        if file.ready_since is None:
            return f"it may still grow: neither closed nor unchanged for {self.settings.settle_s:g} s (loader.settle_s)"
        return ""

    def _quarrel(self, sensor: str) -> str:
        if owner := self.sensors.held_elsewhere(sensor):
            return f"{owner} holds its sensor's lease; it is loaded here once that one ends, or lets the sensor go"
        return self.aside.why(sensor)

    def _gap(self, sensor: str, now: float) -> str:
        """What comes before all of a sensor's files that are ready; empty where one of them is next."""
        ordered, expected = self.spool.waiting_of(sensor), self.sensors.expected_sequence(sensor)
        if next_file(ordered, expected, now, self.settings.gap_wait_s) is not None:
            return ""
        if all(file.ready_at(now) is None for file in ordered):
            return ""
        before = ordered[0]
        ready = before.ready_at(now) is not None
        what = f"number {expected} of its sensor has not come" if ready else f"{before.path.name} comes before it"
        return f"{what}; it is waited for {self.settings.gap_wait_s:g} s at most (loader.gap_wait_s)"

"""What the watch's loop says of files, and what it is told: the only thing that its thread and the porter's share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event

from loader.outcome import FileOutcome
from loader.spool.files import SpoolFile, Stamp


@dataclass(frozen=True, slots=True)
class Report:
    """Something happened to a file."""

    stamp: Stamp
    outcome: FileOutcome
    gone: bool  # for good: archived, deleted or quarantined; else answered for


@dataclass(slots=True)
class Reports:
    """Says of each file when it has an answer, and when it is gone; never more than two reports a file wait."""

    _said: "SimpleQueue[Report]" = field(default_factory=SimpleQueue, init=False)
    _sensors_moved: Event = field(default_factory=Event, init=False)

    def answered(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """It needs no loading any more."""
        self._said.put(Report(file.stamp, outcome, gone=False))

    def gone(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """It has left the spool."""
        self._said.put(Report(file.stamp, outcome, gone=True))

    def take(self) -> Sequence[Report]:
        """All that was said since the last time, in order."""
        taken = []
        while True:
            try:
                taken.append(self._said.get_nowait())
            except Empty:
                return taken

    def sensors_moved(self) -> bool:
        """Whether sensors became other loaders' since this was asked last."""
        moved = self._sensors_moved.is_set()
        self._sensors_moved.clear()
        return moved

    def say_sensors_moved(self) -> None:
        """Their leases are to be let go."""
        self._sensors_moved.set()

"""Files that wait, by sensor, each sensor's in its order: sorted when something came, not whenever somebody asks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from loader.spool.ordering import Candidate, in_order


class Queued(Candidate, Protocol):
    """A candidate that says whose it is."""

    @property
    def sensor(self) -> str:
        """Whose."""


_File = TypeVar("_File", bound=Queued)


@dataclass(slots=True)
class _Queue(Generic[_File]):
    files: dict[_File, None] = field(default_factory=dict)
    ordered: list[_File] | None = None  # None: something came since


@dataclass(slots=True)
class Queues(Generic[_File]):
    """Of one directory. What a file's order follows from may change only while it is in no queue."""

    _by_sensor: dict[str, _Queue[_File]] = field(default_factory=dict, init=False)

    def add(self, file: _File) -> None:
        """It waits; harmless where it does already."""
        queue = self._by_sensor.setdefault(file.sensor, _Queue())
        if file not in queue.files:
            queue.files[file] = None
            queue.ordered = None

    def drop(self, file: _File) -> None:
        """It waits no more; harmless where it does not."""
        queue = self._by_sensor.get(file.sensor)
        if queue is None or file not in queue.files:
            return
        del queue.files[file]
        if queue.ordered is not None:
            queue.ordered.remove(file)  # as a rule the first
        if not queue.files:
            del self._by_sensor[file.sensor]

    def sensors(self) -> list[str]:
        """Those that have files, by name."""
        return sorted(self._by_sensor)

    def files(self) -> Iterator[_File]:
        """All of them."""
        for queue in self._by_sensor.values():
            yield from queue.files

    def of(self, sensor: str) -> Sequence[_File]:
        """One sensor's, in its order; to be read until something comes or goes."""
        queue = self._by_sensor.get(sensor)
        if queue is None:
            return ()
        if queue.ordered is None:
            queue.ordered = in_order(queue.files)
        return queue.ordered

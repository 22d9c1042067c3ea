"""The counts of several loaders as one page: each keeps its own in files that outlive it, one process adds them up.

A loader that is killed loses no count: its successor goes on with the same files.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    values,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]  # as in `loader.watch.telemetry`
_DIRECTORY_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # where the library looks
_NUMBER_LABEL = "pid"  # what the library calls it

_STORE_UP, _DIRECTORY_UP = "pcapline_loader_store_up", "pcapline_spool_up"


def share_counts(directory: Path, number: int) -> None:
    """Keep the counts of this process, the loader of that number, in files there. Before any of them is made."""
    os.environ[_DIRECTORY_VARIABLE] = str(directory)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: number)  # type: ignore[no-untyped-call]


def _oldest(times: Iterable[float]) -> float:
    return min((time for time in times if time), default=0.0)


# How what several loaders say of the same thing becomes one number. Counters and histograms are added up.
FOLDS: dict[str, Callable[[Iterable[float]], float]] = {
    "pcapline_captures_pending": max,  # of a sensor that nobody holds each of them tells the same
    "pcapline_spool_files": max,
    "pcapline_spool_asks_for_pause": max,
    "pcapline_captures_oldest_pending_timestamp_seconds": _oldest,
    _STORE_UP: min,
    _DIRECTORY_UP: min,
    "pcapline_lease_held": max,
    "pcapline_spool_passed_over": max,
    "pcapline_loader_unreconciled": max,
    "pcapline_archive_checked_timestamp_seconds": max,
    "pcapline_archive_covered_ratio": max,
    "pcapline_archive_covered_since_timestamp_seconds": max,
    "pcapline_loader_largest_partition_rows": max,
    "pcapline_loader_largest_partition_bytes": max,
    "pcapline_remote_held": sum,
    "pcapline_remote_held_bytes": sum,
    "pcapline_remote_up": min,
    "pcapline_loader_info": max,
}


class GroupCounts:
    """What the loaders of one watch count, all of them together, and how they fare."""

    def __init__(self, directory: Path, workers: int) -> None:
        """`directory`: where they keep their counts."""
        self._directory, self._numbers, self._lock = directory, range(workers), Lock()
        self._registry = registry = CollectorRegistry()
        self._running = Gauge(
            "pcapline_loader_worker_up", "1 while the loader of this number runs.", ["worker"], registry=registry
        )
        self._ended = Counter(
            "pcapline_loader_worker_ends", "Loaders that ended unasked, and were started again.", ["how"], registry=registry
        )
        for how in ("killed", "failed"):
            self._ended.labels(how)
        for number in self._numbers:
            self._running.labels(str(number)).set(0)
        registry.register(_Folded(directory))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):  # of this process, which loads nothing itself
            collector(registry=registry)
        self._up = [False] * workers

    def started(self, number: int) -> None:
        """The loader of this number runs."""
        self._up[number] = True
        self._running.labels(str(number)).set(1)

    def ended(self, number: int, how: str | None) -> None:
        """It runs no more; `how`: `killed`, `failed`, None: it was asked to. What it counted stays, what it saw is over."""
        self._up[number] = False
        self._running.labels(str(number)).set(0)
        with self._lock:  # a file that goes while it is read would be an error
            (self._directory / f"gauge_all_{number}.db").unlink(missing_ok=True)
        if how is not None:
            self._ended.labels(how).inc()

    def ready(self) -> str | None:
        """None while all of them run, and their store and directory answer; else why not, in one line."""
        if down := [str(number) for number in self._numbers if not self._up[number]]:
            return f"of {len(self._numbers)} loaders these do not run: {', '.join(down)}"
        with self._lock:
            families = list(self._registry.collect())
        found = {family.name: min((sample.value for sample in family.samples), default=0.0) for family in families}
        if not found.get(_STORE_UP):
            return "the store does not answer; captures wait"
        return None if found.get(_DIRECTORY_UP) else "the watched directory cannot be read"

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The metrics page and its content type, for an `Accept` header."""
        encode, content_type = choose_encoder(accept)
        with self._lock:
            return encode(self._registry), content_type


class _Folded:
    """Gauges of several loaders as one, beside their sums of all else."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        """Every family that any of them has."""
        for family in MultiProcessCollector(None, str(self._directory)).collect():  # type: ignore[no-untyped-call]
            yield _folded(family) if family.type == "gauge" else family

    def describe(self) -> list[Metric]:
        """Nothing is known before they have begun."""
        return []


def _folded(family: Metric) -> Metric:
    told: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != _NUMBER_LABEL)
        told.setdefault(labels, []).append(sample.value)
    one = Metric(family.name, family.documentation, family.type)
    for labels, numbers in told.items():
        one.add_sample(family.name, dict(labels), FOLDS[family.name](numbers))
    return one

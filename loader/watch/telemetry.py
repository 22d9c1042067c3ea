"""The loader's own metrics: what a store that is away cannot report. The loader's only door to prometheus_client.

A family that the exporter has too, from the ledger, is called `pcapline_loader_...` here, so that no sum counts twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from loader.archive.check import ArchiveVerdict
from loader.outcome import FileOutcome
from loader.rows.partitions import ROW_BYTES
from loader.watch.remotetelemetry import RemoteTelemetry
from loader.watch.states import SpoolState
from schema.enums import FileState

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series a counter for what `process_start_time_seconds` says
_WRITE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LOAD_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Files of one sensor that wait."""

    sensor: str
    files: int
    oldest: float  # Unix time at which the longest waiting of them was seen


class LoaderTelemetry:
    """Counts of this process; every method may be called from any thread."""

    def __init__(self, store: str, version: str) -> None:
        """`store`: its kind as metrics name it."""
        self._registry = registry = CollectorRegistry()
        self._pending = Gauge("pcapline_captures_pending", "Capture files waiting.", ["sensor"], registry=registry)
        self._spool_files = Gauge(
            "pcapline_spool_files", "Files of the watched directory, by state.", ["sensor", "state"], registry=registry
        )
        self._asks_for_pause = Gauge(
            "pcapline_spool_asks_for_pause", "1 while sensors are asked to pause: the disk is nearly full.", registry=registry
        )
        self._dropped = Counter(
            "pcapline_archives_dropped", "Archived captures deleted because the disk was nearly full.", registry=registry
        )
        self._oldest = Gauge(
            "pcapline_captures_oldest_pending_timestamp_seconds",
            "Unix time at which the longest waiting file was seen, 0 when none waits.",
            registry=registry,
        )
        self._load_seconds = Histogram(
            "pcapline_capture_load_seconds", "Time to load one capture file.", buckets=_LOAD_SECONDS, registry=registry
        )
        self._files = Counter("pcapline_loader_files", "Files answered for, by state.", ["sensor", "state"], registry=registry)
        self._failures = Counter(
            "pcapline_capture_failures", "Capture files refused, by reason.", ["sensor", "reason"], registry=registry
        )
        self._packets = Counter("pcapline_loader_packets", "Packets in files loaded.", ["sensor"], registry=registry)
        self._rows = Counter("pcapline_loader_rows", "Rows committed, by table.", ["table"], registry=registry)
        self._writes = Counter(
            "pcapline_writes",
            "Times the store was to take a capture: those that it took, and failures.",
            ["store"],
            registry=registry,
        )
        self._write_failures = Counter(
            "pcapline_write_failures", "Times the store refused or did not answer.", ["store", "reason"], registry=registry
        )
        self._refusals = Counter(
            "pcapline_write_refusals",
            "Requests that the store did not acknowledge, by what became of them; all but `poison` are repeated as they were.",
            ["store", "outcome"],
            registry=registry,
        )
        self._write_seconds = Histogram(
            "pcapline_write_duration_seconds",
            "Time the store took to take one capture: its claim, its rows, its commit.",
            ["store"],
            buckets=_WRITE_SECONDS,
            registry=registry,
        )
        self._store_up = Gauge("pcapline_loader_store_up", "1 when the store answered last.", ["store"], registry=registry)
        self._lease = Gauge("pcapline_lease_held", "1 while this loader holds a sensor's lease.", ["sensor"], registry=registry)
        self._disposed = Counter(
            "pcapline_captures_disposed", "Loaded files moved to the archive, or deleted.", registry=registry
        )
        self._names_evicted = Counter(
            "pcapline_loader_names_evicted",
            "Facts about names dropped from memory: each may cost a read of the store, and changes no name.",
            registry=registry,
        )
        self._expired = Counter(
            "pcapline_retention_deleted_rows", "Rows deleted because their time was over.", registry=registry
        )
        self._missed = Counter(
            "pcapline_spool_missed_events", "Files found by a scan that no event had told of.", registry=registry
        )
        self._strays = Gauge(
            "pcapline_spool_passed_over", "Entries of the watched directory that are no inputs.", registry=registry
        )
        self._directory_up = Gauge("pcapline_spool_up", "1 while the watched directory can be read.", registry=registry)
        self.remote = RemoteTelemetry(registry)
        self._unreconciled = Gauge(
            "pcapline_loader_unreconciled",
            "Difference of the two sides of an identity at the last check: of the archive, in files.",
            ["identity"],
            registry=registry,
        )
        self._archive_checked = Gauge(
            "pcapline_archive_checked_timestamp_seconds",
            "Unix time of the last check of the archive, 0 before the first.",
            registry=registry,
        )
        self._archive_covered = Gauge(
            "pcapline_archive_covered_ratio",
            "Share of the archive's files whose content was read and held against the ledger.",
            registry=registry,
        )
        self._archive_since = Gauge(
            "pcapline_archive_covered_since_timestamp_seconds",
            "Unix time since when every archived file was, 0 before all were.",
            registry=registry,
        )
        self._largest_rows = Gauge(
            "pcapline_loader_largest_partition_rows",
            "Rows that this loader wrote to one partition, the most since it began.",
            ["table"],
            registry=registry,
        )
        self._largest_bytes = Gauge(
            "pcapline_loader_largest_partition_bytes", "Their size in Cassandra, estimated.", ["table"], registry=registry
        )
        self._forgotten = Counter(
            "pcapline_loader_partitions_forgotten",
            "Partitions whose rows are counted no more, for others are larger: they are split later, if ever.",
            registry=registry,
        )
        info = Gauge("pcapline_loader_info", "Build of the loader; always 1.", ["version"], registry=registry)
        info.labels(version).set(1)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._store = store
        self._failing: dict[str, bool] = {}
        self._refusals_told: dict[str, int] = {}
        self._states: set[str] = set()
        self._dropped_before = 0
        self._seen: set[str] = set()
        self._sensors: set[str] = set()
        self._leased: set[str] = set()
        self._writes.labels(store)
        self._write_seconds.labels(store)
        self.store_answers(True)
        self.directory_answers(True)

    def answered(self, outcome: FileOutcome, seconds: float) -> None:
        """One file was worked on for so long."""
        if outcome.sensor not in self._states:
            self._states.add(outcome.sensor)
            self._pending.labels(outcome.sensor)  # 0 until files are seen waiting
            for state in FileState:
                self._files.labels(outcome.sensor, state.value)
        self._files.labels(outcome.sensor, outcome.state.value).inc()
        self._load_seconds.observe(seconds)
        if outcome.state is FileState.QUARANTINED:
            self._failures.labels(outcome.sensor, outcome.reason.partition(":")[0]).inc()
        if outcome.state is FileState.LOADED:
            self._writes.labels(self._store).inc()
            self._write_seconds.labels(self._store).observe(outcome.write_s)
            self._packets.labels(outcome.sensor).inc(outcome.packets)
            for table, rows in outcome.rows.items():
                self._rows.labels(table).inc(rows)

    def waits(self, pending: Collection[Pending]) -> None:
        """What waits now, by sensor."""
        for sensor in self._sensors - {entry.sensor for entry in pending}:
            self._pending.labels(sensor).set(0)
        for entry in pending:
            self._sensors.add(entry.sensor)
            self._pending.labels(entry.sensor).set(entry.files)
        self._oldest.set(min((entry.oldest for entry in pending), default=0))

    def files(self, counts: Mapping[tuple[str, SpoolState], int]) -> None:
        """How many files lie in the directory, the archive and the quarantine, by sensor and state."""
        self._seen.update(sensor for sensor, _ in counts)
        for sensor, state in product(self._seen, SpoolState):
            self._spool_files.labels(sensor, state.value).set(counts.get((sensor, state), 0))

    def disk(self, *, asks_for_pause: bool, dropped: int) -> None:
        """`dropped`: archived captures deleted by this process for want of room, since it began."""
        self._asks_for_pause.set(asks_for_pause)
        self._dropped.inc(dropped - self._dropped_before)
        self._dropped_before = dropped

    def ready(self) -> str | None:
        """None while the store, the directory and the source of captures answer, else why not, in one line."""
        return next((why for why, fails in self._failing.items() if fails), None) or self.remote.ready()

    def store_answers(self, up: bool) -> None:
        """Whether the store answered."""
        self._failing["the store does not answer; captures wait"] = not up
        self._store_up.labels(self._store).set(up)

    def store_failed(self, reason: str) -> None:
        """The store refused or did not answer; `reason` is from a fixed set."""
        self._writes.labels(self._store).inc()
        self._write_failures.labels(self._store, reason).inc()

    def store_refused(self, refusals: Mapping[str, int]) -> None:
        """Requests not acknowledged since the store was opened, by what became of them."""
        for outcome, count in refusals.items():
            self._refusals.labels(self._store, outcome).inc(count - self._refusals_told.get(outcome, 0))
            self._refusals_told[outcome] = count

    def directory_answers(self, up: bool) -> None:
        """Whether the watched directory can be read."""
        self._failing["the watched directory cannot be read"] = not up
        self._directory_up.set(up)

    def leases(self, held: Collection[str]) -> None:
        """The sensors whose lease this loader holds now; those it once held show 0."""
        self._leased.update(held)
        for sensor in self._leased:
            self._lease.labels(sensor).set(sensor in held)

    def disposed(self) -> None:
        """A loaded file was archived or deleted."""
        self._disposed.inc()

    def names_evicted(self, facts: int) -> None:
        """So many facts about names were dropped from memory."""
        self._names_evicted.inc(facts)

    def partitions(self, largest: Mapping[str, int], forgotten: int) -> None:
        """Rows of the largest partition by table; so many partitions more are not counted any longer."""
        for table, rows in largest.items():
            self._largest_rows.labels(table).set(rows)
            self._largest_bytes.labels(table).set(rows * ROW_BYTES[table])
        self._forgotten.inc(forgotten)

    def expired(self, rows: int) -> None:
        """Rows were deleted because their time was over."""
        self._expired.inc(rows)

    def missed(self, files: int) -> None:
        """A scan found files that no event had told of."""
        self._missed.inc(files)

    def passed_over(self, entries: int) -> None:
        """So many entries of the directory are no inputs."""
        self._strays.set(entries)

    def archive(self, verdict: ArchiveVerdict) -> None:
        """The archive was held against the ledger."""
        self._unreconciled.labels("archive").set(verdict.wrong_count)
        self._archive_checked.set(verdict.at)
        self._archive_covered.set(verdict.covered / verdict.there if verdict.there else 1)
        self._archive_since.set(verdict.since)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The metrics page and its content type, for an `Accept` header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

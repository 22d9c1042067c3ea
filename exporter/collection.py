"""Turns a store into snapshots: the next one at each refresh, the last good one while the store is away."""

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from exporter.book import BookKeeper, NotYetError
from exporter.follower import Follower
from exporter.newest import NewestPackets
from exporter.nodes import NodeWatch
from exporter.reconcile import reconcile
from exporter.rounds import Rounds
from exporter.settings import ExporterSettings
from exporter.snapshot import Snapshot
from schema.errors import PcaplineError, SchemaMismatchError, StoreError
from schema.store.reading import SensorRecord, StoreHealth, StoreReader


class Collection:
    """Owns the reader and everything followed through it. One thread at a time; snapshots may be read from any."""

    def __init__(
        self, open_reader: Callable[[], StoreReader], settings: ExporterSettings, store: str, clock: Callable[[], float]
    ) -> None:
        """`store` is the kind that metrics name (sqlite, cassandra); `clock` gives seconds since the epoch."""
        self._open_reader, self._settings, self._clock = open_reader, settings, clock
        self._reader: StoreReader | None = None
        self._follower, self._newest, self._nodes = Follower(), NewestPackets(), NodeWatch()
        self._rounds = Rounds(settings.reconcile_captures, settings.reconcile_s)
        self._books: dict[str, BookKeeper] = {}
        self._snapshot = Snapshot(store=store)

    @property
    def snapshot(self) -> Snapshot:
        """What is shown now."""
        return self._snapshot

    def refresh(self) -> Snapshot:
        """Follow the store; where it is away, keep what was shown and say why."""
        started = self._clock()
        try:
            taken = self._take(self._opened())
        except PcaplineError as error:
            taken = self._away(error)
        self._snapshot = replace(taken, refresh_seconds=max(0.0, self._clock() - started))
        return self._snapshot

    def check(self, page: str | None) -> Snapshot:
        """Check the identities over the captures whose turn it is, `metrics` against a scraped page where there is one.

        A check that the store does not answer leaves the last verdict, with its time.
        """
        scrape = None if page is None else lambda: page
        try:
            reader = self._opened()
            verdict = reconcile(reader, int(self._clock() * 1000), scrape, selection=self._rounds)
            quarantined = _quarantined(reader)
        except PcaplineError as error:
            self._snapshot = self._away(error)
        else:
            self._snapshot = replace(
                self._snapshot, reconciliation=replace(verdict, reach=self._rounds.reach()), quarantined=quarantined
            )
        return self._snapshot

    def take(self, settings: ExporterSettings) -> None:
        """From the next refresh on, this many endpoints, and checks that are so far apart. From any thread."""
        self._settings = settings
        self._rounds.period_s = settings.reconcile_s
        for book in list(self._books.values()):
            book.limit = settings.max_endpoints

    def close(self) -> None:
        """Let the store go."""
        self._let_go()

    def _opened(self) -> StoreReader:
        if self._reader is None:
            self._reader = self._open_reader()
        return self._reader

    def _away(self, error: PcaplineError) -> Snapshot:
        """What was shown stays, with the reason in one line."""
        self._let_go()
        answered = isinstance(error, SchemaMismatchError)
        return replace(self._snapshot, store_up=answered, not_ready=" ".join(str(error).split()))

    def _let_go(self) -> None:
        """What comes back may be another store's copy, and the last change of a book may or may not have arrived."""
        reader, self._reader = self._reader, None
        self._follower.forget()
        for book in self._books.values():
            book.forget()
        if reader is not None:
            with suppress(StoreError):
                reader.close()

    def _take(self, reader: StoreReader) -> Snapshot:
        health = reader.health()
        current = replace(
            self._snapshot,
            store_up=True,
            nodes=self._nodes.look(reader, self._clock()),
            read_at=self._clock(),
            schema_version=health.schema_version,
            wanted_schema_version=health.wanted_schema_version,
        )
        if health.schema_version != health.wanted_schema_version:
            return replace(current, not_ready=mismatch_text(health))
        sensors_of: defaultdict[str, list[SensorRecord]] = defaultdict(list)
        all_sensors = reader.sensors()
        for record in all_sensors:
            sensors_of[record.network].append(record)
        networks, waiting = dict(self._snapshot.networks), []
        for network, records in sorted(sensors_of.items()):
            try:
                moment = self._book(network).moment(reader, [record.sensor for record in records])
                networks[network] = replace(moment, since_ms=min(record.first_seen_ms for record in records))
            except NotYetError as error:
                waiting.append(str(error))
            else:
                waiting += [f"sensor {sensor} cannot be read" for sensor in networks[network].unread]
        positions = {sensor: seq for moment in networks.values() for sensor, seq in moment.positions.items()}
        newest = self._newest.follow(reader, positions)
        return replace(
            current, not_ready="; ".join(waiting) or None, networks=networks, newest_packet_ns=newest, sensors=all_sensors
        )

    def _book(self, network: str) -> BookKeeper:
        return self._books.setdefault(network, BookKeeper(network, self._settings.max_endpoints, self._follower))


def mismatch_text(health: StoreHealth) -> str:
    """What a store's schema lacks, and who makes it: an embedded store's is the loader's own work."""
    if health.kind == "sqlite" and not health.schema_version:
        return "the store has no tables yet: waiting for the loader, which makes them when it starts"
    return (
        f"the store's schema is at version {health.schema_version}, this build works with "
        f"{health.wanted_schema_version}: run `pcapline schema apply`"
    )


def _quarantined(reader: StoreReader) -> dict[tuple[str, str], int]:
    network_of = {record.sensor: record.network for record in reader.sensors()}
    return dict(Counter((network_of.get(record.sensor, ""), record.reason) for record in reader.captures(state="quarantined")))

"""From settings to a running feed: which source, which buckets, one porter."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from loader.outcome import FileOutcome
from loader.remote.addresses import KafkaAddress, ObjectsAddress, parse_objects, parse_source
from loader.remote.departures import Departures
from loader.remote.landing import Landing
from loader.remote.leaving import Leaving, Root
from loader.remote.listing import ListingSource
from loader.remote.objects import Bucket
from loader.remote.port import Source
from loader.remote.porter import Porter
from loader.remote.queue import FetchQueue
from loader.remote.reports import Reports
from loader.remote.settings import RemoteSettings
from loader.spool.files import SpoolFile
from loader.watch.remotetelemetry import RemoteTelemetry
from schema.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class FedDirectory:
    """What is fed, and what that needs of the world."""

    directory: Path
    sensor: str  # of objects that lie in no folder
    telemetry: RemoteTelemetry
    clock: Callable[[], float]
    tell: Callable[[str], None]


class RemoteFeed:
    """A `Feed` whose captures are in object storage."""

    def __init__(self, settings: RemoteSettings, fed: FedDirectory) -> None:
        """Raises `SettingsError` for what can never be a source, and for a directory that is fed already."""
        address = parse_source(settings.source)
        roots = _roots(settings, address)
        leaving = Leaving(roots, settings.after, fed.tell)
        self._landing = Landing(fed.directory)
        self._landing.prepare()
        self._reports = Reports()
        self._porter: Porter | None = None
        self._thread: Thread | None = None
        self._fed, self._roots, self._settings = fed, roots, settings
        self._source = _source(settings, address, Departures(leaving, fed.clock, fed.telemetry.stuck), fed)

    def start(self, landed: Callable[[Path], None]) -> None:
        """Fetch from now on."""
        fed = self._fed
        self._porter = Porter(
            source=self._source,
            roots=self._roots,
            landing=self._landing,
            queue=FetchQueue(ahead_files=self._settings.ahead_files, ahead_bytes=self._settings.ahead_bytes),
            reports=self._reports,
            telemetry=fed.telemetry,
            clock=fed.clock,
            tell=fed.tell,
            landed=landed,
        )
        self._thread = Thread(target=self._porter.run, name="porter")
        self._thread.start()

    def stop(self) -> None:
        """What is settled is acknowledged first."""
        if self._porter is not None and self._thread is not None:
            self._porter.stop.set()
            self._thread.join()
        self._landing.close()

    def answered(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """The sensor's next object may be fetched."""
        self._reports.answered(file, outcome)

    def gone(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """Its reference is settled."""
        self._reports.gone(file, outcome)

    def sensors_moved(self) -> bool:
        """Whether partitions went to others."""
        return self._reports.sensors_moved()


def _roots(settings: RemoteSettings, address: ObjectsAddress | KafkaAddress) -> Mapping[str, Root]:
    options = _options(settings.objects_options, "remote.objects_options")
    addresses = [parse_objects(url) for url in settings.objects] if isinstance(address, KafkaAddress) else [address]
    if not addresses:
        raise SettingsError("remote.objects is empty: name the prefixes that references from Kafka may point below")
    buckets = {one.bucket: Bucket(one.bucket, options, settings.timeout_s) for one in addresses}
    return {one.url: Root(one, buckets[one.bucket]) for one in addresses}


def _source(
    settings: RemoteSettings, address: ObjectsAddress | KafkaAddress, departures: Departures, fed: FedDirectory
) -> Source:
    if isinstance(address, ObjectsAddress):
        return ListingSource(departures.leaving.roots[address.url], departures, fed.sensor, settings.poll_s, fed.clock)
    from loader.remote.kafka import KafkaOptions, KafkaSource

    more = _options(settings.kafka_options, "remote.kafka_options")
    return KafkaSource(
        KafkaOptions(address=address, group=settings.group, more=more, timeout_s=settings.timeout_s), departures, fed.clock
    )


def _options(file: str, key: str) -> Mapping[str, object]:
    """Keys and values for a library, out of a TOML file of their own."""
    if not file:
        return {}
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{key}: {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{key}: {file} is not TOML: {error}") from error

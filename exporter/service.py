"""The exporter as a service: refreshes and checks on a schedule. The exporter's only door to apscheduler."""

import logging
import ssl
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPException

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler

from exporter.collection import Collection
from exporter.discovery import targets
from exporter.exposition import Exposition
from exporter.legacy import CONTENT_TYPE, LegacyPage
from exporter.settings import ExporterSettings
from exporter.snapshot import Snapshot
from schema.errors import SchemaMismatchError, SettingsError, StoreUnavailableError
from schema.store.reading import StoreReader

_LOG = logging.getLogger(__name__)
logging.getLogger("apscheduler").setLevel(logging.ERROR)  # that a refresh took longer than they are apart is no news
# A page of the hard limit's 100,000 series takes about a second.
_SCRAPE_TIMEOUT_S = 30


class ExporterService:
    """Metrics of a store, kept current in the background. Inert until `start`."""

    def __init__(
        self,
        open_reader: Callable[[], StoreReader],
        settings: ExporterSettings,
        *,
        store: str,
        version: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`open_reader` is called again after the store was away; `store` is its kind as metrics name it."""
        self._settings = settings
        self._collection = Collection(open_reader, settings, store, clock)
        self._exposition = Exposition(self._collection.snapshot, version, created=settings.created)
        self._legacy = LegacyPage()
        self._scrape: Callable[[], str] | None = None
        self._closing: Callable[[], bool] = lambda: False
        self._refresh_job: Job | None = None
        self._check_job: Job | None = None
        # One worker: the store's reader is used by one thread at a time, and a long check delays a refresh, no more.
        self._scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})

    def start(self) -> None:
        """Refresh at once, then on schedule; check the identities when all is current for the first time, then on schedule."""
        self._refresh_job = self._every(self._settings.refresh_s, self._refresh, first_s=0)
        self._check_job = self._every(self._settings.reconcile_s, self._check, first_s=self._settings.reconcile_s)
        self._scheduler.start()

    def take(self, settings: ExporterSettings) -> None:
        """Go on with these: the limit of endpoints and how often things are done; what else has changed is not looked at."""
        self._settings = settings
        self._collection.take(settings)
        for job, seconds in ((self._refresh_job, settings.refresh_s), (self._check_job, settings.reconcile_s)):
            if job is not None:
                job.reschedule("interval", seconds=seconds)

    def stop(self) -> None:
        """Finish what is running, then let the store go. Harmless before `start`."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        self._collection.close()

    def scrape_at(self, url: str, closing: Callable[[], bool] = lambda: False) -> None:
        """Check the identity `metrics` through this address of the service's own metrics page; `closing`: whether the page
        is being taken down, so that its silence is no fault."""
        self._scrape, self._closing = (lambda: fetch(url)), closing

    def scrape_within(self) -> None:
        """Check it through the page as it would be answered: of an address that asks who comes."""
        self._scrape = lambda: self.metrics()[0].decode()

    def metrics(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics page and its content type, for an `Accept` header."""
        return self._exposition.page(accept)

    @property
    def snapshot(self) -> Snapshot:
        """What is shown now. May be asked from any thread."""
        return self._collection.snapshot

    def check_soon(self) -> None:
        """Check the identities as soon as nothing else is being done; asked twice meanwhile, they are checked once."""
        if self._check_job is not None:
            self._check_job.modify(next_run_time=datetime.now(UTC))

    def legacy(self) -> tuple[bytes, str]:
        """The page of old names, and its content type."""
        return self._legacy.page(), CONTENT_TYPE

    def discovered(self) -> tuple[bytes, str] | None:
        """The loaders as Prometheus' HTTP service discovery takes them, and the type; None before the store was read."""
        snapshot = self._collection.snapshot
        if not snapshot.read_at:
            return None  # an empty list would have Prometheus forget them
        return targets(snapshot.sensors, self._settings.discovered_port), "application/json"

    def ready(self) -> str | None:
        """None when all that is shown is current, else why not, in one line."""
        return self._collection.snapshot.not_ready

    def _every(self, seconds: float, job: Callable[[], None], first_s: float) -> Job:
        return self._scheduler.add_job(
            job,
            "interval",
            seconds=seconds,
            next_run_time=datetime.now(UTC) + timedelta(seconds=first_s),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def _show(self, snapshot: Snapshot) -> None:
        self._exposition.show(snapshot)
        if self._settings.legacy_names:
            self._legacy.show(snapshot)

    def _refresh(self) -> None:
        before = self.ready()
        snapshot = self._collection.refresh()
        self._show(snapshot)
        after = snapshot.not_ready
        if after != before:
            _LOG.log(logging.WARNING if after else logging.INFO, "exporter: %s", after or "all sensors are followed")

        if after is None and self._collection.snapshot.reconciliation is None:
            self._check()

    def _check(self) -> None:
        if self.ready() is not None:
            return  # what is not current cannot be held against the ledgers
        snapshot = self._collection.check(self._own_page())
        self._show(snapshot)
        verdict = snapshot.reconciliation
        for difference in verdict.differing if verdict else ():
            _LOG.warning("exporter: unreconciled: %s", difference)

    def _own_page(self) -> str | None:
        try:
            return self._scrape() if self._scrape else None
        except StoreUnavailableError as error:
            if not self._closing():
                _LOG.warning("exporter: its own metrics page cannot be checked: %s", error)
            return None


def fetch(url: str, token: str = "", ca_file: str = "") -> str:
    """The text of a metrics page. `token`: of whom it is shown to; `ca_file`: certificates (PEM) that the server is checked
    against. Raises `StoreUnavailableError` where nothing answers, `SettingsError` for no address, or no certificates."""
    try:
        context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    except OSError as error:
        raise SettingsError(f"{ca_file} holds no certificates in PEM that can be read: {_why(error)}") from error
    try:
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
        with urllib.request.urlopen(asked, timeout=_SCRAPE_TIMEOUT_S, context=context) as answer:
            return str(answer.read().decode("utf-8", "replace"))
    except (OSError, HTTPException) as error:
        raise StoreUnavailableError(f"{url} does not answer: {_why(error)}") from error
    except ValueError as error:
        raise SettingsError(f"{url!r} is not the address of a page: give one like http://127.0.0.1:10110/metrics") from error


def _why(error: Exception) -> str:
    """The system's words, out of what urllib and ssl wrap around them."""
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause)


def expose_once(reader: StoreReader, settings: ExporterSettings, *, store: str, version: str) -> str:
    """One exposition of a store as it is now, its identities checked over the newest captures of each sensor.

    Raises `StoreUnavailableError` where there is nothing to show, `SchemaMismatchError` where the tables are not those of now.
    """
    collection = Collection(lambda: reader, settings, store, time.time)
    snapshot = collection.refresh()
    exposition = Exposition(snapshot, version)
    if snapshot.schema_version != snapshot.wanted_schema_version:
        raise SchemaMismatchError(snapshot.not_ready)
    if snapshot.not_ready is not None:
        raise StoreUnavailableError(snapshot.not_ready)
    exposition.show(collection.check(exposition.page()[0].decode()))
    return exposition.page()[0].decode()

"""The demo's parts, wired: made-up traffic -> watched directory -> embedded store -> metrics. No root, no server."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread

from capture.demo import Clockwork, Rotation, pace, write_captures, write_truth
from capture.handover import HandOver
from capture.traffic import TrafficPlan
from capture.truth import GroundTruth
from exporter.metric_names import LEDGER_POSITION
from exporter.reconcile import reconcile
from exporter.reconciliation import Reconciliation
from exporter.scrape import samples
from exporter.service import fetch
from exporter.settings import ExporterSettings
from loader.outcome import FileOutcome
from loader.remote.settings import RemoteSettings
from loader.settings import LoaderSettings
from loader.watch.service import WatchRequest
from loader.watch.turns import Surroundings
from pcapline.exporting import serve_exporter
from pcapline.truth_check import TruthCheck, check_truth
from pcapline.watching import watch_directory
from pcapline.wiring import Purpose, lease_owner, opened_store
from schema.errors import PcaplineError, SettingsError, StoreUnavailableError
from schema.records import DEFAULT_NETWORK
from schema.settings import Settings, StoreSettings
from schema.store.notes import refuse_loading
from schema.store.reading import StoreReader

LIVE_SENSOR = "demo"
_ROTATE_S = 2.0
_FREE_PORT = "127.0.0.1:0"
_PATIENCE_S = 120.0  # of `--once`: how long nothing may happen before it gives up


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom the demo tells what."""

    say: Callable[[str], None]
    outcome: Callable[[FileOutcome], None]


@dataclass(slots=True)
class Running:
    """The loader and the exporter of a demo, each in a thread of its own; `failure`: why one of them ended."""

    stop: Event
    metrics_url: str = ""
    loader_url: str = ""
    failure: BaseException | None = None

    def guard(self, work: Callable[[], object]) -> None:
        """Do it; what it raises ends all, and is told by `check`, in the thread that waits."""
        try:
            work()
        except BaseException as error:
            self.failure = error
            self.stop.set()

    def check(self) -> None:
        """Raise what ended a thread."""
        if self.failure is not None:
            raise self.failure


def demo_settings(directory: Path, listen: tuple[str, str] = (_FREE_PORT, _FREE_PORT)) -> Settings:
    """Everything in one directory, and quick: captures are archived at once, metrics follow within a second."""
    loader = LoaderSettings(grace_s=0, settle_s=0.5, rescan_s=1.0, gap_wait_s=2.0, listen=listen[1])
    exporter = ExporterSettings(listen=listen[0], refresh_s=1.0, reconcile_s=10.0)
    store = StoreSettings(url=f"sqlite:{directory / 'pcapline.db'}")
    return Settings({"store": store, "loader": loader, "remote": RemoteSettings(), "exporter": exporter})


@contextmanager
def sole_demo(directory: Path) -> Iterator[None]:
    """No other demo is in this directory, and its store is there to be loaded into, while the block runs.

    Raises `SettingsError` where one is, `StoreMovedError` for a store that was copied elsewhere."""
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"a demo is running in {directory}: stop it, or give this one a directory of its own by --out DIR"
            ) from error
        with opened_store(
            demo_settings(directory).of(StoreSettings), Purpose.LOAD
        ) as store:  # the exporter must find its tables
            refuse_loading(store.notes())
        yield
    finally:
        os.close(lock)


@contextmanager
def running(settings: Settings, captures: Path, stop: Event, told: Told) -> Iterator[Running]:
    """Loader and exporter at work while the block runs."""
    parts = Running(stop)
    request = WatchRequest(directory=captures, sensor=LIVE_SENSOR, network=DEFAULT_NETWORK, owner=lease_owner())
    world = Surroundings(clock=time.time, monotonic=time.monotonic, stop=stop, tell=told.say, on_outcome=told.outcome)
    up = Event(), Event()

    def loader_bound(url: str) -> None:
        parts.loader_url = url
        up[0].set()

    def exporter_bound(url: str) -> None:
        parts.metrics_url = url
        up[1].set()

    def kept(work: Callable[[], None], ready: Event) -> Thread:
        def run() -> None:
            parts.guard(work)
            ready.set()

        return Thread(target=run, name="demo")

    threads = [
        kept(lambda: watch_directory(settings, request, world, loader_bound), up[0]),
        kept(lambda: serve_exporter(settings, stop, exporter_bound), up[1]),
    ]
    try:
        for thread, ready in zip(threads, up, strict=True):
            thread.start()
            ready.wait()
        parts.check()
        yield parts
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def make_live_traffic(captures: Path, seed: int, rate: float, stop: Event) -> GroundTruth:
    """Traffic at its own pace until `stop`, a capture every two seconds."""
    plan = TrafficPlan(seed=seed, packets=None, start_ns=time.time_ns(), packets_per_second=rate)
    clock = Clockwork(now_ns=time.time_ns, wait=stop.wait)
    with HandOver(captures, LIVE_SENSOR) as handover:
        return pace(plan, handover, Rotation(seconds=_ROTATE_S), clock, lambda _capture: None)


class InterruptedDemoError(PcaplineError):
    """Somebody asked a bounded demo to stop before its end."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bounded demo ends with."""

    identities: Reconciliation
    truth: TruthCheck

    @property
    def holds(self) -> bool:
        """Every identity, and every row."""
        return self.identities.holds and self.truth.differing == 0 and len(self.identities.identities) == 4


def run_once(directory: Path, plan: TrafficPlan, stop: Event, told: Told) -> Verdict:
    """A bounded demo: traffic, load, scrape, and everything held against everything.

    The same plan gives the same captures, so that a second run in the same directory loads nothing and checks again.
    Raises `InterruptedDemoError`.
    """
    captures, sensor = directory / "captures", f"once-{plan.seed}-{plan.packets}"
    folder = captures / sensor
    folder.mkdir(parents=True, exist_ok=True)
    truth = write_captures(plan, folder, Rotation(packets=2_000), sensor)
    with (directory / "truth.jsonl").open("w", encoding="utf-8") as file:
        write_truth(truth, file)
    answered: set[str] = set()

    def on_outcome(outcome: FileOutcome) -> None:
        answered.add(Path(outcome.file).name)
        told.outcome(outcome)

    settings = demo_settings(directory)
    wanted = {capture.file for capture in truth.captures}
    with running(settings, captures, stop, replace(told, outcome=on_outcome)) as parts:
        _await(parts, lambda: wanted <= answered, lambda: len(answered), "captures to be loaded")
        with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
            _await(parts, lambda: _has_followed(parts, reader, sensor), lambda: 0, "the exporter to follow")
            identities = _settled_identities(parts, lambda: reconcile(reader, _now_ms(), lambda: fetch(parts.metrics_url)))
            return Verdict(identities, check_truth(reader, sensor, truth.captures))


def _has_followed(parts: Running, reader: StoreReader, sensor: str) -> bool:
    """Whether the metrics page counts all of the sensor's ledger: the exporter follows a moment later than it is written."""
    try:
        page = fetch(parts.metrics_url)
    except StoreUnavailableError:
        return False
    shown = [sample.value for sample in samples(page) if (sample.name, sample.labels) == (LEDGER_POSITION, {"sensor": sensor})]
    return shown == [reader.ledger(sensor).position.seq]


def _settled_identities(parts: Running, check: Callable[[], Reconciliation]) -> Reconciliation:
    """`metrics` is asked until it was scraped."""
    verdict: list[Reconciliation] = []

    def complete() -> bool:
        try:
            verdict[:] = [check()]
        except StoreUnavailableError:
            return False
        return len(verdict[0].identities) == 4

    _await(parts, complete, lambda: 0, "the metrics")
    return verdict[0]


def _await(parts: Running, done: Callable[[], bool], progress: Callable[[], int], what: str) -> None:
    """Until `done`; gives up when nothing has moved for a long while."""
    moved_at, before = time.monotonic(), progress()
    while not done():
        parts.check()
        if parts.stop.wait(0.05):
            raise InterruptedDemoError
        if progress() != before:
            moved_at, before = time.monotonic(), progress()
        if time.monotonic() - moved_at > _PATIENCE_S:
            raise PcaplineError(f"the demo waited for {what}, and nothing has happened for {_PATIENCE_S:.0f} s")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""A watch in a thread of its own, over a real directory and a real SQLite store, with a clock that can be set forward."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread

from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.watch.service import WatchRequest, run_watch
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings
from schema.enums import FileState
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store

# Enough for anything that is waited for, on a busy machine; nothing waits so long when all is well.
PATIENCE_S = 30
QUICK = LoaderSettings(settle_s=0.3, rescan_s=0.2, gap_wait_s=0.5)


@dataclass
class Clock:
    """The real one, set forward by so many seconds."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Watch:
    """What a running watch said."""

    clock: Clock
    telemetry: LoaderTelemetry = field(default_factory=lambda: LoaderTelemetry("sqlite", "0"))
    stop: Event = field(default_factory=Event)
    told: list[str] = field(default_factory=list)
    outcomes: list[FileOutcome] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    patience_s: float = PATIENCE_S

    def states(self) -> dict[str, FileState]:
        return {Path(outcome.file).name: outcome.state for outcome in self.outcomes}

    def metric(self, line: str) -> str:
        page = self.telemetry.expose("")[0].decode()
        return next((text.rpartition(" ")[2] for text in page.splitlines() if text.startswith(line + " ")), "nan")

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + self.patience_s
        while not condition():
            assert not self.failures, self.failures
            assert time.monotonic() < end, (self.told[-5:], self.outcomes[-5:])
            time.sleep(0.02)


@contextmanager
def watching(
    directory: Path,
    store_path: Path,
    settings: LoaderSettings = QUICK,
    *,
    events: bool = True,
    clock: Clock | None = None,
    wrap: Callable[[Store], Store] = lambda store: store,
    busy_timeout_s: float = 60.0,
) -> Iterator[Watch]:
    """Watches until the block ends, then stops in good order."""
    watch = Watch(clock or Clock())
    request = WatchRequest(
        directory=directory, sensor="edge", network="lan", owner=f"{os.uname().nodename}:{os.getpid()}:{os.urandom(4).hex()}",
        events=events,
    )  # fmt: skip
    world = Surroundings(
        clock=watch.clock, monotonic=time.monotonic, stop=watch.stop, tell=watch.told.append, on_outcome=watch.outcomes.append
    )

    def run() -> None:
        try:
            store = open_sqlite(store_path, watch.clock, busy_timeout_s=busy_timeout_s)
            store.apply_schema()
            try:
                run_watch(wrap(store), request, settings, watch.telemetry, world)
            finally:
                store.close()
        except BaseException as error:
            watch.failures.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert not watch.failures, watch.failures


class Fragile:
    """A store that admits to lose commits in a crash."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def health(self) -> object:
        return replace(self._store.health(), durable=False, detail="syncs now and then")

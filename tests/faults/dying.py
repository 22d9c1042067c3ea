"""Loaders that kill themselves at one moment: `python -m tests.faults.dying`, then a line of JSON for each on stdin.

A line is [FUSE, DIRECTORY, STORE, CONFIG]. FUSE: {"label", "armed_by", "nth", "after"}; with {"record": PATH} nothing dies, and
each label is written there once. The answer is a line with the process's id, and one with how it ended (as `subprocess` has
it). A loader is wired as `pcapline watch` is, but for the hooks of `moments`; it is forked, as importing it takes longest.
"""

import json
import os
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Event

from loader.settings import LoaderSettings
from loader.watch.service import WatchRequest, run_watch
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings
from pcapline.options import settings_of
from pcapline.wiring import Purpose, lease_owner, open_store, store_kind
from schema.records import DEFAULT_NETWORK
from schema.settings import StoreSettings
from schema.store.writing import Store
from tests.faults.moments import Fuse, Seen, watch_cassandra, watch_files, watch_sqlite


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _load(*json.loads(line))
            sys.stdout.flush()
            os._exit(0)
        _answer(child)
        _answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _answer(number: int) -> None:
    os.write(1, f"{number}\n".encode())


def _load(wanted: dict[str, object], directory: str, url: str, config: str) -> None:
    os.dup2(2, 1)  # what it says is for the log
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = settings_of(config, {"store.url": url})
    seen = _seen(wanted)
    watch_files(seen)
    world = Surroundings(
        clock=time.time,
        monotonic=time.monotonic,
        stop=stop,
        tell=print,
        on_outcome=lambda outcome: print(outcome.file, outcome.state),
    )
    request = WatchRequest(directory=Path(directory), sensor="edge", network=DEFAULT_NETWORK, owner=lease_owner(), events=False)
    with closing(_opened(settings.of(StoreSettings), seen)) as store:
        run_watch(
            store, request, settings.of(LoaderSettings), LoaderTelemetry(store_kind(settings.of(StoreSettings)), "0"), world
        )


def _seen(wanted: dict[str, object]) -> Seen:
    if "record" not in wanted:
        return Fuse(**wanted, burn=lambda: os.kill(os.getpid(), signal.SIGKILL)).seen  # type: ignore[arg-type]
    record = os.open(str(wanted["record"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    known: set[str] = set()

    def note(*labels: str) -> None:
        for label in filter(None, labels):
            if label not in known:
                known.add(label)
                os.write(record, f"{label}\n".encode())

    return note


def _opened(settings: StoreSettings, seen: Seen) -> Store:
    if store_kind(settings) == "sqlite":
        watch_sqlite(seen)
        return open_store(settings, Purpose.LOAD)
    store = open_store(settings, Purpose.LOAD)
    watch_cassandra(store._connection.session, seen)  # type: ignore[attr-defined]
    return store


if __name__ == "__main__":
    main()

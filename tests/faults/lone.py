"""Loaders of their own kind: `python -m tests.faults.lone`, then what each is as a JSON object a line; the answer is its pid.

Each is `pcapline watch` wired with another clock (`ahead_s`), another decoder's version (`decoder`), another name (`owner`);
at one moment (`fuse`, as in `dying`) it stops itself (`signal`: SIGSTOP) or is killed (SIGKILL). What it says is in `log`, at
last ENDED. They are forked, as importing takes longest; nobody has to wait for them.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import loader.commit.inputs
from loader.settings import LoaderSettings
from loader.watch.service import WatchRequest, run_watch
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings
from pcapline.options import settings_of
from pcapline.wiring import lease_owner
from schema.records import DEFAULT_NETWORK
from schema.settings import StoreSettings
from schema.store.address import CassandraAddress, SqliteAddress, parse_store_url
from schema.store.cassandra import CassandraOptions, open_cassandra
from schema.store.cassandra.hold import Clock
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from tests.faults.moments import Fuse, Seen, watch_cassandra, watch_files, watch_sqlite

ENDED = "ended in good order"


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a dead one is gone at once: its lease is free
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                _load(json.loads(line))
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        os.write(1, f"{child}\n".encode())


def _load(wanted: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    loader.commit.inputs.DECODER_VERSION = wanted.get("decoder", loader.commit.inputs.DECODER_VERSION)

    def clock() -> float:
        return time.time() + float(wanted.get("ahead_s", 0))

    settings = settings_of(None, {"store.url": wanted["store"], **{f"loader.{k}": v for k, v in wanted["settings"].items()}})
    world = Surroundings(
        clock=clock,
        monotonic=time.monotonic,
        stop=stop,
        tell=_say,
        on_outcome=lambda outcome: _say(f"{outcome.state} {outcome.file}"),
    )
    request = WatchRequest(
        directory=Path(wanted["directory"]),
        sensor="edge",
        network=DEFAULT_NETWORK,
        owner=str(wanted.get("owner", lease_owner())),
        events=False,
    )
    with closing(_opened(wanted, settings.of(StoreSettings).url, clock)) as store:
        run_watch(store, request, settings.of(LoaderSettings), LoaderTelemetry("any", "0"), world)
    _say(ENDED)


def _say(message: str) -> None:
    sys.stderr.write(f"{os.getpid()}: {message}\n")


def _opened(wanted: dict[str, Any], url: str, clock: Clock) -> Store:
    """With its fuse, where it has one."""
    match parse_store_url(url):
        case SqliteAddress(path=path):
            # stopped in the middle of another thread's statement it would keep the only write lock
            _arm(wanted, lambda: store._database.writer._lock, watch_sqlite)  # type: ignore[attr-defined]
            store: Store = open_sqlite(Path(path), clock, busy_timeout_s=wanted.get("busy_s", 60.0))
            return store
        case CassandraAddress() as address:
            store = open_cassandra(address.hosts, address.port, address.keyspace, clock=clock, options=CassandraOptions())
            _arm(wanted, nullcontext, lambda seen: watch_cassandra(store._connection.session, seen))  # type: ignore[attr-defined]
            return store


def _arm(wanted: dict[str, Any], quiet: Callable[[], AbstractContextManager[object]], watch: Callable[[Seen], None]) -> None:
    if "fuse" not in wanted:
        return
    number = signal.Signals[wanted["signal"]]

    def burn() -> None:
        with quiet():
            os.kill(os.getpid(), number)

    seen = Fuse(**wanted["fuse"], burn=burn).seen
    watch_files(seen)
    watch(seen)


if __name__ == "__main__":
    main()

"""One loader of several: a process of its own, started by `pcapline.workers`, that lives no longer than its parent."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.watch.fellows import Fellows
from loader.watch.groupcounts import share_counts
from loader.watch.service import WatchRequest, run_watch
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings
from pcapline import __version__
from pcapline.collecting import collect_rarely
from pcapline.wiring import Purpose, lease_owner, opened_store, store_kind
from schema.errors import PcaplineError
from schema.settings import Settings, StoreSettings

SHARE, LOOK = "share", "look"  # what a parent sends; the events of `Fellows` say what is meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """All that a worker is given; it crosses to another process, so the functions are found there by their names."""

    number: int
    group: str
    counts: Path  # where all of them keep their counts
    settings: Settings
    request: WatchRequest  # the owner is the worker's own
    tell: Callable[[str], None]
    on_outcome: Callable[[FileOutcome], None]


class Farewell(NamedTuple):
    """Why a worker ends."""

    text: str
    exit_code: int | None  # None: nobody reads what it prints any more


def work(place: Place, parent: Connection) -> None:
    """Load until the parent hangs up. What nobody but a person can put right is sent to it; ends the process."""
    collect_rarely()
    stop = Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: the parent decides
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    fellows = Fellows(
        group=place.group,
        keeps_house=place.number == 0,
        holds=_on_change(partial(_send, parent)),
    )
    Thread(target=_listen, args=(parent, stop, fellows), name="parent", daemon=True).start()
    try:
        _load(place, stop, fellows)
    except (PcaplineError, BrokenPipeError) as error:
        _send(parent, farewell(error))
        raise SystemExit(getattr(error, "exit_code", 1)) from error


def farewell(error: PcaplineError | BrokenPipeError) -> Farewell:
    """What the parent is told of an error: words, for not every exception can be built again in another process."""
    return Farewell(str(error), None if isinstance(error, BrokenPipeError) else error.exit_code)


def _load(place: Place, stop: Event, fellows: Fellows) -> None:
    share_counts(place.counts, place.number)
    wanted = place.settings.of(StoreSettings)
    telemetry = LoaderTelemetry(store_kind(wanted), __version__)
    request = replace(place.request, owner=f"{lease_owner().rpartition(':')[0]}:{place.group}.{place.number}")

    def tell(message: str) -> None:
        place.tell(f"loader {place.number}: {message}")

    world = Surroundings(
        clock=time.time, monotonic=time.monotonic, stop=stop, tell=tell, on_outcome=place.on_outcome, fellows=fellows
    )
    with opened_store(wanted, Purpose.LOAD) as store:
        run_watch(store, request, place.settings.of(LoaderSettings), telemetry, world)


def _on_change(send: Callable[[object], None]) -> Callable[[int], None]:
    before = [-1]

    def holds(sensors: int) -> None:
        if before[0] != sensors:
            before[0] = sensors
            send(sensors)

    return holds


def _send(parent: Connection, message: object) -> None:
    with suppress(OSError):  # it is gone: `_listen` sees that, too
        parent.send(message)


def _listen(parent: Connection, stop: Event, fellows: Fellows) -> None:
    asked = {SHARE: fellows.share, LOOK: fellows.look}
    try:
        while True:
            asked[parent.recv()].set()
    except (EOFError, OSError):
        stop.set()

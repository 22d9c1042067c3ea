"""Synthetic traffic -> captures -> embedded store -> metrics. No root, no server, no network.

pcapline demo
pcapline demo --once --packets 100000
"""

import shlex
import socket
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from pcapline.usage import at_least_one, some_path
from schema.errors import SettingsError
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from pcapline.demo import Running, Verdict
    from pcapline.signals import Stop
    from schema.store.reading import StoreReader

_EVERY_S = 2.0


def arguments(parser: ArgumentParser) -> None:
    """Once or live, how much, and where."""
    parser.add_argument("--once", action="store_true", help="a bounded demo: checks everything, ends with its verdict")
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=some_path,
        default="pcapline-demo",
        help="everything the demo makes goes there: %(default)s",
    )
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="the same seed, the same traffic")
    parser.add_argument("--packets", metavar="N", type=at_least_one, default=20_000, help="of --once: %(default)s")
    parser.add_argument("--rate", metavar="N", type=at_least_one, default=500, help="packets a second, live: %(default)s")


def run(given: Namespace) -> int:
    """The live demo until a signal, or a bounded one to its verdict."""
    from pcapline.demo import sole_demo
    from pcapline.signals import stop_on_signals

    _make_place(given.out / "captures")
    with sole_demo(given.out), stop_on_signals() as stop:
        if given.once:
            return _once(given.out, given.seed, given.packets, stop)
        return _live(given.out, given.seed, given.rate, stop)


def _make_place(folder: Path) -> None:
    """Raises `SettingsError` where no directory can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except PermissionError:
        raise
    except OSError as error:
        raise SettingsError(f"--out: {error.filename} cannot be a directory ({error.strerror}); name another one") from error


def _once(out: Path, seed: int, packets: int, stop: "Stop") -> int:
    from capture.traffic import TrafficPlan
    from pcapline.commands.load import tell_outcome
    from pcapline.demo import InterruptedDemoError, Told, run_once

    told = Told(say=_say, outcome=tell_outcome)
    try:
        verdict = run_once(out, TrafficPlan(seed=seed, packets=packets), stop.event, told)
    except InterruptedDemoError:
        _say("interrupted; nothing was verified")
        return stop.exit_code
    _tell_verdict(verdict)
    _tell_where(out)
    return 0 if verdict.holds else 1


def _tell_where(out: Path) -> None:
    """Where it all is now: the loader has moved what it loaded."""
    from loader.spool.files import ARCHIVE, OWN_FOLDER
    from pcapline.program import program

    store = shlex.quote(f"sqlite:{out / 'pcapline.db'}")
    sys.stdout.write(
        f"  captures  {out / 'captures' / OWN_FOLDER / ARCHIVE}: moved there when they were loaded\n"
        f"  store     sqlite:{out / 'pcapline.db'}\n"
        f"  query     {program()} query www.example.com --store {store}\n"
        f"  clean up  rm -r {shlex.quote(str(out))}\n"
    )


def _live(out: Path, seed: int, rate: float, stop: "Stop") -> int:
    from pcapline.demo import Told, demo_settings, make_live_traffic, running

    captures = out / "captures"
    settings = demo_settings(out, (_address(10110), _address(10111)))
    quiet = Told(say=_say, outcome=lambda _outcome: None)
    with running(settings, captures, stop.event, quiet) as parts:
        _introduce(out, parts)
        _tell_earlier(out, settings.of(StoreSettings))
        made = partial(make_live_traffic, captures, seed, rate, stop.event)
        traffic = Thread(target=parts.guard, args=(made,), name="traffic")
        traffic.start()
        try:
            _show_counters(settings.of(StoreSettings), parts)
        finally:
            stop.event.set()
            traffic.join()
    parts.check()
    _take_leave(out)
    return stop.exit_code


def _take_leave(out: Path) -> None:
    from pcapline.program import program

    store = shlex.quote(f"sqlite:{out / 'pcapline.db'}")
    _say(f"stopped; the store stays: {program()} query www.example.com --store {store}")


def _tell_earlier(out: Path, store: StoreSettings) -> None:
    """What is shown below, here and on the metrics page, begins where the store's totals stand."""
    from pcapline.text import count_text
    from pcapline.wiring import Purpose, opened_store

    with opened_store(store, Purpose.READ) as reader:
        captures = _all(reader).captures
    if captures:
        sys.stdout.write(
            f"The store holds {count_text(captures, 'capture')} of earlier runs, counted below (rm -r {out}: a new one).\n"
        )


def _introduce(out: Path, parts: "Running") -> None:
    from pcapline.program import program

    sys.stdout.write(
        "Synthetic traffic, a capture every 2 s, no root and no server:\n"
        f"  captures  {out / 'captures'}\n"
        f"  store     sqlite:{out / 'pcapline.db'}\n"
        f"  metrics   {parts.metrics_url}   (loader: {parts.loader_url})\n"
        f"  query     {program()} query www.example.com --store sqlite:{out / 'pcapline.db'}\n"
        f"  stop      Ctrl-C        clean up  rm -r {out}\n"
    )
    sys.stdout.flush()


def _show_counters(store: StoreSettings, parts: "Running") -> None:
    """A line every two seconds, until the end."""
    from pcapline.wiring import Purpose, opened_store

    with opened_store(store, Purpose.READ) as reader:
        while not parts.stop.wait(_EVERY_S):
            totals = _all(reader)
            if totals.captures:
                sys.stdout.write(_counters(totals) + "\n")
                sys.stdout.flush()


class _Totals(NamedTuple):
    """What the metrics page adds up to as well: the ledgers of all sensors."""

    captures: int
    packets: int
    flow_rows: int
    writes: Counter[str]  # by endpoint


def _all(reader: "StoreReader") -> _Totals:
    totals, writes = Counter[str](), Counter[str]()
    for record in reader.sensors():
        ledger = reader.ledger(record.sensor)
        totals.update(ledger.totals)
        writes.update({endpoint: counts.flows for endpoint, counts in ledger.endpoints.items()})
    return _Totals(totals["captures"], totals["frames"], totals["rows/flows"], writes)


def _counters(totals: _Totals) -> str:
    busiest = sorted(totals.writes.items(), key=lambda item: (-item[1], item[0]))[:3]
    return (
        f"{time.strftime('%H:%M:%S')}  captures {totals.captures:,}  packets {totals.packets:,}  "
        f"flow rows {totals.flow_rows:,}  endpoints {len(totals.writes):,}  writes: "
        + ", ".join(f"{endpoint} {count:,}" for endpoint, count in busiest)
    )


def _address(port: int) -> str:
    """The usual port where it is free, any other else: somebody may have the real thing running beside the demo. It is taken
    here and handed over, so that nobody comes in between."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError:
        _say(f"port {port} is taken, so any free one is used")
        return "127.0.0.1:0"
    return f"fd:{listener.detach()}"


def _tell_verdict(verdict: "Verdict") -> None:
    from pcapline.text import printable
    from pcapline.verdicts import write_verdict

    write_verdict(verdict.identities, as_json=False)
    truth = verdict.truth
    sys.stdout.write(f"ground truth: {truth.rows:,} rows expected, {truth.differing:,} differ\n")
    for name in truth.captures:
        sys.stdout.write(f"DIFFERS  rows of {printable(name)} are not what was generated\n")
    sys.stdout.write(f"demo: {'everything adds up' if verdict.holds else 'NOT everything adds up'}\n")


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {message}\n")

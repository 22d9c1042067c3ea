"""`pcapline demo`: everything at once with made-up traffic."""

import socket
import sys
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from schema.settings import StoreSettings

if TYPE_CHECKING:
    from pcapline.demo import Running, Verdict
    from pcapline.signals import Stop
    from schema.records import LedgerTotals

_EVERY_S = 2.0


def demo(
    once: Annotated[bool, typer.Option("--once", help="a bounded demo: checks everything, ends with its verdict")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="everything the demo makes goes there")] = Path(
        "pcapline-demo"
    ),
    seed: Annotated[int, typer.Option("--seed", help="the same seed, the same traffic")] = 1,
    packets: Annotated[int, typer.Option("--packets", min=1, help="of --once")] = 20_000,
    rate: Annotated[float, typer.Option("--rate", min=1, help="packets a second of the live demo")] = 500.0,
) -> None:
    """Synthetic traffic -> captures -> embedded store -> metrics. No root, no server, no network.

    pcapline demo

    pcapline demo --once --packets 100000
    """
    from pcapline.commands.load import tell_outcome
    from pcapline.demo import Told
    from pcapline.signals import stop_on_signals

    told = Told(say=_say, outcome=tell_outcome)
    out.mkdir(parents=True, exist_ok=True)
    with stop_on_signals() as stop:
        if not once:
            raise typer.Exit(_live(out, seed, rate, stop))
        from capture.traffic import TrafficPlan
        from pcapline.demo import run_once

        verdict = run_once(out, TrafficPlan(seed=seed, packets=packets), stop.event, told)
    _tell_verdict(verdict)
    raise typer.Exit(0 if verdict.holds else 1)


def _live(out: Path, seed: int, rate: float, stop: "Stop") -> int:
    from pcapline.demo import Told, demo_settings, make_live_traffic, running

    captures = out / "captures"
    captures.mkdir(exist_ok=True)
    settings = demo_settings(out, (_address(10110), _address(10111)))
    quiet = Told(say=_say, outcome=lambda _outcome: None)
    with running(settings, captures, stop.event, quiet) as parts:
        _introduce(out, parts)
        traffic = Thread(target=make_live_traffic, args=(captures, seed, rate, stop.event), name="traffic")
        traffic.start()
        try:
            _show_counters(settings.of(StoreSettings), parts)
        finally:
            stop.event.set()
            traffic.join()
    parts.check()
    return stop.exit_code


def _introduce(out: Path, parts: "Running") -> None:
    sys.stdout.write(
        "Synthetic traffic, a capture every 2 s, no root and no server:\n"
        f"  captures  {out / 'captures'}\n"
        f"  store     sqlite:{out / 'pcapline.db'}\n"
        f"  metrics   {parts.metrics_url}   (loader: {parts.loader_url})\n"
        f"  query     pcapline query www.example.com --store sqlite:{out / 'pcapline.db'}\n"
        f"  stop      Ctrl-C        clean up  rm -r {out}\n"
    )
    sys.stdout.flush()


def _show_counters(store: StoreSettings, parts: "Running") -> None:
    """A line every two seconds, until the end."""
    from pcapline.demo import LIVE_SENSOR
    from pcapline.wiring import Purpose, opened_store

    with opened_store(store, Purpose.READ) as reader:
        while not parts.stop.wait(_EVERY_S):
            if any(record.sensor == LIVE_SENSOR for record in reader.sensors()):
                sys.stdout.write(_counters(reader.ledger(LIVE_SENSOR)) + "\n")
                sys.stdout.flush()


def _counters(ledger: "LedgerTotals") -> str:
    totals = ledger.totals
    busiest = sorted(ledger.endpoints.items(), key=lambda item: (-item[1].flows, item[0]))[:3]
    return (
        f"{time.strftime('%H:%M:%S')}  captures {totals.get('captures', 0):,}  packets {totals.get('frames', 0):,}  "
        f"flow rows {totals.get('rows/flows', 0):,}  endpoints {len(ledger.endpoints):,}  writes: "
        + ", ".join(f"{endpoint} {counts.flows:,}" for endpoint, counts in busiest)
    )


def _address(port: int) -> str:
    """The usual port where it is free, any other else: somebody may have the real thing running beside the demo."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return "127.0.0.1:0"
    return f"127.0.0.1:{port}"


def _tell_verdict(verdict: "Verdict") -> None:
    from pcapline.commands.verify import write_verdict
    from pcapline.text import printable

    write_verdict(verdict.identities, as_json=False)
    truth = verdict.truth
    sys.stdout.write(f"ground truth: {truth.rows:,} rows expected, {truth.differing:,} differ\n")
    for name in truth.captures:
        sys.stdout.write(f"DIFFERS  rows of {printable(name)} are not what was generated\n")
    sys.stdout.write(f"demo: {'everything adds up' if verdict.holds else 'NOT everything adds up'}\n")


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {message}\n")

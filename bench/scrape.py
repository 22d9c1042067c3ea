"""Scrapes of a full store under load: `python -m bench.scrape [--endpoints N] [--rows N] [--scrapes N]`.

Two `pcapline exporter`s follow an SQLite store of so many endpoints and rows, in which another process goes on committing
captures. They are scraped in turn as Prometheus does (a connection each, gzip); now and then one of them is ended and begun
again, the second with another limit each time, so that endpoints are admitted and evicted. Every page is held against the
ledger: shown + `_other` + retired is the total at the position that the page names, for each counter, and no series of an
exporter ever falls. Prints one JSON object.
"""

import argparse
import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import quantiles

from bench.filled import Filler
from exporter.metric_names import ENDPOINT_COUNTERS, LEDGER_POSITION
from schema.records import NO_TOTALS, EndpointTotals
from schema.store.sqlite import open_sqlite

_CAPTURE_ROWS = 10_000
_LIVE_ROWS = 200  # of a capture that is committed meanwhile
_LIVE_EVERY_S = 0.2
_LIMITS = (2_000, 1_500)
_RESTARTS = 10
_ADDRESS = re.compile(r"metrics at http://(\S+?)(/\S*)")


@dataclass(slots=True)
class Checked:
    """What was found on the pages of one exporter."""

    last: dict[str, float] = field(default_factory=dict)  # series by endpoint -> what it showed last
    seconds: list[float] = field(default_factory=list)
    seconds_healthy: list[float] = field(default_factory=list)  # of a page of one line, asked for right before
    unequal: int = 0
    fell: int = 0
    most_series: int = 0
    most_bytes: int = 0

    def look_at(self, page: str, sums: Sequence[EndpointTotals]) -> None:
        """Hold a page against the ledger, and against the pages before it."""
        by_name: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for line in page.splitlines():  # names here are plain
            series, _, value = line.rpartition(" ")
            by_name[series.partition("{")[0]][series] = float(value) if series[0] != "#" else 0
        (position,) = by_name[LEDGER_POSITION].values()
        for counter in ENDPOINT_COUNTERS:
            shown, retired = by_name[counter.sample], by_name[counter.retired]
            total = sum(shown.values()) + sum(retired.values())
            self.unequal += total != getattr(sums[int(position)], counter.field)
            self.most_series = max(self.most_series, len(shown))
            self.fell += sum(value < self.last.get(series, 0) for series, value in shown.items())
            self.last.update(shown)


class Ledger:
    """What the process that commits tells of it."""

    def __init__(self, told: Connection) -> None:
        self._told, self.sums = told, [NO_TOTALS]

    def heard(self) -> Sequence[EndpointTotals]:
        """The sum over all endpoints at each commit that a page may know of."""
        while self._told.poll():
            self.sums.append(self._told.recv())
        return self.sums

    def wait(self, commits: int) -> None:
        """Until so many are begun."""
        while len(self.sums) <= commits:
            self.sums.append(self._told.recv())


class Exporter:
    """A process, and the one connection over which it is scraped."""

    def __init__(self, store: str, log: Path) -> None:
        self._store, self._log = store, log
        self._process: subprocess.Popen[bytes] | None = None
        self.checked = Checked()

    def start(self, limit: int) -> None:
        """Until its first page has every sensor."""
        command = [sys.executable, "-m", "pcapline", "exporter", "--store", self._store, "--max-endpoints", str(limit)]
        command += ["--web.listen-address", "127.0.0.1:0"]
        with self._log.open("w") as log:
            environment = {**os.environ, "PCAPLINE_EXPORTER__REFRESH_S": "1"}
            self._process = subprocess.Popen(command, stderr=log, env=environment)
        while not (found := _ADDRESS.search(self._log.read_text())):
            self._wait()
        self._path = found[2]
        self._connection = http.client.HTTPConnection(found[1], timeout=60)
        while self._get("/-/ready")[0] != 200:
            self._wait()

    def stop(self) -> None:
        """By SIGTERM; harmless where it was not started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def scrape(self) -> str:
        """As Prometheus would; the time it took is kept."""
        self._timed("/-/healthy", self.checked.seconds_healthy)
        body = self._timed(self._path, self.checked.seconds)
        self.checked.most_bytes = max(self.checked.most_bytes, len(body))
        return gzip.decompress(body).decode()

    @property
    def peak_mib(self) -> float:
        """Resident, of the process that runs."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def _timed(self, path: str, seconds: list[float]) -> bytes:
        began = time.perf_counter()
        status, body = self._get(path)
        seconds.append(time.perf_counter() - began)
        if status != 200:
            raise SystemExit(f"{path} was answered {status}")
        return body

    def _get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def _wait(self) -> None:
        if self._process is None or self._process.poll() is not None:
            raise SystemExit(self._log.read_text())
        time.sleep(0.1)


def main() -> None:
    """Measure and print; ends with 1 where a page did not add up."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # the exporters are ended too
    with tempfile.TemporaryDirectory(prefix="pcapline-scrape-") as directory:
        told = _measure(given, Path(directory))
    print(json.dumps(told))
    raise SystemExit(bool(told["unequal"] or told["fell"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scrape", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=10_000, metavar="N")
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="stored before the first scrape")
    parser.add_argument("--scrapes", type=int, default=1_000, metavar="N")
    return parser.parse_args()


def _measure(given: argparse.Namespace, directory: Path) -> dict[str, object]:
    path = directory / "store.db"
    exporters = [Exporter(f"sqlite:{path}", directory / f"{number}.log") for number in range(len(_LIMITS))]
    spawn = get_context("spawn")  # what commits must not hold up what measures
    here, there = spawn.Pipe()
    loading = spawn.Process(target=_load, args=(path, given.endpoints, given.rows, there), daemon=True)
    loading.start()
    there.close()
    ledger = Ledger(here)
    ledger.wait(given.rows // _CAPTURE_ROWS)
    print(f"bench: {given.rows} rows are stored", file=sys.stderr)
    try:
        for exporter in exporters:
            exporter.start(_LIMITS[0])
        _scrape(exporters, ledger, given.scrapes)
        peak = [round(exporter.peak_mib, 1) for exporter in exporters]
    finally:
        here.send(None)
        loading.join()
        for exporter in exporters:
            exporter.stop()
    return _told([exporter.checked for exporter in exporters]) | {
        "endpoints": given.endpoints,
        "rows": ledger.sums[-1].flows,
        "commits": len(ledger.sums) - 1,
        "peak_mib": peak,
    }


def _load(path: Path, endpoints: int, rows: int, told: Connection) -> None:
    """The process that commits: what is there before the first scrape, then captures until it is told to end, each with some
    endpoints that never were there. Tells the ledger's sum before each of them."""
    store = open_sqlite(path, time.time)
    store.apply_schema()
    filler = Filler(store, told.send)
    for part in range(0, rows, _CAPTURE_ROWS):
        first = part // _CAPTURE_ROWS * 100  # so that some endpoints have more than others
        filler.commit([endpoint % endpoints for endpoint in range(first, first + endpoints)], _CAPTURE_ROWS)
    random, newest = Random(2), endpoints
    while not told.poll(_LIVE_EVERY_S):
        newest += 3
        filler.commit([*random.sample(range(endpoints), 97), *range(newest - 3, newest)], _LIVE_ROWS)


def _scrape(exporters: Sequence[Exporter], ledger: Ledger, scrapes: int) -> None:
    for number in range(scrapes):
        if number and number % (scrapes // _RESTARTS) == 0:
            turn = number // (scrapes // _RESTARTS)
            again = exporters[turn % 2]
            again.stop()
            again.start(_LIMITS[turn // 2 % 2] if turn % 2 else _LIMITS[0])
        exporter = exporters[number % 2]
        exporter.checked.look_at(exporter.scrape(), ledger.heard())


def _told(found: Iterable[Checked]) -> dict[str, object]:
    both = list(found)
    scrapes = [second for one in both for second in one.seconds]
    healthy = [second for one in both for second in one.seconds_healthy]
    return {
        "scrapes": len(scrapes),
        "unequal": sum(one.unequal for one in both),
        "fell": sum(one.fell for one in both),
        "most_series": max(one.most_series for one in both),
        "most_kib": round(max(one.most_bytes for one in both) / 1024, 1),
        "ms_p50_p99_most": _spread(scrapes),
        "healthy_ms_p50_p99_most": _spread(healthy),
    }


def _spread(seconds: Sequence[float]) -> list[float]:
    centiles = quantiles(seconds, n=100)
    return [round(1_000 * each, 1) for each in (centiles[49], centiles[98], max(seconds))]


if __name__ == "__main__":
    main()

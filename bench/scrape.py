"""Scrapes of a full store under load: `python -m bench.scrape [--endpoints N] [--rows N] [--scrapes N]`.

Two `pcapline exporter`s follow an SQLite store of so many endpoints and rows, in which captures go on being committed. They are
scraped in turn as Prometheus does (a connection each, gzip); now and then one of them is ended and begun again, the second with
another limit each time, so that endpoints are admitted and evicted. Every page is held against the ledger: shown + `_other` +
retired is the total at the position that the page names, for each counter, and no series of an exporter ever falls. Prints one
JSON object.
"""

import argparse
import gzip
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import quantiles
from threading import Event, Thread

from bench.filled import Filler
from exporter.metric_names import ENDPOINT_COUNTERS, LEDGER_POSITION
from exporter.scrape import Sample, samples
from schema.records import EndpointTotals
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

    last: dict[tuple[str, str], float] = field(default_factory=dict)  # (counter, endpoint) -> what it showed last
    seconds: list[float] = field(default_factory=list)
    unequal: int = 0
    fell: int = 0
    most_series: int = 0
    most_bytes: int = 0

    def look_at(self, page: Sequence[Sample], sums: Sequence[EndpointTotals]) -> None:
        """Hold a page against the ledger, and against the pages before it."""
        position = next(int(sample.value) for sample in page if sample.name == LEDGER_POSITION)
        for counter in ENDPOINT_COUNTERS:
            shown = {sample.labels["server_address"]: sample.value for sample in page if sample.name == counter.sample}
            retired = sum(sample.value for sample in page if sample.name == counter.retired)
            self.unequal += sum(shown.values()) + retired != getattr(sums[position], counter.field)
            self.most_series = max(self.most_series, len(shown))
            for endpoint, value in shown.items():
                self.fell += value < self.last.get((counter.name, endpoint), 0)
                self.last[counter.name, endpoint] = value


class Exporter:
    """A process, and the one connection over which it is scraped."""

    def __init__(self, store: str, log: Path) -> None:
        self._store, self._log = store, log
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
        """By SIGTERM."""
        self._connection.close()
        self._process.terminate()
        self._process.wait()

    def scrape(self) -> list[Sample]:
        """As Prometheus would; the time it took is kept."""
        began = time.perf_counter()
        status, body = self._get(self._path)
        self.checked.seconds.append(time.perf_counter() - began)
        if status != 200:
            raise SystemExit(f"a scrape was answered {status}")
        self.checked.most_bytes = max(self.checked.most_bytes, len(body))
        return list(samples(gzip.decompress(body).decode()))

    @property
    def peak_mib(self) -> float:
        """Resident, of the process that runs."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def _get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def _wait(self) -> None:
        if self._process.poll() is not None:
            raise SystemExit(self._log.read_text())
        time.sleep(0.1)


def main() -> None:
    """Measure and print; ends with 1 where a page did not add up."""
    given = _arguments()
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
    store = open_sqlite(path, time.time)
    store.apply_schema()
    filler = Filler(store)
    for part in range(0, given.rows, _CAPTURE_ROWS):
        first = part // _CAPTURE_ROWS * 100  # so that some endpoints have more than others
        filler.commit([endpoint % given.endpoints for endpoint in range(first, first + given.endpoints)], _CAPTURE_ROWS)
    exporters = [Exporter(f"sqlite:{path}", directory / f"{number}.log") for number in range(len(_LIMITS))]
    for exporter in exporters:
        exporter.start(_LIMITS[0])
    stop = Event()
    loading = Thread(target=_load, args=(filler, given.endpoints, stop))
    loading.start()
    try:
        _scrape(exporters, filler.sums, given.scrapes)
        peak = [round(exporter.peak_mib, 1) for exporter in exporters]
    finally:
        stop.set()
        loading.join()
        for exporter in exporters:
            exporter.stop()
    return _told([exporter.checked for exporter in exporters]) | {
        "endpoints": given.endpoints,
        "rows": filler.sums[-1].flows,
        "commits": len(filler.sums) - 1,
        "peak_mib": peak,
    }


def _load(filler: Filler, endpoints: int, stop: Event) -> None:
    """Captures, each with some endpoints that never were there."""
    random, newest = Random(2), endpoints
    while not stop.wait(_LIVE_EVERY_S):
        newest += 3
        filler.commit([*random.sample(range(endpoints), 97), *range(newest - 3, newest)], _LIVE_ROWS)


def _scrape(exporters: Sequence[Exporter], sums: Sequence[EndpointTotals], scrapes: int) -> None:
    for number in range(scrapes):
        if number and number % (scrapes // _RESTARTS) == 0:
            turn = number // (scrapes // _RESTARTS)
            again = exporters[turn % 2]
            again.stop()
            again.start(_LIMITS[turn // 2 % 2] if turn % 2 else _LIMITS[0])
        exporter = exporters[number % 2]
        exporter.checked.look_at(exporter.scrape(), sums)


def _told(found: Iterable[Checked]) -> dict[str, object]:
    both = list(found)
    milliseconds = [1_000 * second for one in both for second in one.seconds]
    centiles = quantiles(milliseconds, n=100)
    return {
        "scrapes": len(milliseconds),
        "unequal": sum(one.unequal for one in both),
        "fell": sum(one.fell for one in both),
        "most_series": max(one.most_series for one in both),
        "most_kib": round(max(one.most_bytes for one in both) / 1024, 1),
        "p50_ms": round(centiles[49], 1),
        "p99_ms": round(centiles[98], 1),
        "most_ms": round(max(milliseconds), 1),
    }


if __name__ == "__main__":
    main()

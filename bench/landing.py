"""From a capture's last byte to its commit: `python -m bench.landing [--store URL] [--seconds N] [--packets N]`.

A `pcapline watch` runs as its users run it; each second a capture lands in its directory, as a sensor hands it over, and its
verdict is awaited, which is told once the commit is acknowledged. Without `--store` an SQLite file of its own. Prints one JSON
object: times in milliseconds, and the most memory that the watch held.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import IO

from capture.pcap import file_header, record
from capture.traffic import TrafficPlan, generate
from schema.capture_names import capture_name, parse_capture_name

_SENSOR = "bench"
_WARM = 5  # captures that are not counted: everything is loaded and compiled by then
_VERDICT = re.compile(r"^(\w+)\s+(\S+)")
_LAST_VERDICT_S = 60.0


def main() -> None:
    """Measure and print."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="pcapline-landing-") as directory:
        store = given.store or f"sqlite:{directory}/store.db"
        print(json.dumps({"store": store.partition(":")[0], **_measure(given, Path(directory), store)}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.landing", description=__doc__)
    parser.add_argument("--store", metavar="URL", help="with its schema applied, and no sensor `bench` in it")
    parser.add_argument("--seconds", type=int, default=300, metavar="N", help="how long captures land (default %(default)s)")
    parser.add_argument("--packets", type=int, default=5_000, metavar="N", help="in each of them (default %(default)s)")
    return parser.parse_args()


def _measure(given: argparse.Namespace, directory: Path, store: str) -> dict[str, object]:
    spool = directory / "spool"
    ready = directory / "ready"
    (spool / _SENSOR).mkdir(parents=True)
    ready.mkdir()
    names = list(_made(ready, given.seconds + _WARM, given.packets))
    command = [sys.executable, "-m", "pcapline", "watch", str(spool), "--store", store, "--web.listen-address", "127.0.0.1:0"]
    watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert watch.stdout is not None and watch.stderr is not None
    verdicts = _Verdicts(watch.stdout, len(names))
    watch.stderr.readline()  # it watches
    landed = {}
    for number, name in enumerate(names):
        time.sleep(max(0.0, min(1.0, 1.0 - time.time() % 1.0)) if number else 0.0)
        landed[name] = time.monotonic()
        (ready / name).replace(spool / _SENSOR / name)
    complete = verdicts.complete.wait(_LAST_VERDICT_S)
    watch.terminate()
    watch.stdout.read(), watch.stderr.read()
    _, _, usage = os.wait4(watch.pid, 0)
    taken = sorted(1000 * (verdicts.at[name] - landed[name]) for name in names[_WARM:] if name in verdicts.at)
    return {
        "captures": len(names) - _WARM,
        "packets_each": given.packets,
        "loaded": len(taken),
        "complete": complete,
        **{f"p{share}_ms": round(_percentile(taken, share), 1) for share in (50, 90, 99)},
        "most_ms": round(taken[-1], 1),
        "watch_mib": round(usage.ru_maxrss / 1024, 1),
    }


def _made(directory: Path, captures: int, packets: int) -> Iterator[str]:
    """Captures of one stream of traffic, each written where it can be moved from."""
    start_ns = time.time_ns()
    plan = TrafficPlan(packets=captures * packets, start_ns=start_ns, packets_per_second=packets)
    frames = generate(plan)
    for number in range(1, captures + 1):
        name = capture_name(_SENSOR, start_ns + number * 1_000_000_000, number)
        body = b"".join(record(ts_ns, frame) for ts_ns, frame in islice(frames, packets))
        (directory / name).write_bytes(file_header() + body)
        yield name


class _Verdicts:
    """When each file was said to be loaded."""

    def __init__(self, lines: IO[str], wanted: int) -> None:
        self.at: dict[str, float] = {}
        self.complete = Event()
        Thread(target=self._read, args=(lines, wanted), daemon=True).start()

    def _read(self, lines: IO[str], wanted: int) -> None:
        for line in lines:
            found = _VERDICT.match(line)
            name = Path(found[2]).name if found is not None and found[1] == "loaded" else ""
            if parse_capture_name(name) is not None:
                self.at[name] = time.monotonic()
            if len(self.at) == wanted:
                self.complete.set()


def _percentile(ascending: Sequence[float], share: int) -> float:
    """The nearest rank."""
    return ascending[max(0, math.ceil(len(ascending) * share / 100) - 1)]


if __name__ == "__main__":
    main()

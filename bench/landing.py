"""From a capture's last byte to its commit: `python -m bench.landing [--store URL] [--seconds N] [--packets N]`.

Each second a capture lands in the directory of a `pcapline watch`. Without `--store` an SQLite file of its own. Prints one JSON
object: times in milliseconds, and the most memory that the watch held.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from bench.watched import SENSOR, Watched, measured
from capture.pcap import file_header, record
from capture.traffic import TrafficPlan, generate
from schema.capture_names import capture_name

_WARM = 5  # captures that are not counted: everything is loaded and compiled by then
_LAST_VERDICT_S = 60.0


def main() -> None:
    """Measure and print."""
    given = _arguments()
    measured("landing", given.store, partial(_measure, given))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.landing", description=__doc__)
    parser.add_argument("--store", metavar="URL", help="with its schema applied, and no sensor `bench` in it")
    parser.add_argument("--seconds", type=int, default=300, metavar="N", help="how long captures land (default %(default)s)")
    parser.add_argument("--packets", type=int, default=5_000, metavar="N", help="in each of them (default %(default)s)")
    return parser.parse_args()


def _measure(given: argparse.Namespace, directory: Path, store: str) -> dict[str, object]:
    captures = list(_made(directory, given.seconds + _WARM, given.packets))
    landed: dict[str, float] = {}
    with Watched(directory, store, after="archive") as watch:
        for capture in captures:
            time.sleep(1.0 - time.time() % 1.0)
            landed[capture.name] = watch.land(capture)
        watch.loaded_at(captures[-1].name, _LAST_VERDICT_S)
        loaded = {name: watch.loaded_at(name, 0.0) for name in landed}
    counted = list(landed)[_WARM:]
    taken = sorted(1000 * (at - landed[name]) for name in counted if (at := loaded[name]) is not None)
    return {
        "captures": len(counted),
        "packets_each": given.packets,
        "loaded": len(taken),
        **{f"p{share}_ms": round(_percentile(taken, share), 1) for share in (50, 90, 99)},
        "most_ms": round(taken[-1], 1),
        "watch_mib": round(watch.peak_mib, 1),
    }


def _made(directory: Path, captures: int, packets: int) -> Iterator[Path]:
    """Captures of one stream of traffic, each written where it can be moved from."""
    start_ns = time.time_ns()
    plan = TrafficPlan(packets=captures * packets, start_ns=start_ns, packets_per_second=packets)
    frames = generate(plan)
    for number in range(1, captures + 1):
        path = directory / capture_name(SENSOR, start_ns + number * 1_000_000_000, number)
        body = b"".join(record(ts_ns, frame) for ts_ns, frame in islice(frames, packets))
        path.write_bytes(file_header() + body)
        yield path


def _percentile(ascending: Sequence[float], share: int) -> float:
    """The nearest rank."""
    return ascending[max(0, math.ceil(len(ascending) * share / 100) - 1)]


if __name__ == "__main__":
    main()

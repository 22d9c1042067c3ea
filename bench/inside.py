"""What no whole process shows: a small capture inside a loader that runs, and two captures on two threads.

`python -m bench.inside SMALL LARGE ROUNDS` prints one JSON object: a process of its own, so that nothing else is in it.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading


def main() -> None:
    """Measure and print."""
    small, large, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    _decode(large)  # the page cache is warm, everything is imported
    decoded = [_seconds(lambda: _decode(small)) for _ in range(10 * rounds)]
    with ThreadPoolExecutor(2) as threads:
        pairs = [_pair(threads, large) for _ in range(rounds)]
    told = {
        "capture": Path(large).name,
        "small_ms": [round(1000 * each, 3) for each in decoded],
        "small_median_ms": round(1000 * median(decoded), 3),
        "two_threads": [round(each, 3) for each in pairs],
        "two_threads_median": round(median(pairs), 3),
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _pair(threads: ThreadPoolExecutor, capture: str) -> float:
    """How many times the throughput of one thread two have, each with a capture of its own."""
    alone = _seconds(lambda: _decode(capture))
    together = _seconds(lambda: list(threads.map(_decode, (capture, capture))))
    return 2 * alone / together


def _decode(capture: str) -> None:
    """As a loader does before it names flows: all of it decoded, and hashed."""
    for _ in CaptureReading(capture, DecodeOptions()).batches():
        pass


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

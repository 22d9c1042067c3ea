"""What a row costs in a store that is empty and in one that is full: `python -m bench.growth CAPTURE [--store URL] [--rows N]`.

The capture is loaded again and again by `pcapline load`, each time an hour later, as whole processes, until the store holds so
many rows. Without `--store` an SQLite file of its own. Prints one JSON object: microseconds a row, of the clock and of the
loader's own processor time, for the first captures and for the last.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.captures import shifted
from bench.processes import Run, run

_EDGE = 3  # captures at either end whose median is told; one before them warms the caches
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class _Loaded:
    run: Run
    rows: int


def main() -> None:
    """Measure and print."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="pcapline-growth-") as directory:
        store = given.store or f"sqlite:{directory}/store.db"
        print(json.dumps({"store": store.partition(":")[0], **_measure(given, Path(directory), store)}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("capture", type=Path, metavar="CAPTURE", help="a classic capture")
    parser.add_argument("--store", metavar="URL", help="with its schema applied")
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N", help="in the end (default %(default)s)")
    return parser.parse_args()


def _measure(given: argparse.Namespace, directory: Path, store: str) -> dict[str, object]:
    loads: list[_Loaded] = []
    while sum(load.rows for load in loads) < given.rows or len(loads) <= 2 * _EDGE:
        capture = shifted(given.capture, 3600 * len(loads), directory / "shifted.pcap")
        rows = _rows(capture)
        command = [sys.executable, "-m", "pcapline", "load", str(capture), "--sensor", "bench", "--store", store]
        done = run(command, _TIMEOUT_S)
        if not done.ended:
            raise SystemExit(f"{' '.join(command)} failed")
        loads.append(_Loaded(done, rows))
    first, last = loads[1 : 1 + _EDGE], loads[-_EDGE:]
    wall, cpu = _a_row(lambda load: load.run.wall_s), _a_row(lambda load: load.run.cpu_s)
    return {
        "captures": len(loads),
        "rows": sum(load.rows for load in loads),
        "first_us": round(wall(first), 2),
        "last_us": round(wall(last), 2),
        "ratio": round(wall(last) / wall(first), 2),
        "first_cpu_us": round(cpu(first), 2),
        "last_cpu_us": round(cpu(last), 2),
    }


def _a_row(seconds: Callable[[_Loaded], float]) -> Callable[[list[_Loaded]], float]:
    return lambda loads: median(1e6 * seconds(load) / load.rows for load in loads)


def _rows(capture: Path) -> int:
    """In all tables, as `read` foretells them."""
    command = [sys.executable, "-m", "pcapline", "read", "--summary", "--json", str(capture)]
    return sum(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["rows"].values())


if __name__ == "__main__":
    main()

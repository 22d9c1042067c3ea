"""What a row costs in a store that is empty and in one that is full: `python -m bench.growth CAPTURE [--store URL] [--rows N]`.

One `pcapline watch` is given the same capture again and again, each time ten minutes later, until the store holds so many rows.
Without `--store` an SQLite file of its own. Prints one JSON object: microseconds a row, of the clock and of the loader's own
processor time, for the first captures and for the last.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.captures import shifted
from bench.watched import SENSOR, Watched, measured
from schema.capture_names import capture_name

_EDGE = 5  # captures at either end whose median is told; two before them warm the caches
_WARM = 2
_APART_S = 600
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class _Loaded:
    wall_us: float  # a row
    cpu_us: float


def main() -> None:
    """Measure and print."""
    given = _arguments()
    measured("growth", given.store, partial(_measure, given))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("capture", type=Path, metavar="CAPTURE", help="a classic capture")
    parser.add_argument("--store", metavar="URL", help="with its schema applied, and no sensor `bench` in it")
    parser.add_argument("--rows", type=int, default=10_000_000, metavar="N", help="in the end (default %(default)s)")
    return parser.parse_args()


def _measure(given: argparse.Namespace, directory: Path, store: str) -> dict[str, object]:
    rows = _rows(given.capture)
    count = max(_WARM + 2 * _EDGE, -(-given.rows // rows))
    with Watched(directory, store, after="keep") as watch:
        loads = [_load(watch, given.capture, number, rows, directory) for number in range(1, count + 1)]
    first, last = loads[_WARM : _WARM + _EDGE], loads[-_EDGE:]
    return {
        "captures": count,
        "rows": count * rows,
        **_told("us_a_row", first, last, lambda load: load.wall_us),
        **_told("cpu_us_a_row", first, last, lambda load: load.cpu_us),
        "watch_mib": round(watch.peak_mib, 1),
    }


def _load(watch: Watched, capture: Path, number: int, rows: int, directory: Path) -> _Loaded:
    later_s = number * _APART_S
    path = shifted(capture, later_s, directory / capture_name(SENSOR, later_s * 1_000_000_000, number))
    cpu = watch.cpu_s()
    landed = watch.land(path)
    loaded = watch.loaded_at(path.name, _TIMEOUT_S)
    if loaded is None:
        raise SystemExit(f"{path.name} was not loaded within {_TIMEOUT_S:g} s")
    watch.remove(path.name)
    return _Loaded(1e6 * (loaded - landed) / rows, 1e6 * (watch.cpu_s() - cpu) / rows)


def _told(name: str, first: Sequence[_Loaded], last: Sequence[_Loaded], value: Callable[[_Loaded], float]) -> dict[str, float]:
    before, after = median(map(value, first)), median(map(value, last))
    return {f"first_{name}": round(before, 2), f"last_{name}": round(after, 2), f"{name}_ratio": round(after / before, 2)}


def _rows(capture: Path) -> int:
    """Of flows and DNS records, as `read` foretells them; the other tables' grow with them."""
    command = [sys.executable, "-m", "pcapline", "read", "--summary", "--json", str(capture)]
    return sum(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["rows"].values())


if __name__ == "__main__":
    main()

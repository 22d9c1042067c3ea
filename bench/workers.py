"""`python -m bench.workers`: the same captures of four sensors through `watch --workers N`, for 1 and 2 in turn, and the ratio.

The captures are of few flows and many packets, so that the store is not the bound. The time is that from the moment at which
all captures are there, all loaders waiting, to the last one's archival.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from capture.pcap import file_header, record
from capture.traffic import TrafficPlan, generate
from schema.capture_names import capture_name

ROOT = Path(__file__).resolve().parent.parent
_SENSORS = 4
_START_NS = 1_700_000_000_000_000_000
_SETTINGS = "[loader]\ngrace_s = 0\n"
_PATIENCE_S = 600.0
_POLL_S = 0.01


def main() -> None:
    """Rounds of each in turn; prints each time, the medians and their ratio."""
    given = _arguments()
    with TemporaryDirectory(prefix="pcapline-workers-", dir=given.directory) as name:
        made = _made(Path(name) / "made", given.captures, given.packets)
        times: dict[int, list[float]] = {workers: [] for workers in given.workers}
        for number in range(given.runs):
            for workers in given.workers:
                took = _measured(Path(name) / f"run-{number}-{workers}", made, workers)
                times[workers].append(took)
                print(f"round {number + 1}: {workers} workers, {took:.2f} s", flush=True)
    packets = _SENSORS * given.captures * given.packets
    alone = statistics.median(times[given.workers[0]])
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {packets:,} packets in {_SENSORS * given.captures} captures")
    for workers, taken in times.items():
        median = statistics.median(taken)
        print(f"{workers} workers: {median:.2f} s (median), {packets / median:,.0f} packets/s, {alone / median:.2f} x")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="the first is what others are held against"
    )
    parser.add_argument("--captures", type=int, default=10, help="of each sensor (default %(default)s)")
    parser.add_argument("--packets", type=int, default=200_000, help="of each capture (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="rounds (default %(default)s)")
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where captures and stores are kept meanwhile")
    return parser.parse_args()


def _made(directory: Path, captures: int, packets: int) -> Path:
    """Each capture the same traffic at another time: its packets over and over, so that it has few flows."""
    plan = TrafficPlan(packets=2_000)
    frames = [frame for _, frame in generate(plan)]
    for sensor in range(_SENSORS):
        folder = directory / f"sensor-{sensor}"
        folder.mkdir(parents=True)
        for number in range(captures):
            start_ns = _START_NS + (sensor * captures + number) * 3_600_000_000_000
            _write(folder / capture_name(folder.name, start_ns, number), frames, packets, start_ns)
    return directory


def _write(path: Path, frames: list[bytes], packets: int, start_ns: int) -> None:
    with path.open("wb") as file:
        file.write(file_header())
        for number in range(packets):
            file.write(record(start_ns + number * 10_000, frames[number % len(frames)]))


def _measured(directory: Path, made: Path, workers: int) -> float:
    """Seconds that one watch took for all of them."""
    spool, config, before = directory / "spool", directory / "pcapline.toml", directory / "before"
    spool.mkdir(parents=True)
    config.write_text(_SETTINGS)
    shutil.copytree(made, before, copy_function=os.link)
    count = sum(1 for _ in before.rglob("*.pcap"))
    for folder in before.iterdir():
        (spool / folder.name).mkdir()
    arguments = ["--store", f"sqlite:{directory / 'store.db'}", "--config", str(config), "--workers", str(workers)]
    command = [sys.executable, "-m", "pcapline", "watch", str(spool), *arguments, "--web.listen-address", "127.0.0.1:0"]
    with _running(command):
        _await(lambda: len(list((spool / ".pcapline" / "loaders").glob("*.json"))), workers)
        began = time.perf_counter()
        for path in sorted(before.rglob("*.pcap"), key=lambda path: path.name.rpartition("-")[2]):
            path.rename(spool / path.relative_to(before))
        _await(lambda: sum(1 for _ in (spool / ".pcapline" / "archive").rglob("*.pcap")), count)
        took = time.perf_counter() - began
    shutil.rmtree(directory)
    return took


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _await(count: Callable[[], int], wanted: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    while count() < wanted:
        if time.monotonic() > end:
            raise TimeoutError("the watch does not get on: run it by hand to see why")
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()

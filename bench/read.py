"""Ratios of `pcapline read --summary` to tcpdump --count, softflowd and nfpcapd: whole processes, in turn, medians.

    python bench/read.py CAPTURE [--runs 5]
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def commands(capture: str, scratch: str) -> dict[str, list[str]]:
    """What is compared, by name; tools that are not installed are left out."""
    pcapline = str(Path(sys.executable).with_name("pcapline"))
    wanted = {
        "pcapline": [pcapline, "read", "--summary", capture],
        "tcpdump --count": ["tcpdump", "--count", "-r", capture],
        "softflowd": ["softflowd", "-r", capture, "-d", "-c", f"{scratch}/ctl", "-p", f"{scratch}/pid"],
        "nfpcapd": ["nfpcapd", "-r", capture, "-w", scratch],
    }
    return {name: command for name, command in wanted.items() if shutil.which(command[0])}


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def main() -> None:
    """Run all in turn and print medians, spread and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        compared = commands(arguments.capture, scratch)
        times: dict[str, list[float]] = {name: [] for name in compared}
        for run in range(arguments.runs + 1):
            for name, command in compared.items():
                took = seconds(command)
                if run:  # the first one warms the page cache
                    times[name].append(took)
    own = statistics.median(times["pcapline"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{name:16} {middle:7.3f} s ({min(values):.3f}-{max(values):.3f})  pcapline is {own / middle:5.2f} x")


if __name__ == "__main__":
    main()

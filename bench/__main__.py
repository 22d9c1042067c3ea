"""`python -m bench [CAPTURE...]`: pcapline beside what a user would pick instead, whole processes in turn."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.captures import Content, content_of, made, repeated
from bench.comparison import Result, Rounds, compare
from bench.page import fill
from bench.plot import plot
from bench.report import as_json, inside_lines, machine, table
from bench.tools import FAST, TOOLS, Tool

ROOT = Path(__file__).resolve().parent.parent
_SMALL_PACKETS = 5_000
_LARGE_TIMES, _LARGE_ROUNDS, _LARGE_TIMEOUT_S = 20, 1, 3600.0


@dataclass(frozen=True, slots=True)
class Compared:
    """All tools on one capture."""

    capture: Path
    content: Content
    results: list[Result]


def main() -> None:
    """Measure, print as it comes, and write where that is asked for."""
    given = _arguments()
    subprocess.run([sys.executable, "-m", "compileall", "-q", "pcapline", "loader", "schema"], cwd=ROOT, check=True)
    heading = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **machine()}
    texts = [", ".join(f"{name} {value}" for name, value in heading.items()) + "\n"]
    print(texts[0])
    compared = []
    for one in _comparisons(given):
        compared.append(one)
        texts.append(table(one.capture.name, one.content, one.results))
        print(texts[-1], flush=True)
    inside = _inside(given)
    texts.append(inside_lines(inside))
    print(texts[-1])
    if given.json:
        captures = [as_json(one.capture, one.content, one.results) for one in compared]
        given.json.write_text(json.dumps(heading | {"captures": captures, "inside": inside}, indent=1) + "\n")
    if given.page:
        shown = max(compared, key=lambda one: len(one.results) * one.content.packets)
        title = f"{shown.content.packets:,} packets: packets a second, whole processes"
        fill(given.page, "\n".join(texts), plot(title, shown.results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("captures", nargs="*", type=Path, metavar="CAPTURE", help="classic captures beside the made ones")
    sizes = "packets of the made captures (default 5000 1000000)"
    parser.add_argument("--packets", type=int, nargs="*", default=[_SMALL_PACKETS, 1_000_000], metavar="N", help=sizes)
    large = f"also the last capture {_LARGE_TIMES} times over, once: a look at the memory; takes 20 GB of disk and an hour"
    parser.add_argument("--large", action="store_true", help=large)
    parser.add_argument("--runs", type=int, default=5, help="rounds that count (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="of one run (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the tables into this page, the plot beside it")
    kept = "where made captures are kept (default %(default)s)"
    parser.add_argument("--made", type=Path, default=ROOT / "build" / "bench", metavar="DIR", help=kept)
    return parser.parse_args()


def _captures(given: argparse.Namespace) -> list[Path]:
    return [*(made(packets, given.made) for packets in given.packets), *given.captures]


def _comparisons(given: argparse.Namespace) -> Iterator[Compared]:
    rounds = Rounds(count=given.runs, timeout_s=given.timeout, directory=given.made, tell=_tell)
    captures = _captures(given)
    for capture in captures:
        yield _compared(TOOLS, capture, rounds)
    if given.large:
        rounds = Rounds(count=_LARGE_ROUNDS, timeout_s=_LARGE_TIMEOUT_S, directory=given.made, tell=_tell)
        yield _compared(FAST, repeated(captures[-1], _LARGE_TIMES, given.made), rounds)


def _compared(tools: Sequence[Tool], capture: Path, rounds: Rounds) -> Compared:
    content = content_of(capture)
    return Compared(capture, content, compare(tools, capture, content, rounds))


def _inside(given: argparse.Namespace) -> dict[str, Any]:
    """A made capture of 5,000 packets, and the last of the others."""
    small, large = made(_SMALL_PACKETS, given.made), _captures(given)[-1]
    command = [sys.executable, "-m", "bench.inside", str(small), str(large), str(given.runs)]
    told: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    return told


def _tell(message: str) -> None:
    sys.stderr.write(f"bench: {message}\n")


if __name__ == "__main__":
    main()

"""`python -m bench [CAPTURE...]`: pcapline beside tcpdump, softflowd and nfpcapd, whole processes in turn."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.captures import content_of, made
from bench.comparison import compare
from bench.report import as_json, machine, table
from bench.tools import TOOLS

_PACKETS = (5_000, 1_000_000)


def main() -> None:
    """Measure and print; without arguments on two captures that the demo's generator makes."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("captures", nargs="*", type=Path, metavar="CAPTURE", help="instead of the two made ones")
    parser.add_argument("--runs", type=int, default=5, help="rounds that count (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="of one run (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--made", type=Path, default=Path("build/bench"), metavar="DIR", help="where made captures are kept")
    given = parser.parse_args()
    document = _heading()
    print(", ".join(f"{name} {value}" for name, value in document.items()) + "\n")
    captures: list[dict[str, object]] = []
    for capture in given.captures or [made(packets, given.made) for packets in _PACKETS]:
        content = content_of(capture)
        results = compare(TOOLS, capture, given.runs, given.timeout, _tell)
        print(table(capture.name, content, results), flush=True)
        captures.append(as_json(capture, content, results))
    if given.json:
        given.json.write_text(json.dumps(document | {"captures": captures}, indent=1) + "\n")


def _heading() -> dict[str, object]:
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", **machine()}


def _tell(message: str) -> None:
    sys.stderr.write(f"bench: {message}\n")


if __name__ == "__main__":
    main()

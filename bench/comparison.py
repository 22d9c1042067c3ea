"""Tools in turn on one capture, and what came of it: medians, spread, ratios round by round."""

import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.processes import Run, run
from bench.tools import Place, Tool


@dataclass(frozen=True, slots=True)
class Result:
    """One tool on one capture; `ratios` are ours to it, round by round."""

    tool: Tool
    runs: Sequence[Run]
    ratios: Sequence[float]

    @property
    def wall_s(self) -> float:
        """Median."""
        return median(run.wall_s for run in self.runs)

    @property
    def cpu_s(self) -> float:
        """Median."""
        return median(run.cpu_s for run in self.runs)

    @property
    def peak_mib(self) -> float:
        """The largest."""
        return max(run.peak_mib for run in self.runs)

    @property
    def failed(self) -> int:
        """Runs that did not end by themselves with success; their times say little."""
        return sum(not run.ended for run in self.runs)


def compare(tools: Sequence[Tool], capture: Path, rounds: int, timeout_s: float, tell: Callable[[str], None]) -> list[Result]:
    """Every tool once a round, after a round that warms the page cache and counts for nothing."""
    with _sink() as sink:
        port = sink.getsockname()[1]
        here = [tool for tool in tools if tool.is_here(Place(capture, Path(), port))]
        for name in sorted({tool.name for tool in tools if tool not in here}):
            tell(f"{name} is not installed: left out")
        runs: dict[Tool, list[Run]] = {tool: [] for tool in here}
        for number in range(rounds + 1):
            tell(f"{capture.name}: round {number} of {rounds}")
            for tool in here:
                took = _run_once(tool, capture, port, timeout_s)
                if number:
                    runs[tool].append(took)
    return [Result(tool, taken, _ratios(tool, runs)) for tool, taken in runs.items()]


def _sink() -> closing[socket.socket]:
    """A bound UDP port that nobody reads: exported flows go nowhere."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    return closing(sink)


def _run_once(tool: Tool, capture: Path, port: int, timeout_s: float) -> Run:
    with tempfile.TemporaryDirectory(prefix="pcapline-bench-") as scratch:
        return run(tool.command(Place(capture, Path(scratch), port)), timeout_s)


def _ratios(tool: Tool, runs: dict[Tool, list[Run]]) -> list[float]:
    ours = next((taken for other, taken in runs.items() if other.is_ours and other.task == tool.task), [])
    return [own.wall_s / other.wall_s for own, other in zip(ours, runs[tool], strict=False)]

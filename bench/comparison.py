"""Tools in turn on one capture, and what came of it: medians, spread, ratios round by round."""

import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.captures import Content, compressed, sliced
from bench.processes import Run, run
from bench.tools import Place, Tool


@dataclass(frozen=True, slots=True)
class Result:
    """One tool on one capture; `ratios` are ours to it, round by round, and by the packet where it had only a slice."""

    tool: Tool
    packets: int
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
    def ratio(self) -> float:
        """Median."""
        return median(self.ratios)

    @property
    def failed(self) -> int:
        """Runs that did not end by themselves with success; their times say little."""
        return sum(not run.ended for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often, how long, with what kept where, and whom to tell."""

    count: int
    timeout_s: float
    directory: Path
    tell: Callable[[str], None]


def compare(tools: Sequence[Tool], capture: Path, content: Content, rounds: Rounds) -> list[Result]:
    """Every tool once a round, after a round that warms the page cache and counts for nothing."""
    here = _installed(tools, rounds.tell)
    captures = {tool: _capture_for(tool, capture, content, rounds.directory) for tool in here}
    runs: dict[Tool, list[Run]] = {tool: [] for tool in here}
    with _sink() as sink:
        port = sink.getsockname()[1]
        for number in range(rounds.count + 1):
            rounds.tell(f"{capture.name}: round {number} of {rounds.count}")
            for tool in here:
                took = _run_once(tool, captures[tool], port, rounds.timeout_s)
                if number:
                    runs[tool].append(took)
    packets = {tool: min(tool.slice or content.packets, content.packets) for tool in here}
    return [Result(tool, packets[tool], taken, _ratios(tool, runs, packets)) for tool, taken in runs.items()]


def _installed(tools: Sequence[Tool], tell: Callable[[str], None]) -> list[Tool]:
    for name, missing in sorted({(tool.name, tool.missing) for tool in tools if tool.missing}):
        tell(f"{missing} is not installed: {name} is left out")
    return [tool for tool in tools if not tool.missing]


def _capture_for(tool: Tool, capture: Path, content: Content, directory: Path) -> Path:
    if tool.slice is not None and tool.slice < content.packets:
        return sliced(capture, tool.slice, directory)
    return compressed(capture, tool.program, directory) if tool.program else capture


def _sink() -> closing[socket.socket]:
    """A bound UDP port that nobody reads: exported flows go nowhere."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    return closing(sink)


def _run_once(tool: Tool, capture: Path, port: int, timeout_s: float) -> Run:
    with tempfile.TemporaryDirectory(prefix="pcapline-bench-") as scratch:
        return run(tool.command(Place(capture, Path(scratch), port)), timeout_s)


def _ratios(tool: Tool, runs: dict[Tool, list[Run]], packets: dict[Tool, int]) -> list[float]:
    """Of time by the packet: where both had the same packets, of time."""
    ours = next(other for other in runs if other.is_ours and other.task == tool.task)
    share = packets[tool] / packets[ours]
    return [own.wall_s / other.wall_s * share for own, other in zip(runs[ours], runs[tool], strict=True)]

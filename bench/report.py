"""Results as a table that documentation can show, and as JSON."""

import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.captures import Content
from bench.comparison import Result

_HEAD = "| tool | gives | wall s: median (min-max) | CPU s | peak MiB | pcapline to it |\n|---|---|---|---|---|---|"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    processors = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": processors[0] if processors else platform.machine(),
        "processors": len(processors),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def table(name: str, content: Content, results: Sequence[Result]) -> str:
    """One capture's results in Markdown."""
    title = (
        f"### {name}: {content.packets:,} packets, {content.mebibytes:,.0f} MiB, "
        f"{content.flows:,} flow rows, {content.dns_records:,} DNS records"
    )
    return "\n".join([title, "", _HEAD, *map(_line, results), ""])


def _line(result: Result) -> str:
    walls = [run.wall_s for run in result.runs]
    wall = f"{result.wall_s:.3f} ({min(walls):.3f}-{max(walls):.3f})"
    ratio = "" if result.tool.is_ours else f"{result.tool.task}: **{_ratio(result)}**"
    failed = f"; {result.failed} runs failed or were stopped" if result.failed else ""
    cells = (result.tool.name + failed, result.tool.gives, wall, f"{result.cpu_s:.3f}", f"{result.peak_mib:.0f}", ratio)
    return f"| {' | '.join(cells)} |"


def _ratio(result: Result) -> str:
    return f"{median(result.ratios):.2f} x ({min(result.ratios):.2f}-{max(result.ratios):.2f})"


def as_json(capture: Path, content: Content, results: Sequence[Result]) -> dict[str, Any]:
    """The same with every run."""
    return {
        "capture": capture.name,
        "packets": content.packets,
        "mebibytes": round(content.mebibytes, 1),
        "flows": content.flows,
        "dns_records": content.dns_records,
        "results": [_result_json(result) for result in results],
    }


def _result_json(result: Result) -> dict[str, Any]:
    return {
        "task": result.tool.task,
        "tool": result.tool.name,
        "wall_s": [round(run.wall_s, 4) for run in result.runs],
        "cpu_s": [round(run.cpu_s, 4) for run in result.runs],
        "peak_mib": round(result.peak_mib, 1),
        "failed_runs": result.failed,
        "ratio": round(median(result.ratios), 3),
        "ratios": [round(ratio, 3) for ratio in result.ratios],
    }

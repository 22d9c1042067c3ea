"""Results as tables that documentation can show, and as JSON."""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.captures import Content
from bench.comparison import Result

_HEAD = "| tool | gives | wall s: median (min-max) | CPU s | peak MiB | pcapline to it | bar |\n|---|---|---|---|---|---|---|"


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
    return "\n".join([title, "", _HEAD, *(_line(result, content) for result in results), ""])


def _line(result: Result, content: Content) -> str:
    tool, walls = result.tool, [run.wall_s for run in result.runs]
    name = tool.name.replace("|", "\\|")
    if result.packets < content.packets:
        name += f", first {result.packets:,} packets: by the packet"
    if result.failed:
        name += f"; {result.failed} runs failed or were stopped"
    wall = f"{result.wall_s:.3f} ({min(walls):.3f}-{max(walls):.3f})"
    ratio = "" if tool.is_ours else f"{tool.task}: **{_factor(result.ratio)} x** ({_spread(result.ratios)})"
    cells = (name, tool.gives, wall, f"{result.cpu_s:.3f}", f"{result.peak_mib:.0f}", ratio, _bar(result, content))
    return f"| {' | '.join(cells)} |"


def _factor(ratio: float) -> str:
    """Two digits behind the point, more where the ratio is small."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def _spread(ratios: Sequence[float]) -> str:
    return f"{_factor(min(ratios))}-{_factor(max(ratios))}"


def _bar(result: Result, content: Content) -> str:
    bar = result.tool.bar_at(content.packets)
    if bar is None:
        return ""
    return f"{_factor(bar)}: {'met' if result.ratio <= bar else '**missed**'}"


def inside_lines(inside: dict[str, Any]) -> str:
    """What was measured within one process, in Markdown."""
    small, pairs = inside["small_ms"], inside["two_threads"]
    return "\n".join(
        [
            "### Within one process",
            "",
            f"* 5,000 packets inside a running loader, hashed: **{inside['small_median_ms']:.1f} ms**"
            f" ({min(small):.1f}-{max(small):.1f}); bar 10 ms.",
            f"* {inside['capture']} twice, on two threads: **{inside['two_threads_median']:.2f} x** the throughput of one"
            f" ({min(pairs):.2f}-{max(pairs):.2f}); bar 1.8.",
            "",
        ]
    )


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
        "packets": result.packets,
        "wall_s": [round(run.wall_s, 4) for run in result.runs],
        "cpu_s": [round(run.cpu_s, 4) for run in result.runs],
        "peak_mib": round(result.peak_mib, 1),
        "failed_runs": result.failed,
        "ratio": round(result.ratio, 5),
        "ratios": [round(ratio, 5) for ratio in result.ratios],
    }

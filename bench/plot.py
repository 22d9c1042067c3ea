"""Packets a second by tool, as an SVG: bars on a logarithmic scale, nothing but text and rectangles."""

import math
from collections.abc import Sequence
from html import escape

from bench.comparison import Result
from bench.tools import READ

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BAR = 840, 190, 130, 56, 30, 20
_TICKS = {1_000: "1 k", 10_000: "10 k", 100_000: "100 k", 1_000_000: "1 M", 10_000_000: "10 M"}
_STYLE = (
    "text{font:13px sans-serif;fill:#24292f}.title{font-size:15px;font-weight:bold}.tick{fill:#57606a;font-size:11px}"
    "line{stroke:#d0d7de}.own{fill:#1f6feb}.peer{fill:#8c959f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.tick{fill:#8d96a0}line{stroke:#30363d}}"
)


def plot(title: str, results: Sequence[Result]) -> str:
    """Whole processes that read one capture, the fastest on top."""
    rates = {result.tool: result.packets / result.wall_s for result in results if result.tool.task == READ}
    ordered = sorted(rates, key=lambda tool: -rates[tool])
    height = _TOP + _ROW * len(ordered) + 30
    parts = [f'<text class="title" x="12" y="24">{escape(title)}</text>', *_ticks(height - 30)]
    for row, tool in enumerate(ordered):
        y = _TOP + _ROW * row
        kind, end = "own" if tool.is_ours else "peer", _x(rates[tool])
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(tool.name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR}"/>',
            f'<text x="{end + 6:.1f}" y="{y + 15}">{rates[tool]:,.0f}/s</text>',
        ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _x(rate: float) -> float:
    low, high = math.log10(min(_TICKS)), math.log10(max(_TICKS))
    share = (math.log10(rate) - low) / (high - low)
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(share, 0.005), 1.0)


def _ticks(bottom: int) -> list[str]:
    lines = []
    for rate, text in _TICKS.items():
        x = f"{_x(rate):.1f}"
        lines.append(f'<line x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{bottom}"/>')
        lines.append(f'<text class="tick" x="{x}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    return lines

"""Puts what was measured into docs/performance.md, between two marks, and its plot beside it."""

from pathlib import Path

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def fill(page: Path, measured: str, plot: str) -> None:
    """Replace what stands between the marks. Raises `ValueError` for a page without them."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for what is measured: {BEGIN} ... {END}")
    picture = page.with_suffix(".svg")
    shown = f"![Packets a second, by tool]({picture.name})"
    page.write_text(f"{before}{BEGIN}\n\n{shown}\n\n{measured.strip()}\n\n{END}{after}", encoding="utf-8")
    picture.write_text(plot, encoding="utf-8")

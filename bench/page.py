"""Puts what was measured into docs/performance.md, between two marks, and its plot beside it."""

from pathlib import Path

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def fill(page: Path, measured: str, plot: str) -> None:
    """Replace what stands between the marks. Raises `ValueError` for a page without them."""
    picture = page.with_suffix(".svg")
    put(page, (BEGIN, END), f"![Packets a second, by tool]({picture.name})\n\n{measured.strip()}")
    picture.write_text(plot, encoding="utf-8")


def put(page: Path, marks: tuple[str, str], text: str) -> None:
    """The same between other marks, and without a plot."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"{page} has no place for what is measured: {marks[0]} ... {marks[1]}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")

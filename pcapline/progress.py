"""The progress bar of long commands, on stderr and only where somebody looks. ◄ door to rich"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Advance = Callable[[int], None]


@contextmanager
def progress(total_bytes: int, files: int) -> Iterator[Advance]:
    """Count bytes of finished files up to the total; silent without a terminal, plain under NO_COLOR."""
    if not sys.stderr.isatty():
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color="NO_COLOR" in os.environ)
    done = TextColumn("{task.fields[done]}/{task.fields[files]} files")
    columns = (TextColumn("loading"), BarColumn(), done, DownloadColumn(), TimeElapsedColumn())
    # Lines on a terminal go above the bar; a pipe must get them untouched.
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as bar:
        task, finished = bar.add_task("loading", total=total_bytes, files=files, done=0), 0

        def advance(size: int) -> None:
            nonlocal finished
            finished += 1
            bar.update(task, advance=size, done=finished)

        yield advance


@contextmanager
def copy_progress(sections: Sequence[str]) -> Iterator[Callable[[str, int], None]]:
    """Of a copy: the section in hand, and how many of its things are copied."""
    if not sys.stderr.isatty():
        yield _nothing_of
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, no_color="NO_COLOR" in os.environ)
    now = TextColumn("{task.fields[section]}: {task.fields[copied]:,}")
    with Progress(TextColumn("copying"), BarColumn(), now, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("copying", total=len(sections), section=sections[0], copied=0)
        yield lambda section, copied: bar.update(task, completed=sections.index(section), section=section, copied=copied)
        bar.update(task, completed=len(sections))


def _nothing_of(_section: str, _copied: int) -> None:
    """Nobody looks."""


def _nothing(_size: int) -> None:
    """Nobody looks."""

"""Which lines of the decoder were run, where it runs as Python: what mutations never reach shows."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class Lines:
    """Collects from `begin` on."""

    def __init__(self) -> None:
        self.run: dict[str, set[int]] = defaultdict(set)  # by file name

    def begin(self) -> None:
        """From now on, in this thread."""
        sys.settrace(self._called)

    def _called(self, frame: FrameType, _event: str, _value: object) -> Any:
        path = frame.f_code.co_filename
        return self._stepped if "/loader/decode/" in path else None

    def _stepped(self, frame: FrameType, event: str, _value: object) -> Any:
        if event == "line":
            self.run[Path(frame.f_code.co_filename).name].add(frame.f_lineno)
        return self._stepped


def never_run(run: dict[str, set[int]], root: Path) -> Iterator[str]:
    """A line of text for each file: how much of its functions was run, and the numbers of the lines that were not."""
    for path in sorted((root / "loader" / "decode").glob("*.py")):
        lines = {number for code in _functions(compile(path.read_text(), path.name, "exec")) for number in _lines(code)}
        missing = sorted(lines - run.get(path.name, set()))
        if lines:
            yield f"{path.name}: {len(lines) - len(missing)} of {len(lines)} lines; never {missing}"


def _functions(module: CodeType) -> Iterator[CodeType]:
    """All code within a module but what runs on its import."""
    for inner in module.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & 2:  # of a function: it has fast locals
                yield inner
            yield from _functions(inner)


def _lines(code: CodeType) -> Iterator[int]:
    yield from (number for _, _, number in code.co_lines() if number and number != code.co_firstlineno)

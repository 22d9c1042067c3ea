"""Pages of the documentation as the tests read them: what is typed in blocks of code, what is shown of its output. Pure."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What no test of a page has, in `<!-- needs: ... -->` before a block that is not run.
NEEDS = {
    "cassandra": "a node",
    "clone": "this repository, and minutes",
    "docker": "Docker, and minutes",
    "files": "files that the reader has",
    "internet": "packages or servers of others",
    "systemd": "a machine that systemd has started",
    "zsh": "another shell",
}
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_MARK = re.compile(r"<!-- needs: (.+) -->\s*$")
_HEREDOC = re.compile(r"<<'?(\w+)'?")
_ENDS_WITH = re.compile(r"#.*\bends? with (\d+)")
_FOR_EVER = re.compile(r"#.*Ctrl-C")
_CHANGES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d{8}T\d{6}\.\d+Z|\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Block:
    """Code on a page; `needs`: what it cannot be run without, "" where it is run."""

    language: str
    line: int
    needs: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """What a reader types, what is shown of its output ("": nothing is said of it), and what it ends with."""

    line: int
    typed: str
    shown: str

    @property
    def exit_code(self) -> int:
        """0, but where a remark says otherwise: `# ends with 6`."""
        said = _ENDS_WITH.search(self.typed)
        return int(said[1]) if said else 0

    @property
    def runs_on(self) -> bool:
        """It ends when it is told to (`# Ctrl-C ends it`); what comes after it is typed in another terminal."""
        return bool(_FOR_EVER.search(self.typed))

    def is_met_by(self, output: str) -> bool:
        """Whether the output is what is shown: dates and times may be others, `...` stands for anything."""
        if not self.shown:
            return True
        parts = [re.escape(line).replace(re.escape("..."), ".*") for line in _timeless(self.shown).splitlines()]
        # a line that is nothing but `...` is any number of lines, none included
        pattern = "".join("(?:.*\n)?" if part == ".*" else part + "\n" for part in parts)
        return bool(re.fullmatch(pattern, _timeless(output) + "\n", re.DOTALL))


def pages() -> list[Path]:
    """All that a user reads; decisions are the developers'."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.parent.name != "decisions"]


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block."""
    for found in _FENCE.finditer(text):
        mark = _MARK.search(text[: found.start()].rstrip())
        indent = found["indent"]
        body = "".join(line.removeprefix(indent) for line in found["text"].splitlines(keepends=True))
        yield Block(found["language"], text[: found.start()].count("\n") + 2, mark[1] if mark else "", body)


def spans(text: str) -> Iterator[str]:
    """Every piece of code within the text, outside of blocks."""
    return (found[2].replace("\n", " ").replace("\\|", "|") for found in _SPAN.finditer(_FENCE.sub("", text)))


def steps(block: Block) -> Iterator[Step]:
    """What is typed in a block marked `console`; a command that is not complete goes on in the next line."""
    lines = block.text.splitlines()
    at = 0
    while at < len(lines):
        assert lines[at].startswith("$ "), f"line {block.line + at}: output that nothing was typed for: {lines[at]!r}"
        begins, typed = at, lines[at][2:]
        while not _is_complete(typed):
            at += 1
            typed += "\n" + lines[at].removeprefix("> ")
        at += 1
        shown = []
        while at < len(lines) and not lines[at].startswith("$ "):
            shown.append(lines[at])
            at += 1
        yield Step(block.line + begins, typed, "\n".join(shown).strip())


def _is_complete(typed: str) -> bool:
    if document := _HEREDOC.search(typed):
        return typed.splitlines()[-1] == document[1] and "\n" in typed
    if typed.endswith("\\"):
        return False
    try:
        shlex.split(typed, comments=True)
    except ValueError:
        return False
    return True


def _timeless(text: str) -> str:
    return _CHANGES.sub("<time>", "\n".join(line.rstrip() for line in text.strip().splitlines()))

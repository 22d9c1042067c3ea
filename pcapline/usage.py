"""What commands are written with: their parser, and the types of what they are given."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

WRONG_USAGE = 2
_NEAR = 0.7  # of 1: alike; 0.6 still takes --format for --from
_PART = 3  # letters of a name that tell it
# How argparse words them.
_WRONG_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")
_WRONG_FLAG = re.compile(r"unrecognized arguments: .*?(--[^ =]+)")


class UsageError(Exception):
    """What was given cannot be meant so; the message names the option or argument at fault."""


class _Help(RawDescriptionHelpFormatter):
    """As wide as manuals are: argparse asks for the terminal's width at every flag, by a module that is slow to import."""

    def __init__(self, prog: str, **how: Any) -> None:
        super().__init__(prog, **{"width": 80, **how})


class Parser(ArgumentParser):
    """Flags are written out, and a mistake is told with where to get help."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how, formatter_class=_Help, allow_abbrev=False)

    def parse(self, arguments: list[str]) -> Namespace:
        """Options may stand before, between and behind what they are options of. One that there is not is told before anything
        that is missing."""
        for flag in (word.partition("=")[0] for word in takewhile(lambda word: word != "--", arguments)):
            if flag.startswith("--") and flag not in self._option_string_actions:
                self.error(f"unrecognized arguments: {flag}")
        given, left = self.parse_known_args(arguments)  # a third of the time, and enough for most
        return self.parse_intermixed_args(arguments) if left else given

    def error(self, message: str) -> NoReturn:
        """End the process."""
        self.print_usage(sys.stderr)
        self.exit(WRONG_USAGE, f"{self.prog}: {message}{self._meant(message)}; {self.prog} --help has all flags\n")

    def _meant(self, message: str) -> str:
        """What was mistyped, as it may have been meant; "" where nothing is near."""
        if choice := _WRONG_CHOICE.search(message):
            typed, known = choice[1], [word.strip(" '") for word in choice[2].split(",")]
        elif flag := _WRONG_FLAG.match(message):
            typed, known = flag[1], [name for action in self._actions for name in action.option_strings]
        else:
            return ""
        near = _nearest(typed, known)
        return f"; did you mean {near}?" if near else ""


def _nearest(typed: str, known: list[str]) -> str:
    """The name that was mistyped, or typed in part; "" where none is near. All flags have their dashes in common: that is no
    likeness."""
    from difflib import get_close_matches  # here: only a mistake needs it

    names, word = {name.lstrip("-"): name for name in known}, typed.lstrip("-")
    if near := get_close_matches(word, names, n=1, cutoff=_NEAR):
        return names[near[0]]
    parts = [name for name in names if len(word) >= _PART and word in name]
    return names[parts[0]] if len(parts) == 1 else ""


def path_name(text: str) -> str:
    """A path as it was typed. An empty one is what an unset variable leaves, and `Path` takes it for the working directory."""
    if not text:
        raise ArgumentTypeError("the path is empty: is the variable set?")
    return text


def some_path(text: str) -> "Path":
    """The same as a `Path`."""
    from pathlib import Path  # here: it is slow to import, and most of `read` does without

    return Path(path_name(text))


def at_least_one(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number

"""Completion of commands and flags by the shell. ◄ door to shtab"""

from argparse import Action, ArgumentParser
from collections.abc import Iterable

import shtab


def completion(parser: ArgumentParser, commands: Iterable[ArgumentParser], shell: str) -> str:
    """The script that a shell reads; files and directories are completed where a flag's placeholder says so."""
    for command in commands:
        for action in command._actions:  # argparse has no public list of what a parser takes
            _complete(action)
    return shtab.complete(parser, shell)


def _complete(action: Action) -> None:
    placeholder = str(action.metavar or "")
    if placeholder.startswith("FILE"):
        action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own attribute
    elif placeholder.startswith("DIR"):
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]

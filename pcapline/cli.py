"""The `pcapline` command: its commands in the order in which people meet them, and how one of them is run.

A command is a module of `pcapline.commands`: its docstring is its help, `arguments(parser)` declares what it takes, and
`run(given)` does it and returns the exit code. Only the module of the command that was named is imported.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from pcapline import __version__
from pcapline.usage import WRONG_USAGE, Parser, UsageError

COMMANDS = {
    "demo": "everything at once with made-up traffic",
    "load": "captures into the store, now",
    "read": "captures without a store",
    "explain": "one packet in full",
    "watch": "load what lands in a directory, for ever",
    "capture": "the sensor: tcpdump in rotation",
    "exporter": "what the store holds, for Prometheus",
    "query": "rows of an address or a name",
    "status": "what is loaded, what waits, what was refused",
    "verify": "count again whether every packet is accounted for",
    "schema": "the store's tables",
    "store": "move to another one; dismiss what could not be loaded",
    "service": "systemd units of the services",
    "doctor": "what is missing here, and what fixes it",
}

_ABOUT = "Packet captures become per-destination time series that can be trusted: every packet accounted for, exactly once."
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def run(arguments: list[str]) -> int:
    """Run the command that the arguments begin with; returns its exit code. Help and wrong usage end the process."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        return _run_without_command(arguments)
    parser = command_parser(name)
    try:
        return _until_nobody_reads(_command(name).run, parser.parse(arguments[1:]))
    except UsageError as error:
        parser.error(str(error))


def command_parser(name: str) -> Parser:
    """The parser of one command, with all that it takes."""
    command = _command(name)
    parser = Parser(prog=f"pcapline {name}", description=command.__doc__)
    command.arguments(parser)
    return parser


def _command(name: str) -> ModuleType:
    return import_module(f"pcapline.commands.{name}")


def _until_nobody_reads(command: Callable[[Namespace], int], given: Namespace) -> int:
    """Run it. Where nobody reads its output any more (`| head -1`) it ends quietly, as if by SIGPIPE."""
    try:
        try:
            return command(given)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE


def _run_without_command(arguments: list[str]) -> int:
    """Help, version, completion; anything else is wrong usage."""
    parser = Parser(prog="pcapline", description=_ABOUT, epilog="pcapline COMMAND --help has all flags of a command.")
    parser.add_argument("--version", action="version", version=f"pcapline {__version__}")
    parser.add_argument("--print-completion", choices=("bash", "zsh"), help="what makes this shell complete commands and flags")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parsers = {name: commands.add_parser(name, help=about) for name, about in COMMANDS.items()}
    given = parser.parse_args(arguments)
    if given.print_completion is None:
        parser.print_help()
        return WRONG_USAGE
    sys.stdout.write(_completion(parser, parsers, given.print_completion))
    return 0


def _completion(parser: ArgumentParser, parsers: dict[str, Parser], shell: str) -> str:
    """Of all commands, for which all of them are imported."""
    from pcapline.completion import completion

    for name, one in parsers.items():
        _command(name).arguments(one)
    return completion(parser, parsers.values(), shell)

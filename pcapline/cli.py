"""The `pcapline` command: its commands in the order in which people meet them. ◄ door to typer, with pcapline/commands"""

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from pcapline import __version__

COMMANDS = ("demo", "load", "read", "watch", "capture", "exporter", "query", "status", "verify", "schema", "doctor")

_BROKEN_PIPE = 141  # 128 + SIGPIPE


class _Commands(TyperGroup):
    """The module of a command is imported when the command is named: a short one starts as if the others were not there."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Names, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The command of this name, from what its module calls so: a function, or an app of further commands."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"pcapline.commands.{cmd_name}"), cmd_name)
        if isinstance(found, typer.Typer):
            return get_command(found)
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(found)
        return get_command(alone)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Where nobody reads its output any more (`| head -1`) it ends quietly, as if by SIGPIPE."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(_BROKEN_PIPE) from None


app = typer.Typer(
    name="pcapline",
    cls=_Commands,
    help="Packet captures become per-destination time series that can be trusted: every packet accounted for, exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pcapline {__version__}")
        raise typer.Exit


@app.callback()
def pcapline(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """Options that stand before a command."""

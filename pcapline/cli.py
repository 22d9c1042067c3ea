"""The `pcapline` command: its commands in the order in which people meet them. ◄ door to typer, with pcapline/commands"""

from typing import Annotated

import typer

from pcapline import __version__
from pcapline.commands import (
    capture,
    demo,
    doctor,
    exporter,
    load,
    query,
    read,
    schema,
    status,
    verify,
    watch,
)

app = typer.Typer(
    name="pcapline",
    help="Packet captures become per-destination time series that can be trusted: every packet accounted for, exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(load.load)
app.command()(read.read)
app.command()(watch.watch)
app.command()(capture.capture)
app.command()(exporter.exporter)
app.command()(query.query)
app.command()(status.status)
app.command()(verify.verify)
app.add_typer(schema.app, name="schema")
app.command()(doctor.doctor)


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

"""`pcapline schema`: the store's tables."""

import sys

import typer

from pcapline.options import ConfigOption, StoreOption, settings_of
from schema.settings import StoreSettings

schema = typer.Typer(
    name="schema",
    help="The store's tables: apply what is missing, or show the statements.",
    no_args_is_help=True,
    add_completion=False,
)


@schema.command()
def apply(store: StoreOption = None, config: ConfigOption = None) -> None:
    """Apply the migrations that the store lacks. Running it again changes nothing.

    pcapline schema apply --store cassandra://127.0.0.1/pcapline
    """
    from pcapline.wiring import Purpose, opened_store

    settings = settings_of(config, {"store.url": store})
    with opened_store(settings.of(StoreSettings), Purpose.APPLY) as opened:
        applied = opened.apply_schema()
        health = opened.health()
    for name in applied:
        typer.echo(f"applied {name}")
    typer.echo(f"schema {health.schema_version} is current", err=True)


@schema.command()
def show(store: StoreOption = None, config: ConfigOption = None) -> None:
    """Print the statements that make the tables, for SQLite or for Cassandra as the store's address says.

    pcapline schema show --store cassandra://127.0.0.1/pcapline > pcapline.cql
    """
    from pcapline.wiring import store_kind
    from schema.migrations import migrations

    settings = settings_of(config, {"store.url": store})
    embedded = store_kind(settings.of(StoreSettings)) == "sqlite"
    for migration in migrations("sql" if embedded else "cql"):
        sys.stdout.write(f"-- {migration.name}\n{migration.text.rstrip()}\n")

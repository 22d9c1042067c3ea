"""Apply the migrations that a store lacks (again: nothing changes), or show the statements that make its tables.

pcapline schema apply --store cassandra://127.0.0.1/pcapline
pcapline schema show --store cassandra://127.0.0.1/pcapline > pcapline.cql
"""

import sys
from argparse import ArgumentParser, Namespace

from pcapline.options import add_config_option, add_store_option, settings_of
from schema.settings import Settings, StoreSettings


def arguments(parser: ArgumentParser) -> None:
    """What is done, and with which store."""
    parser.add_argument("action", choices=("apply", "show"), help="apply what is missing, or show the statements")
    add_store_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """Apply or show."""
    settings = settings_of(given.config, {"store.url": given.store})
    if given.action == "apply":
        _apply(settings)
    else:
        _show(settings)
    return 0


def _apply(settings: Settings) -> None:
    from pcapline.wiring import Purpose, opened_store

    with opened_store(settings.of(StoreSettings), Purpose.APPLY) as opened:
        applied = opened.apply_schema()
        health = opened.health()
    sys.stdout.writelines(f"applied {name}\n" for name in applied)
    sys.stderr.write(f"schema {health.schema_version} is current\n")


def _show(settings: Settings) -> None:
    from pcapline.wiring import store_kind
    from schema.migrations import migrations

    embedded = store_kind(settings.of(StoreSettings)) == "sqlite"
    for migration in migrations("sql" if embedded else "cql"):
        sys.stdout.write(f"-- {migration.name}\n{migration.text.rstrip()}\n")

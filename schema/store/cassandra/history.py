"""Which migrations a keyspace has, and applying those that it lacks."""

import json
import re
import time

from schema.errors import SchemaMismatchError, SettingsError, StoreUnavailableError
from schema.migrations import Migration, migrations, missing_migrations
from schema.store.cassandra.connection import Connection, backoff_s
from schema.store.cassandra.failures import explained

_AGREEMENT_S = 60.0


def wanted_version() -> int:
    """The schema version that this pcapline works with."""
    return migrations("cql")[-1].version


def applied_version(connection: Connection) -> int:
    """The schema version that the keyspace has; 0 for none."""
    return max(_applied(connection), default=0)


def check_schema(connection: Connection) -> None:
    """Raise SchemaMismatchError where the keyspace has not the schema that this pcapline works with."""
    if missing := missing_migrations("cql", _applied(connection), connection.where):
        raise SchemaMismatchError(
            f"{connection.where} lacks the schema {missing[-1].name}; run: pcapline schema apply --store {connection.where}"
        )


def apply_missing(connection: Connection, now_ms: int) -> list[str]:
    """Create the keyspace where there is none and apply what is missing, each statement once every node has agreed."""
    _define(
        connection, f"CREATE KEYSPACE IF NOT EXISTS {connection.spelt_keyspace} WITH replication = {_replication(connection)}"
    )
    missing = missing_migrations("cql", _applied(connection), connection.where)
    for migration in missing:
        for statement in statements_of(migration):
            _define(connection, connection.spelt(statement))
        connection.write(
            "INSERT INTO pcapline.schema_history (name, version, applied_at, checksum) VALUES ('pcapline', ?, ?, ?)",
            (migration.version, now_ms, migration.checksum),
        )
    return [migration.name for migration in missing]


def statements_of(migration: Migration) -> list[str]:
    """A migration's statements, without comments."""
    text = re.sub(r"--.*", "", migration.text)
    return [statement.strip() for statement in re.split(r";\s*\n", text) if statement.strip()]


def _define(connection: Connection, statement: str) -> None:
    for _ in connection.run(statement):
        pass
    deadline = time.monotonic() + _AGREEMENT_S
    while not _is_agreed(connection):
        if time.monotonic() > deadline:
            raise StoreUnavailableError(f"the nodes of {connection.where} do not agree on the schema: are all of them up?")


def _is_agreed(connection: Connection) -> bool:
    """Whether all nodes say so; one that is too busy to say anything does not."""
    try:
        with explained(connection.where):
            return bool(connection.cluster.control_connection.wait_for_schema_agreement())
    except StoreUnavailableError:
        time.sleep(backoff_s(4))
        return False


def _replication(connection: Connection) -> str:
    if chosen := connection.options.replication:
        if not re.fullmatch(r"\{[\w\s'.:,-]+\}", chosen):
            raise SettingsError(
                f"store.replication: {chosen!r} is no CQL map such as {{'class': 'NetworkTopologyStrategy', 'dc1': 3}}"
            )
        return chosen
    local = connection.options.local_dc or next(connection.run("SELECT data_center FROM system.local"))[0]
    return json.dumps({"class": "NetworkTopologyStrategy", local: 1}).replace('"', "'")


def _applied(connection: Connection) -> dict[int, str]:
    """Version -> checksum."""
    known = connection.read(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'schema_history'",
        (connection.keyspace,),
    )
    return (
        dict(connection.read("SELECT version, checksum FROM pcapline.schema_history WHERE name = 'pcapline'")) if known else {}
    )

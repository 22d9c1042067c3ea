"""Both stores have the tables of schema/tables.py: columns, types, keys, order and lifetimes."""

import re
from typing import NamedTuple

import apsw
import pytest

from schema.migrations import Migration, migrations
from schema.tables import TABLES, Kind, Ownership, Table

SQL_TYPES = {Kind.INET: "TEXT", Kind.TEXT: "TEXT", Kind.DATE: "TEXT", Kind.UUID: "BLOB"}  # of the others INTEGER
both = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


class Made(NamedTuple):
    """A table as a migration makes it."""

    columns: list[tuple[str, str]]
    partition: tuple[str, ...]
    clustering: tuple[str, ...]
    descending: tuple[str, ...]
    ttl_seconds: int


@pytest.mark.parametrize("dialect", ["sql", "cql"])
def test_steps_are_numbered_from_one(dialect: str) -> None:
    steps: list[Migration] = migrations("sql" if dialect == "sql" else "cql")
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert all(step.name.startswith(f"{step.version:04}_") and len(step.checksum) == 64 for step in steps)
    assert len({step.checksum for step in steps}) == len(steps)


@both
def test_sqlite_table(table: Table) -> None:
    with apsw.Connection(":memory:") as connection:
        for step in migrations("sql"):
            connection.execute(step.text)
        # name, type, not null, position in the key
        columns = [row[1:4] + row[5:6] for row in connection.pragma("table_info", table.name)]
        index = connection.execute("SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'", (table.name,)).get
        parts = connection.execute("SELECT name, desc FROM pragma_index_xinfo(?) WHERE key", (index,)).fetchall()
        listed = connection.execute("SELECT wr, strict FROM pragma_table_list WHERE name = ?", (table.name,)).fetchall()
    hidden = [("loaded_at", "INTEGER")] if table.ownership is Ownership.SHARED else []
    expected = [(column.name, SQL_TYPES.get(column.kind, "INTEGER")) for column in table.columns] + hidden
    assert [column[:2] for column in columns] == expected
    assert [name for name, _, not_null, _ in columns if not_null] == [*table.key, *(name for name, _ in hidden)]
    assert parts == [(name, int(name in table.descending)) for name in table.key]
    assert listed == [(1, 1)]


@both
def test_cassandra_table(table: Table) -> None:
    made = cassandra_tables()[table.name]
    assert sorted(made.columns) == sorted((column.name, column.kind.value) for column in table.columns)
    assert (made.partition, made.clustering) == (table.partition, table.clustering)
    assert made.descending == table.descending
    assert made.ttl_seconds == table.ttl_seconds


def cassandra_tables() -> dict[str, Made]:
    text = "\n".join(re.sub(r"--.*", "", line) for step in migrations("cql") for line in step.text.splitlines())
    pattern = r"CREATE TABLE(?: IF NOT EXISTS)?\s+(?:\S+\.)?(\w+)\s*\((.*?)\)\s*(?:WITH(.*?))?;"
    return {name: cassandra_table(body, options or "") for name, body, options in re.findall(pattern, text, re.DOTALL)}


def cassandra_table(body: str, options: str) -> Made:
    fields, key = body.split("PRIMARY KEY", 1) if "PRIMARY KEY (" in body else (body, "")
    columns = [(name, kind) for name, kind, *_ in (part.split() for part in re.split(r",\s*\n", fields) if part.strip())]
    partition, clustering = split_key(key)
    order = re.search(r"CLUSTERING ORDER BY \((.*?)\)", options)
    descending = tuple(re.findall(r"(\w+) DESC", order[1])) if order else ()
    ttl = re.search(r"default_time_to_live\s*=\s*(\d+)", options)
    return Made(columns, partition, clustering, descending, int(ttl[1]) if ttl else 0)


def split_key(key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`((a, b), c, d)` and `(a, b)` as partition and clustering columns."""
    if composite := re.match(r"\s*\(\s*\(([^)]*)\)(.*)", key, re.DOTALL):
        return tuple(re.findall(r"\w+", composite[1])), tuple(re.findall(r"\w+", composite[2]))
    names = tuple(re.findall(r"\w+", key))
    return names[:1], names[1:]

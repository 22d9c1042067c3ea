"""What a row takes in Cassandra, before it is compressed, told by the files of a real node."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.util import Date

from capture.traffic import TrafficPlan, generate
from loader.rows.partitions import ROW_BYTES
from loader.settings import LoaderSettings
from schema.store.sqlite import open_sqlite
from schema.tables import DNS_ANSWERS, FLOWS, NAMES_BY_ADDRESS, NAMES_BY_CLIENT, PACKETS, TRAFFIC_BY_MINUTE, Column, Kind, Table
from tests.e2e.loading import load_all
from tests.loader.commit.test_pipeline import cut
from tests.servers.cassandra.keyspace import Keyspace
from tests.servers.prometheus import until

TABLES = (FLOWS, PACKETS, DNS_ANSWERS, TRAFFIC_BY_MINUTE, NAMES_BY_CLIENT, NAMES_BY_ADDRESS)
KEYSPACE, FLUSH_MS = "row_bytes", 500
CQL = Path(__file__).parents[3] / "schema" / "migrations" / "0001_base.cql"
GIVEN = {
    Kind.INET: lambda value: str(ip_address(value)),
    Kind.UUID: lambda value: UUID(bytes=value),
    Kind.DATE: Date,
}


def created(table: Table) -> str:
    """The table as it is, but not compressed and soon in a file."""
    text = re.sub(r"--.*", "", CQL.read_text())
    (statement,) = re.findall(rf"CREATE TABLE IF NOT EXISTS pcapline\.{table.name} \(.*?;\n", text, re.DOTALL)
    statement = re.sub(r"\s+AND compression = \{.*?\}", "", statement).replace("pcapline.", f"{KEYSPACE}.").rstrip(";\n ")
    statement = re.sub(
        r"compaction = \{.*?\}", "compaction = {'class': 'SizeTieredCompactionStrategy', 'enabled': 'false'}", statement
    )
    return f"{statement} AND compression = {{'enabled': 'false'}} AND memtable_flush_period_in_ms = {FLUSH_MS}"


def rows_of_one_partition(tmp_path: Path) -> dict[Table, list[tuple[object, ...]]]:
    """Rows that a load of the demo's traffic makes, as if all had the partition of the first of them."""
    files = cut(list(generate(TrafficPlan(packets=12_000))), 4, tmp_path)
    found: dict[Table, list[tuple[object, ...]]] = {}
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        load_all(store, files, "edge-1", LoaderSettings(packets=True))
        for table in TABLES:
            rows = list(store.scan(table))
            keys = len(table.partition)
            moved = {(*rows[0][:keys], *row[keys : len(table.key)]): row[len(table.key) :] for row in rows}
            found[table] = [(*key, *rest) for key, rest in moved.items()]
    return found


@pytest.fixture
def session(cassandra_keyspace: Keyspace) -> Iterator[Any]:
    session = cassandra_keyspace._session
    session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=60)
    replicated = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    session.execute(f"CREATE KEYSPACE {KEYSPACE} WITH replication = {replicated}", timeout=60)
    yield session
    session.execute(f"DROP KEYSPACE {KEYSPACE}", timeout=60)


def on_disk(session: Any, table: Table) -> int:
    """Bytes of the table's data."""
    found = session.execute("SELECT value FROM system_views.settings WHERE name = 'data_file_directories'").one()
    (directory,) = re.findall(r"[^\[\], ]+", found.value)
    return sum(path.stat().st_size for path in Path(directory, KEYSPACE).glob(f"{table.name}-*/*-Data.db"))


def write(session: Any, table: Table, rows: list[tuple[object, ...]]) -> None:
    """All of them, as a loader's rows are: with a time to live."""
    session.execute(created(table), timeout=60)
    names, marks = ", ".join(table.names), ", ".join("?" * len(table.names))
    insert = session.prepare(
        f"INSERT INTO {KEYSPACE}.{table.name} ({names}) VALUES ({marks}) USING TIMESTAMP 1790000000000000 AND TTL 600000"
    )
    values = [tuple(map(given, table.columns, row)) for row in rows]
    execute_concurrent_with_args(session, insert, values, concurrency=64)


def given(column: Column, value: Any) -> Any:
    """A value that crosses the port, as the driver takes it."""
    return value if value is None or column.kind not in GIVEN else GIVEN[column.kind](value)


def sizes(session: Any) -> dict[str, int]:
    """Bytes of each table, once all rows are in files."""
    looks: list[dict[str, int]] = [{}]

    def all_there() -> bool:
        time.sleep(3 * FLUSH_MS / 1000)
        looks.append({table.name: on_disk(session, table) for table in TABLES})
        return all(looks[-1].values()) and looks[-2] == looks[-1]

    until(all_there, "the rows are in files", 120)
    return looks[-1]


def test_a_row_takes_no_more_than_is_counted(session: Any, tmp_path: Path) -> None:
    found = rows_of_one_partition(tmp_path)
    for table, rows in found.items():
        write(session, table, rows)
    taken = sizes(session)
    bytes_a_row = {table.name: round(taken[table.name] / len(rows)) for table, rows in found.items()}
    print(json.dumps(bytes_a_row))
    assert {name: bytes_a_row[name] <= most for name, most in ROW_BYTES.items()} == dict.fromkeys(ROW_BYTES, True)

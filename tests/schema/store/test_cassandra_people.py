"""People reach the rows with cqlsh, and the statements that a query shows are ones that they can paste."""

import subprocess
import sys
from pathlib import Path

from schema.buckets import bucket_of
from schema.store.reading import AnswerQuery, FlowQuery
from tests.schema.store.samples import CLIENT, SERVER, T0_MS, load, sample, take
from tests.servers import require
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

CQLSH = Path(sys.executable).with_name("cqlsh")


def cqlsh(keyspace: Keyspace, statement: str) -> str:
    require(CQLSH.exists(), "cqlsh is missing: pip install cqlsh")
    command = [str(CQLSH), "127.0.0.1", str(keyspace.port), "--no-color", "-e", statement]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, env={"TZ": "UTC", "HOME": "/nonexistent"})
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


def test_bytes_by_minute(cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace) -> None:
    lease = take(cassandra_store_factory())
    for name in ("a", "b"):
        load(lease, sample(name))
    where = f"destination_ip='10.0.0.5' AND bucket='{bucket_of(T0_MS, 'day')}'"
    table = f"{cassandra_keyspace.name}.traffic_by_minute"
    said = cqlsh(cassandra_keyspace, f"SELECT minute, sum(bytes) AS bytes FROM {table} WHERE {where} GROUP BY minute")
    assert "7200" in said
    assert "(1 rows)" in said


def test_statements_can_be_pasted(cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    load(take(store), sample("it's"))
    hour = 3_600_000
    query = FlowQuery(destination=SERVER, source=CLIENT, since_ms=T0_MS - hour, until_ms=T0_MS + hour)
    statements = [*store.flows(query).statements, *store.names_of(SERVER).statements, *store.addresses_of("it's").statements]
    statements += store.names_below("it's").statements
    statements += store.answers(AnswerQuery(name="www.example.com", client=CLIENT, until_ms=T0_MS + hour)).statements
    assert len(statements) == 7
    said = cqlsh(cassandra_keyspace, "\n".join(statements))
    assert said.count("rows)") == 7
    assert "(3 rows)" in said

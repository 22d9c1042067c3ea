"""Faults put into Cassandra by hand are named as they are in SQLite."""

import pytest

from exporter.reconcile import reconcile
from exporter.reconciliation import Reconciliation
from schema.store.writing import Store
from schema.tables import FLOWS
from tests.exporter.captures import NOW_MS, Capture, clock, lease_of, load
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

_LEDGER = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, {column}) VALUES ('edge-1', 0, '{kind}', 0, '{key}', {value})
"""


@pytest.fixture
def store(cassandra_store_factory: CassandraFactory) -> Store:
    store = cassandra_store_factory(clock=clock)
    lease = lease_of(store, "edge-1")
    for number in range(3):
        load(lease, Capture(name=f"c{number}", flows=[("a.example", (3, 300, 2, 200)), (f"host-{number}", (1, 60, 0, 0))]))
    return store


def named(verdict: Reconciliation) -> set[tuple[str, str, str]]:
    return {(each.identity, each.subject, each.file_name) for each in verdict.differing}


def test_each_fault_is_named(store: Store, cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace) -> None:
    assert named(reconcile(store, NOW_MS)) == set()
    (row,) = [row for row in store.scan(FLOWS) if row[FLOWS.index("endpoint")] == "host-1"]
    cassandra_store_factory.delete_row(FLOWS, row)
    expected = {("rows", "flows", "c1.pcap"), ("packets", "packets", "c1.pcap")}
    assert named(reconcile(store, NOW_MS)) == expected
    cassandra_keyspace.execute(_LEDGER.format(kind="total", column="value", key="frames", value=99))
    cassandra_keyspace.execute(_LEDGER.format(kind="endpoint", column="totals", key="a.example", value=(3, 9, 99, 6, 600)))
    expected |= {("totals", "total frames", ""), ("totals", "bytes of a.example", "")}
    assert named(reconcile(store, NOW_MS)) == expected
    cassandra_keyspace.execute("DELETE FROM pcapline.commit_deltas WHERE sensor = 'edge-1' AND segment = 0 AND seq = 2")
    assert ("totals", "what commit 2 added", "") in named(reconcile(store, NOW_MS))
    cassandra_keyspace.execute(
        "DELETE FROM pcapline.ledger WHERE sensor = 'edge-1' AND segment = 0 AND kind = 'commit' AND seq = 2"
    )
    assert {("totals", "commit 2", ""), ("totals", "commits", "")} <= named(reconcile(store, NOW_MS))

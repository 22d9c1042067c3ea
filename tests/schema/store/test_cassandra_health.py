"""An acknowledged commit is called durable only where it is known to survive a crash of one node."""

import time

import pytest

from schema.store.cassandra.health import acknowledging, copies_of, survives_crash
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

NTS = "org.apache.cassandra.locator.NetworkTopologyStrategy"


@pytest.mark.parametrize(
    ("consistency", "replicas"),
    [("ONE", 1), ("LOCAL_ONE", 1), ("TWO", 2), ("QUORUM", 3), ("LOCAL_QUORUM", 2), ("EACH_QUORUM", 3), ("ALL", 4), ("ANY", 1)],
)
def test_replicas_that_acknowledge(consistency: str, replicas: int) -> None:
    copies = copies_of({"class": NTS, "near": "3", "far": "1"})
    assert copies == {"near": 3, "far": 1}
    assert acknowledging(consistency, copies, "near") == replicas


def test_copies_far_away_do_not_acknowledge_here() -> None:
    assert acknowledging("LOCAL_QUORUM", copies_of({"class": NTS, "near": "1", "far": "3"}), "near") == 1


def test_strategy_that_knows_no_data_centres() -> None:
    copies = copies_of({"class": "SimpleStrategy", "replication_factor": "3"})
    assert acknowledging("LOCAL_QUORUM", copies, "near") == 2
    assert acknowledging("QUORUM", copies_of({"class": "LocalStrategy"}), "near") == 1


@pytest.mark.parametrize(
    ("acknowledged", "sync", "survives"),
    [
        (1, "periodic", False),
        (1, "unknown", False),
        (1, "none", False),
        (1, "group", True),
        (1, "batch", True),
        (2, "periodic", True),
    ],
)
def test_what_survives_a_crash(acknowledged: int, sync: str, survives: bool) -> None:
    assert survives_crash(acknowledged, sync) is survives


def test_node_that_syncs_before_it_answers(cassandra_store_factory: CassandraFactory) -> None:
    before_ms, health, after_ms = time.time() * 1000, cassandra_store_factory().health(), time.time() * 1000
    assert health.clock_ms is not None
    assert before_ms - 1 <= health.clock_ms <= after_ms  # the node is on this machine
    assert health.durable
    assert "1 of 1 copies acknowledge at LOCAL_QUORUM, commit log: group" in health.detail


def test_what_a_node_says_of_itself(cassandra_store_factory: CassandraFactory) -> None:
    (node,) = cassandra_store_factory().nodes()
    assert node.up and node.connections >= 1
    assert {"MutationStage", "ReadStage", "Native-Transport-Requests"} <= node.pools.keys()
    assert all(tasks.pending >= 0 and tasks.blocked >= 0 for tasks in node.pools.values())
    assert {"flows", "ledger", "captures"} <= node.tables.keys()
    assert sum(table.disk_bytes for table in node.tables.values()) >= 0
    assert all(0 <= table.write_p99_s < 60 for table in node.tables.values())


def test_keyspace_without_a_commit_log(cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace) -> None:
    store, name = cassandra_store_factory(), cassandra_keyspace.name
    cassandra_keyspace.execute(f"ALTER KEYSPACE {name} WITH durable_writes = false")
    try:
        health = store.health()
    finally:
        cassandra_keyspace.execute(f"ALTER KEYSPACE {name} WITH durable_writes = true")
    assert not health.durable
    assert "acknowledged is not durable" in health.detail

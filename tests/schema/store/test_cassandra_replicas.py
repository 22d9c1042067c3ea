"""Partitions are grouped by the node that their rows are really sent to, in a cluster of two data centres."""

from collections.abc import Iterator
from typing import Any

import pytest
from cassandra.metadata import KeyspaceMetadata
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host

from schema.store.cassandra.connection import cluster_of
from schema.store.cassandra.options import CassandraOptions
from schema.store.cassandra.replicas import owner_of
from schema.store.cassandra.rowbytes import Gathered
from schema.store.cassandra.rows import batch_of
from schema.tables import FLOWS
from tests.schema.store.test_cassandra_rows import prepared_insert

KEYSPACE = "kept"  # of `prepared_insert`
NODES = 3  # of a data centre
TOKENS = 16  # of a node
KEYS = [len(key).to_bytes(4, "big") + key + b"\0\0\0\1h" for key in (bytes([10, 0, 0, n]) for n in range(200))]


@pytest.fixture(params=["near", "far"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The driver's map of a cluster that nobody is connected to: nodes of two data centres by turns on the ring."""
    cluster = cluster_of(["127.0.0.1"], 9042, CassandraOptions(local_dc=request.param))
    tokens: dict[Host, list[str]] = {}
    for n in range(2 * NODES):
        host = Host(f"127.0.0.{n + 1}", SimpleConvictionPolicy)
        host.set_location_info(["near", "far"][n % 2], "rack")
        host.is_up = True
        cluster.metadata.add_or_return_host(host)
        tokens[host] = [str(-(2**63) + (n + turn * 2 * NODES) * (2**64 // (2 * NODES * TOKENS))) for turn in range(TOKENS)]
    strategy = {"near": "2", "far": "2"}
    cluster.metadata.keyspaces[KEYSPACE] = KeyspaceMetadata(KEYSPACE, True, "NetworkTopologyStrategy", strategy)
    cluster.metadata.rebuild_token_map("org.apache.cassandra.dht.Murmur3Partitioner", tokens)
    cluster.profile_manager.default.load_balancing_policy.populate(cluster, cluster.metadata.all_hosts())
    yield cluster
    cluster.shutdown()


def sent_first_to(cluster: Any, key: bytes) -> Host:
    policy = cluster.profile_manager.default.load_balancing_policy
    return next(iter(policy.make_query_plan(KEYSPACE, batch_of(prepared_insert(FLOWS), Gathered(key)))))


def test_the_owner_is_who_a_request_is_sent_to(cluster: Any) -> None:
    owner = owner_of(cluster, KEYSPACE)
    assert [owner(key) for key in KEYS] == [sent_first_to(cluster, key) for key in KEYS]
    assert len({owner(key) for key in KEYS}) == NODES


def test_nor_is_it_one_that_is_down(cluster: Any) -> None:
    owner = owner_of(cluster, KEYSPACE)
    down = owner(KEYS[0])
    down.is_up = False
    assert [owner(key) for key in KEYS] == [sent_first_to(cluster, key) for key in KEYS]
    assert down not in {owner(key) for key in KEYS}


def test_what_no_node_nearby_has_goes_anywhere(cluster: Any) -> None:
    assert {owner_of(cluster, "another")(key) for key in KEYS} == {None}

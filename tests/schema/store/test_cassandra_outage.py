"""A node that loses its power in the middle of writing, and comes back on the same disk: rows are late, none is lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schema.errors import SchemaMismatchError, StoreUnavailableError
from schema.store.cassandra import open_cassandra
from schema.store.cassandra.options import CassandraOptions
from schema.store.writing import LedgerHead
from schema.tables import FLOWS
from tests.schema.store.samples import id_of, load, sample, scanned, take
from tests.servers import free_port
from tests.servers.cassandra.keyspace import Keyspace
from tests.servers.cassandra.node import CassandraNode
from tests.servers.prometheus import until

CAPTURES, FLOWS_EACH = 6, 4_000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CassandraNode]:
    node = CassandraNode(tmp_path)
    node.start()
    yield node
    node.kill()


def test_killed_node_delays_and_loses_nothing(node: CassandraNode) -> None:
    with closing(open_cassandra(["127.0.0.1"], node.port, "outage")) as store:
        store.apply_schema()
        lease = take(store)
        heads: list[LedgerHead] = [load(lease, sample("first"))]
        busy = sample("busy", flows=CAPTURES * FLOWS_EACH)
        with lease.begin(busy.claim()) as attempt:  # type: ignore[union-attr]
            writing = threading.Thread(target=attempt.write, args=(busy.batches(),))
            writing.start()
            until(lambda: bool(scanned_some(node)), "the first rows are there")
            node.kill()
            node.start()
            writing.join(120)
            assert not writing.is_alive()
            heads.append(attempt.commit(busy.commit()))
        assert [commit.position for commit in store.commits("edge-1", 0)] == [head.position for head in heads]
        for name in ("first", "busy"):
            recount = store.recount(id_of(name))
            assert recount.found == recount.expected
        assert len(scanned(store, FLOWS)) == 3 + CAPTURES * FLOWS_EACH


def scanned_some(node: CassandraNode) -> bool:
    with closing(open_cassandra(["127.0.0.1"], node.port, "outage")) as reader:
        return len(scanned(reader, FLOWS)) > 100


def test_acknowledged_commits_survive_the_kill(node: CassandraNode) -> None:
    with closing(open_cassandra(["127.0.0.1"], node.port, "outage")) as store:
        store.apply_schema()
        lease = take(store)
        made = [load(lease, sample(str(n), flows=50)).position for n in range(20)]
        node.kill()
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            list(store.commits("edge-1", 0))
    node.start()
    with closing(open_cassandra(["127.0.0.1"], node.port, "outage")) as store:
        assert [commit.position for commit in store.commits("edge-1", 0)] == made
        assert store.health().durable
        for n in range(20):
            recount = store.recount(id_of(str(n)))
            assert recount.found == recount.expected


def test_store_that_is_not_there() -> None:
    port = free_port()
    with pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}"):
        open_cassandra(["127.0.0.1"], port, "nowhere")
    with pytest.raises(StoreUnavailableError, match="unknown"):
        open_cassandra(["no-such-host.invalid"], port, "nowhere")


def test_node_that_accepts_and_says_nothing_is_given_up(mute_port: int) -> None:
    with pytest.raises(StoreUnavailableError):
        open_cassandra(["127.0.0.1"], mute_port, "nowhere", options=CassandraOptions(connect_timeout_s=1))


@pytest.fixture
def mute_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_keyspace_without_a_schema_says_what_to_run(cassandra_keyspace: Keyspace) -> None:
    with (
        closing(open_cassandra(["127.0.0.1"], cassandra_keyspace.port, "nothing_here")) as store,
        pytest.raises(SchemaMismatchError, match="run: pcapline schema apply --store cassandra://"),
    ):
        store.sensors()

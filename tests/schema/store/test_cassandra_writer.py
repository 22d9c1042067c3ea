"""Nodes that are too busy, slow, full, or have forgotten what was prepared: rows are late, none is lost, and it is counted."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Cluster

from schema.errors import LeaseLostError, StoreError, StorePermissionError, StoreUnavailableError
from schema.store.cassandra import CassandraOptions, history, open_cassandra
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.failures import Refusal
from schema.store.cassandra.statements import insert_of
from schema.store.cassandra.writer import Writer
from schema.store.writing import Store
from schema.tables import DNS_ANSWERS, FLOWS, RowBatch, batches_of
from tests.schema.store.samples import answer_row, flow_row, id_of
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace
from tests.servers.cassandra.node import SUPERUSER, CassandraNode
from tests.servers.prometheus import until

HOSTS, ROWS_EACH = 40, CassandraOptions().rows_per_batch  # batches that leave as soon as they are full
TTL_S = 86_400


def flows(hosts: int = HOSTS, rows: int = ROWS_EACH) -> list[RowBatch]:
    """Rows of so many partitions."""
    capture_id = id_of("a")
    made = [flow_row(capture_id, n, destination_ip=bytes([10, 0, 0, n % hosts])) for n in range(1, hosts * rows + 1)]
    return batches_of(FLOWS, made)


def write(connection: Connection, batches: list[RowBatch]) -> None:
    with Writer(connection, int(time.time() * 1e6), lambda: None) as writer:
        for batch in batches:
            writer.add(batch, TTL_S)


def counted_when_it_answers(connection: Connection) -> int:
    """A node that has just refused writes may refuse the question, too."""
    counts: list[int] = []

    def answers() -> bool:
        with suppress(StoreUnavailableError):
            counts.append(count(connection))
        return bool(counts)

    until(answers, "rows are counted", 60)
    return counts[0]


def count(connection: Connection) -> int:
    return sum(1 for _ in connection.stream("SELECT ns FROM pcapline.flows"))


@contextmanager
def opened(node: CassandraNode, keyspace: str, **options: Any) -> Iterator[Connection]:
    """A node that takes few requests may refuse to be connected to, and to look at a password: it is asked again."""
    stores: list[Store] = []

    def connected() -> bool:
        with suppress(StoreUnavailableError, StorePermissionError):
            stores.append(open_cassandra(["127.0.0.1"], node.port, keyspace, options=CassandraOptions(**options)))
        return bool(stores)

    until(connected, "it is connected", 60)
    with closing(stores[0]) as store:
        yield store._connection  # type: ignore[attr-defined]


@contextmanager
def meanwhile(work: Any, *arguments: Any) -> Iterator[threading.Thread]:
    """Something done in a thread of its own while the block runs, and ended with it; what it raised is raised."""
    raised: list[Exception] = []

    def run() -> None:
        try:
            work(*arguments)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(120)
    assert not thread.is_alive()
    assert raised == []


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraNode]:
    """Room for prepared statements of a megabyte, so that they can be driven out; it refuses batches over partitions early."""
    small = {
        "batch_size_warn_threshold": "1KiB",
        "batch_size_fail_threshold": "1KiB",
    }  # it looks at the second behind the first
    settings = {"prepared_statements_cache_size": "1MiB", **small}
    node = CassandraNode(tmp_path_factory.mktemp("node"), settings=settings)
    node.start()
    yield node
    node.kill()


def test_a_frozen_node_delays_and_loses_nothing(node: CassandraNode) -> None:
    with opened(node, "frozen") as patient:
        history.apply_missing(patient, int(time.time() * 1000))
    with opened(node, "frozen", request_timeout_s=1.0) as connection:
        write(connection, flows(hosts=1, rows=1))
        node.freeze()
        try:
            with meanwhile(write, connection, flows()):
                until(lambda: connection.refusals[Refusal.UNKNOWN] >= 2, "requests timed out")
                node.thaw()
        finally:
            node.thaw()
        assert connection.refusals[Refusal.POISON] == 0
        assert count(connection) == 1 + HOSTS * ROWS_EACH


def test_who_is_overtaken_ends_with_nothing_on_its_way(node: CassandraNode) -> None:
    overtaken, thawing, asked = threading.Event(), threading.Event(), itertools.count(1)
    ended_after: list[tuple[bool, int]] = []

    def check_awake() -> None:
        if next(asked) > 3:  # fewer than are sent before the first answer
            overtaken.set()
            raise LeaseLostError("another loader")

    def write_on(connection: Connection) -> None:
        with pytest.raises(LeaseLostError), Writer(connection, 1, check_awake) as writer:
            for batch in flows():
                writer.add(batch, TTL_S)
        ended_after.append((thawing.is_set(), count(connection)))

    with opened(node, "overtaken") as connection:
        history.apply_missing(connection, int(time.time() * 1000))
        write(connection, flows(hosts=1, rows=1))
        node.freeze()
        try:
            with meanwhile(write_on, connection) as writing:
                assert overtaken.wait(60)
                writing.join(0.5)
                thawing.set()
                node.thaw()
        finally:
            node.thaw()
        assert ended_after == [(True, 1 + 3 * connection.options.rows_per_batch)]


def test_statements_that_a_node_has_forgotten_are_prepared_again(node: CassandraNode) -> None:
    with opened(node, "forgotten") as connection:
        history.apply_missing(connection, int(time.time() * 1000))
        write(connection, flows(hosts=1, rows=1))
        forget(connection)
        assert insert_of(FLOWS).replace("pcapline.", "forgotten.") not in prepared_there(connection)
        write(connection, flows())
        assert count(connection) == 1 + HOSTS * ROWS_EACH
        assert insert_of(FLOWS).replace("pcapline.", "forgotten.") in prepared_there(connection)
        assert not connection.refusals


def forget(connection: Connection) -> None:
    """Fill the node's room for prepared statements with others, by a connection that has prepared none of ours."""
    cluster = Cluster(["127.0.0.1"], port=connection.cluster.port, protocol_version=5)
    try:
        session, numbers = cluster.connect(), itertools.count()
        while any(connection.keyspace in statement and "INSERT" in statement for statement in prepared_there(connection)):
            for n in itertools.islice(numbers, 50):
                session.prepare(f"SELECT table_name AS name_{n:0250} FROM system_schema.tables")
    finally:
        cluster.shutdown()


def prepared_there(connection: Connection) -> set[str]:
    return {row[0] for row in connection.run("SELECT query_string FROM system.prepared_statements")}


def test_partitions_that_a_node_refuses_together_are_sent_one_by_one(node: CassandraNode) -> None:
    with opened(node, "apart") as connection:
        history.apply_missing(connection, int(time.time() * 1000))
        write(connection, flows(rows=1))
        assert count(connection) == HOSTS
        refused = connection.refusals[Refusal.POISON]
        assert refused > 0
        write(connection, flows(rows=2))
        assert count(connection) == 2 * HOSTS
        assert connection.refusals == {Refusal.POISON: refused}  # it knows by then


def test_a_poisoned_row_among_them_ends_the_write(node: CassandraNode) -> None:
    with opened(node, "poisoned") as connection:
        history.apply_missing(connection, int(time.time() * 1000))
        rows = [flow_row(id_of("a"), 1, destination_ip=address) for address in (b"\n\0\0\1", b"neither v4 nor v6")]
        with pytest.raises(StoreError, match="refuses a statement"):
            write(connection, batches_of(FLOWS, rows))
        assert connection.refusals == {Refusal.POISON: 2}


def test_a_table_that_is_altered_meanwhile(cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace) -> None:
    connection = cassandra_store_factory()._connection  # type: ignore[attr-defined]
    batches, stop = flows(), threading.Event()

    def write_on() -> None:
        while not stop.is_set():
            write(connection, batches)

    with meanwhile(write_on):
        try:
            until(lambda: count(connection) > 0, "the first rows are there")
            cassandra_keyspace.execute("ALTER TABLE pcapline.flows ADD further int")
            cassandra_keyspace.execute("ALTER TABLE pcapline.flows DROP further")
        finally:
            stop.set()
    write(connection, batches)
    assert count(connection) == HOSTS * ROWS_EACH
    assert connection.refusals[Refusal.POISON] == 0


def test_a_poisoned_row_ends_the_write_at_once(cassandra_store_factory: CassandraFactory) -> None:
    connection = cassandra_store_factory()._connection  # type: ignore[attr-defined]
    poisoned = [flow_row(id_of("a"), 1, destination_ip=b"neither v4 nor v6")]
    with pytest.raises(StoreError, match="refuses a statement") as refused:
        write(connection, batches_of(FLOWS, poisoned))
    assert type(refused.value) is StoreError
    assert connection.refusals == {Refusal.POISON: 1}


@pytest.mark.parametrize("names", [1, 260])
def test_rows_of_the_longest_texts_are_taken(cassandra_store_factory: CassandraFactory, names: int) -> None:
    """128 rows to a message would be more than a node takes; as many names, each waiting for its next row, 17 MB."""
    connection, asked = cassandra_store_factory()._connection, list[Any]()  # type: ignore[attr-defined]
    connection.prepared(insert_of(DNS_ANSWERS))
    connection.session.add_request_init_listener(asked.append)
    rows = [answer_row(id_of("a"), n, qname=f"{n % names}.example", rdata="x" * 65_536) for n in range(260)]
    with Writer(connection, 1, lambda: None) as writer:
        for row in rows:
            writer.add(RowBatch(DNS_ANSWERS, tuple([value] for value in row)), TTL_S)
        sent = len(asked)
    assert sent >= 15  # of a megabyte each, or all that waited
    assert not connection.refusals
    assert sum(1 for _ in connection.stream("SELECT ns FROM pcapline.dns_answers")) == len(rows)


def test_a_statement_that_is_refused_while_it_is_prepared_is_counted(cassandra_store_factory: CassandraFactory) -> None:
    connection = cassandra_store_factory()._connection  # type: ignore[attr-defined]
    with meanwhile(prepare_in_vain, connection):
        until(lambda: connection.refusals[Refusal.POISON] == 1, "it is counted", 60)


def prepare_in_vain(connection: Connection) -> None:
    with pytest.raises(StoreError, match="lacks the schema"):
        connection.prepared("SELECT * FROM pcapline.nothing")


@pytest.fixture
def busy_node(tmp_path: Path) -> Iterator[CassandraNode]:
    """Takes 50 requests a second, once its tables are made."""
    for node in strict_node(tmp_path / "busy", {}):
        plain_role(node, "overloaded", tmp_path)
        node.stop()
        rate = {"native_transport_rate_limiting_enabled": "true", "native_transport_max_requests_per_second": "50"}
        node.configure(rate)
        node.start()
        yield node


@pytest.fixture
def small_node(tmp_path: Path) -> Iterator[CassandraNode]:
    """Takes no rows once its files are 270 MiB."""
    guard = {"data_disk_usage_percentage_fail_threshold": "90", "data_disk_usage_max_disk_size": "300MiB"}
    yield from strict_node(tmp_path / "small", guard)


def strict_node(directory: Path, settings: dict[str, str]) -> Iterator[CassandraNode]:
    """Asks for a name, else guardrails are asleep."""
    asking = {
        "authenticator": "PasswordAuthenticator",
        "authorizer": "CassandraAuthorizer",
        "role_manager": "CassandraRoleManager",
    }
    node = CassandraNode(directory, settings=asking | settings, java=("-Dcassandra.disk_usage.monitor_interval_ms=500",))
    node.start()
    yield node
    node.kill()


def plain_role(node: CassandraNode, keyspace: str, directory: Path) -> dict[str, Any]:
    """Options of a user who may only read and write; the keyspace is made."""
    for name, text in {"admin": SUPERUSER[1], "plain": "secret"}.items():
        (directory / name).write_text(text)
    with opened(node, keyspace, username=SUPERUSER[0], password_file=directory / "admin") as connection:
        history.apply_missing(connection, int(time.time() * 1000))
        list(connection.run("CREATE ROLE IF NOT EXISTS plain WITH PASSWORD = 'secret' AND LOGIN = true"))
        for right in ("SELECT", "MODIFY"):
            list(connection.run(f"GRANT {right} ON KEYSPACE {connection.spelt_keyspace} TO plain"))
    return {"username": "plain", "password_file": directory / "plain"}


def test_an_overloaded_node_is_given_time(busy_node: CassandraNode, tmp_path: Path) -> None:
    with opened(busy_node, "overloaded", username="plain", password_file=tmp_path / "plain") as connection:
        write_until(Refusal.FAILED, connection, flows(hosts=200, rows=1))
        assert set(connection.refusals) == {Refusal.FAILED}
        assert connection.window.size < connection.options.max_in_flight
        assert counted_when_it_answers(connection) == 200


def test_full_disks_are_waited_for(small_node: CassandraNode, tmp_path: Path) -> None:
    filler = small_node.directory / "data" / "data" / "filler"
    with opened(small_node, "full", **plain_role(small_node, "full", tmp_path)) as connection:
        write(connection, flows(hosts=4))  # its statement is prepared while there is room
        with filler.open("wb") as file:
            file.truncate(290 << 20)
        try:
            with meanwhile(write_until, Refusal.FULL, connection, flows(hosts=4)):
                until(lambda: connection.refusals[Refusal.FULL] > 0, "rows are refused", 60)
                filler.unlink()
        finally:
            filler.unlink(missing_ok=True)
        assert connection.refusals[Refusal.POISON] == 0
        assert count(connection) == 4 * ROWS_EACH


def write_until(refusal: Refusal, connection: Connection, batches: list[RowBatch]) -> None:
    """Again and again: the node looks at its disks, and counts requests, now and then."""
    while not connection.refusals[refusal]:
        write(connection, batches)

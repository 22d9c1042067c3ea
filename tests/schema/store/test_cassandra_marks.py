"""What only repeats what a commit says: its marks in `captures`, and what leads to it from a file. The ledger has the word."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from cassandra import ConsistencyLevel

from schema.errors import StoreUnavailableError
from schema.records import CaptureRecord
from schema.store.writing import ClaimRefusal, LedgerHead, SensorLease
from tests.schema.store.samples import Sample, abandon, id_of, load, sample, take
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

Factory = CassandraFactory
OF_CAPTURE = f"sensor = 'edge-1' AND segment = 0 AND kind = 'capture' AND seq = 0 AND key = '{id_of('a').hex()}'"


@pytest.fixture
def keyspace(cassandra_keyspace: Keyspace) -> Keyspace:
    return cassandra_keyspace


def load_and_mark(lease: SensorLease, capture: Sample) -> LedgerHead:
    """Loaded, and what follows the commit is there, too: others look at it."""
    head = load(lease, capture)
    lease.connection.settle()  # type: ignore[attr-defined]
    return head


def unmark(keyspace: Keyspace) -> None:
    """As who dies behind the commit of `a` leaves it."""
    claimed = "UPDATE pcapline.captures SET state = 'claimed', segment = null, seq = null, nonce = null"
    keyspace.execute(f"{claimed} WHERE capture_id = {UUID(bytes=id_of('a'))} IF EXISTS")


def record_of(found: CaptureRecord | None) -> CaptureRecord:
    assert found is not None
    return found


def test_crash_between_commit_and_mark_is_made_good(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    lease = take(cassandra_store_factory())
    head = load_and_mark(lease, sample("a"))
    unmark(keyspace)
    assert lease.begin(sample("a").claim()) is ClaimRefusal.ALREADY_LOADED
    record = record_of(cassandra_store_factory("reader").capture(id_of("a")))
    assert (record.state, record.position) == ("loaded", head.position)


def test_mark_whose_commit_a_node_has_lost_does_not_stand(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    load_and_mark(take(store), sample("a"))
    assert store.stands(id_of("a"))
    keyspace.execute(f"UPDATE pcapline.ledger SET nonce = {uuid4()} WHERE {OF_CAPTURE} IF EXISTS")
    assert not store.stands(id_of("a"))  # another commit
    keyspace.execute(f"DELETE FROM pcapline.ledger WHERE {OF_CAPTURE} IF EXISTS")
    assert not store.stands(id_of("a"))
    record = record_of(store.capture(id_of("a")))
    assert record.state == "loaded"


def test_commit_without_a_mark_stands(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    load_and_mark(take(store), sample("a"))
    unmark(keyspace)
    assert store.stands(id_of("a"))


def test_origin_whose_newest_captures_never_came_in(cassandra_store_factory: Factory) -> None:
    store = cassandra_store_factory()
    lease = take(store)
    load_and_mark(lease, sample("a", file_id="8:42"))
    for n in range(3):
        for _ in range(10):  # a repeated attempt is no further capture
            abandon(lease, sample(f"died {n}", flows=0, file_id="8:42"))
    record = record_of(store.capture_of_origin("8:42"))
    assert record.facts.capture_id == id_of("a")


def test_origins_do_not_last_for_ever(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    load_and_mark(take(cassandra_store_factory()), sample("a", file_id="8:42"))
    (row,) = keyspace.execute("SELECT origin, capture_id FROM pcapline.captures_by_origin")
    assert (row.origin, row.capture_id.bytes) == ("8:42", id_of("a"))
    (table,) = keyspace.execute(
        "SELECT default_time_to_live FROM system_schema.tables"
        f" WHERE keyspace_name = '{keyspace.name}' AND table_name = 'captures_by_origin'"
    )
    assert table.default_time_to_live == 30 * 86_400


def test_carried_state_that_nobody_can_need_is_gone(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    lease = take(cassandra_store_factory())
    for name in "abc":
        load_and_mark(lease, sample(name, carried=name.encode()))
    assert [row.data for row in keyspace.execute("SELECT data FROM pcapline.carried_state")] == [b"c"]


def test_file_leads_to_a_commit_without_a_mark(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    head = load_and_mark(take(store), sample("a", file_id="8:42"))
    marked = record_of(store.capture_of_origin("8:42"))
    unmark(keyspace)
    assert record_of(store.capture_of_origin("8:42")) == marked
    assert marked.position == head.position


def test_file_does_not_lead_to_a_commit_that_a_node_has_lost(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    load_and_mark(take(store), sample("a", file_id="8:42"))
    keyspace.execute(f"DELETE FROM pcapline.ledger WHERE {OF_CAPTURE} IF EXISTS")
    assert store.capture_of_origin("8:42") is None


def test_who_asks_next_waits_for_what_is_owed_and_is_told_of_its_failure_once(cassandra_store_factory: Factory) -> None:
    store, done = cassandra_store_factory(), []
    lease, connection = take(store), store._connection  # type: ignore[attr-defined]

    def away() -> None:
        raise StoreUnavailableError("the node is away")

    for ask in (lambda: store.capture(id_of("a")), lambda: lease.look_up(id_of("a"), ""), lease.release):
        connection.owe(lambda: done.append("mark"))
        connection.owe(away)
        connection.owe(lambda: done.append("day"))
        with pytest.raises(StoreUnavailableError, match="the node is away"):
            ask()
        assert done == ["mark"]
        ask()
        assert done == ["mark", "day"]
        done.clear()


def test_what_says_whether_a_content_was_loaded_is_asked_of_all_data_centres(cassandra_store_factory: Factory) -> None:
    """Whatever is configured: what is not found there is loaded again."""
    store = cassandra_store_factory()
    tables, asked = ("captures_by_origin", "manifests", "carried_state"), set()

    def noted(request: Any) -> None:
        text = getattr(request.prepared_statement, "query_string", "DELETE")
        found = [table for table in tables if f".{table} " in text and not text.startswith("DELETE")]
        asked.update((table, text[:6], request.message.consistency_level) for table in found)

    store._connection.session.add_request_init_listener(noted)  # type: ignore[attr-defined]
    lease = take(store)
    abandon(lease, sample("a", file_id="8:42"))
    changed = replace(sample("a", file_id="8:42", carried=b"state"), inputs={"decoder": "another"})
    load_and_mark(lease, changed)
    lease.release()
    assert take(store).carried() == b"state"
    assert store.capture_of_origin("8:42") is not None
    assert asked == {(table, verb, ConsistencyLevel.QUORUM) for table in tables for verb in ("INSERT", "SELECT")}

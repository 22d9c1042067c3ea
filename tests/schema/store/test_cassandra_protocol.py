"""What only a store without transactions needs: late rows lose, lost answers are found out, half-done captures are finished."""

import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from cassandra import ConsistencyLevel

from schema.errors import LeaseLostError, SettingsError, StoreError
from schema.records import MAX_COMMIT_ENDPOINTS, EndpointTotals, FlowKey, NameRepair
from schema.store.cassandra import open_cassandra
from schema.store.cassandra.guard import current_guard
from schema.store.cassandra.ledger import check_chain
from schema.store.cassandra.options import CassandraOptions
from schema.store.cassandra.writer import Writer
from schema.store.reading import FlowQuery
from schema.store.sealing import Sealing
from schema.store.writing import ClaimRefusal
from schema.tables import FLOWS, NAMES_BY_IP, batches_of
from tests.schema.store.factory import SteppedClock
from tests.schema.store.samples import (
    CLIENT,
    SERVER,
    T0_MS,
    flow_row,
    id_of,
    load,
    now_ms,
    owner,
    sample,
    scanned,
    take,
    with_inputs,
    with_rows,
)
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace
from tests.servers.lossy_proxy import LossyProxy

Factory = CassandraFactory


@pytest.fixture
def keyspace(cassandra_keyspace: Keyspace) -> Keyspace:
    return cassandra_keyspace


def test_late_rows_of_a_sleeper_lose(cassandra_store_factory: Factory) -> None:
    first = cassandra_store_factory()
    sleeper = take(first)
    old = with_inputs(sample("a", flows=9, hostname="old"), decoder="old")
    with sleeper.begin(old.claim()) as late:  # type: ignore[union-attr]
        late.write(old.batches())
        sleeper.release()
        store = cassandra_store_factory()
        new = with_inputs(sample("a", flows=2, hostname="new"), decoder="new")
        load(take(store), new)
        late.write(old.batches())
        with pytest.raises(LeaseLostError):
            late.commit(old.commit())
    assert scanned(store, FLOWS) == sorted(new.rows[FLOWS], key=repr)
    recount = store.recount(id_of("a"))
    assert recount.found == recount.expected


def test_sleeper_whose_time_is_over_writes_nothing(cassandra_store_factory: Factory) -> None:
    clock = SteppedClock()
    sleeper = cassandra_store_factory(clock=clock).take_sensor("edge-1", "office", owner(), int(clock.now * 1000) + 1_000)
    capture = sample("a")
    with sleeper.begin(capture.claim()) as late:  # type: ignore[union-attr]
        clock.advance(2)
        store = cassandra_store_factory(clock=clock)
        store.take_sensor("edge-1", "office", owner(), int(clock.now * 1000) + 60_000)
        with pytest.raises(LeaseLostError):
            late.write(capture.batches())
    assert scanned(store, FLOWS) == []


def test_commit_whose_answer_was_lost_counts_once(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    proxy = LossyProxy(keyspace.port)
    options = CassandraOptions(request_timeout_s=5)
    with closing(open_cassandra(["127.0.0.1"], proxy.port, keyspace.name, options=options)) as store:
        # the driver learns the node's own port from the node: what it asks through another one is this proxy's alone
        lease, capture = take(store), sample("a")
        load(lease, sample("before"))
        with lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
            attempt.write(capture.batches())
            proxy.lose_answer_to(b"capture of a lost answer")
            head = attempt.commit(replace(capture.commit(), reason="capture of a lost answer"))
        assert proxy.lost.is_set()
        assert lease.head == head
        ledger = store.ledger("edge-1")
        assert (ledger.position, ledger.totals["captures"]) == (head.position, 2)
        record = store.capture(id_of("a"))
        assert record is not None
        assert (record.state, record.position) == ("loaded", head.position)
    proxy.close()


def test_commit_that_a_node_lost_is_loaded_again(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    lease = take(cassandra_store_factory())
    load(lease, sample("a"))
    lost = f"kind = 'capture' AND seq = 0 AND key = '{id_of('a').hex()}'"
    keyspace.execute(f"DELETE FROM pcapline.ledger WHERE sensor = 'edge-1' AND segment = 0 AND {lost} IF EXISTS")
    assert load(lease, sample("a")).position.seq == 2


def test_capture_that_another_sensor_is_loading_is_left_to_it(cassandra_store_factory: Factory) -> None:
    store = cassandra_store_factory()
    one, other, capture = take(store, "edge-1"), take(store, "edge-2"), sample("a")
    with one.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.write(capture.batches())
        assert other.begin(capture.claim()) is ClaimRefusal.OWNED_ELSEWHERE
        attempt.commit(capture.commit())
    assert other.begin(capture.claim()) is ClaimRefusal.ALREADY_LOADED


def test_claim_that_goes_nowhere_is_taken_over_for_good(cassandra_store_factory: Factory) -> None:
    store = cassandra_store_factory()
    gone, other, capture = take(store, "edge-1"), take(store, "edge-2"), sample("a")
    with gone.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.write(capture.batches())
        gone.release()
        load(other, capture)
        with pytest.raises(LeaseLostError):
            attempt.commit(capture.commit())
    assert store.ledger("edge-1").position.seq == 0
    assert store.ledger("edge-2").position.seq == 1
    assert take(store, "edge-1").begin(capture.claim()) is ClaimRefusal.ALREADY_LOADED


def test_claim_may_go_there_and_back(cassandra_store_factory: Factory) -> None:
    store, capture = cassandra_store_factory(), sample("a")
    for sensor in ("edge-1", "edge-2"):
        lease = take(store, sensor)
        assert not isinstance(lease.begin(capture.claim()), ClaimRefusal)
        lease.release()
    assert load(take(store, "edge-1"), capture).position.seq == 1


def test_commit_that_is_too_large_is_refused_at_once(cassandra_store_factory: Factory) -> None:
    store = cassandra_store_factory()
    lease, long = take(store), "x" * 200
    endpoints = {f"{n}.{long}": EndpointTotals(1, 2, 3, 4, n) for n in range(MAX_COMMIT_ENDPOINTS)}
    with pytest.raises(StoreError, match=r"takes no message of this size .* set commitlog_segment_size") as refused:
        load(lease, replace(sample("a"), endpoints=endpoints))
    assert type(refused.value) is StoreError  # not one of those that are worth another try
    assert store.ledger("edge-1").position.seq == 0
    assert load(lease, sample("b")).position.seq == 1


def test_tables_about_to_expire_are_not_counted(cassandra_store_factory: Factory) -> None:
    clock = SteppedClock()
    store, capture = cassandra_store_factory(clock=clock), sample("a")
    load(take(store), capture)
    loaded_s = int(capture.inputs["rows_from_ms"]) / 1000
    clock.now = loaded_s + FLOWS.ttl_seconds - 90
    assert "flows" in store.recount(id_of("a")).expected
    clock.now = loaded_s + FLOWS.ttl_seconds - 30
    recount = store.recount(id_of("a"))
    assert set(recount.expected) == {"traffic_by_minute", "dns_answers"}
    assert recount.flow_packets is None


def test_lease_counts_on_the_ledger_whatever_consistency_is_set(cassandra_store_factory: Factory) -> None:
    store, capture = cassandra_store_factory(consistency="ONE"), sample("a", carried=b"open")
    lease = take(store)
    load(lease, capture)
    lease.release()
    connection = store._connection  # type: ignore[attr-defined]
    asked: list[tuple[str, int]] = []
    connection.session.add_request_init_listener(lambda future: asked.append(_read_of(future)))
    assert take(store).head == lease.head
    reads = [(statement, level) for statement, level in asked if statement.startswith("SELECT") and ".ledger" in statement]
    of_ledger = [("'total'" in statement, level) for statement, level in reads]
    assert len(of_ledger) >= 4
    assert set(of_ledger) == {(False, ConsistencyLevel.SERIAL), (True, ConsistencyLevel.QUORUM)}  # totals, behind the guard


def test_what_is_let_go_is_judged_at_a_quorum_whatever_consistency_is_set(cassandra_store_factory: Factory) -> None:
    store, rule = cassandra_store_factory(consistency="ONE"), Sealing(commits=1, segments_told=1, segments_kept=1)
    lease = take(store)
    connection = store._connection  # type: ignore[attr-defined]
    asked: list[tuple[str, int]] = []
    connection.session.add_request_init_listener(lambda future: asked.append(_read_of(future)))
    for name in "abc":
        load(lease, sample(name))
        asked.clear()
        assert lease.seal_if_due(rule)
    judged_by = (".ledger ", ".ledger_openings ", ".admissions ", ".captures ")
    levels = {table: {level for text, level in asked if text.startswith("SELECT") and table in text} for table in judged_by}
    assert all(levels.values())
    assert set().union(*levels.values()) <= {ConsistencyLevel.SERIAL, ConsistencyLevel.QUORUM}


def test_a_ledger_that_moves_while_it_is_checked_is_not_broken(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    lease, connection = take(store), store._connection  # type: ignore[attr-defined]
    load(lease, sample("a"))
    before = current_guard(connection, lease.sensor)
    load(lease, sample("b"))
    assert not check_chain(connection, before)
    assert check_chain(connection, current_guard(connection, lease.sensor))
    keyspace.execute(f"DELETE FROM pcapline.ledger WHERE sensor = '{lease.sensor}' AND segment = 0 AND kind = 'commit'")
    with pytest.raises(StoreError, match="is broken"):
        check_chain(connection, current_guard(connection, lease.sensor))


def _read_of(future: Any) -> tuple[str, int]:
    """A request's statement and consistency level."""
    prepared = getattr(future.query, "prepared_statement", None)
    return ("" if prepared is None else prepared.query_string.strip(), future.message.consistency_level or 0)


def test_absent_values_leave_no_tombstone(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    capture = replace(sample("a"), rows={FLOWS: [flow_row(id_of("a"), 1, hostname="kept"), flow_row(id_of("a"), 2)]})
    lease = take(store)
    with lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.write(batches_of(FLOWS, capture.rows[FLOWS]))
        attempt.write(batches_of(FLOWS, [flow_row(id_of("a"), 1, hostname=None)]))
        attempt.commit(capture.commit())
    assert {row.hostname for row in keyspace.execute("SELECT hostname FROM pcapline.flows")} == {"kept", "www.example.com"}


def test_rows_expire_by_the_time_of_the_claim(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    capture = sample("a")
    hour_ago = str(int(capture.inputs["rows_from_ms"]) - 3_600_000)
    load(take(cassandra_store_factory()), with_inputs(capture, rows_from_ms=hour_ago))
    (left,) = {row[0] for row in keyspace.execute("SELECT ttl(endpoint) FROM pcapline.flows")}
    assert FLOWS.ttl_seconds - 3_660 < left <= FLOWS.ttl_seconds - 3_600


def test_every_column_of_the_dictionary_lives_a_whole_lifetime_from_its_newest_load(
    cassandra_store_factory: Factory, keyspace: Keyspace
) -> None:
    """Whatever was seen first or last: the columns that won long ago do not end before the others."""
    lease, day_ms = take(cassandra_store_factory()), 86_400_000
    for age_days, first, last in ((1, 10, 90), (30, 20, 40), (60, 50, 60)):
        row = (SERVER, "www.example.com", "edge-1", "dns", T0_MS + first, T0_MS + last)
        load(lease, with_inputs(with_rows({NAMES_BY_IP: [row]}), rows_from_ms=str(now_ms() - age_days * day_ms)))
    lifetimes = "ttl(first_seen), ttl(last_seen), ttl(evidence)"
    (left,) = keyspace.execute(f"SELECT {lifetimes} FROM pcapline.names_by_ip")
    assert all(90 * 86_400 - 60 < seconds <= 90 * 86_400 for seconds in left)


@pytest.mark.parametrize("seconds", [-9_000, 9_000])
def test_a_name_that_expired_is_seen_again(cassandra_store_factory: Factory, seconds: int) -> None:
    """By captures before and after those of 90 days ago: what has expired hides nothing."""
    store, key = cassandra_store_factory(), (SERVER, "www.example.com", "edge-1")
    row_ts = 1_000_000 * int(time.time() - 91 * 86_400)
    with Writer(store._connection, row_ts, lambda: None) as writer:  # type: ignore[attr-defined]
        (batch,) = batches_of(NAMES_BY_IP, [(*key, "sni", T0_MS, T0_MS + 9)])
        writer.add(batch, 1)  # its lifetime is over in a second
    while store.names_of(SERVER).rows:
        time.sleep(0.1)
    again = (*key, "dns", T0_MS + 1_000 * seconds, T0_MS + 1_000 * seconds + 9)
    load(take(store), with_rows({NAMES_BY_IP: [again]}))
    assert store.names_of(SERVER).rows == [again]


def test_a_late_name_leaves_what_is_left_of_a_rows_lifetime(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    lease, capture = take(cassandra_store_factory()), sample("a", flows=1)
    day_ago = str(now_ms() - 86_400_000)
    load(lease, with_inputs(capture, rows_from_ms=day_ago))
    brings = sample("b", flows=0)
    key = FlowKey(*capture.rows[FLOWS][0][:6])  # type: ignore[arg-type]
    with lease.begin(brings.claim()) as attempt:  # type: ignore[union-attr]
        assert attempt.repair([NameRepair(key, "late.example", "dns_late", conflict=False)]) == 1
        attempt.commit(brings.commit())
    (left,) = keyspace.execute("SELECT ttl(hostname), ttl(endpoint), ttl(bytes) FROM pcapline.flows")
    assert all(FLOWS.ttl_seconds - 86_460 < seconds <= FLOWS.ttl_seconds - 86_400 for seconds in left)


def test_a_row_past_its_lifetime_is_given_no_other(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    """The loader's clock says that it is gone, the node still has it: it is let go."""
    clock = SteppedClock()
    lease, capture = take(cassandra_store_factory(clock=clock)), sample("a", flows=1)
    load(lease, capture)
    clock.advance(FLOWS.ttl_seconds + 1)
    brings = sample("b", flows=0)
    key = FlowKey(*capture.rows[FLOWS][0][:6])  # type: ignore[arg-type]
    with lease.begin(brings.claim()) as attempt:  # type: ignore[union-attr]
        assert attempt.repair([NameRepair(key, "late.example", "dns_late", conflict=False)]) == 0
    assert [row.hostname for row in keyspace.execute("SELECT hostname FROM pcapline.flows")] == ["www.example.com"]


def test_flows_of_a_source_alone_want_the_index(cassandra_store_factory: Factory, keyspace: Keyspace) -> None:
    store = cassandra_store_factory()
    load(take(store), sample("a"))
    keyspace.execute("DROP INDEX pcapline.flows_by_source")
    try:
        with pytest.raises(SettingsError, match="CREATE INDEX flows_by_source"):
            store.flows(FlowQuery(source=CLIENT))
        assert len(store.flows(FlowQuery(source=CLIENT, destination=SERVER)).rows) == 3
    finally:
        keyspace.execute("CREATE INDEX flows_by_source ON pcapline.flows (source_ip) USING 'sai'")

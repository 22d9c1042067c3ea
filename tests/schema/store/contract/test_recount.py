"""Anyone can count one capture back: a row that is missing shows."""

from dataclasses import replace

import pytest

from schema.store.writing import Store
from schema.tables import BY_NAME
from tests.schema.store.factory import SteppedClock, StoreFactory
from tests.schema.store.samples import T0_MS, id_of, load, sample, take

DAY_S = 86_400
OWN = {"flows": 3, "traffic_by_minute": 1, "dns_answers": 2}


def test_everything_is_there(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a"))
    load(lease, sample("b", flows=2))
    recount = store.recount(id_of("a"))
    assert recount.capture_id == id_of("a")
    assert (recount.expected, recount.found, recount.flow_packets) == (OWN, OWN, 15)


@pytest.mark.parametrize("table_name", OWN)
def test_deleted_row_is_found_missing(store_factory: StoreFactory, table_name: str) -> None:
    store, capture = store_factory(), sample("a")
    load(take(store), capture)
    table = BY_NAME[table_name]
    store_factory.delete_row(table, capture.rows[table][0])
    recount = store.recount(capture.capture_id)
    assert recount.expected == OWN
    assert recount.found == {**OWN, table_name: OWN[table_name] - 1}
    assert recount.flow_packets == (10 if table_name == "flows" else 15)


def test_dictionary_rows_are_not_counted(store_factory: StoreFactory) -> None:
    store, capture = store_factory(), sample("a")
    load(take(store), capture)
    table = BY_NAME["names_by_ip"]
    store_factory.delete_row(table, capture.rows[table][0])
    recount = store.recount(capture.capture_id)
    assert recount.found == recount.expected == OWN


def test_expired_tables_are_left_out(store_factory: StoreFactory) -> None:
    clock = SteppedClock()
    store = store_factory("loader", clock)
    load(take(store), sample("a"))
    clock.advance(8 * DAY_S)
    recount = store.recount(id_of("a"))
    assert set(recount.expected) == set(recount.found) == {"traffic_by_minute", "dns_answers"}
    assert recount.flow_packets is None


@pytest.mark.parametrize("began_ms", [0, T0_MS - DAY_S * 1000, T0_MS, T0_MS + DAY_S * 1000])
def test_rows_count_whatever_their_time(store: Store, began_ms: int) -> None:
    """Packet times jump: a capture's rows may be of another time than its first and last packet."""
    first, facts = began_ms * 1_000_000, sample("a").facts
    capture = replace(sample("a"), facts=replace(facts, first_ts_ns=first, last_ts_ns=first + 2_000_000))
    lease = take(store)
    load(lease, capture)
    load(lease, sample("b", flows=2))
    recount = store.recount(id_of("a"))
    assert (recount.expected, recount.found, recount.flow_packets) == (OWN, OWN, 15)


def test_what_a_capture_began_from_is_kept_with_its_manifest(store: Store) -> None:
    began_from = bytes(range(256)) * 2_000
    capture = replace(sample("a"), began_from=began_from)
    lease = take(store)
    load(lease, capture)
    load(lease, sample("b"))
    assert store.began_from(id_of("a")) == began_from
    assert (store.began_from(id_of("b")), store.began_from(id_of("never seen"))) == (b"", b"")
    assert store.recount(id_of("a")).found == OWN


def test_capture_without_rows(store: Store) -> None:
    capture = sample("a", flows=0)
    load(take(store), capture)
    assert store.recount(capture.capture_id).flow_packets is None
    unknown = store.recount(id_of("never seen"))
    assert (unknown.expected, unknown.found, unknown.flow_packets) == ({}, {}, None)

"""The dictionary: names and addresses both ways, from when to when they were seen, whatever came first."""

from dataclasses import replace
from functools import partial
from itertools import permutations

import pytest

from schema.errors import LeaseLostError
from schema.store.writing import Store
from schema.tables import IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP, Table
from tests.schema.store.factory import SteppedClock, StoreFactory
from tests.schema.store.samples import (
    CLIENT,
    SERVER,
    T0_MS,
    Sample,
    abandon,
    load,
    now_ms,
    owner,
    sample,
    scanned,
    take,
    with_rows,
)


def key_of(table: Table, name: str) -> tuple[object, ...]:
    return {NAMES_BY_IP: (SERVER, name), IPS_BY_NAME: (name, SERVER), NAMES_BY_DOMAIN: ("example.com", name)}[table]


def test_dictionary_both_ways(store: Store) -> None:
    capture = sample("a")
    load(take(store), capture)
    assert store.names_of(SERVER).rows == [(SERVER, "www.example.com", "edge-1", "dns", T0_MS, T0_MS + 9)]
    assert store.addresses_of("www.example.com").rows == [("www.example.com", SERVER, "edge-1", "dns", T0_MS, T0_MS + 9)]
    assert store.names_of(CLIENT).rows == []
    assert store.addresses_of("it's not there").rows == []
    assert "10.0.0.5" in store.names_of(SERVER).statements[0]


@pytest.mark.parametrize("table", [NAMES_BY_IP, IPS_BY_NAME, NAMES_BY_DOMAIN], ids=lambda table: table.name)
def test_first_and_last_seen_whatever_comes_first(store: Store, table: Table) -> None:
    """The columns beside them are those of what was seen last; of equals the greater, so that order decides nothing."""
    sightings = [(20, 90, "dns"), (50, 60, "sni"), (10, 90, "quic")]
    lease = take(store)
    for name, order in zip("abcdef", permutations(sightings), strict=True):
        for first, last, evidence in order:
            load(lease, with_rows({table: [(*key_of(table, name), "edge-1", evidence, T0_MS + first, T0_MS + last)]}))
    of_each = ("edge-1", "quic", T0_MS + 10, T0_MS + 90)
    assert scanned(store, table) == sorted(((*key_of(table, name), *of_each) for name in "abcdef"), key=repr)


@pytest.mark.parametrize("first", [0, 1])
def test_each_sensor_has_its_own_sightings(store_factory: StoreFactory, first: int) -> None:
    """So that no loader widens what another one writes at that moment, whatever their clocks say."""
    key, ahead = (SERVER, "www.example.com"), SteppedClock()
    ahead.advance(86_400)
    wide, narrow = (*key, "edge-1", "dns", T0_MS, T0_MS + 100), (*key, "edge-2", "sni", T0_MS + 50, T0_MS + 60)
    stores = [store_factory(), store_factory(clock=ahead)]
    loads = [
        (take(stores[0], "edge-1"), with_rows({NAMES_BY_IP: [wide]})),
        (take(stores[1], "edge-2"), with_rows({NAMES_BY_IP: [narrow]})),
    ]
    for lease, capture in (loads[first], loads[1 - first]):
        load(lease, capture)
    assert stores[0].names_of(SERVER).rows == [wide, narrow]


def test_an_old_capture_loaded_late_keeps_a_row_as_long_as_a_new_one(store: Store) -> None:
    """A lifetime counts from the newest load, whatever was seen when: nothing of a row ends before the rest."""
    lease, day_ms, key = take(store), 86_400_000, (SERVER, "www.example.com", "edge-1")
    long_ago = {"rows_from_ms": str(now_ms() - 89 * day_ms)}
    seen_last = with_rows({NAMES_BY_IP: [(*key, "dns", T0_MS + 5, T0_MS + 100)]})
    load(lease, replace(seen_last, inputs=long_ago))
    load(lease, with_rows({NAMES_BY_IP: [(*key, "sni", T0_MS + 50, T0_MS + 60)]}))
    store.expire(now_ms() + 2 * day_ms, 1_000)  # a store that lets rows expire by itself: test_cassandra_protocol
    assert store.names_of(SERVER).rows == [(*key, "dns", T0_MS + 5, T0_MS + 100)]


def saw(first: int, last: int) -> Sample:
    return with_rows({NAMES_BY_IP: [(SERVER, "www.example.com", "edge-1", "dns", T0_MS + first, T0_MS + last)]})


def test_what_counts_is_in_the_row_whatever_was_abandoned_between(store: Store) -> None:
    """What was abandoned is true as well, and may be in it: nobody takes it back from a row of many captures."""
    lease, abandoned = take(store), saw(40, 60)
    abandon(lease, abandoned)  # the first of its sensor, on whom nothing is read
    load(lease, saw(20, 30))
    abandon(lease, abandoned)
    load(lease, saw(10, 11))
    ((*_, first, last),) = store.names_of(SERVER).rows
    assert (first, last) in {(T0_MS + 10, T0_MS + 30), (T0_MS + 10, T0_MS + 60)}
    load(lease, abandoned)
    assert store.names_of(SERVER).rows[0][-2:] == (T0_MS + 10, T0_MS + 60)


def test_what_another_loader_saw_meanwhile_is_not_lost(store_factory: StoreFactory) -> None:
    """What a lease's holder knows of rows is of no use once the lease was another's."""
    clocks = [SteppedClock() for _ in range(3)]
    for minutes, clock in enumerate(clocks):
        clock.advance(120 * minutes)
    stores = [store_factory(clock=clock) for clock in clocks]
    slept = take(stores[0])
    load(slept, saw(20, 30))
    load(take(stores[1]), saw(5, 50))
    with pytest.raises(LeaseLostError):
        load(slept, saw(21, 22))
    load(take(stores[2]), saw(23, 24))
    assert stores[0].names_of(SERVER).rows[0][-2:] == (T0_MS + 5, T0_MS + 50)


def test_what_counts_wins_over_what_was_abandoned_under_a_clock_that_is_ahead(store_factory: StoreFactory) -> None:
    ahead = SteppedClock()
    ahead.advance(3_600)
    lease = take(store_factory(clock=ahead))
    abandon(lease, saw(40, 60))
    lease.release()
    store = store_factory()
    load(take(store), saw(10, 20))
    assert store.names_of(SERVER).rows[0][-2] == T0_MS + 10


def test_so_it_does_where_a_clock_is_set_back(store_factory: StoreFactory) -> None:
    clock = SteppedClock()
    store = store_factory(clock=clock)
    lease = take(store)
    abandon(lease, saw(40, 60))
    clock.advance(-30)
    load(lease, saw(10, 20))
    assert store.names_of(SERVER).rows[0][-2] == T0_MS + 10


def test_so_it_does_where_a_loader_is_killed_and_its_clock_set_back_before_the_next_one(store_factory: StoreFactory) -> None:
    clock, holder = SteppedClock(), owner()
    store = store_factory(clock=clock)
    taken = partial(store.take_sensor, "edge-1", "office", holder, now_ms() + 60_000)
    abandon(taken(), saw(40, 60))  # its lease is neither given back nor over
    clock.advance(-30)
    load(taken(), saw(10, 20))
    assert store.names_of(SERVER).rows[0][-2] == T0_MS + 10

"""The dictionary: names and addresses both ways, from when to when they were seen, whatever came first."""

from dataclasses import replace
from itertools import permutations

import pytest

from schema.store.port import Store
from schema.tables import IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP, Table
from tests.schema.store.samples import CLIENT, SERVER, T0_MS, load, now_ms, sample, scanned, take, with_rows


def key_of(table: Table, name: str) -> tuple[object, ...]:
    return {NAMES_BY_IP: (SERVER, name), IPS_BY_NAME: (name, SERVER), NAMES_BY_DOMAIN: ("example.com", name)}[table]


def test_dictionary_both_ways(store: Store) -> None:
    capture = sample("a")
    load(take(store), capture)
    assert store.names_of(SERVER).rows == [(SERVER, "www.example.com", "dns", T0_MS, T0_MS + 9, "edge-1")]
    assert store.addresses_of("www.example.com").rows == [("www.example.com", SERVER, "dns", T0_MS, T0_MS + 9, "edge-1")]
    assert store.names_of(CLIENT).rows == []
    assert store.addresses_of("it's not there").rows == []
    assert "10.0.0.5" in store.names_of(SERVER).statements[0]


@pytest.mark.parametrize("table", [NAMES_BY_IP, IPS_BY_NAME, NAMES_BY_DOMAIN], ids=lambda table: table.name)
def test_first_and_last_seen_whatever_comes_first(store: Store, table: Table) -> None:
    """The columns beside them are those of what was seen last; of equals the greater, so that order decides nothing."""
    sightings = [(20, 90, "dns", "edge-1"), (50, 60, "sni", "edge-2"), (10, 90, "quic", "edge-0")]
    lease = take(store)
    for name, order in zip("abcdef", permutations(sightings), strict=True):
        for first, last, evidence, sensor in order:
            row = (*key_of(table, name), evidence, T0_MS + first, T0_MS + last, sensor)
            load(lease, with_rows({table: [row]}))
    of_each = ("quic", T0_MS + 10, T0_MS + 90, "edge-1")
    assert scanned(store, table) == sorted(((*key_of(table, name), *of_each) for name in "abcdef"), key=repr)


def test_an_old_capture_loaded_late_keeps_a_row_as_long_as_a_new_one(store: Store) -> None:
    """A lifetime counts from the newest load, whatever was seen when: nothing of a row ends before the rest."""
    lease, day_ms, key = take(store), 86_400_000, (SERVER, "www.example.com")
    long_ago = {"rows_from_ms": str(now_ms() - 89 * day_ms)}
    seen_last = with_rows({NAMES_BY_IP: [(*key, "dns", T0_MS + 5, T0_MS + 100, "edge-1")]})
    load(lease, replace(seen_last, inputs=long_ago))
    load(lease, with_rows({NAMES_BY_IP: [(*key, "sni", T0_MS + 50, T0_MS + 60, "edge-2")]}))
    store.expire(now_ms() + 2 * day_ms, 1_000)  # a store that lets rows expire by itself: test_cassandra_protocol
    assert store.names_of(SERVER).rows == [(*key, "dns", T0_MS + 5, T0_MS + 100, "edge-1")]

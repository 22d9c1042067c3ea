"""What the holder of a lease remembers: it is read once while there is room for it; where there is none no answer changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from schema.records import EndpointTotals
from schema.sharedroom import SharedRoom
from schema.store.cassandra.hold import Memory
from schema.store.sealing import Sealing
from schema.store.writing import ClaimRefusal, Store
from schema.tables import NAMES_BY_IP
from tests.examples import examples
from tests.schema.store.contract.test_seals import STEPS, check_sums
from tests.schema.store.samples import Sample, load, sample, take, with_rows
from tests.schema.store.test_cassandra_spans import row_of
from tests.servers.cassandra.keyspace import CassandraFactory

ONE = EndpointTotals(1, 1, 60, 0, 0)
MANY = 6_000  # endpoints: 30 reads


def remembering(factory: CassandraFactory, entries: int) -> Store:
    """A store whose holders remember so much between them, of each kind."""
    store = factory()
    store._memory = Memory(*(SharedRoom(entries) for _ in range(4)))  # type: ignore[attr-defined]
    return store


def reads_of(store: Store, wanted: str) -> Callable[[], int]:
    """How many reads were begun since, whose statement has this in it."""
    begun: list[Any] = []
    store._connection.session.add_request_init_listener(begun.append)  # type: ignore[attr-defined]

    def count() -> int:
        prepared = [getattr(future.query, "prepared_statement", None) for future in begun]
        texts = [statement.query_string.strip() for statement in prepared if statement is not None]
        return sum(text.startswith("SELECT") and wanted in text for text in texts)

    return count


def of_endpoints(name: str, *endpoints: str) -> Sample:
    return replace(sample(name, flows=0), endpoints=dict.fromkeys(endpoints, ONE))


def test_totals_of_all_endpoints_of_a_part_are_read_once(cassandra_store_factory: CassandraFactory) -> None:
    store = remembering(cassandra_store_factory, 8)
    leases = [take(store, sensor) for sensor in ("edge-1", "edge-2")]
    reads = reads_of(store, "kind = 'endpoint'")
    for turn in range(3):
        for lease in leases:
            load(lease, of_endpoints(f"{lease.sensor} {turn}", "a", "b", "c"))  # of four
    assert reads() == len(leases)
    load(leases[0], of_endpoints("others", "c", "d", "e"))
    assert reads() == len(leases) + 1, "those that it did not know, beside one that it did"
    assert store.ledger("edge-1").endpoints["c"].flows == 4


def test_rows_of_a_part_are_read_once(cassandra_store_factory: CassandraFactory) -> None:
    load(take(cassandra_store_factory(), "edge-2"), with_rows({NAMES_BY_IP: [row_of("a", 10, 1)]}))
    store = remembering(cassandra_store_factory, 8)
    leases = [take(store, "edge-1"), take(store, "edge-3")]
    reads = reads_of(store, "names_by_ip")
    for turn in range(3):
        for lease in leases:
            rows = [(*row_of(name, turn, 1)[:2], lease.sensor, *row_of(name, turn, 1)[3:]) for name in "abc"]
            load(lease, with_rows({NAMES_BY_IP: rows}))
    assert reads() == 0, "they are new, and three of four"


def test_of_many_reads_some_are_under_way(cassandra_store_factory: CassandraFactory) -> None:
    store = cassandra_store_factory()
    lease, capture = take(store), of_endpoints("many", *(f"{n}.example" for n in range(MANY)))
    reads = reads_of(store, "kind = 'endpoint'")
    begun = lease.begin(capture.claim())
    assert not isinstance(begun, ClaimRefusal)
    assert reads() == 16
    with begun as attempt:
        attempt.write(capture.batches())
        attempt.commit(capture.commit())
    assert reads() == 30
    assert len(store.ledger("edge-1").endpoints) == MANY


@pytest.mark.parametrize("entries", [0, 1, 3])
def test_what_is_forgotten_is_no_other_sum(cassandra_store_factory: CassandraFactory, entries: int) -> None:
    store = remembering(cassandra_store_factory, entries)

    @settings(max_examples=examples(3), suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def check(steps: list[list[str] | Sealing]) -> None:
        check_sums(store, steps)

    check()


@pytest.mark.parametrize("entries", [0, 1, 3])
def test_what_is_forgotten_is_no_other_capture_or_state(cassandra_store_factory: CassandraFactory, entries: int) -> None:
    store = remembering(cassandra_store_factory, entries)
    lease = take(store)
    for name in "abcde":
        load(lease, sample(name, carried=name.encode() * 2))
        assert lease.carried() == name.encode() * 2
    for name in "abcde":
        assert lease.begin(sample(name).claim()) is ClaimRefusal.ALREADY_LOADED

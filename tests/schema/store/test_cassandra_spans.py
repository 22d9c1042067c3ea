"""Dictionary rows as the holder of a lease knows them: read once, remembered within bounds, and never beyond their lifetime."""

import time
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.sharedroom import SharedRoom
from schema.store.cassandra.spans import Spans
from schema.store.cassandra.writer import Writer
from schema.tables import DAY, NAMES_BY_IP, batches_of
from tests.schema.store.factory import SteppedClock
from tests.schema.store.samples import SERVER, T0_MS, load, take, with_rows
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

Row = tuple[Any, ...]
_SEEN = st.tuples(st.sampled_from("abcdef"), st.integers(0, 50), st.integers(0, 50), st.sampled_from(["dns", "sni"]))


def row_of(name: str, first: int, last: int, evidence: str = "dns", address: bytes = SERVER) -> Row:
    return (address, name, "edge-1", evidence, T0_MS + first, T0_MS + first + last)


def both(one: Row, other: Row) -> Row:
    """What two sightings come to."""
    evidence = max((row[5], row[3]) for row in (one, other))[1]
    return (*one[:3], evidence, min(one[4], other[4]), max(one[5], other[5]))


@pytest.mark.parametrize(("is_new", "room"), [(True, 100), (False, 100), (True, 4), (False, 4), (True, 0)])
def test_rows_are_as_all_captures_together_saw_them(cassandra_store_factory: CassandraFactory, is_new: bool, room: int) -> None:
    store = cassandra_store_factory()
    connection, row_ts = store._connection, count(1)  # type: ignore[attr-defined]

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(_SEEN, min_size=1, max_size=4, unique_by=lambda seen: seen[0]), min_size=1, max_size=6))
    def check(captures: list[list[tuple[str, int, int, str]]]) -> None:
        address = next(row_ts).to_bytes(4, "big")  # of this example alone
        spans, together = Spans(connection, time.time, is_new=is_new, room=SharedRoom(room)), dict[str, Row]()
        for seen in captures:
            rows = [row_of(*each, address) for each in seen]
            with Writer(connection, next(row_ts), lambda: None) as writer:
                for batch in batches_of(NAMES_BY_IP, rows):
                    writer.add(spans.widened(batch), 1_000)
            together |= {row[1]: both(row, together.get(row[1], row)) for row in rows}
        assert store.names_of(address).rows == sorted(together.values())

    check()


def test_a_row_is_read_once_by_whoever_holds_the_lease(
    cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace
) -> None:
    store = cassandra_store_factory()
    before = take(store)
    load(before, with_rows({NAMES_BY_IP: [row_of("a", 10, 1)]}))
    before.release()
    lease = take(store)  # another one: it has to read what is there
    load(lease, with_rows({NAMES_BY_IP: [row_of("a", 30, 1)]}))
    assert store.names_of(SERVER).rows == [row_of("a", 10, 21)]
    cassandra_keyspace.execute("TRUNCATE pcapline.names_by_ip")
    load(lease, with_rows({NAMES_BY_IP: [row_of("a", 40, 1)]}))
    assert store.names_of(SERVER).rows == [row_of("a", 10, 31)]


def test_what_is_remembered_expires_as_its_row_does(cassandra_store_factory: CassandraFactory) -> None:
    clock = SteppedClock()
    store = cassandra_store_factory(clock=clock)
    lease = take(store)
    for days, seen in ((0, 10), (89, 20), (91, 30)):
        clock.advance(days * DAY)
        load(lease, with_rows({NAMES_BY_IP: [row_of("a", seen, 1)]}))
        assert store.names_of(SERVER).rows == [row_of("a", 30, 1) if seen == 30 else row_of("a", 10, seen - 9)]

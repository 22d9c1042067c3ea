"""The newest packet of each sensor, by what its ledger has committed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.newest import NewestPackets
from schema.store.writing import Store
from tests.exporter.captures import NOW_MS, Capture, lease_of, load, store_at

S = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_at(tmp_path / "store.db") as opened:
        yield opened


def commit(store: Store, sensor: str, *times_s: int) -> None:
    """A capture for each time of a last packet."""
    lease = lease_of(store, sensor)
    for time_s in times_s:
        load(lease, Capture(name=f"{sensor}-{time_s}", non_flow={"arp": 1}, last_ts_ns=time_s * S))


def positions(store: Store) -> dict[str, int]:
    return {record.sensor: store.ledger(record.sensor).position.seq for record in store.sensors()}


def test_it_is_the_newest_even_where_captures_come_out_of_order(store: Store) -> None:
    commit(store, "a", 100, 300, 200)
    commit(store, "b", 50)
    assert NewestPackets().follow(store, positions(store)) == {"a": 300 * S, "b": 50 * S}


def test_it_follows_and_does_not_read_again_what_it_has_read(store: Store) -> None:
    newest = NewestPackets()
    commit(store, "a", 100)
    assert newest.follow(store, positions(store)) == {"a": 100 * S}
    commit(store, "a", 150)
    assert newest.follow(store, positions(store)) == {"a": 150 * S}
    assert newest.follow(None, positions(store)) == {"a": 150 * S}  # type: ignore[arg-type]  # nothing new: nothing is asked


def test_a_sensor_without_packets_has_no_time(store: Store) -> None:
    lease_of(store, "idle")
    assert NewestPackets().follow(store, positions(store)) == {}


def test_a_packet_dated_behind_its_load_does_not_hide_that_the_sensor_is_silent(store: Store) -> None:
    commit(store, "a", 1_000, NOW_MS // 1000 + 86_401)
    commit(store, "b", NOW_MS // 1000 + 86_400)
    commit(store, "c", 9_223_372_036)
    assert NewestPackets().follow(store, positions(store)) == {"a": 1_000 * S, "b": (NOW_MS // 1000 + 86_400) * S}


def test_of_a_capture_with_such_a_packet_its_first_counts(store: Store) -> None:
    load(lease_of(store, "a"), Capture(name="x", non_flow={"arp": 1}, last_ts_ns=1_000 * S))
    record = store.capture(Capture(name="x").capture_id)
    assert record is not None
    ahead = replace(record, facts=replace(record.facts, first_ts_ns=900 * S, last_ts_ns=9_223_372_036 * S))
    assert (record.newest_packet_ns, ahead.newest_packet_ns) == (1_000 * S, 900 * S)


def test_only_the_last_hundred_captures_count(store: Store) -> None:
    commit(store, "a", 2_000, *range(1_000, 1_100))
    assert NewestPackets().follow(store, positions(store)) == {"a": 1_099 * S}

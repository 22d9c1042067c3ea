"""Many sensors on one loader: what it remembers of all their names is bounded by one number, and each is named as if alone."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from loader.naming.cache import NameCache
from loader.settings import LoaderSettings
from loader.watch.leases import LeasedSensors
from schema.sharedroom import SharedRoom
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import FLOWS
from tests.loader.commit.test_pipeline import cut
from tests.loader.naming.facts import is_nobody
from tests.loader.naming.test_names import RULES, WEB, stored

SENSORS, ENTRIES = 50, 5_000


def client(number: int) -> bytes:
    return number.to_bytes(4, "big")


def test_fifty_caches_hold_no_more_than_one() -> None:
    """Each asks for more than its part, most of them of one client; then all but one are idle."""
    room = SharedRoom(ENTRIES)
    caches: list[NameCache] = []

    def told(clients: list[bytes]) -> Iterator[object]:
        for each in clients:
            for frame in range(400 if each == client(0) else 2):
                yield stored((each, WEB, frame, 60, f"{frame}.example", True), bytes(16), 1)

    for _ in range(SENSORS):
        cache = NameCache(ENTRIES, RULES, room)
        caches.append(cache)
        cache.fetch([client(n) for n in range(60)], told, is_nobody)  # type: ignore[arg-type]
        cache.commit(NameCache(1, RULES).tables[0])
        assert sum(map(len, caches)) <= ENTRIES
    assert sum(cache.evicted for cache in caches) > 0


def test_a_client_with_more_names_than_a_part_is_read_whole_no_more() -> None:
    """Its facts would be dropped at each commit: once it is known to have too many, it is asked about pair by pair."""
    room, gateway = SharedRoom(400), client(0)
    caches = [NameCache(400, RULES, room) for _ in range(8)]
    read: list[bytes] = []

    def told(clients: list[bytes]) -> Iterator[object]:
        for each in clients:
            for frame in range(80 if each == gateway else 1):
                read.append(each)
                yield stored((each, WEB, frame, 60, f"{frame}.example", True), bytes(16), 1)

    for _ in range(3):  # the others are more than the part, too: all that is held is dropped
        caches[0].fetch([client(n) for n in range(60)], told, is_nobody)  # type: ignore[arg-type]
        caches[0].commit(NameCache(1, RULES).tables[0])
        assert len(caches[0]) <= room.part
    assert (caches[0].crowded, read.count(gateway)) == ({gateway}, room.part + 1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        yield store


def test_sensors_in_turn_are_named_as_if_each_were_alone(store: Store, tmp_path: Path) -> None:
    frames = list(generate(TrafficPlan(seed=5, packets=300, packets_per_second=30.0, clients=4, servers=12)))
    named: list[list[tuple[object, ...]]] = []
    for entries in (LoaderSettings().max_name_entries, 16):
        settings = LoaderSettings(max_name_entries=16_384)
        sensors = LeasedSensors(store, settings, "lan", f"{os.uname().nodename}:{os.getpid()}:{entries}", time.time, print)
        sensors.shared = replace(sensors.shared, names=SharedRoom(entries))
        names = [f"edge-{entries}-{n}" for n in range(4)]
        for part in range(3):
            for n, name in enumerate(names):
                (tmp_path / name).mkdir(exist_ok=True)
                # a capture is of one sensor: each has other clocks
                shifted = [(at + n * 1_000_000 + entries, frame) for at, frame in frames]
                path = cut(shifted, 3, tmp_path / name)[part]
                held = sensors.take(name)
                assert held is not None
                assert held.loader.load(path).packets > 0
        sensors.release()
        columns = [FLOWS.index(name) for name in ("endpoint", "hostname", "name_evidence")]
        rows = [row for row in store.scan(FLOWS) if row[FLOWS.index("sensor")] in names]
        named.append(sorted((tuple(row[at] for at in columns) for row in rows), key=repr))
    assert len(named[0]) > 40
    assert named[0] == named[1]

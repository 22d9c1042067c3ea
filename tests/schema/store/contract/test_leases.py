"""One loader at a time loads a sensor; taking over is safe at any moment."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from schema.errors import LeaseHeldError, LeaseLostError
from schema.store.reading import SensorRecord
from schema.store.writing import Store
from tests.schema.store.factory import SteppedClock, StoreFactory
from tests.schema.store.samples import load, now_ms, owner, sample, take


def test_held_sensor_is_refused_with_its_holder(store_factory: StoreFactory) -> None:
    holder, until = owner("a"), now_ms() + 60_000
    store_factory().take_sensor("edge-1", "office", holder, until)
    with pytest.raises(LeaseHeldError) as refused:
        take(store_factory())
    assert (refused.value.sensor, refused.value.owner, refused.value.until_ms) == ("edge-1", holder, until)


def test_other_sensors_are_free(store: Store) -> None:
    take(store, "edge-1")
    load(take(store, "edge-2"), sample("a"))


def test_released_sensor_is_free_at_once(store_factory: StoreFactory) -> None:
    take(store_factory()).release()
    load(take(store_factory()), sample("a"))


def test_lease_whose_time_is_over_is_taken_over(store_factory: StoreFactory) -> None:
    clock = SteppedClock()
    until = int(clock.now * 1000) + 30_000
    store_factory("loader", clock).take_sensor("edge-1", "office", owner(), until)
    store = store_factory("loader", clock)
    with pytest.raises(LeaseHeldError):
        store.take_sensor("edge-1", "office", owner(), until)
    clock.advance(31)
    load(store.take_sensor("edge-1", "office", owner(), until + 60_000), sample("a"))


def test_renewed_lease_is_held_longer(store_factory: StoreFactory) -> None:
    clock = SteppedClock()
    until = int(clock.now * 1000) + 30_000
    lease = store_factory("loader", clock).take_sensor("edge-1", "office", owner(), until)
    lease.renew(until + 30_000)
    clock.advance(31)
    with pytest.raises(LeaseHeldError) as refused:
        store_factory("loader", clock).take_sensor("edge-1", "office", owner(), until + 60_000)
    assert refused.value.until_ms == until + 30_000


@pytest.mark.parametrize(("commit_ms", "kept_ms"), [(60_000, 60_000), (10_000, 30_000), (None, 30_000)])
def test_a_commit_may_keep_the_lease_and_never_ends_it_sooner(store: Store, commit_ms: int | None, kept_ms: int) -> None:
    began, capture = now_ms(), sample("a")
    lease = store.take_sensor("edge-1", "office", owner(), began + 30_000)
    with lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.commit(replace(capture.commit(), lease_until_ms=began + commit_ms if commit_ms else 0))
    (record,) = store.sensors()
    assert record.lease_until_ms == began + kept_ms
    lease.renew(began + 90_000)
    load(lease, sample("b"))
    (record,) = store.sensors()
    assert record.lease_until_ms == began + 90_000


def test_lease_of_a_dead_process_on_this_host_is_taken_over_at_once(store_factory: StoreFactory) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    store_factory().take_sensor("edge-1", "office", f"host:{child.pid}:x", now_ms() + 60_000)
    lease = store_factory().take_sensor("edge-1", "office", f"host:{os.getpid()}:y", now_ms() + 60_000)
    load(lease, sample("a"))


def test_lease_of_a_living_process_on_this_host_is_held(store_factory: StoreFactory) -> None:
    store_factory().take_sensor("edge-1", "office", f"host:{os.getpid()}:x", now_ms() + 60_000)
    with pytest.raises(LeaseHeldError):
        store_factory().take_sensor("edge-1", "office", f"host:{os.getpid()}:y", now_ms() + 60_000)


def test_lost_lease_can_neither_be_renewed_nor_quarantine(store_factory: StoreFactory) -> None:
    sleeper = store_factory().take_sensor("edge-1", "office", owner(), now_ms() - 1)
    lease = take(store_factory())
    with pytest.raises(LeaseLostError):
        sleeper.renew(now_ms() + 60_000)
    with pytest.raises(LeaseLostError):
        sleeper.quarantine(sample("a").facts, "not_a_capture", "no magic", now_ms())
    sleeper.release()
    load(lease, sample("a"))


def test_lease_is_renewed_while_an_attempt_is_open(store: Store) -> None:
    lease, capture = take(store), sample("a")
    until = now_ms() + 120_000
    with lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.write(capture.batches())
        lease.renew(until)
        attempt.commit(capture.commit())
    assert [record.lease_until_ms for record in store.sensors()] == [until]


def test_first_taker_fixes_the_network(store: Store) -> None:
    take(store, network="office").release()
    holder, until = owner(), now_ms() + 60_000
    store.take_sensor("edge-1", "factory", holder, until)
    (record,) = store.sensors()
    assert record == SensorRecord(
        sensor="edge-1",
        network="office",
        segment=0,
        first_seen_ms=record.first_seen_ms,
        owner=holder,
        lease_until_ms=until,
    )
    assert record.first_seen_ms > 0


def test_sensors_by_name_and_without_a_holder(store: Store) -> None:
    assert store.sensors() == []
    take(store, "edge-2").release()
    take(store, "edge-1")
    assert [(record.sensor, record.owner == "") for record in store.sensors()] == [("edge-1", False), ("edge-2", True)]

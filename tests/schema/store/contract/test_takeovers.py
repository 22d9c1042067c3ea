"""An attempt that died, finished under another sensor: nothing of it stays, and nobody waits for it."""

from dataclasses import replace

from schema.store.writing import ClaimRefusal, SensorLease, Store
from schema.tables import NAMES_BY_ADDRESS, NAMES_BY_CLIENT, TRAFFIC_BY_MINUTE
from tests.schema.store.samples import (
    CLIENT,
    Sample,
    abandon,
    id_of,
    load,
    name_row,
    now_ms,
    owner,
    sample,
    scanned,
    take,
)

INPUTS = {"rows_from_ms": str(now_ms())}


def of_sensor(sensor: str) -> Sample:
    """One content with equal inputs, as a sensor's loader writes it: the sensor is part of its rows' keys."""
    capture = sample("a")
    at = TRAFFIC_BY_MINUTE.index("sensor")
    minutes = [(*row[:at], sensor, *row[at + 1 :]) for row in capture.rows[TRAFFIC_BY_MINUTE]]
    names = {table: [name_row(capture.capture_id, 1, table, sensor=sensor)] for table in (NAMES_BY_CLIENT, NAMES_BY_ADDRESS)}
    rows = {**capture.rows, TRAFFIC_BY_MINUTE: minutes, **names}
    return replace(capture, rows=rows, inputs=INPUTS)


def take_as(store: Store, holder: str, sensor: str) -> SensorLease:
    return store.take_sensor(sensor, "office", holder, now_ms() + 60_000)


def test_rows_of_the_old_sensor_are_gone(store: Store) -> None:
    first = take(store, "edge-1")
    abandon(first, of_sensor("edge-1"))
    first.release()
    capture = of_sensor("edge-2")
    load(take(store, "edge-2"), capture)
    for table in (TRAFFIC_BY_MINUTE, NAMES_BY_CLIENT, NAMES_BY_ADDRESS):
        assert scanned(store, table) == capture.rows[table]
    recount = store.recount(capture.capture_id)
    assert recount.found == recount.expected


def test_loader_of_both_sensors_does_not_wait_for_itself(store: Store) -> None:
    holder = owner()
    abandon(take_as(store, holder, "edge-1"), of_sensor("edge-1"))
    assert load(take_as(store, holder, "edge-2"), of_sensor("edge-2")).position.seq == 1
    assert take_as(store, holder, "edge-1").begin(of_sensor("edge-1").claim()) is ClaimRefusal.ALREADY_LOADED


def test_names_of_a_dead_attempt_are_not_told_when_another_capture_takes_its_place(store: Store) -> None:
    lease = take(store)
    dead = replace(sample("dead"), rows={NAMES_BY_CLIENT: [name_row(id_of("dead"), 1, hostname="dead.example")]})
    abandon(lease, dead)
    load(lease, replace(sample("a"), rows={NAMES_BY_CLIENT: [name_row(id_of("a"), 1)]}))
    assert [name.capture_id for name in lease.names_told([CLIENT])] == [id_of("a")]
    lease.release()
    again = take(store)
    assert [name.capture_id for name in again.names_told([CLIENT])] == [id_of("a")]
    load(again, replace(dead, rows={NAMES_BY_CLIENT: [name_row(id_of("dead"), 2, hostname="dead.example")]}))
    assert {name.capture_id for name in again.names_told([CLIENT])} == {id_of("a"), id_of("dead")}

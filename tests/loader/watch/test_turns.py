"""Whose files leave the directory in a turn, and how many: nobody's wait for those of others; how long a load took."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from loader.archive.disposal import Disposal
from loader.outcome import FileOutcome
from loader.reading.capture import first_packet_time
from loader.spool.files import Spool
from loader.watch.aside import SensorsAside
from loader.watch.leases import LeasedSensors
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings, Turns
from schema.enums import FileState
from schema.store.writing import Store
from tests.loader.watching import QUICK
from tests.pcapline.captures import some

SETTINGS = replace(QUICK, settle_s=0, grace_s=0)


@pytest.fixture
def turns(spool: Path, store: Store) -> Turns:
    disposal = Disposal(spool, store, SETTINGS, print)
    disposal.prepare()
    return Turns(
        spool=Spool(spool, "edge", SETTINGS.settle_s, first_packet_time),
        sensors=LeasedSensors(store, SETTINGS, "lan", "here:1:mine", time.time, print),
        disposal=disposal,
        settings=SETTINGS,
        telemetry=LoaderTelemetry("sqlite", "0"),
        world=Surroundings(clock=time.time, monotonic=time.monotonic, stop=Event(), tell=print, on_outcome=lambda _: None),
        aside=SensorsAside(time.time, print),
    )


def land(turns: Turns, sensors: dict[str, int]) -> None:
    """So many captures of each sensor."""
    for number, sensor in enumerate(name for name, files in sensors.items() for _ in range(files)):
        folder = turns.spool.directory / sensor
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.pcap").write_bytes(some(number))
    for _ in range(2):  # the second look finds them unchanged
        turns.spool.rescan(time.time())


def left(turns: Turns) -> list[str]:
    return sorted({path.parent.name for path in turns.spool.directory.glob("*/*.pcap")})


@pytest.mark.parametrize("files", [16, 200])
def test_what_another_loader_holds_stops_no_other_sensors_files(turns: Turns, store: Store, files: int) -> None:
    store.take_sensor("aside", "lan", "there:1:other", int((time.time() + 600) * 1000))
    land(turns, {"aside": files, "own": 1})
    for file in [*turns.spool.waiting_of("aside")]:
        turns.spool.answer(file, FileOutcome(file=str(file.path), state=FileState.EMPTY), time.time())
    assert turns.round() == 1
    for _ in range(2):
        turns.dispose(1)
    assert left(turns) == ["aside"]


def test_as_many_leave_as_are_loaded(turns: Turns) -> None:
    land(turns, {"edge": 9, "office": 9, "roof": 9})
    assert turns.round() == 27
    turns.dispose(27)
    assert left(turns) == []


def moving_on(began: float, step_s: float) -> Callable[[], float]:
    """A clock that is so much later each time it is looked at."""
    steps = count()
    return lambda: began + next(steps) * step_s


@pytest.mark.parametrize("set_by_s", [3_600, -0.5])
def test_how_long_a_load_took_is_no_matter_of_a_clock_that_is_set_meanwhile(turns: Turns, set_by_s: float) -> None:
    land(turns, {"edge": 2})
    turns.world = replace(turns.world, clock=moving_on(time.time() + 60, set_by_s), monotonic=moving_on(0, 0.25))
    assert turns.round() == 2
    assert "pcapline_capture_load_seconds_sum 0.5\n" in turns.telemetry.expose("")[0].decode()

"""`watch`, as it runs: a real directory, real file events, a real store."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

import loader.rows.spill
from loader.decode.columns import DecodedBatch
from loader.rows.building import RowBuilder
from loader.settings import LoaderSettings
from loader.watch.service import WatchRequest, run_watch
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings
from schema.capture_names import capture_name
from schema.enums import FileState
from schema.errors import SettingsError, StoreError, StorePermissionError, StoreUnavailableError
from schema.store.sqlite import open_sqlite
from schema.store.writing import Claim, SensorLease, Store
from schema.tables import RowBatch
from tests.loader.watching import QUICK, Clock, Fragile, watching
from tests.pcapline.captures import HEADER, START_S, some

LOADED, EMPTY, KNOWN, REFUSED = FileState.LOADED, FileState.EMPTY, FileState.ALREADY_LOADED, FileState.QUARANTINED


def hand_over(content: bytes, path: Path) -> Path:
    """As a sensor does: written elsewhere, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    return part.rename(path)


def packets_of(database: Path, sensor: str) -> int:
    store = open_sqlite(database, Clock(), read_only=True)
    try:
        return store.ledger(sensor).totals.get("frames", 0)
    finally:
        store.close()


@pytest.mark.parametrize("events", [True, False])
def test_all_that_lands_is_loaded_with_and_without_events(spool: Path, database: Path, events: bool):
    (spool / "before.pcap").write_bytes(some(0))
    with watching(spool, database, events=events) as watch:
        hand_over(some(1), spool / "renamed.pcap")
        hand_over(some(2), spool / "office" / "there.pcap")
        (spool / "written.pcap").write_bytes(some(3))
        watch.until(lambda: len(watch.outcomes) == 4)
        assert set(watch.states().values()) == {LOADED}
        assert {outcome.sensor for outcome in watch.outcomes} == {"edge", "office"}
    assert packets_of(database, "edge") == 5 + 6 + 8
    assert packets_of(database, "office") == 7


def test_a_file_that_is_written_slowly_ends_up_whole(spool: Path, database: Path):
    content = some(20)
    open_sqlite(database, Clock()).apply_schema()
    with watching(spool, database) as watch, (spool / "slow.pcap").open("wb", buffering=0) as file:
        for start in range(0, len(content), 100):
            file.write(content[start : start + 100])
            watch.stop.wait(0.05)
        watch.until(lambda: packets_of(database, "edge") == 25)
    assert packets_of(database, "edge") == 25


def test_a_file_that_grows_after_it_was_loaded_has_its_tail_loaded(spool: Path, database: Path):
    content = some(4)
    with watching(spool, database) as watch:
        (spool / "grows.pcap").write_bytes(content[:24] + content[24 : 24 + first_records(content, 3)])
        watch.until(lambda: len(watch.outcomes) == 1)
        with (spool / "grows.pcap").open("ab") as file:
            file.write(content[24 + first_records(content, 3) :])
        watch.until(lambda: len(watch.outcomes) == 2)
        assert [outcome.packets for outcome in watch.outcomes] == [3, 6]
    assert packets_of(database, "edge") == 9


def first_records(content: bytes, count: int) -> int:
    """Length of the first records behind the header."""
    length = 0
    for _ in range(count):
        length += 16 + int.from_bytes(content[24 + length + 8 : 24 + length + 12], "little")
    return length


def test_files_of_a_sensor_go_by_their_numbers_and_a_gap_is_waited_for(spool: Path, database: Path):
    settings = replace(QUICK, gap_wait_s=3600.0)
    names = [capture_name("edge", (START_S + number) * 10**9, number) for number in range(4)]
    with watching(spool, database, settings) as watch:
        hand_over(some(0), spool / names[0])
        watch.until(lambda: len(watch.outcomes) == 1)
        for number in (3, 2):
            hand_over(some(number), spool / names[number])
        watch.until(lambda: watch.metric('pcapline_captures_pending{sensor="edge"}') == "2.0")
        hand_over(some(1), spool / names[1])
        watch.until(lambda: len(watch.outcomes) == 4)
        assert [Path(outcome.file).name for outcome in watch.outcomes] == names
    with watching(spool, database, settings) as watch:
        hand_over(some(6), spool / capture_name("edge", (START_S + 6) * 10**9, 6))
        watch.until(lambda: watch.metric('pcapline_captures_pending{sensor="edge"}') == "1.0")
        watch.clock.ahead = 3601
        watch.until(lambda: watch.states().get(capture_name("edge", (START_S + 6) * 10**9, 6)) is LOADED)


def test_a_bad_file_is_put_aside_with_its_reason_and_its_neighbours_load(spool: Path, database: Path):
    with watching(spool, database) as watch:
        hand_over(b"this is no capture at all", spool / "bad" / "no.pcap")
        hand_over(some(1), spool / "bad" / "yes.pcap")
        hand_over(some(2), spool / "good" / "yes.pcap")
        hand_over(HEADER, spool / "good" / "header.pcap")
        hand_over(b"", spool / "good" / "nothing.pcap")
        watch.until(lambda: len(watch.outcomes) == 5)
        aside = spool / ".pcapline" / "quarantine" / "bad"
        watch.until(lambda: (aside / "no.pcap.reason.txt").exists())
        assert (aside / "no.pcap").read_bytes() == b"this is no capture at all"
        assert f"pcapline load --retry {spool}" in (aside / "no.pcap.reason.txt").read_text()
    assert [outcome.state for outcome in watch.outcomes if outcome.file.endswith("no.pcap")] == [REFUSED]
    assert [outcome.state for outcome in watch.outcomes if outcome.file.endswith("yes.pcap")] == [LOADED, LOADED]
    assert {outcome.state for outcome in watch.outcomes if outcome.sensor == "good"} == {LOADED, EMPTY}


def test_a_loaded_file_is_archived_after_its_grace_with_what_its_sensor_noted(spool: Path, database: Path):
    with watching(spool, database) as watch:
        hand_over(b'{"kernel_drops": 0}', spool / "office" / "a.pcap.json")
        hand_over(some(1), spool / "office" / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 1)
        watch.clock.ahead = QUICK.grace_s - 20
        watch.until(lambda: watch.metric('pcapline_captures_pending{sensor="office"}') == "0.0")
        assert (spool / "office" / "a.pcap").exists()
        watch.clock.ahead = QUICK.grace_s + 1
        archive = spool / ".pcapline" / "archive" / "office"
        watch.until(lambda: (archive / "a.pcap").exists())
        watch.until(lambda: (archive / "a.pcap.json").exists())
        hand_over(some(2), spool / "office" / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 2)
        watch.clock.ahead = 3 * QUICK.grace_s
        watch.until(lambda: len(list(archive.glob("a.pcap*"))) == 3)
        assert not list((spool / "office").iterdir())


def test_deleted_only_where_a_commit_survives_a_crash(spool: Path, database: Path):
    with watching(spool, database, replace(QUICK, after="delete", grace_s=0)) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: not list(spool.rglob("a.pcap*")))


def test_deletion_is_refused_and_told_where_it_does_not(spool: Path, database: Path):
    with watching(spool, database, replace(QUICK, after="delete", grace_s=0), wrap=Fragile) as watch:
        for number in (1, 2):
            hand_over(some(number), spool / f"{number}.pcap")
        archive = spool / ".pcapline" / "archive" / "edge"
        watch.until(lambda: archive.is_dir() and len(list(archive.glob("[!.]*"))) == 2)
        assert len([line for line in watch.told if "archived, not deleted" in line]) == 1


def test_a_kept_file_is_loaded_once_and_known_after_a_restart(spool: Path, database: Path):
    settings = replace(QUICK, after="keep", grace_s=0)
    hand_over(some(1), spool / "a.pcap")
    with watching(spool, database, settings) as watch:
        watch.until(lambda: len(watch.outcomes) == 1)
        hand_over(some(2), spool / "b.pcap")
        watch.until(lambda: len(watch.outcomes) == 2)
    with watching(spool, database, settings) as watch:
        watch.until(lambda: len(watch.outcomes) == 2)
        assert set(watch.states().values()) == {KNOWN}
    assert packets_of(database, "edge") == 6 + 7


def test_after_a_restart_the_grace_goes_on_from_the_commit(spool: Path, database: Path):
    hand_over(some(1), spool / "a.pcap")
    with watching(spool, database) as watch:
        watch.until(lambda: len(watch.outcomes) == 1)
    assert (spool / "a.pcap").exists()
    with watching(spool, database, clock=Clock(ahead=QUICK.grace_s + 1)) as watch:
        watch.until(lambda: (spool / ".pcapline" / "archive" / "edge" / "a.pcap").exists())
        assert watch.states() == {"a.pcap": KNOWN}


def test_what_somebody_still_writes_to_is_loaded_but_not_taken_away(spool: Path, database: Path):
    content = some(1)
    with watching(spool, database, replace(QUICK, grace_s=0)) as watch:
        with (spool / "live.pcap").open("wb", buffering=0) as file:
            file.write(content)
            watch.until(lambda: len(watch.outcomes) == 1)
            hand_over(some(2), spool / "other.pcap")
            watch.until(lambda: (spool / ".pcapline" / "archive" / "edge" / "other.pcap").exists())
            assert (spool / "live.pcap").exists()
        watch.clock.ahead = 10
        watch.until(lambda: (spool / ".pcapline" / "archive" / "edge" / "live.pcap").exists())


def test_a_file_that_is_no_capture_yet_waits_for_its_writer(spool: Path, database: Path):
    content = some(1)
    with watching(spool, database) as watch:
        with (spool / "begun.pcap").open("wb", buffering=0) as file:
            file.write(content[:10])
            watch.until(lambda: watch.states() == {"begun.pcap": FileState.WAITING})
            file.write(content[10:])
        watch.until(lambda: watch.states() == {"begun.pcap": LOADED})
    assert not list((spool / ".pcapline" / "quarantine").iterdir())


class Away:
    """A store that can be cut off."""

    def __init__(self, store: Store, away: Event) -> None:
        self._store, self._away = store, away

    def __getattr__(self, name: str) -> object:
        if self._away.is_set():
            raise StoreUnavailableError("the store does not answer; start it")
        return getattr(self._store, name)


def test_with_the_store_away_files_wait_and_are_loaded_when_it_is_back(spool: Path, database: Path):
    away = Event()
    with watching(spool, database, replace(QUICK, grace_s=0), wrap=lambda store: Away(store, away)) as watch:
        hand_over(some(0), spool / "a.pcap")
        watch.until(lambda: (spool / ".pcapline" / "archive" / "edge" / "a.pcap").exists())
        away.set()
        for number in (1, 2, 3):
            hand_over(some(number), spool / f"office{number}" / "b.pcap")
        watch.until(lambda: watch.metric('pcapline_loader_store_up{store="sqlite"}') == "0.0")
        watch.until(lambda: watch.metric('pcapline_captures_pending{sensor="office3"}') == "1.0")
        watch.clock.ahead = 1000
        watch.until(lambda: float(watch.metric('pcapline_write_failures_total{reason="unavailable",store="sqlite"}')) >= 2)
        assert all((spool / f"office{number}" / "b.pcap").exists() for number in (1, 2, 3))
        assert len(watch.told) == 1
        away.clear()
        watch.clock.ahead = 2000
        watch.until(lambda: len(watch.outcomes) == 4)
        watch.until(lambda: "answers again" in watch.told[-1])


class Refusing:
    """A store that refuses some sensors while `refuses` is set."""

    def __init__(self, store: Store, refuses: Event, error: Exception, sensors: tuple[str, ...]) -> None:
        self._store, self._refuses, self._error, self._sensors = store, refuses, error, sensors

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def take_sensor(self, sensor: str, network: str, owner: str, until_ms: int) -> object:
        lease = self._store.take_sensor(sensor, network, owner, until_ms)
        return RefusingLease(lease, self._refuses, self._error) if sensor in self._sensors else lease


class RefusingLease:
    def __init__(self, lease: SensorLease, refuses: Event, error: Exception) -> None:
        self._lease, self._refuses, self._error = lease, refuses, error

    def __getattr__(self, name: str) -> object:
        return getattr(self._lease, name)

    def begin(self, claim: Claim) -> object:
        if self._refuses.is_set():
            raise self._error
        return self._lease.begin(claim)


def test_a_sensor_that_the_store_refuses_for_good_waits_alone_and_is_told_once(spool: Path, database: Path):
    refuses, error = Event(), StoreError("the carried state is cut off: 3 bytes")
    refuses.set()
    with watching(spool, database, wrap=lambda store: Refusing(store, refuses, error, ("bad",))) as watch:
        hand_over(some(1), spool / "bad" / "a.pcap")
        hand_over(some(2), spool / "good" / "b.pcap")
        watch.until(lambda: watch.states() == {"b.pcap": LOADED})
        watch.clock.ahead = 100
        watch.until(lambda: float(watch.metric('pcapline_write_failures_total{reason="refused",store="sqlite"}')) >= 2)
        hand_over(some(3), spool / "good" / "c.pcap")
        watch.until(lambda: watch.states() == {"b.pcap": LOADED, "c.pcap": LOADED})
        assert len([line for line in watch.told if "sensor bad: the carried state is cut off" in line]) == 1
        refuses.clear()
        watch.clock.ahead = 1000
        watch.until(lambda: watch.states().get("a.pcap") is LOADED)
        watch.until(lambda: any("sensor bad goes on" in line for line in watch.told))


@pytest.mark.parametrize("error", [StorePermissionError("store.db cannot be written"), KeyError("a fault on the store's side")])
def test_a_store_that_fails_or_may_not_be_written_quarantines_nothing(spool: Path, database: Path, error: Exception):
    refuses = Event()
    refuses.set()
    with watching(spool, database, wrap=lambda store: Refusing(store, refuses, error, ("edge",))) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: bool(watch.told or watch.outcomes))
        assert (spool / "a.pcap").exists()
        refuses.clear()
        watch.clock.ahead = 1000
        watch.until(lambda: watch.states().get("a.pcap") is LOADED)
    assert not list((spool / ".pcapline" / "quarantine").iterdir())


def test_a_fault_while_decoding_puts_that_file_aside(spool: Path, database: Path, monkeypatch: pytest.MonkeyPatch):
    build = RowBuilder.build

    def faulty(self: RowBuilder, batch: DecodedBatch) -> Iterator[RowBatch]:
        if batch.flows.packets and sum(batch.flows.packets) > 5:
            raise ZeroDivisionError
        return build(self, batch)

    monkeypatch.setattr(RowBuilder, "build", faulty)
    with watching(spool, database) as watch:
        hand_over(some(9), spool / "a.pcap")
        hand_over(some(0), spool / "b.pcap")
        watch.until(lambda: watch.states() == {"a.pcap": REFUSED, "b.pcap": LOADED})
        assert any("internal_error: ZeroDivisionError" in outcome.reason for outcome in watch.outcomes)


def test_no_room_for_temporary_rows_is_no_file_that_is_gone(spool: Path, database: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loader.rows.spill.tempfile, "TemporaryFile", no_temporary_file)
    with watching(spool, database, replace(QUICK, staging_rows=1)) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: watch.states() == {"a.pcap": FileState.WAITING})
        monkeypatch.undo()
        watch.clock.ahead = 10
        watch.until(lambda: watch.states() == {"a.pcap": LOADED})


def no_temporary_file(**_options: object) -> object:
    raise FileNotFoundError(2, "No usable temporary directory found")


def test_what_is_passed_over_is_told_once_and_counted(spool: Path, database: Path):
    (spool / "link.pcap").symlink_to("/etc/passwd")
    os.mkfifo(spool / "pipe.pcap")
    (spool / "office" / "deeper").mkdir(parents=True)
    with watching(spool, database) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: watch.states() == {"a.pcap": LOADED})
        (spool / "standalone").mkdir()
        watch.until(lambda: watch.metric("pcapline_spool_passed_over") == "4.0")
        assert sorted(line.partition(" is passed over")[0] for line in watch.told) == sorted(
            str(spool / name) for name in ("link.pcap", "pipe.pcap", "office/deeper", "standalone")
        )


def test_a_sensor_that_another_loader_holds_waits_alone(spool: Path, database: Path):
    store = open_sqlite(database, Clock())
    store.apply_schema()
    owner = f"{os.uname().nodename}:{os.getpid()}:other"
    lease = store.take_sensor("held", "lan", owner, int((Clock()() + 3600) * 1000))
    with watching(spool, database) as watch:
        hand_over(some(1), spool / "held" / "a.pcap")
        hand_over(some(2), spool / "free" / "b.pcap")
        watch.until(lambda: watch.states() == {"b.pcap": LOADED})
        watch.until(lambda: len(watch.told) == 1 and owner in watch.told[0])
        lease.release()
        watch.until(lambda: watch.states() == {"a.pcap": LOADED, "b.pcap": LOADED})
    store.close()


def test_a_directory_that_vanishes_is_waited_for(spool: Path, database: Path):
    with watching(spool, database) as watch:
        hand_over(some(0), spool / "first.pcap")
        watch.until(lambda: watch.states() == {"first.pcap": LOADED})
        shutil.rmtree(spool)
        watch.until(lambda: any("cannot be read" in line for line in watch.told))
        watch.until(lambda: watch.metric("pcapline_spool_up") == "0.0")
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: watch.states().get("a.pcap") is LOADED)
        watch.until(lambda: any("is back" in line for line in watch.told))


def test_a_directory_that_is_not_there_at_the_start(tmp_path: Path, database: Path):
    store = open_sqlite(database, Clock())
    request = WatchRequest(directory=tmp_path / "none", sensor="edge", network="lan", owner="h:1:x")
    world = Surroundings(clock=Clock(), monotonic=time.monotonic, stop=Event(), tell=print, on_outcome=print)
    with pytest.raises(SettingsError, match="create it"):
        run_watch(store, request, LoaderSettings(), LoaderTelemetry("sqlite", "0"), world)
    store.close()


def test_a_stopped_watch_lets_its_sensors_go(spool: Path, database: Path):
    with watching(spool, database) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 1)
    store = open_sqlite(database, Clock(), read_only=True)
    assert [record.owner for record in store.sensors()] == [""]
    store.close()

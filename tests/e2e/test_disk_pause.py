"""A loader whose disk is nearly full and sensors beside it: they pause wherever they capture; what that costs is counted."""

from contextlib import closing
from pathlib import Path

import pytest

from capture.events import SensorEvent
from capture.handover import HandOver
from capture.rotation import Piece
from capture.tcpdump import Statistics
from capture.writing import CaptureWriter, Journal, recover
from loader.archive.disk import PauseKeeper
from loader.marks import Room
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.store.sqlite import open_sqlite
from tests.e2e.loading import load_all
from tests.pcapline.captures import START_S, some
from tests.servers.disks import small_disk

MARKS = LoaderSettings(disk_high_free="98%", disk_low_free="99%")
HEADER_BYTES = 24


def keeper_of(spool: Path) -> PauseKeeper:
    return PauseKeeper(directory=spool, settings=MARKS, tell=print, room_on=lambda _: Room(free=1, total=100))


def sensor_run(folder: Path, dropped: int, kept: bytes = b"") -> tuple[str, int]:
    """A sensor that starts, has no room for so many packets, then perhaps for some, and ends: its last words and its drops."""
    events: list[SensorEvent] = []
    with HandOver(folder, "lan") as handover:
        journal = Journal(events.append)
        recover(handover, journal)
        writer = CaptureWriter(handover, journal)
        for _ in range(dropped):
            assert handover.is_to_pause()
            writer.write(some(1)[:HEADER_BYTES], Piece(b"lost", 1, 1, False))
        if kept:
            assert not handover.is_to_pause()
            writer.write(kept[:HEADER_BYTES], Piece(kept[HEADER_BYTES:], 1, START_S * 10**9, False))
        writer.close(Statistics())
        return writer.end(), journal.counts.disk_drops


@pytest.mark.parametrize("layout", [".", "lan"])
def test_what_a_pause_costs_is_counted_though_the_sensor_ends_in_it(tmp_path: Path, layout: str) -> None:
    spool = tmp_path / "captures"
    folder = spool / layout
    folder.mkdir(parents=True)
    keeper = keeper_of(spool)
    keeper.look()
    words, drops = sensor_run(folder, 132)
    assert drops == 132
    assert "everything captured" not in words
    assert words.count("132") == 2
    again, _ = sensor_run(folder, 8)
    assert "8 packets were lost" in again
    assert "140 lost packets will be counted" in again
    keeper.end()
    assert sensor_run(folder, 0, some(1)) == ("stopped; everything captured was handed over", 0)
    sensor_run(folder, 0, some(2))
    with closing(open_sqlite(tmp_path / "pcapline.db")) as store:
        store.apply_schema()
        outcomes = load_all(store, sorted(folder.glob("*.pcap")), sensor="lan")
        assert [outcome.state for outcome in outcomes] == [FileState.LOADED] * 2
        assert store.ledger("lan").totals["disk_drops"] == 140


def test_sensors_of_every_folder_pause_but_those_on_another_disk(tmp_path: Path) -> None:
    spool = tmp_path / "captures"
    for name in ("gateway", "lan", ".hidden"):
        (spool / name).mkdir(parents=True)
    (spool / "gateway" / ".pcapline").write_text("in the way")  # one that cannot be asked
    keeper = keeper_of(spool)
    with small_disk(spool / "other", "1m"):
        keeper.look()
        asked = {path.parent.parent.relative_to(spool) for path in spool.rglob("pause")}
        assert asked == {Path(), Path("lan")}
        (spool / "new").mkdir()  # a sensor that is added meanwhile
        keeper.look()
        assert HandOver(spool / "new", "new").is_to_pause()
        assert HandOver(spool, "edge").is_to_pause()
    keeper.end()
    assert not list(spool.rglob("pause"))

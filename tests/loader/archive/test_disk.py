"""A disk between its two marks: sensors pause, or loaded captures go; what is not loaded stays, whatever happens."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from loader.archive.disk import ArchiveKeeper, PauseKeeper
from loader.archive.moving import move_capture
from loader.marks import Room
from loader.settings import LoaderSettings
from schema.errors import SettingsError
from schema.pause import HOLDS_S, PAUSE, pause_is_asked
from schema.store.reading import StoreReader
from schema.store.writing import Store
from tests.e2e.loading import load_all
from tests.loader.watching import QUICK, Fragile, watching
from tests.pcapline.captures import START_S, capture, conversation, some
from tests.servers.disks import fill, small_disk

MARKS = LoaderSettings(disk_high_free=1_000, disk_low_free=2_000)
SHARES = LoaderSettings(disk_high_free="5%", disk_low_free="10 %")  # of 20,000: the same
DROPS = replace(MARKS, disk_policy="drop")


class Disk:
    """So many bytes are free, of 20,000."""

    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, _path: Path) -> Room:
        return Room(free=self.free, total=20_000)


@pytest.mark.parametrize(("marks", "told_as"), [(MARKS, "1,000 bytes"), (SHARES, "5%")])
def test_between_the_marks_what_was_asked_for_goes_on(tmp_path: Path, marks: LoaderSettings, told_as: str) -> None:
    disk, told = Disk(5_000), list[str]()
    keeper = PauseKeeper(directory=tmp_path, settings=marks, tell=told.append, room_on=disk)
    for free, asked in (
        (5_000, False),
        (1_000, False),
        (999, True),
        (1_500, True),
        (1_999, True),
        (2_000, False),
        (1_001, False),
    ):
        disk.free = free
        keeper.look()
        assert (keeper.asks, pause_is_asked(tmp_path, time.time())) == (asked, asked), free
    assert len(told) == 2
    assert f"less than {told_as} free (loader.disk_high_free)" in told[0]


def test_a_request_that_nobody_renews_ends_and_so_does_that_of_a_loader_that_stops(tmp_path: Path) -> None:
    keeper = PauseKeeper(directory=tmp_path, settings=MARKS, tell=print, room_on=Disk(0))
    keeper.look()
    now = time.time()
    assert pause_is_asked(tmp_path, now + HOLDS_S / 2)
    assert not pause_is_asked(tmp_path, now + HOLDS_S + 5)
    assert not pause_is_asked(tmp_path, now - HOLDS_S - 5)
    os.utime(tmp_path / PAUSE, (1, 1))
    keeper.look()
    assert pause_is_asked(tmp_path, time.time())
    keeper.end()
    assert not pause_is_asked(tmp_path, time.time())


def test_marks_of_nothing_never_ask(tmp_path: Path) -> None:
    settings = LoaderSettings(disk_high_free=0, disk_low_free=0)
    PauseKeeper(directory=tmp_path, settings=settings, tell=print, room_on=Disk(0)).look()
    assert not pause_is_asked(tmp_path, time.time())


@pytest.mark.parametrize("wrong", [{"disk_policy": "delete"}, {"disk_high_free": 10, "disk_low_free": 9}])
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"loader\.disk_"):
        LoaderSettings(**wrong)  # type: ignore[arg-type]


def archived(tmp_path: Path, store: Store, count: int) -> Path:
    """An archive of so many loaded captures; 0 was archived first, though its time of modification is the latest."""
    archive = tmp_path / "archive"
    for number in range(count):
        path = tmp_path / f"{number}.pcap"
        path.write_bytes(some(number))
        path.with_name(f"{number}.pcap.json").write_text("{}")
        load_all(store, [path], "edge")
        os.utime(path, (START_S - number, START_S - number))
        move_capture(path, archive / "edge")
        time.sleep(0.02)  # as long as a file system's clock takes to move on
    return archive


def left_in(archive: Path) -> set[str]:
    return {path.name for path in (archive / "edge").glob("*.pcap")}


def keeper_of(archive: Path, store: StoreReader, settings: LoaderSettings = DROPS) -> ArchiveKeeper:
    """Each capture frees 400 bytes."""
    most = len(left_in(archive))
    return ArchiveKeeper(
        archive=archive,
        store=store,
        settings=settings,
        tell=print,
        room_on=lambda path: Room(free=900 + 400 * (most - len(left_in(path))), total=20_000),
    )


def test_what_was_archived_longest_ago_goes_first_and_no_more_than_is_needed(tmp_path: Path, store: Store) -> None:
    archive = archived(tmp_path, store, 6)
    keeper = keeper_of(archive, store)
    assert keeper.drop()
    assert left_in(archive) == {"3.pcap", "4.pcap", "5.pcap"}
    assert keeper.dropped == 3
    assert not list((archive / "edge").glob("[012].pcap.json"))
    assert not keeper.drop()


def test_what_the_ledger_does_not_have_stays_whoever_put_it_there(tmp_path: Path, store: Store) -> None:
    archive = archived(tmp_path, store, 2)
    (archive / "edge" / "never.pcap").write_bytes(some(9))
    (archive / "edge" / "words.pcap").write_bytes(b"words")
    (archive / "edge" / "link.pcap").symlink_to(archive / "edge" / "never.pcap")
    with (archive / "edge" / "1.pcap").open("ab") as file:
        file.write(b"more")
    keeper = ArchiveKeeper(archive=archive, store=store, settings=DROPS, tell=print, room_on=Disk(0))
    assert keeper.drop()
    assert left_in(archive) == {"1.pcap", "never.pcap", "words.pcap", "link.pcap"}
    assert not keeper.drop()


def test_a_copy_from_another_file_system_is_known_by_its_content(tmp_path: Path, store: Store) -> None:
    archive = archived(tmp_path, store, 1)
    copy = archive / "edge" / "copy"
    copy.write_bytes((archive / "edge" / "0.pcap").read_bytes())
    copy.replace(archive / "edge" / "0.pcap")  # another inode
    keeper = ArchiveKeeper(archive=archive, store=store, settings=DROPS, tell=print, room_on=Disk(0))
    assert keeper.drop()
    assert left_in(archive) == set()


def test_many_that_may_not_go_do_not_keep_the_others(tmp_path: Path, store: Store) -> None:
    (tmp_path / "archive" / "edge").mkdir(parents=True)
    for number in range(201):  # more than one step looks at
        (tmp_path / "archive" / "edge" / f"words-{number}.txt").write_bytes(b"words")
    archive = archived(tmp_path, store, 2)
    keeper = ArchiveKeeper(archive=archive, store=store, settings=DROPS, tell=print, room_on=Disk(0))
    assert keeper.drop()
    assert keeper.drop()
    assert left_in(archive) == set()
    assert not keeper.drop()
    (archive / "edge" / "words-7.txt").write_bytes(some(0))  # what has changed since is looked at again
    assert keeper.drop()
    assert len(list((archive / "edge").glob("words*"))) == 200


def test_captures_without_packets_go_too(tmp_path: Path, store: Store) -> None:
    archive = archived(tmp_path, store, 1)
    (archive / "edge" / "empty.pcap").write_bytes(some(0)[:24])
    (archive / "edge" / "reserved.pcap").touch()  # the name of one that is being moved there
    keeper = ArchiveKeeper(archive=archive, store=store, settings=DROPS, tell=print, room_on=Disk(0))
    assert keeper.drop()
    assert left_in(archive) == {"reserved.pcap"}


def test_another_content_on_the_inode_of_a_loaded_one_stays(tmp_path: Path, store: Store) -> None:
    archive = archived(tmp_path, store, 1)
    content = bytearray((archive / "edge" / "0.pcap").read_bytes())
    content[-1] ^= 1
    (archive / "edge" / "0.pcap").write_bytes(content)
    keeper = ArchiveKeeper(archive=archive, store=store, settings=DROPS, tell=print, room_on=Disk(0))
    keeper.drop()
    assert left_in(archive) == {"0.pcap"}


def test_after_a_clock_was_set_back_all_are_looked_at_again(tmp_path: Path, store: Store) -> None:
    archive = archived(tmp_path, store, 0)
    (archive / "edge").mkdir(parents=True)
    (archive / "edge" / "words").write_bytes(b"words")
    now = [time.time() + 60]
    keeper = ArchiveKeeper(archive=archive, store=store, settings=DROPS, tell=print, room_on=Disk(0), clock=lambda: now[0])
    assert [keeper.drop(), keeper.drop()] == [True, False]
    now[0] -= 3_600
    assert keeper.drop()


@pytest.mark.parametrize("policy", ["stop", "fragile"])
def test_nothing_goes_unasked_or_where_a_commit_may_be_lost(tmp_path: Path, store: Store, policy: str) -> None:
    archive = archived(tmp_path, store, 2)
    reader = cast(StoreReader, Fragile(store)) if policy == "fragile" else store
    settings = DROPS if policy == "fragile" else MARKS
    keeper = ArchiveKeeper(archive=archive, store=reader, settings=settings, tell=print, room_on=Disk(0))
    assert not keeper.drop()
    assert len(left_in(archive)) == 2


@pytest.mark.parametrize("policy", ["stop", "drop"])
def test_a_watch_on_a_disk_that_fills_up(tmp_path: Path, policy: str) -> None:
    """The spool on 4 MiB: with captures archived it is nearly full; who stops asks for a pause, who drops needs none."""
    marks = {"disk_high_free": 1_000_000, "disk_low_free": 2_000_000}
    settings = replace(QUICK, grace_s=0, disk_policy=policy, **marks)  # type: ignore[arg-type]
    large = capture(conversation(packets=1_400))  # about a megabyte
    with small_disk(tmp_path / "spool", "4m") as spool, watching(spool, tmp_path / "store.db", settings) as watch:
        archive = spool / ".pcapline" / "archive" / "edge"
        for number in range(2):
            content = large + capture(conversation(packets=number), start_s=START_S + 10_000)[24:]
            (spool / "part.part").write_bytes(content)
            (spool / "part.part").rename(spool / f"{number}.pcap")
            watch.until(lambda: not list(spool.glob("*.pcap")))
        ballast = fill(spool, leave=900_000)
        if policy == "drop":
            watch.until(lambda: not (archive / "0.pcap").exists())
            watch.until(lambda: watch.metric("pcapline_archives_dropped_total") != "0.0")
            watch.until(lambda: watch.metric("pcapline_spool_asks_for_pause") == "0.0")
        else:
            watch.until(lambda: watch.metric("pcapline_spool_asks_for_pause") == "1.0")
            assert pause_is_asked(spool, time.time())
            assert len(list(archive.glob("*.pcap"))) == 2
            (spool / "late.part").write_bytes(some(3))
            (spool / "late.part").rename(spool / "late.pcap")
            watch.until(lambda: (archive / "late.pcap").exists())  # what is there is loaded on
            ballast.unlink()
            watch.until(lambda: watch.metric("pcapline_spool_asks_for_pause") == "0.0")
            assert not pause_is_asked(spool, time.time())

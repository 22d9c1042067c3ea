"""Odd things that lie in a watched directory, or happen to what lies there: each says what holds."""

import os
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from schema.capture_names import capture_name
from schema.enums import FileState
from schema.store.sqlite import open_sqlite
from tests.loader.watching import QUICK, watching
from tests.pcapline.captures import START_S, some

LOADED, KNOWN = FileState.LOADED, FileState.ALREADY_LOADED
AT_ONCE = replace(QUICK, grace_s=0)
KEPT = replace(QUICK, after="keep")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool" / "office").mkdir(parents=True)
    return tmp_path / "spool"


def hand_over(content: bytes, path: Path) -> Path:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    return part.rename(path)


def packets_in(database: Path, sensor: str = "edge") -> int:
    with closing(open_sqlite(database, time.time, read_only=True)) as store:
        return store.ledger(sensor).totals.get("frames", 0)


def archived(spool: Path, sensor: str = "edge") -> set[str]:
    folder = spool / ".pcapline" / "archive" / sensor
    return {path.name for path in folder.glob("[!.]*")} if folder.is_dir() else set()


def test_a_file_replaced_under_its_name_is_another_file(spool: Path, database: Path) -> None:
    with watching(spool, database, KEPT) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 1)
        hand_over(some(2), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 2)
    assert packets_in(database) == 6 + 7


def test_a_file_rewritten_in_place_with_other_content_is_another_capture(spool: Path, database: Path) -> None:
    with watching(spool, database, KEPT) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 1)
        (spool / "a.pcap").write_bytes(some(2))  # the same inode
        watch.until(lambda: packets_in(database) == 6 + 7)


def test_a_file_replaced_before_its_grace_is_over_is_loaded_not_archived_unread(spool: Path, database: Path) -> None:
    with watching(spool, database) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 1)
        watch.clock.ahead = QUICK.grace_s + 1
        hand_over(some(2), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 2)
        watch.clock.ahead = 3 * QUICK.grace_s
        watch.until(lambda: not list(spool.glob("*.pcap")))
    assert packets_in(database) in (6 + 7, 7)  # the first may have been replaced before it could be read: it never was there
    assert [outcome.state for outcome in watch.outcomes] == [LOADED, LOADED]


def test_hard_links_are_one_content_counted_once_and_both_names_go(spool: Path, database: Path) -> None:
    (spool.parent / "outside").write_bytes(some(1))
    for path in (spool / "a.pcap", spool / "b.pcap", spool / "office" / "c.pcap"):
        path.hardlink_to(spool.parent / "outside")
    with watching(spool, database, AT_ONCE) as watch:
        watch.until(lambda: len(watch.outcomes) == 3)
        assert sorted(outcome.state for outcome in watch.outcomes) == [KNOWN, KNOWN, LOADED]
        watch.until(lambda: archived(spool) == {"a.pcap", "b.pcap"} and archived(spool, "office") == {"c.pcap"})
    assert (spool.parent / "outside").read_bytes() == some(1)
    assert packets_in(database) + packets_in(database, "office") == 6


def test_the_other_name_of_a_file_that_grows_tells_nothing_new(spool: Path, database: Path) -> None:
    content = some(4)
    with watching(spool, database, KEPT) as watch:
        (spool / "a.pcap").write_bytes(content[:-80])
        (spool / "b.pcap").hardlink_to(spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 2)
        with (spool / "a.pcap").open("ab") as file:
            file.write(content[-80:])
        watch.until(lambda: packets_in(database) == 9)


def test_links_and_folders_are_no_way_in_or_out(spool: Path, database: Path) -> None:
    outside = spool.parent / "outside"
    outside.mkdir()
    hand_over(some(1), outside / "a.pcap")
    (spool / "linked").symlink_to(outside)
    (spool / "a.pcap").symlink_to(outside / "a.pcap")
    (spool / "dangling.pcap").symlink_to(spool / "nowhere")
    (spool / "loop.pcap").symlink_to(spool / "loop.pcap")
    (spool / "office" / "deeper").mkdir()
    hand_over(some(2), spool / "office" / "deeper" / "b.pcap")
    with watching(spool, database, AT_ONCE) as watch:
        hand_over(some(3), spool / "c.pcap")
        watch.until(lambda: archived(spool) == {"c.pcap"})
        assert set(watch.states()) == {"c.pcap"}
        watch.until(lambda: watch.metric("pcapline_spool_passed_over") == "5.0")
    assert (outside / "a.pcap").read_bytes() == some(1)
    assert (spool / "office" / "deeper" / "b.pcap").exists()


def test_a_link_that_takes_the_place_of_a_loaded_file_is_not_archived(spool: Path, database: Path) -> None:
    precious = spool.parent / "precious"
    precious.write_bytes(some(1))
    with watching(spool, database) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 1)
        (spool / "link").symlink_to(precious)
        (spool / "link").rename(spool / "a.pcap")
        watch.clock.ahead = 2 * QUICK.grace_s
        hand_over(some(2), spool / "b.pcap")
        watch.until(lambda: len(watch.outcomes) == 2)
        watch.clock.ahead = 4 * QUICK.grace_s
        watch.until(lambda: archived(spool) == {"b.pcap"})
    assert (spool / "a.pcap").is_symlink()
    assert precious.read_bytes() == some(1)


def test_an_archive_on_another_file_system(spool: Path, database: Path, other_disk: Path) -> None:
    (spool / ".pcapline").mkdir()
    (spool / ".pcapline" / "archive").symlink_to(other_disk)
    with watching(spool, database, AT_ONCE) as watch:
        for number in range(4):
            hand_over(some(number), spool / f"{number}.pcap")
        watch.until(lambda: archived(spool) == {f"{number}.pcap" for number in range(4)})
        for number in range(4):
            assert (other_disk / "edge" / f"{number}.pcap").read_bytes() == some(number)
        hand_over(some(1), spool / "again.pcap")
        watch.until(lambda: watch.states().get("again.pcap") is KNOWN)
    assert not list(spool.glob("*.pcap"))


@pytest.mark.parametrize("mtime_ns", [0, 2**62, -(10**18)], ids=["1970", "2116", "1938"])
def test_times_of_modification_say_nothing_of_what_is_complete(spool: Path, database: Path, mtime_ns: int) -> None:
    with watching(spool, database, AT_ONCE) as watch:
        for number in (2, 1):
            path = hand_over(some(number), spool / f"{number}.part")
            os.utime(path, ns=(mtime_ns, mtime_ns))
            path.rename(spool / f"{number}.pcap")
        watch.until(lambda: archived(spool) == {"1.pcap", "2.pcap"})
    assert packets_in(database) == 6 + 7


def test_a_time_of_modification_that_goes_back_is_a_change(spool: Path, database: Path) -> None:
    """As of `rsync --times`, and of what is restored from a backup: a newer content with an older time."""
    with watching(spool, database, KEPT) as watch:
        hand_over(some(1), spool / "a.pcap")
        watch.until(lambda: len(watch.outcomes) == 1)
        other = hand_over(some(2), spool / "a.part")
        os.utime(other, (START_S - 10**8, START_S - 10**8))
        other.rename(spool / "a.pcap")
        watch.until(lambda: packets_in(database) == 6 + 7)


def test_order_is_by_number_whatever_the_times_of_modification_say(spool: Path, database: Path) -> None:
    names = [capture_name("edge", (START_S + number) * 10**9, number) for number in range(4)]
    for number, name in enumerate(names):
        os.utime(hand_over(some(number), spool / name), (START_S - number * 1000,) * 2)
    with watching(spool, database, KEPT) as watch:
        watch.until(lambda: len(watch.outcomes) == 4)
        assert [Path(outcome.file).name for outcome in watch.outcomes] == names


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("by_s", [-86_400.0, 86_400.0], ids=["back", "forward"])
def test_a_clock_that_jumps_a_day_loses_nothing_and_nothing_waits_for_it(
    spool: Path, database: Path, by_s: float, events: bool
) -> None:
    with watching(spool, database, replace(QUICK, grace_s=1), events=events) as watch:
        hand_over(some(0), spool / "before.pcap")
        watch.until(lambda: watch.states().get("before.pcap") is LOADED)
        (spool / "settles.pcap").write_bytes(some(1))
        watch.until(lambda: watch.metric('pcapline_captures_pending{sensor="edge"}') == "1.0" or len(watch.outcomes) == 2)
        watch.clock.ahead += by_s
        hand_over(some(2), spool / "after.pcap")
        watch.until(lambda: {"settles.pcap", "after.pcap"} <= watch.states().keys())
        watch.until(lambda: "after.pcap" in archived(spool))
    assert packets_in(database) == 5 + 6 + 7


def test_what_was_to_be_tried_later_is_tried_when_the_clock_was_set_back(spool: Path, database: Path) -> None:
    with watching(spool, database) as watch, (spool / "begun.pcap").open("wb", buffering=0) as file:
        file.write(some(1)[:10])
        watch.until(lambda: watch.states() == {"begun.pcap": FileState.WAITING})
        watch.clock.ahead = -86_400
        file.write(some(1)[10:])
        file.close()
        watch.until(lambda: watch.states() == {"begun.pcap": LOADED})

"""Marks of free room: what may be written, what it means, and what is refused with which words."""

from pathlib import Path

import pytest

from loader.archive.disk import room_on
from loader.marks import Room, free_mark
from loader.settings import LoaderSettings
from schema.errors import SettingsError
from schema.settings import read_settings

LOADER = {"loader": LoaderSettings}


@pytest.mark.parametrize(
    ("written", "free", "above"),
    [
        (1_000, 999, True),
        (1_000, 1_000, False),
        ("1000", 999, True),
        ("5%", 999, True),
        ("5%", 1_000, False),
        (" 2.5 % ", 499, True),
        ("2.5%", 500, False),
        ("0%", 0, False),
        (0, 0, False),
    ],
)
def test_a_mark_is_bytes_or_a_share_of_the_disk(written: int | str, free: int, above: bool) -> None:
    assert free_mark("loader.disk_high_free", written).is_above(Room(free, 20_000)) is above


@pytest.mark.parametrize(
    "written", ["", "%", "five", "5%%", "-5%", "5 percent", "nan%", "1e3", "1.5", "1_000", "\u0665%", "5%\n6%", "9" * 5_000, -1]
)
def test_what_is_no_mark_is_refused_with_what_is(written: int | str) -> None:
    with pytest.raises(SettingsError, match=r"^loader\.disk_low_free is .*: give the bytes that are free .*5%"):
        LoaderSettings(disk_low_free=written)


@pytest.mark.parametrize("written", ["100%", "100.5%", "250%", "999999999999999999%"])
def test_a_share_is_less_than_the_whole(written: str) -> None:
    with pytest.raises(SettingsError, match=r"^loader\.disk_high_free is .*give less than 100%"):
        LoaderSettings(disk_high_free=written, disk_low_free=written)


@pytest.mark.parametrize(
    ("high", "low", "words"),
    [
        ("90%", "80%", r"disk_low_free \(80%\) is less than loader\.disk_high_free \(90%\): .*not how much is used"),
        (10, 9, r"disk_low_free \(9 bytes\) is less than loader\.disk_high_free \(10 bytes\)"),
        ("5%", 10**12, r"give both in bytes, or both as a share"),
        (1, "10%", r"give both in bytes, or both as a share"),
    ],
)
def test_a_shortage_that_would_not_end_is_refused(high: int | str, low: int | str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        LoaderSettings(disk_high_free=high, disk_low_free=low)


def test_a_high_mark_of_nothing_needs_no_low_one() -> None:
    for nothing in (0, "0", "0%"):
        assert LoaderSettings(disk_high_free=nothing, disk_low_free="1%").disk_low_free == "1%"


def test_shares_come_from_the_environment_and_are_shown_as_they_were_written() -> None:
    environ = {"PCAPLINE_LOADER__DISK_HIGH_FREE": "5%", "PCAPLINE_LOADER__DISK_LOW_FREE": "7.5%"}
    told = read_settings(LOADER, environ=environ).dump()
    assert 'disk_high_free = "5%"  # PCAPLINE_LOADER__DISK_HIGH_FREE' in told
    assert 'disk_low_free = "7.5%"' in told
    with pytest.raises(SettingsError, match=r"PCAPLINE_LOADER__DISK_HIGH_FREE.*both"):
        read_settings(LOADER, environ={"PCAPLINE_LOADER__DISK_HIGH_FREE": "5%"})


def test_a_disk_is_as_large_as_its_files_and_what_is_free_are_together(tmp_path: Path) -> None:
    room = room_on(tmp_path)
    assert 0 < room.free <= room.total

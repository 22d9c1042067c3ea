"""The inventory's file: read again when it changed; a bad one changes nothing and is told."""

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from loader.commit.inventoryfile import InventoryFile
from loader.naming.listed import NO_INVENTORY

ADDRESS = ip_address("192.0.2.1").packed


def written(path: Path, content: bytes, mtime_s: int) -> None:
    path.write_bytes(content)
    os.utime(path, (mtime_s, mtime_s))


def test_a_changed_file_is_read_again_and_a_bad_one_leaves_the_good_one_in_force(tmp_path: Path) -> None:
    path, told = tmp_path / "hosts", list[str]()
    file = InventoryFile(path, told.append)
    assert file.current() == file.current() == NO_INVENTORY
    assert len(told) == 1  # it is not there: told once
    written(path, b"192.0.2.1 a.example\n", 1000)
    assert file.current().name_of(ADDRESS) == "a.example"
    written(path, b"192.0.2.1 b.example\n192.0.2.2\n", 2000)
    good_one = file.current()
    assert (good_one.name_of(ADDRESS), len(told)) == ("a.example", 3)
    assert told[1].startswith(f"{path}:2: ")
    assert file.current() is good_one
    assert len(told) == 3  # once a version
    path.unlink()
    assert file.current() is good_one
    written(path, b"192.0.2.1 c.example\n", 3000)
    assert file.current().name_of(ADDRESS) == "c.example"


def test_a_file_that_was_only_touched_is_the_same_inventory(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    file = InventoryFile(path, pytest.fail)
    written(path, b"192.0.2.1 a.example\n", 1000)
    before = file.current()
    written(path, b"192.0.2.1 a.example\n", 2000)
    assert file.current() is before


def test_a_file_written_twice_within_one_tick_of_its_clock_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    file = InventoryFile(path, pytest.fail)
    path.write_bytes(b"192.0.2.1 a.example\n")
    stat = path.stat()
    file.current()
    path.write_bytes(b"192.0.2.1 b.example\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file.current().name_of(ADDRESS) == "b.example"

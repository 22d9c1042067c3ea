"""Files on their way to another folder, and to another file system: whole, or where they were."""

import os
from pathlib import Path

import pytest

from loader.archive.moving import move_capture, put_back_leaving, reserved

CONTENT = os.urandom(3_000_000)


@pytest.fixture(params=["same", "other"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where files go: on the same file system, and on another one."""
    if request.param == "same":
        return tmp_path / "archive" / "edge"
    disk: Path = request.getfixturevalue("other_disk")
    return disk / "edge"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spool" / "a.pcap"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    path.with_name("a.pcap.json").write_text("{}")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def test_it_goes_with_its_note_and_its_times(file: Path, folder: Path) -> None:
    place = move_capture(file, folder)
    assert place == folder / "a.pcap"
    assert place.read_bytes() == CONTENT
    assert place.stat().st_mtime == 1_700_000_000
    assert names(folder) == {"a.pcap", "a.pcap.json"}
    assert names(file.parent) == set()


def test_who_came_meanwhile_has_it_back(file: Path, folder: Path) -> None:
    with file.open("ab") as writer:
        assert move_capture(file, folder, lambda: False) is None
        writer.write(b"more")
    assert file.read_bytes() == CONTENT + b"more"
    assert names(file.parent) == {"a.pcap", "a.pcap.json"}
    assert names(folder) == set()


def test_what_a_loader_that_ended_had_begun_to_remove_is_seen_again(file: Path) -> None:
    file.rename(file.with_name(".leaving-a.pcap"))
    put_back_leaving(file.parent)
    assert file.read_bytes() == CONTENT
    file.rename(file.with_name(".leaving-a.pcap"))
    file.write_bytes(b"another")
    put_back_leaving(file.parent)
    assert (file.read_bytes(), file.with_name("a.pcap.1").read_bytes()) == (b"another", CONTENT)


def test_without_the_right_to_write_there_it_stays(file: Path, folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("in the way")
    with pytest.raises(FileExistsError):
        move_capture(file, folder)
    assert file.read_bytes() == CONTENT


def test_without_room_there_it_stays(file: Path, small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        move_capture(file, small_disk)
    assert file.read_bytes() == CONTENT
    assert names(small_disk) == set()


def test_two_that_want_one_name_get_two(file: Path, folder: Path) -> None:
    """The second comes while the first has an empty file there, or what it moved."""
    other = file.with_name("b") / "a.pcap"
    other.parent.mkdir()
    other.write_bytes(b"other")
    places = []

    def undisturbed() -> bool:
        places.append(move_capture(other, folder))
        return True

    folder.mkdir(parents=True)
    (folder / "a.pcap").touch()  # of one that did not live to use it
    with reserved(folder, "a.pcap") as held:
        places.append(move_capture(file, folder, undisturbed))
    assert (held, places) == (folder / "a.pcap", [folder / "a.pcap.2", folder / "a.pcap.1"])
    assert (places[0].read_bytes(), places[1].read_bytes()) == (b"other", CONTENT)  # type: ignore[union-attr]


def test_an_empty_file_of_one_that_did_not_live_is_used(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "a.pcap").touch()
    assert move_capture(file, folder) == folder / "a.pcap"

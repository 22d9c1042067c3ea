import os
from pathlib import Path

import pytest

from loader.outcome import FileOutcome
from loader.spool.files import Spool, captures_in, sensor_of
from loader.spool.strays import strays_in
from schema.capture_names import capture_name
from schema.enums import FileState

SETTLE_S = 2.0


def spool_of(directory: Path) -> Spool:
    return Spool(directory, "edge", SETTLE_S, lambda path: path.stat().st_size or None)


def ready(spool: Spool, now: float) -> set[str]:
    return {file.path.name for file in spool.waiting() if file.ready_at(now) is not None}


def test_whose_a_file_is_and_what_is_left_alone(tmp_path: Path):
    for name in ("a.pcap", "noext", "b.pcap.gz", ".hidden", "c.pcap.part", "d.tmp", "e~", "a.pcap.json"):
        (tmp_path / name).write_bytes(b"x")
    for folder in ("office", ".pcapline/archive/edge", "office/deeper", "not a sensor"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "f.pcap").write_bytes(b"x")
    (tmp_path / "link.pcap").symlink_to("/etc/passwd")
    (tmp_path / "linked").symlink_to(tmp_path / "office")
    os.mkfifo(tmp_path / "pipe.pcap")
    found = {(os.path.relpath(path, tmp_path), sensor) for path, sensor in captures_in(tmp_path, "edge")}
    assert found == {("a.pcap", "edge"), ("noext", "edge"), ("b.pcap.gz", "edge"), ("office/f.pcap", "office")}
    assert sensor_of(tmp_path / "office" / "f.pcap", tmp_path, "edge") == "office"
    assert sensor_of(tmp_path / "office" / "deeper" / "f.pcap", tmp_path, "edge") is None
    assert sensor_of(tmp_path / ".pcapline" / "f.pcap", tmp_path, "edge") is None


def test_a_directory_is_the_same_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "edge").mkdir()
    monkeypatch.chdir(tmp_path)
    for directory in (Path(), tmp_path, Path("..") / tmp_path.name):
        spool, path = spool_of(directory), directory / "edge" / "a.pcap"
        path.write_bytes(b"1")
        spool.hint(path, complete=True, now=0.0)
        assert spool.rescan(1.0) == 0  # it is the file that was told of
        path.unlink()
        spool.rescan(2.0)
        assert not list(spool.waiting())


def test_a_foreign_file_is_ready_once_it_is_unchanged_long_enough(tmp_path: Path):
    spool, path = spool_of(tmp_path), tmp_path / "a.pcap"
    path.write_bytes(b"1")
    spool.rescan(0.0)
    spool.observe(1.9)
    assert not ready(spool, 1.9)
    path.write_bytes(b"12")
    spool.observe(2.1)
    spool.observe(4.0)
    assert not ready(spool, 4.0)
    spool.observe(4.2)
    assert ready(spool, 4.2) == {"a.pcap"}


def test_closed_and_renamed_files_are_ready_at_once(tmp_path: Path):
    spool, path = spool_of(tmp_path), tmp_path / "a.pcap"
    path.write_bytes(b"1")
    spool.hint(path, complete=False, now=0.0)
    assert not ready(spool, 0.0)
    spool.hint(path, complete=True, now=0.1)
    assert ready(spool, 0.1) == {"a.pcap"}


def test_a_sensors_own_name_says_complete_but_only_in_its_own_place(tmp_path: Path):
    spool = spool_of(tmp_path)
    (tmp_path / capture_name("edge", 1, 7)).write_bytes(b"1")
    (tmp_path / capture_name("other", 1, 8)).write_bytes(b"1")
    spool.rescan(0.0)
    assert ready(spool, 0.0) == {capture_name("edge", 1, 7)}


def test_a_scan_counts_what_no_event_told_of(tmp_path: Path):
    spool = spool_of(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"1")
    spool.hint(tmp_path / "a", complete=True, now=0.0)
    assert spool.rescan(1.0) == 2
    assert spool.rescan(2.0) == 0


def test_an_answered_file_waits_again_only_when_it_changes(tmp_path: Path):
    spool, path = spool_of(tmp_path), tmp_path / "a.pcap"
    path.write_bytes(b"1")
    spool.hint(path, complete=True, now=0.0)
    (file,) = spool.waiting()
    spool.answer(file, FileOutcome(file=str(path), state=FileState.LOADED), 0.0)
    for now in (5.0, 10.0):
        spool.rescan(now)
        assert not list(spool.waiting())
    with path.open("ab") as more:
        more.write(b"2")
    spool.rescan(15.0)
    assert [file.path for file in spool.waiting()] == [path]
    assert not spool.answered()


def test_what_vanished_is_forgotten(tmp_path: Path):
    spool, path = spool_of(tmp_path), tmp_path / "a.pcap"
    path.write_bytes(b"1")
    spool.rescan(0.0)
    path.unlink()
    spool.hint(path, complete=True, now=1.0)
    assert not list(spool.waiting())
    tmp_path.rmdir()
    with pytest.raises(FileNotFoundError):
        spool.rescan(2.0)


def test_what_is_no_input_is_named_with_the_reason(tmp_path: Path):
    for folder in ("office", ".pcapline/archive", "office/deeper", "not a sensor", "standalone"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "f.pcap").write_bytes(b"x")
    (tmp_path / "link.pcap").symlink_to(tmp_path / "office" / "f.pcap")
    os.mkfifo(tmp_path / "office" / "pipe.pcap")
    strays = {str(path.relative_to(tmp_path)): why for path, why in strays_in(tmp_path)}
    assert set(strays) == {"link.pcap", "not a sensor", "office/deeper", "office/pipe.pcap", "standalone"}
    assert "symbolic link" in strays["link.pcap"]
    assert "not a regular file" in strays["office/pipe.pcap"]


def test_a_pipe_that_took_a_files_name_is_not_opened(tmp_path: Path):
    spool, path = spool_of(tmp_path), tmp_path / "a.pcap"
    path.write_bytes(b"1")
    spool.hint(path, complete=True, now=0.0)
    path.unlink()
    os.mkfifo(path)
    spool.hint(path, complete=True, now=1.0)
    assert not list(spool.waiting())

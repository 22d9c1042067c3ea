"""Files that are named: what is no file, and what has no room. Whole commands are in `tests/pcapline`."""

import os
import time
from pathlib import Path
from typing import cast

import pytest

import loader.rows.spill
from loader.once import OnceLoader, Request, Surroundings, files_under
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.records import CaptureFacts, CaptureRecord
from schema.store.writing import Store
from tests.pcapline.captures import capture, conversation

OLD = (1_700_000_000, 1_700_000_000)  # longer ago than any settling time


def good(path: Path) -> Path:
    path.write_bytes(capture(conversation()))
    os.utime(path, OLD)
    return path


def load(
    store: Store,
    *paths: Path,
    settings: LoaderSettings | None = None,
    sensor: str = "edge",
    notes_refusals: bool = False,
) -> dict[str, FileOutcome]:
    owner = f"h:{os.getpid()}:x"
    request = Request(paths=paths, sensor=sensor, network="lan", owner=owner, notes_refusals=notes_refusals)
    world = Surroundings(clock=time.time, wait=lambda _seconds: False, tell=print)
    return {Path(o.file).name: o for o in OnceLoader(store, settings or LoaderSettings(), request, world).outcomes()}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("sensor", ["edge", "standalone"])
def test_a_pipe_that_is_named_is_refused_and_its_neighbour_loads(tmp_path: Path, store: Store, sensor: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    outcomes = load(store, tmp_path / "pipe", Path("/dev/zero"), good(tmp_path / "a.pcap"), sensor=sensor)
    for name in ("pipe", "zero"):
        assert (outcomes[name].state, outcomes[name].reason) == (FileState.QUARANTINED, "not a regular file")
    assert outcomes["a.pcap"].state is FileState.LOADED


def test_below_a_directory_only_regular_files_are_inputs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert files_under([tmp_path, good(tmp_path / "a.pcap")]) == [tmp_path / "a.pcap"]


def test_no_temporary_directory_leaves_files_waiting(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_options: object) -> object:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(loader.rows.spill.tempfile, "TemporaryFile", missing)
    outcome = load(store, good(tmp_path / "a.pcap"), settings=LoaderSettings(staging_rows=1))["a.pcap"]
    assert outcome.state is FileState.WAITING
    assert "make room" in outcome.reason


class Begun:
    """A store in which an attempt at every content was given up half-way."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def capture(self, capture_id: bytes) -> CaptureRecord:
        facts = CaptureFacts(capture_id=capture_id, file_name="a.pcap", file_id="", size_bytes=1)
        return CaptureRecord(facts=facts, sensor="edge", state="claimed", reason="", inputs={}, position=None, loaded_at_ms=0)


def words(path: Path) -> Path:
    path.write_text("no capture at all, only words")
    os.utime(path, OLD)
    return path


def test_who_names_a_wrong_file_is_told_and_nobody_else(tmp_path: Path, store: Store) -> None:
    assert load(store, words(tmp_path / "a.pcap"))["a.pcap"].state is FileState.QUARANTINED
    assert list(store.captures()) == []


def test_what_a_watch_put_in_quarantine_stays_told_when_it_is_named(tmp_path: Path, store: Store) -> None:
    path = words(tmp_path / "a.pcap")
    load(store, path, notes_refusals=True)
    load(store, path)
    assert [record.state for record in store.captures()] == ["quarantined"]


def test_a_wrong_file_of_which_rows_may_be_left_is_given_up_for_good(tmp_path: Path, store: Store) -> None:
    load(cast(Store, Begun(store)), words(tmp_path / "a.pcap"))
    assert [record.state for record in store.captures()] == ["quarantined"]

"""Files that are named: what is no file, and what has no room. Whole commands are in `tests/pcapline`."""

import os
import time
from pathlib import Path

import pytest

import loader.rows.spill
from loader.once import OnceLoader, Request, Surroundings, files_under
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.store.writing import Store
from tests.pcapline.captures import capture, conversation

OLD = (1_700_000_000, 1_700_000_000)  # longer ago than any settling time


def good(path: Path) -> Path:
    path.write_bytes(capture(conversation()))
    os.utime(path, OLD)
    return path


def load(store: Store, *paths: Path, settings: LoaderSettings | None = None, sensor: str = "edge") -> dict[str, FileOutcome]:
    request = Request(paths=paths, sensor=sensor, network="lan", owner=f"h:{os.getpid()}:x")
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

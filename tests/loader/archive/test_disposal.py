"""Where inputs go. What has to be committed first is tested with the whole watch, in `test_service`."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import cast

import apsw
import pytest

import loader.archive.disposal
from loader.archive.disposal import Disposal, Disposed, open_for_writing
from loader.archive.moving import Undisturbed
from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.spool.files import Spool, SpoolFile
from schema.enums import FileState
from schema.errors import PermissionDeniedError
from schema.store.reading import StoreHealth, StoreReader
from schema.store.sqlite import open_sqlite
from tests.pcapline.captures import capture, conversation

NO_STORE = cast(StoreReader, None)  # an empty file has no commit to be read back


def disposal_of(directory: Path, after: str = "archive") -> Disposal:
    return Disposal(directory, NO_STORE, LoaderSettings(after=after), print)


def answered(directory: Path, name: str, content: bytes = b"", state: FileState = FileState.EMPTY) -> SpoolFile:
    spool, path = Spool(directory, "edge", 2.0, lambda path: None), directory / name
    path.write_bytes(content)
    spool.hint(path, complete=True, now=100.0)
    (file,) = spool.waiting()
    spool.answer(file, FileOutcome(file=str(path), state=state, reason="bad: very"), 100.0)
    return file


def test_the_grace_counts_from_the_commit(tmp_path: Path):
    file = answered(tmp_path, "a", state=FileState.LOADED)
    file.outcome = FileOutcome(file="a", state=FileState.LOADED, loaded_at_ms=50_000)
    disposal = disposal_of(tmp_path)
    assert not disposal.is_due(file, 109.9)
    assert disposal.is_due(file, 110.0)
    assert not disposal_of(tmp_path, "keep").is_due(file, 1e9)


def test_names_never_collide_and_a_note_stays_with_its_capture(tmp_path: Path):
    disposal, archive = disposal_of(tmp_path), tmp_path / ".pcapline" / "archive" / "edge"
    for number in range(3):
        (tmp_path / "a.pcap.json").write_text(str(number))
        assert disposal.dispose(answered(tmp_path, "a.pcap", b"content %d" % number)) is Disposed.GONE
    found = {path.name: path.read_text() for path in archive.iterdir()}
    assert found == {
        "a.pcap": "content 0", "a.pcap.json": "0",
        "a.pcap.1": "content 1", "a.pcap.1.json": "1",
        "a.pcap.2": "content 2", "a.pcap.2.json": "2",
    }  # fmt: skip


def test_an_empty_file_is_archived_even_where_loaded_ones_are_deleted(tmp_path: Path):
    assert disposal_of(tmp_path, "delete").dispose(answered(tmp_path, "a")) is Disposed.GONE
    assert (tmp_path / ".pcapline" / "archive" / "edge" / "a").exists()


def test_what_changed_since_or_is_open_for_writing_stays(tmp_path: Path):
    file = answered(tmp_path, "a")
    file.path.write_bytes(b"more")
    assert disposal_of(tmp_path).dispose(file) is Disposed.STAYS
    file = answered(tmp_path, "b")
    with file.path.open("ab"):
        assert disposal_of(tmp_path).dispose(file) is Disposed.STAYS
    assert disposal_of(tmp_path).dispose(file) is Disposed.GONE


class Committed:
    """A store that has every commit; while it says so, somebody else does `meanwhile`."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def stands(self, _capture_id: bytes) -> bool:
        self._meanwhile()
        return True

    def health(self) -> StoreHealth:
        self._meanwhile()
        return StoreHealth(
            kind="sqlite", version="", schema_version=1, wanted_schema_version=1, durable=True, detail=""
        )  # fmt: skip


@pytest.mark.parametrize("after", ["archive", "delete"])
def test_what_is_written_while_the_store_is_asked_is_not_lost(tmp_path: Path, after: str):
    file = answered(tmp_path, "a", b"loaded", FileState.LOADED)

    def append() -> None:
        with file.path.open("ab") as writer:
            writer.write(b" and more")

    disposal = Disposal(tmp_path, cast(StoreReader, Committed(append)), LoaderSettings(after=after), print)
    assert disposal.dispose(file) is Disposed.STAYS
    assert file.path.read_bytes().startswith(b"loaded and more")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_who_opens_a_file_for_writing_while_it_goes_has_it_back(
    tmp_path: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
):
    if elsewhere:
        (tmp_path / ".pcapline").mkdir()
        (tmp_path / ".pcapline" / "archive").symlink_to(other_disk)
    file = answered(tmp_path, "a", b"loaded", FileState.LOADED)
    disposal = Disposal(tmp_path, cast(StoreReader, Committed(lambda: None)), LoaderSettings(after="delete"), print)
    move = loader.archive.disposal.move_capture

    def move_while_somebody_opens(path: Path, folder: Path, undisturbed: Undisturbed) -> Path | None:
        with pytest.raises(BlockingIOError):  # as a writer that would wait for the lease
            os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        return move(path, folder, undisturbed)

    monkeypatch.setattr(loader.archive.disposal, "move_capture", move_while_somebody_opens)
    assert disposal.dispose(file) is Disposed.STAYS
    assert file.path.read_bytes() == b"loaded"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file.path]
    monkeypatch.undo()
    disposal.prepare()
    assert disposal.dispose(file) is Disposed.GONE
    assert not file.path.exists()


def test_what_the_ledger_lacks_is_not_let_go_whatever_else_says_loaded(tmp_path: Path):
    database, (path, spool) = tmp_path / "store.db", (tmp_path / "x.pcap", tmp_path / "spool")
    spool.mkdir()
    path.write_bytes(capture(conversation()))
    with closing(open_sqlite(database, time.time)) as store:
        store.apply_schema()
        lease = store.take_sensor("edge", "lan", "h:1:x", int(time.time() * 1000) + 60_000)
        settings = LoaderSettings()
        outcome = SensorLoader(store, lease, settings, time.time, Shared.of(store, settings, print)).load(path)
        file = answered(spool, "a", b"x", FileState.LOADED)
        file.outcome = outcome
        with closing(apsw.Connection(str(database))) as connection:
            connection.execute("DELETE FROM ledger_commits")
        record = store.capture(outcome.capture_id)
        assert record is not None
        assert record.state == FileState.LOADED
        assert Disposal(spool, store, LoaderSettings(), print).dispose(file) is Disposed.UNCOMMITTED
    assert file.path.exists()


def test_a_reason_that_cannot_be_noted_does_not_keep_the_file(tmp_path: Path):
    file = answered(tmp_path, "a", b"x", FileState.QUARANTINED)
    assert file.outcome is not None
    told: list[str] = []
    disposal = Disposal(tmp_path, NO_STORE, LoaderSettings(), told.append)
    (tmp_path / ".pcapline" / "quarantine" / "edge" / "a.reason.txt").mkdir(parents=True)
    assert disposal.quarantine(file, file.outcome).read_bytes() == b"x"
    assert not file.path.exists()
    assert len(told) == 1
    assert "is quarantined" in told[0]


def test_a_quarantined_file_has_its_reason_beside_it(tmp_path: Path):
    file = answered(tmp_path, "a", b"x", FileState.QUARANTINED)
    assert file.outcome is not None
    disposal = disposal_of(tmp_path)
    place = disposal.quarantine(file, file.outcome)
    assert place == tmp_path / ".pcapline" / "quarantine" / "edge" / "a"
    assert place.with_name("a.reason.txt").read_text().startswith("bad: very\n")
    assert not disposal.is_due(file, 1e9)


def test_asking_whether_a_file_is_written_does_not_harm_its_writers(tmp_path: Path):
    path = tmp_path / "a"
    path.touch()

    def write() -> None:
        for _ in range(2_000):
            os.close(os.open(path, os.O_WRONLY))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            open_for_writing(path)
    writing.result()
    assert not open_for_writing(path)
    descriptor = os.open(path, os.O_WRONLY)
    assert open_for_writing(path)
    os.close(descriptor)


@pytest.mark.parametrize("after", ["archive", "keep"])
def test_a_directory_in_which_nothing_can_be_moved(tmp_path: Path, after: str):
    (tmp_path / ".pcapline").write_text("in the way")
    if after == "keep":
        disposal_of(tmp_path, after).prepare()
    else:
        with pytest.raises(PermissionDeniedError, match="--after keep"):
            disposal_of(tmp_path, after).prepare()

"""Where inputs go. What has to be committed first is tested with the whole watch, in `test_service`."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from loader.disposal import Disposal, Disposed, open_for_writing
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.spool import Spool, SpoolFile
from schema.errors import PermissionDeniedError
from schema.records import FileState
from schema.store.port import StoreReader

NO_STORE = cast(StoreReader, None)  # an empty file has no commit to be read back


def disposal_of(directory: Path, after: str = "archive") -> Disposal:
    return Disposal(directory, NO_STORE, LoaderSettings(after=after), print)


def answered(directory: Path, name: str, content: bytes = b"", state: FileState = FileState.EMPTY) -> SpoolFile:
    spool, path = Spool(directory, "edge", 2.0, lambda path: None), directory / name
    path.write_bytes(content)
    spool.hint(path, complete=True, now=100.0)
    spool.answer(spool.file(path), FileOutcome(file=str(path), state=state, reason="bad: very"), 100.0)
    return spool.file(path)


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

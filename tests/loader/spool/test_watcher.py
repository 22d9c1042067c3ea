import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from loader.spool.watcher import DirectoryWatcher, Hints


@dataclass
class Told:
    """What a watcher of `directory` told."""

    directory: Path
    woken: Event = field(default_factory=Event)
    seen: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hints = Hints(self.woken.set)

    def until(self, **complete: bool) -> None:
        """These are told, as complete or not; nothing else counts."""
        wanted, end = {f"{name}.pcap": whole for name, whole in complete.items()}, time.monotonic() + 30
        while not wanted.items() <= self.seen.items():
            assert time.monotonic() < end, self.seen
            self.woken.wait(0.05)
            self.seen |= {path.name: whole for path, whole in self.hints.take().items()}


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path / "spool")
    (told.directory / "office").mkdir(parents=True)
    watcher = DirectoryWatcher(told.directory, told.hints)
    watcher.start()
    yield told
    watcher.stop()


def test_closed_and_renamed_files_are_told_as_complete(told: Told):
    (told.directory / "closed.pcap").write_bytes(b"1")
    part = told.directory / "office" / "x.part"
    part.write_bytes(b"1")
    part.rename(part.with_name("renamed.pcap"))
    with (told.directory / "open.pcap").open("wb", buffering=0) as file:
        file.write(b"1")
        told.until(closed=True, renamed=True, open=False)
    assert told.woken.is_set()


def test_a_file_is_complete_wherever_it_was_renamed_from(told: Told, tmp_path: Path):
    for source in (tmp_path, told.directory / ".capture-office"):
        source.mkdir(exist_ok=True)
        (source / "x.part").write_bytes(b"1")
        (source / "x.part").rename(told.directory / "office" / f"{source.name.strip('.')}.pcap")
    told.until(**{tmp_path.name: True, "capture-office": True})


@pytest.mark.filterwarnings("ignore:Callback with id")  # pytest undoes what the watcher says about it
def test_a_folder_that_was_renamed_is_listened_to(told: Told):
    (told.directory / "office").rename(told.directory / "headquarters")
    (told.directory / "headquarters" / "closed.pcap").write_bytes(b"1")
    told.until(closed=True)


def test_hints_are_taken_once_and_keep_what_was_known():
    hints = Hints(lambda: None)
    hints.put(Path("a"), complete=True)
    hints.put(Path("b"), complete=False)
    assert hints.take() == {Path("a"): True, Path("b"): False}
    assert hints.take() == {}

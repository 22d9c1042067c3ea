import time
from pathlib import Path
from threading import Event

from loader.watcher import DirectoryWatcher, Hints


def test_closed_and_renamed_files_are_told_as_complete(tmp_path: Path):
    woken = Event()
    hints, seen = Hints(woken.set), dict[Path, bool]()
    watcher = DirectoryWatcher(tmp_path, hints)
    (tmp_path / "office").mkdir()
    watcher.start()
    try:
        (tmp_path / "closed.pcap").write_bytes(b"1")
        (tmp_path / "office" / "x.part").write_bytes(b"1")
        (tmp_path / "office" / "x.part").rename(tmp_path / "office" / "renamed.pcap")
        with (tmp_path / "open.pcap").open("wb", buffering=0) as file:
            file.write(b"1")
            wanted = {tmp_path / "closed.pcap", tmp_path / "office" / "renamed.pcap", tmp_path / "open.pcap"}
            end = time.monotonic() + 30
            while not wanted <= seen.keys() or not all(seen[path] for path in wanted if path.name != "open.pcap"):
                assert time.monotonic() < end, seen
                woken.wait(0.05)
                seen |= hints.take()
            assert seen[tmp_path / "open.pcap"] is False
    finally:
        watcher.stop()
    assert woken.is_set()


def test_hints_are_taken_once_and_keep_what_was_known():
    hints = Hints(lambda: None)
    hints.put(Path("a"), complete=True)
    hints.put(Path("b"), complete=False)
    assert hints.take() == {Path("a"): True, Path("b"): False}
    assert hints.take() == {}

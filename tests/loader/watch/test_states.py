"""Every file of a watched directory has a state with its reason: in the loader's note, in `status`, in the metrics."""

import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from loader.watch.note import MOST_NAMED, NoteKeeper, notes_in
from loader.watch.states import SeenFile, SpoolState
from schema.capture_names import capture_name
from schema.enums import FileState
from schema.errors import StoreError
from schema.store.sqlite import open_sqlite
from tests.e2e.loading import load_all
from tests.loader.watch.test_service import Refusing
from tests.loader.watching import QUICK, Watch, watching
from tests.pcapline.captures import START_S, some
from tests.pcapline.command import objects, pcapline

LONG_GAP = replace(QUICK, gap_wait_s=3_600.0)


def numbered(number: int) -> str:
    return capture_name("edge", (START_S + number) * 10**9, number)


def hand_over(content: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    return part.rename(path)


def seen(spool: Path, clock: Callable[[], float] = time.time) -> dict[str, SeenFile]:
    """What the loader's note says, by the files' names."""
    (note,) = notes_in(spool, clock(), f"{os.uname().nodename}:1:test")
    return {Path(path).name: file for path, file in note.files.items()}


def until_seen(watch: Watch, spool: Path, name: str, state: SpoolState) -> str:
    """Wait until a file is seen in a state; the reason."""
    watch.until(lambda: state_in_note(spool, name) is state)
    return seen(spool)[name].reason


def state_in_note(spool: Path, name: str) -> SpoolState | None:
    for note in notes_in(spool, time.time(), f"{os.uname().nodename}:1:test"):
        for path, file in note.files.items():
            if Path(path).name == name:
                return file.state
    return None


def status(spool: Path, database: Path) -> dict[str, tuple[str, str]]:
    """Record and reason of each file, by name."""
    done = pcapline("status", spool, "--store", f"sqlite:{database}", "--json", cwd=spool.parent)
    return {Path(item["file"]).name: (item["record"], item["reason"]) for item in objects(done) if "file" in item}


def refused(database: Path) -> set[str]:
    """What the store tells to be in quarantine."""
    with closing(open_sqlite(database, time.time, read_only=True)) as store:
        return {record.facts.file_name for record in store.captures(None, "quarantined")}


def test_what_a_file_waits_for_is_told(spool: Path, database: Path) -> None:
    (spool / "slow").mkdir()
    with watching(spool, database, LONG_GAP) as watch, (spool / "slow" / "grows.pcap").open("wb", buffering=0) as growing:
        hand_over(some(0), spool / numbered(0))
        assert "loader.grace_s" in until_seen(watch, spool, numbered(0), SpoolState.LOADED)
        hand_over(some(2), spool / numbered(2))
        assert "number 1 of its sensor has not come" in until_seen(watch, spool, numbered(2), SpoolState.HELD_BACK)
        growing.write(some(1)[:10])
        until_seen(watch, spool, "grows.pcap", SpoolState.WAITING)
        watch.until(lambda: "still being written" in seen(spool)["grows.pcap"].reason)
        assert refused(database) == set()
        hand_over(b"no capture, only words", spool / "bad" / "bad.pcap")
        watch.until(lambda: watch.metric('pcapline_captures_pending{sensor="bad"}') == "0.0")
        told = status(spool, database)
        assert {name: record for name, (record, _) in told.items()} == {
            numbered(0): "loaded",
            numbered(2): "held_back",
            "grows.pcap": "waiting",
            "bad.pcap": "quarantined",
        }
        assert "number 1" in told[numbered(2)][1]
        assert told["bad.pcap"][1].startswith("not_a_capture: ")
        watch.until(lambda: watch.metric('pcapline_spool_files{sensor="edge",state="held_back"}') == "1.0")
        assert watch.metric('pcapline_spool_files{sensor="edge",state="loaded"}') == "1.0"
        assert watch.metric('pcapline_spool_files{sensor="slow",state="waiting"}') == "1.0"
        growing.write(some(1)[10:])
        growing.close()
        watch.until(lambda: watch.states().get("grows.pcap") is FileState.LOADED)
        assert refused(database) == {"bad.pcap"}
    assert not list((spool / ".pcapline" / "loaders").iterdir())


def test_archived_files_are_counted_and_those_of_a_stopped_loader_wait(spool: Path, database: Path) -> None:
    with watching(spool, database, replace(QUICK, grace_s=0)) as watch:
        hand_over(some(0), spool / "a.pcap")
        watch.until(lambda: (spool / ".pcapline" / "archive" / "edge" / "a.pcap").exists())
        watch.clock.ahead = 3_600  # the archive is counted now and then
        watch.until(lambda: watch.metric('pcapline_spool_files{sensor="edge",state="archived"}') == "1.0")
        watch.until(lambda: watch.metric('pcapline_spool_files{sensor="edge",state="loaded"}') == "0.0")
    hand_over(some(1), spool / "b.pcap")
    told = status(spool, database)
    assert told["edge"] == ("archived", f"1 file, {len(some(0)):,} bytes")
    assert told["b.pcap"] == ("waiting", f"{len(some(1)):,} bytes; nobody watches this directory")


def test_that_somebody_watches_is_told_before_the_next_scan(spool: Path, database: Path) -> None:
    hand_over(some(0), spool / "a.pcap")
    with watching(spool, database, replace(QUICK, rescan_s=3_600.0)) as watch:
        watch.until(lambda: watch.states().get("a.pcap") is FileState.LOADED)
        assert state_in_note(spool, "a.pcap") is SpoolState.LOADING  # as its turn came


def test_what_is_never_loaded_from_where_it_lies_is_told(spool: Path, database: Path) -> None:
    with closing(open_sqlite(database, time.time)) as store:
        store.apply_schema()
    kept = hand_over(some(0), spool / "bad name!" / "x.pcap")
    hand_over(some(0), spool / "edge" / "deeper" / "x.pcap")
    (spool / "link.pcap").symlink_to(kept)
    told = status(spool, database)
    assert {name: record for name, (record, _) in told.items()} == dict.fromkeys(
        ("bad name!", "deeper", "link.pcap"), "passed_over"
    )
    assert "no sensor can have its name" in told["bad name!"][1]
    shown = pcapline("status", spool, "--store", f"sqlite:{database}", cwd=spool.parent)
    assert f"\npassed_over  {spool / 'link.pcap'}: it is a symbolic link" in shown.stdout
    assert "3 passed over: " in shown.stderr


def test_another_content_on_the_inode_of_a_loaded_one_waits(spool: Path, database: Path) -> None:
    kept = hand_over(some(0), spool / "a.pcap")
    with closing(open_sqlite(database, time.time)) as store:
        store.apply_schema()
        load_all(store, [kept], "edge")
    assert status(spool, database)["a.pcap"][0] == "loaded"
    with kept.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    assert status(spool, database)["a.pcap"][0] == "waiting"


def test_the_loaders_word_on_a_file_comes_before_its_inode(spool: Path, database: Path) -> None:
    kept = hand_over(some(0), spool / "a.pcap")
    with closing(open_sqlite(database, time.time)) as store:
        store.apply_schema()
        load_all(store, [kept], "edge")
    keeper = NoteKeeper(directory=spool, owner=f"{os.uname().nodename}:{os.getpid()}:x")
    keeper.write([SeenFile(str(kept), "edge", SpoolState.WAITING, "its turn comes")], "", time.time())
    assert status(spool, database)["a.pcap"] == ("waiting", "its turn comes")


def test_an_archived_file_that_goes_meanwhile_is_not_counted(spool: Path, database: Path) -> None:
    folder = spool / ".pcapline" / "archive" / "edge"
    hand_over(some(0), folder / "a.pcap")
    (folder / "gone.pcap").symlink_to(folder / "nowhere")
    with closing(open_sqlite(database, time.time)) as store:
        store.apply_schema()
    assert status(spool, database)["edge"] == ("archived", f"1 file, {len(some(0)):,} bytes")


def test_a_sensor_that_waits_says_for_whom(spool: Path, database: Path) -> None:
    refuses = Event()
    refuses.set()
    owner = f"{os.uname().nodename}:{os.getpid()}:other"
    with closing(open_sqlite(database, time.time)) as store:
        store.apply_schema()
        store.take_sensor("held", "lan", owner, int(time.time() * 1000) + 3_600_000)
    error = StoreError("its carried state is cut off")
    with watching(spool, database, wrap=lambda store: Refusing(store, refuses, error, ("bad",))) as watch:
        hand_over(some(1), spool / "held" / "a.pcap")
        hand_over(some(2), spool / "bad" / "b.pcap")
        assert owner in until_seen(watch, spool, "a.pcap", SpoolState.HELD_BACK)
        assert "its carried state is cut off" in until_seen(watch, spool, "b.pcap", SpoolState.HELD_BACK)


def test_with_the_store_away_status_says_what_the_directory_does(spool: Path, tmp_path: Path) -> None:
    hand_over(some(1), spool / "a.pcap")
    done = pcapline("status", "spool", "--store", "cassandra://127.0.0.1:1/k", "--json", cwd=tmp_path)
    assert done.returncode == 5
    items = objects(done)
    assert [item["record"] for item in items] == ["store", "waiting"]
    assert "does not answer" in items[0]["reason"] or "127.0.0.1" in items[0]["reason"]
    assert "a.pcap" in pcapline("status", "spool", "--store", "cassandra://127.0.0.1:1/k", cwd=tmp_path).stdout


def test_a_note_is_bounded_and_counts_all(spool: Path) -> None:
    keeper = NoteKeeper(directory=spool, owner="h:1:x/y")
    files = (SeenFile(str(spool / str(n)), "edge", SpoolState.WAITING, "its turn comes") for n in range(MOST_NAMED + 500))
    counts = keeper.write(files, "", 100.0)
    assert counts == {("edge", SpoolState.WAITING): MOST_NAMED + 500}
    (note,) = notes_in(spool, 100.0, "elsewhere:1:z")
    assert (len(note.files), note.counts) == (MOST_NAMED, {"waiting": MOST_NAMED + 500})
    assert not list(notes_in(spool, 10_000.0, "elsewhere:1:z"))
    keeper.remove()
    assert not list(notes_in(spool, 100.0, "elsewhere:1:z"))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"owner": 1}', '{"owner":"a","at":"x","files":[],"counts":{},"disk":""}', "\0"]
)
def test_notes_that_are_none_are_passed_over(spool: Path, text: str) -> None:
    keeper = NoteKeeper(directory=spool, owner="h:1:x")
    keeper.write([], "", 100.0)
    (spool / ".pcapline" / "loaders" / "bad.json").write_text(text)
    assert [note.owner for note in notes_in(spool, 100.0, "elsewhere:1:z")] == ["h:1:x"]


def test_a_loader_that_died_is_not_believed(spool: Path) -> None:
    NoteKeeper(directory=spool, owner=f"h:{2**30}:dead").write([], "", 100.0)
    assert not list(notes_in(spool, 100.0, "h:1:z"))
    assert len(list(notes_in(spool, 100.0, "elsewhere:1:z"))) == 1


def test_a_directory_that_cannot_be_written_to_has_no_note_and_no_fault(tmp_path: Path) -> None:
    (tmp_path / ".pcapline").write_text("in the way")
    keeper = NoteKeeper(directory=tmp_path, owner="h:1:x")
    keeper.write([], "", 100.0)
    keeper.forget_the_dead(100.0)
    keeper.remove()
    assert not list(notes_in(tmp_path, 100.0, "h:1:z"))

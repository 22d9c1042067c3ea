"""Quarantined files, tried again: with no loader at the sensor, and beside a watch that holds it."""

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from loader.archive.retry import Retrial, quarantined_in
from loader.once import Surroundings
from loader.outcome import FileOutcome
from loader.reading.capture import file_identity
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.objects import uuid_text
from schema.records import CaptureFacts
from schema.store.sqlite import open_sqlite
from tests.loader.watching import watching
from tests.pcapline.captures import capture, conversation

GOOD, BAD = capture(conversation()), b"no capture at all, only words"


def put_in_quarantine(spool: Path, name: str, content: bytes, sensor: str = "office") -> Path:
    path = spool / ".pcapline" / "quarantine" / sensor / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(f"{name}.reason.txt").write_text("not_a_capture: of then\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def retry(spool: Path, database: Path, told: list[str] | None = None) -> dict[str, FileOutcome]:
    with closing(open_sqlite(database, time.time)) as store:
        store.apply_schema()
        tell = print if told is None else told.append
        world = Surroundings(clock=time.time, wait=lambda _seconds: False, tell=tell)
        owner = f"{os.uname().nodename}:{os.getpid()}:retry"
        retrial = Retrial(store=store, settings=LoaderSettings(), network="lan", owner=owner, world=world)
        return {Path(outcome.file).name: outcome for outcome in retrial.outcomes({spool: quarantined_in(spool)})}


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_loads_now_goes_back_and_the_rest_has_its_reason_anew(spool: Path, tmp_path: Path) -> None:
    put_in_quarantine(spool, "mended.pcap", GOOD)
    put_in_quarantine(spool, "still.pcap", BAD)
    put_in_quarantine(spool, "else.pcap", capture(conversation(packets=9)), "other")
    (spool / ".pcapline" / "quarantine" / "office" / "mended.pcap.json").write_text('{"kernel_drops": 4, "disk_drops": 9}')
    outcomes = retry(spool, tmp_path / "store.db")
    states = {name: (outcome.state, outcome.sensor) for name, outcome in outcomes.items()}
    assert states == {
        "mended.pcap": (FileState.LOADED, "office"),
        "still.pcap": (FileState.QUARANTINED, "office"),
        "else.pcap": (FileState.LOADED, "other"),
    }
    assert below(spool) == {
        "office/mended.pcap", "office/mended.pcap.json", "other/else.pcap",
        ".pcapline/quarantine/office/still.pcap", ".pcapline/quarantine/office/still.pcap.reason.txt",
    }  # fmt: skip
    note = (spool / ".pcapline" / "quarantine" / "office" / "still.pcap.reason.txt").read_text()
    assert note.startswith("not_a_capture: ") and "of then" not in note
    with closing(open_sqlite(tmp_path / "store.db", time.time, read_only=True)) as store:
        assert (store.ledger("office").totals["kernel_drops"], store.ledger("office").totals["disk_drops"]) == (4, 9)


def test_quarantined_by_a_watch_mended_and_loaded_by_it(spool: Path, tmp_path: Path) -> None:
    (spool / "office").mkdir()
    with watching(spool, tmp_path / "store.db") as watch:
        for name in ("a.pcap", "b.pcap"):
            (spool / "office" / "part").write_bytes(BAD + name.encode())
            (spool / "office" / "part").rename(spool / "office" / name)
        aside = spool / ".pcapline" / "quarantine" / "office"
        watch.until(lambda: (aside / "b.pcap.reason.txt").exists() and (aside / "a.pcap.reason.txt").exists())
        (aside / "a.pcap").write_bytes(GOOD)
        outcomes = retry(spool, tmp_path / "store.db")
        assert outcomes["a.pcap"].state is FileState.WAITING
        assert outcomes["a.pcap"].reason.startswith("moved back; it is loaded by ")
        assert outcomes["b.pcap"].state is FileState.QUARANTINED
        watch.until(lambda: watch.states().get("a.pcap") is FileState.LOADED)
        assert below(spool / ".pcapline" / "quarantine") == {"office/b.pcap", "office/b.pcap.reason.txt"}
        content = uuid_text(file_identity(aside / "b.pcap"))
        assert f"pcapline store dismiss {content}\n" in (aside / "b.pcap.reason.txt").read_text()
    assert told_as_quarantined(tmp_path / "store.db") == {"b.pcap"}


def test_what_another_loader_is_to_see_to_is_told_until_it_has(spool: Path, tmp_path: Path) -> None:
    (spool / "office").mkdir()
    with watching(spool, tmp_path / "store.db") as watch:
        (spool / "office" / "part").write_bytes(BAD)
        (spool / "office" / "part").rename(spool / "office" / "a.pcap")
        aside = spool / ".pcapline" / "quarantine" / "office"
        watch.until(lambda: (aside / "a.pcap.reason.txt").exists())
        (aside / "a.pcap").write_bytes(b"other words")
        assert retry(spool, tmp_path / "store.db")["a.pcap"].state is FileState.QUARANTINED
        assert told_as_quarantined(tmp_path / "store.db") == {"a.pcap"}


def test_a_content_that_was_refused_and_is_read_by_a_later_program_is_loaded(spool: Path, tmp_path: Path) -> None:
    put_in_quarantine(spool, "a.pcap", GOOD, "edge")
    with closing(open_sqlite(tmp_path / "store.db", time.time)) as store:
        store.apply_schema()
        lease = store.take_sensor("edge", "lan", "h:1:x", int(time.time() * 1000) + 60_000)
        (path,) = quarantined_in(spool)
        facts = CaptureFacts(
            capture_id=file_identity(path), file_name=path.name, file_id="", size_bytes=path.stat().st_size
        )  # fmt: skip
        lease.quarantine(facts, "internal_error", "a fault of then", 1)
        lease.release()
    assert retry(spool, tmp_path / "store.db")["a.pcap"].state is FileState.LOADED
    with closing(open_sqlite(tmp_path / "store.db", time.time, read_only=True)) as store:
        assert [record.state for record in store.captures()] == ["loaded"]


def test_a_name_that_is_taken_and_links_are_left_alone(spool: Path, tmp_path: Path) -> None:
    put_in_quarantine(spool, "a.pcap", GOOD)
    (spool / "office").mkdir()
    (spool / "office" / "a.pcap").write_bytes(b"another")
    (spool / ".pcapline" / "quarantine" / "office" / "link.pcap").symlink_to("/etc/passwd")
    (spool / ".pcapline" / "quarantine" / "linked").symlink_to(tmp_path)
    assert set(retry(spool, tmp_path / "store.db")) == {"a.pcap"}
    assert (spool / "office" / "a.pcap").read_bytes() == b"another"
    assert (spool / "office" / "a.pcap.1").read_bytes() == GOOD


def test_what_cannot_be_moved_is_told_and_stays(spool: Path, tmp_path: Path) -> None:
    path = put_in_quarantine(spool, "a.pcap", GOOD)
    (spool / "office").write_text("in the way")
    told: list[str] = []
    assert retry(spool, tmp_path / "store.db", told)["a.pcap"].state is FileState.LOADED
    assert path.read_bytes() == GOOD
    assert len(told) == 1 and str(path) in told[0]


def test_nothing_in_quarantine(spool: Path) -> None:
    assert quarantined_in(spool) == []


def quarantined_by_a_watch(spool: Path, database: Path, *names: str) -> Path:
    """Files of one sensor in quarantine; where they lie now."""
    (spool / "office").mkdir(parents=True, exist_ok=True)
    aside = spool / ".pcapline" / "quarantine" / "office"
    with watching(spool, database) as watch:
        for number, name in enumerate(names):
            (spool / "part").write_bytes(BAD + bytes([number]))
            (spool / "part").rename(spool / "office" / name)
            watch.until(lambda number=number: len(list(aside.glob("*.reason.txt"))) == number + 1)  # type: ignore[misc]
    return aside


def told_as_quarantined(database: Path) -> set[str]:
    with closing(open_sqlite(database, time.time, read_only=True)) as store:
        return {record.facts.file_name for record in store.captures(None, "quarantined")}


def of_quarantine(database: Path) -> set[bytes]:
    with closing(open_sqlite(database, time.time, read_only=True)) as store:
        return {record.facts.capture_id for record in store.captures(None, "quarantined")}


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_nobody_is_told_any_more_of_what_was_mended(spool: Path, tmp_path: Path, how: str) -> None:
    aside = quarantined_by_a_watch(spool, tmp_path / "store.db", "a.pcap", "b.pcap")
    assert told_as_quarantined(tmp_path / "store.db") == {"a.pcap", "b.pcap"}
    if how == "replaced":
        (aside / "new").write_bytes(GOOD)
        (aside / "new").replace(aside / "a.pcap")
    else:
        (aside / "a.pcap").write_bytes(GOOD)
    assert retry(spool, tmp_path / "store.db")["a.pcap"].state is FileState.LOADED
    assert told_as_quarantined(tmp_path / "store.db") == {"b.pcap"}


def test_a_file_that_is_still_bad_is_told_once_whatever_it_holds_now(spool: Path, tmp_path: Path) -> None:
    aside = quarantined_by_a_watch(spool, tmp_path / "store.db", "a.pcap")
    (aside / "a.pcap").write_bytes(b"other words")
    assert retry(spool, tmp_path / "store.db")["a.pcap"].state is FileState.QUARANTINED
    with closing(open_sqlite(tmp_path / "store.db", time.time, read_only=True)) as store:
        (told,) = store.captures(None, "quarantined")
    assert told.facts.capture_id == file_identity(aside / "a.pcap")
    assert f"pcapline store dismiss {uuid_text(told.facts.capture_id)}\n" in (aside / "a.pcap.reason.txt").read_text()


def test_of_several_files_of_one_name_the_one_that_was_mended_is_meant(spool: Path, tmp_path: Path) -> None:
    aside = quarantined_by_a_watch(spool, tmp_path / "store.db", "a.pcap", "a.pcap")
    other = file_identity(aside / "a.pcap.1")
    (aside / "a.pcap").write_bytes(GOOD)
    retry(spool, tmp_path / "store.db")
    with closing(open_sqlite(tmp_path / "store.db", time.time, read_only=True)) as store:
        assert [record.facts.capture_id for record in store.captures(None, "quarantined")] == [other]


def test_what_lies_in_quarantine_elsewhere_under_the_same_name_is_told_on(spool: Path, tmp_path: Path) -> None:
    """In another watched directory, with files of the same sensor."""
    quarantined_by_a_watch(spool, tmp_path / "store.db", "a.pcap")
    aside = quarantined_by_a_watch(tmp_path / "spool 2", tmp_path / "store.db", "b.pcap", "a.pcap")
    assert f"pcapline load --retry '{tmp_path / 'spool 2'}'\n" in (aside / "a.pcap.reason.txt").read_text()
    before = of_quarantine(tmp_path / "store.db")
    assert len(before) == 2  # the first file of each is the same content
    retry(spool, tmp_path / "store.db")
    assert of_quarantine(tmp_path / "store.db") == before

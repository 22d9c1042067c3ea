"""The archive against the ledger: what vanished, was swapped, or nobody loaded; what went on purpose is not missed."""

import fcntl
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from loader.archive.check import ArchiveCheck, ArchiveFault, ArchiveVerdict
from loader.archive.kept import KEPT_FOR_MS, forget_old, kept_in, let_go, note_kept
from loader.spool.files import ARCHIVE, OWN_FOLDER
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from tests.loader.commit.test_pipeline import cut, pcap
from tests.loader.watching import QUICK, Watch, watching

PARTS = 6
SETTINGS = replace(QUICK, grace_s=0, archive_check_s=1)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "made").mkdir()
    plan = TrafficPlan(seed=19, packets=300, packets_per_second=50.0, clients=2, servers=3)
    return cut(list(generate(plan)), PARTS, tmp_path / "made")


@pytest.fixture
def archive(files: list[Path], spool: Path, tmp_path: Path) -> Path:
    """Loaded and archived by a watch: all files, and one that holds no packet."""
    (tmp_path / "made" / "empty.pcap").write_bytes(pcap([]))
    with watching(spool, tmp_path / "store.db", SETTINGS) as watch:
        for file in (*files, tmp_path / "made" / "empty.pcap"):
            shutil.copy(file, spool)
        folder = spool / OWN_FOLDER / ARCHIVE / "edge"
        watch.until(lambda: folder.is_dir() and len(list(folder.glob("*.pcap"))) == PARTS + 1)
    return folder


@pytest.fixture
def store(archive: Path, tmp_path: Path) -> Iterator[Store]:
    assert archive.is_dir()
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        yield store


def whole(archive: Path, store: Store) -> ArchiveVerdict:
    return ArchiveCheck(archive=archive.parent, store=store, clock=time.time).step(None)


def wrong(verdict: ArchiveVerdict) -> dict[str, ArchiveFault]:
    assert verdict.wrong_count == len(verdict.wrong)
    return {each.name: each.fault for each in verdict.wrong}


def test_what_a_watch_archives_is_what_the_ledger_has(archive: Path, store: Store) -> None:
    verdict = whole(archive, store)
    assert wrong(verdict) == {}
    assert (verdict.there, verdict.read, verdict.covered, verdict.missing) == (PARTS + 1, PARTS + 1, PARTS + 1, 0)
    assert verdict.since > 0
    assert sorted(kept_in(archive)) == [f"part-{number:03d}.pcap" for number in range(PARTS)]


def test_each_wrong_file_is_named(archive: Path, store: Store) -> None:
    (archive / "part-001.pcap").unlink()
    one, other = archive / "part-002.pcap", archive / "part-003.pcap"
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    bad = bytearray((archive / "part-004.pcap").read_bytes())
    bad[-1] ^= 1
    (archive / "part-004.pcap").write_bytes(bad)
    (archive / "stray.pcap").write_bytes(bad)
    verdict = whole(archive, store)
    assert wrong(verdict) == {
        "part-001.pcap": ArchiveFault.MISSING,
        "part-002.pcap": ArchiveFault.OTHER,
        "part-003.pcap": ArchiveFault.OTHER,
        "part-004.pcap": ArchiveFault.OTHER,
        "stray.pcap": ArchiveFault.UNCOMMITTED,
    }
    one.write_bytes(contents[0])
    assert "part-002.pcap" not in wrong(whole(archive, store))


def test_what_was_let_go_on_purpose_is_not_missed(archive: Path, store: Store) -> None:
    let_go(archive / "part-001.pcap")
    assert wrong(whole(archive, store)) == {}


def test_a_file_that_grew_by_less_than_a_packet_is_still_the_captures(archive: Path, store: Store) -> None:
    with (archive / "part-001.pcap").open("ab") as file:
        file.write(b"\0\0\0")
    assert wrong(whole(archive, store)) == {}


def test_by_turns_every_file_is_read_and_what_is_wrong_at_each(archive: Path, store: Store) -> None:
    stray = archive / "part-001.pcap"
    stray.write_bytes(b"no capture")
    check = ArchiveCheck(archive=archive.parent, store=store, clock=time.time, begin=0.9)
    counts = [(verdict.wrong_count, verdict.covered) for verdict in (check.step(1) for _ in range(PARTS + 2))]
    found = [count for count, _ in counts]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 1)
    assert [covered for _, covered in counts][:3] == [1, 2, 3]
    assert check.step(1).since > 0
    shutil.copy(archive / "part-000.pcap", stray)
    stray.unlink()
    assert wrong(check.step(0)) == {"part-001.pcap": ArchiveFault.MISSING}


def test_what_goes_or_comes_while_it_is_looked_for_is_not_missed(archive: Path, store: Store) -> None:
    """Book and folder are not read at one moment."""
    content = (archive / "part-001.pcap").read_bytes()
    (archive / "part-001.pcap").unlink()
    (archive / "part-002.pcap").unlink()

    def meanwhile() -> bool:
        (archive / "part-001.pcap").write_bytes(content)
        let_go(archive / "part-002.pcap")
        return True

    check = ArchiveCheck(archive=archive.parent, store=store, clock=time.time)
    assert wrong(check.step(0, meanwhile)) == {}


def test_what_is_wrong_costs_no_more_than_a_step_may_read(archive: Path, store: Store) -> None:
    """It is read again in its turn, and before it where it has changed."""
    paths = sorted(archive.glob("part-*.pcap"))
    contents = [path.read_bytes() for path in paths]
    for path in paths:
        path.write_bytes(b"no capture")
    check = ArchiveCheck(archive=archive.parent, store=store, clock=time.time)
    assert check.step(None).wrong_count == PARTS
    verdict = check.step(1)
    assert (verdict.read, verdict.wrong_count) == (1, PARTS)
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    verdict = check.step(None, lambda: True)
    assert (verdict.read, verdict.wrong_count) == (0, PARTS)
    assert [check.step(1).wrong_count for _ in paths] == list(reversed(range(PARTS)))


def test_a_check_writes_nothing(archive: Path, store: Store) -> None:
    for number in range(150):
        note_kept(archive / f"{number}.pcap", bytes(16), 1)
    book = (archive / ".kept").read_bytes()
    assert whole(archive, store).missing == 150
    assert (archive / ".kept").read_bytes() == book


def test_a_note_that_waits_while_the_book_is_written_anew_is_in_the_new_one(tmp_path: Path) -> None:
    note_kept(tmp_path / "a.pcap", bytes(16), 1)
    with (tmp_path / ".kept").open("ab") as book, ThreadPoolExecutor() as pool:
        fcntl.flock(book, fcntl.LOCK_EX)
        noted = pool.submit(note_kept, tmp_path / "b.pcap", bytes(16), 1)
        time.sleep(0.1)  # it waits by now; if not, nothing is shown and nothing fails
        (tmp_path / "new").write_bytes((tmp_path / ".kept").read_bytes())
        (tmp_path / "new").replace(tmp_path / ".kept")
        fcntl.flock(book, fcntl.LOCK_UN)
        noted.result()
    assert sorted(kept_in(tmp_path)) == ["a.pcap", "b.pcap"]


def test_a_book_with_a_torn_line_and_one_that_is_long(tmp_path: Path) -> None:
    now_ms = 10**12
    for number in range(150):
        note_kept(tmp_path / f"{number}.pcap", bytes(16), now_ms - (KEPT_FOR_MS if number < 140 else 0))
    with (tmp_path / ".kept").open("ab") as book:
        book.write(b'{"file": "half')
    assert len(kept_in(tmp_path)) == 150
    forget_old(tmp_path, now_ms)
    assert sorted(kept_in(tmp_path)) == [f"{number}.pcap" for number in range(140, 150)]
    assert (tmp_path / ".kept").read_bytes().count(b"\n") == 10


def test_a_running_watch_shows_it(files: list[Path], spool: Path, tmp_path: Path) -> None:
    def difference(watch: Watch) -> str:
        return watch.metric('pcapline_loader_unreconciled{identity="archive"}')

    with watching(spool, tmp_path / "store.db", SETTINGS) as watch:
        for file in files[:2]:
            shutil.copy(file, spool)
        folder = spool / OWN_FOLDER / ARCHIVE / "edge"
        watch.until(lambda: difference(watch) == "0.0" and folder.is_dir() and len(list(folder.glob("*.pcap"))) == 2)
        watch.until(lambda: watch.metric("pcapline_archive_covered_ratio") == "1.0")
        (folder / "part-000.pcap").unlink()
        watch.until(lambda: difference(watch) == "1.0")
        assert any("edge/part-000.pcap: missing" in line for line in watch.told)
        assert float(watch.metric("pcapline_archive_checked_timestamp_seconds")) > 0

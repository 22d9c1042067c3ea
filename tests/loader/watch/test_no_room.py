"""No room and no turn: a full disk under the store, the spool or the archive, and a store's file that somebody else keeps.

Each is waited for, told and counted; nothing is lost, nothing is quarantined, and it is over by itself.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw

from schema.enums import FileState
from schema.store.sqlite import open_sqlite
from schema.tables import FLOWS
from tests.e2e.loading import contents, load_all
from tests.loader.watching import QUICK, Watch, watching
from tests.pcapline.captures import START_S, capture, conversation
from tests.servers.disks import fill, small_disk

AT_ONCE = replace(QUICK, grace_s=0)
WRITE_FAILURES = 'pcapline_write_failures_total{reason="unavailable",store="sqlite"}'
STORE_UP = 'pcapline_loader_store_up{store="sqlite"}'


def some(number: int, packets: int = 40) -> bytes:
    """A capture of its own time and length."""
    return capture(conversation(packets=packets + number), start_s=START_S + 60 * number)


def hand_over(content: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    return part.rename(path)


def archived(spool: Path) -> set[str]:
    return {path.name for path in spool.glob(".pcapline/archive/*/*.pcap")}


def nothing_was_lost(database: Path, tmp_path: Path, numbers: range) -> None:
    """The tables are those of a load that nothing disturbed."""
    files = [tmp_path / f"calm{number}.pcap" for number in numbers]
    for number, file in zip(numbers, files, strict=True):
        file.write_bytes(some(number))
    with closing(open_sqlite(tmp_path / "calm.db", time.time)) as calm, closing(open_sqlite(database, time.time)) as store:
        calm.apply_schema()
        assert {outcome.state for outcome in load_all(calm, files, "edge")} == {FileState.LOADED}
        assert contents(store) == contents(calm)
        assert dict(store.ledger("edge").endpoints) == dict(calm.ledger("edge").endpoints)


def recovers(watch: Watch, spool: Path, numbers: range) -> None:
    """Everything is loaded and archived once the trouble is over, and the store is told to answer."""
    watch.clock.ahead += 60  # the store is asked again within 30 s
    watch.until(lambda: archived(spool) == {f"{number}.pcap" for number in numbers})
    watch.until(lambda: watch.metric(STORE_UP) == "1.0")
    assert set(watch.states().values()) == {FileState.LOADED}
    assert any("answers again" in line for line in watch.told)
    assert not list(spool.glob(".pcapline/quarantine/*/*"))


def test_a_full_disk_under_the_store(spool: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        with watching(spool, disk / "store.db", AT_ONCE) as watch:
            hand_over(some(0), spool / "0.pcap")
            watch.until(lambda: archived(spool) == {"0.pcap"})
            ballast = fill(disk)
            for number in range(1, 5):
                hand_over(some(number), spool / f"{number}.pcap")
            watch.until(lambda: watch.metric(STORE_UP) == "0.0")
            watch.until(lambda: any("is full: free some space" in line for line in watch.told))
            assert float(watch.metric(WRITE_FAILURES)) >= 1
            assert len(list(spool.glob("*.pcap"))) == 4
            ballast.unlink()
            recovers(watch, spool, range(5))
        nothing_was_lost(disk / "store.db", tmp_path, range(5))


def test_a_neighbour_that_keeps_the_stores_lock_for_longer_than_is_waited(spool: Path, tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    with watching(spool, database, AT_ONCE, busy_timeout_s=0.2) as watch:
        hand_over(some(0), spool / "0.pcap")
        watch.until(lambda: archived(spool) == {"0.pcap"})
        with closing(apsw.Connection(str(database))) as neighbour:
            neighbour.setbusytimeout(30_000)
            neighbour.execute("BEGIN IMMEDIATE")
            for number in range(1, 4):
                hand_over(some(number), spool / f"{number}.pcap")
            watch.until(lambda: watch.metric(STORE_UP) == "0.0")
            watch.until(lambda: any("another process keeps writing" in line for line in watch.told))
            with closing(open_sqlite(database, time.time, read_only=True)) as reader:
                assert reader.ledger("edge").totals["captures"] == 1  # who reads is not held up
            assert len(list(spool.glob("*.pcap"))) == 3
            neighbour.execute("ROLLBACK")
        recovers(watch, spool, range(4))
    nothing_was_lost(database, tmp_path, range(4))


def test_a_long_read_holds_up_no_load_and_sees_one_state(spool: Path, tmp_path: Path) -> None:
    database = tmp_path / "store.db"
    with watching(spool, database, AT_ONCE, busy_timeout_s=0.2) as watch:
        for number in range(3):
            hand_over(some(number), spool / f"{number}.pcap")
        watch.until(lambda: len(archived(spool)) == 3)
        with closing(open_sqlite(database, time.time, read_only=True, busy_timeout_s=0.2)) as reader:
            before = len(list(reader.scan(FLOWS)))
            rows: Iterator[object] = reader.scan(FLOWS)
            next(rows)
            for number in range(3, 9):
                hand_over(some(number), spool / f"{number}.pcap")
            watch.until(lambda: len(archived(spool)) == 9)
            assert 1 + len(list(rows)) == before
            assert len(list(reader.scan(FLOWS))) > before
    assert watch.metric(WRITE_FAILURES) == "nan"
    nothing_was_lost(database, tmp_path, range(9))


def test_a_full_disk_under_the_captures(tmp_path: Path) -> None:
    """With not a byte left what is there is loaded, archived and quarantined all the same: that takes names, not room."""
    with small_disk(tmp_path / "spool", "2m") as spool:
        for number in range(3):
            hand_over(some(number), spool / f"{number}.pcap")
        hand_over(b"no capture, only words", spool / "bad" / "bad.pcap")
        ballast = fill(spool)
        settings = replace(AT_ONCE, disk_high_free="5%", disk_low_free="10%")
        with watching(spool, tmp_path / "store.db", settings) as watch:
            watch.until(lambda: len(archived(spool)) == 3)
            watch.until(lambda: (spool / ".pcapline" / "quarantine" / "bad" / "bad.pcap").exists())
            watch.until(lambda: watch.metric("pcapline_spool_asks_for_pause") == "1.0")
            ballast.unlink()
            watch.until(lambda: watch.metric("pcapline_spool_asks_for_pause") == "0.0")
        assert (spool / ".pcapline" / "quarantine" / "bad" / "bad.pcap").read_bytes() == b"no capture, only words"
    nothing_was_lost(tmp_path / "store.db", tmp_path, range(3))


def test_a_full_disk_under_an_archive_of_its_own(spool: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        (spool / ".pcapline").mkdir()
        (spool / ".pcapline" / "archive").symlink_to(disk)
        ballast = fill(disk)
        with watching(spool, tmp_path / "store.db", AT_ONCE) as watch:
            for number in range(3):
                hand_over(some(number), spool / f"{number}.pcap")
            watch.until(lambda: len(watch.outcomes) == 3)
            watch.until(lambda: sum("No space left" in line for line in watch.told) == 3)
            watch.clock.ahead += 20  # tried again, told once
            watch.until(lambda: watch.metric('pcapline_spool_files{sensor="edge",state="loaded"}') == "3.0")
            assert [(spool / f"{number}.pcap").read_bytes() for number in range(3)] == [some(number) for number in range(3)]
            ballast.unlink()
            watch.clock.ahead += 20
            watch.until(lambda: {path.name for path in (disk / "edge").glob("[!.]*")} == {"0.pcap", "1.pcap", "2.pcap"})
            assert sum("No space left" in line for line in watch.told) == 3
            watch.until(lambda: not list(spool.glob("*.pcap")))  # the copies are there before the files go
    nothing_was_lost(tmp_path / "store.db", tmp_path, range(3))

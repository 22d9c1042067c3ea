"""Thousands of captures of several sensors wait while the store is away: memory is bounded, the loader answers, all are loaded.

`WAITING_FILES` is their number (20,000 in the long form); one sensor has half of them, and one names its files as it likes.
Nothing is timed by assertion: what was seen is printed (`pytest -s`).
"""

import json
import os
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import apsw
import pytest

from exporter.scrape import samples
from exporter.service import fetch
from loader.reading.capture import first_packet_time
from loader.spool.files import Spool
from schema.capture_names import capture_name
from schema.errors import StoreUnavailableError
from tests.faults.memory import Memory
from tests.faults.scene import Watch, opened, put_away, verify
from tests.pcapline.captures import START_S, capture, conversation
from tests.servers.disks import fill, small_disk

FILES = int(os.environ.get("WAITING_FILES", "200"))
SHARES = {"edge": 2, "office": 6, "roof": 6, "foreign": 6}  # the n-th part of all files
PACKETS = 8  # of each capture
MOST_BYTES = 256 * 2**20  # of the loader's memory
PATIENCE_S = 180 + FILES // 4
SETTINGS = f"[loader]\ngrace_s = 0\nlease_s = 6\nrescan_s = {1 if FILES < 1_000 else 5}\n"


@dataclass
class Asked:
    """The loader's page, asked for again and again, and how much of each lease was left when it was looked at."""

    page: str
    database: Path
    slowest_s: float = 0.0
    answers: int = 0
    pending: float = -1.0  # files that it said wait
    shortest_s: float = float("inf")  # of a lease that is held; negative: it had run out
    leases: bool = False  # whether they are to be looked at: not while the store is away
    _stop: Event = field(default_factory=Event)

    def look(self) -> None:
        with closing(apsw.Connection(str(self.database), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
            reader.setbusytimeout(10_000)
            while not self._stop.wait(0.2):
                began = time.monotonic()
                try:
                    page = fetch(self.page)
                except StoreUnavailableError:
                    continue  # it does not listen yet, or not any more
                self.slowest_s, self.answers = max(self.slowest_s, time.monotonic() - began), self.answers + 1
                self.pending = sum(each.value for each in samples(page) if each.name == "pcapline_captures_pending")
                ends = reader.execute("SELECT min(lease_until) FROM ledger WHERE owner != ''").get
                if self.leases and ends is not None:
                    self.shortest_s = min(self.shortest_s, ends / 1000 - time.time())

    def __enter__(self) -> "Asked":
        self._thread = Thread(target=self.look)
        self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._stop.set()
        self._thread.join()


def made(directory: Path, spool: Path) -> list[tuple[Path, Path]]:
    """Captures, and where each is to be handed over, in the order of their time."""
    content, files = conversation(packets=PACKETS - 2), []
    for number, (sensor, share) in enumerate(SHARES.items()):
        (spool / sensor).mkdir(parents=True)
        for n in range(FILES // share):
            start_s = START_S + 1_000_000 * number + 10 * n
            numbered = capture_name(sensor, start_s * 10**9, n + 1)
            path = directory / numbered
            path.write_bytes(capture(content, start_s=start_s))
            files.append((path, spool / sensor / (numbered if sensor != "foreign" else f"file-{n}.pcap")))
    return sorted(files, key=lambda each: each[0].name.partition("-")[2])


def scanned(spool: Path) -> dict[str, float]:
    """Seconds that a scan takes, the first and the next, by itself."""
    seen, took = Spool(spool, "edge", 2.0, first_packet_time), []
    for _ in range(2):
        began = time.monotonic()
        seen.rescan(time.time())
        took.append(round(time.monotonic() - began, 3))
    assert sum(1 for _ in seen.waiting()) == sum(1 for _ in spool.glob("*/*.pcap"))
    return dict(zip(("first scan s", "next scan s"), took, strict=True))


@pytest.mark.timeout(3 * PATIENCE_S)
def test_many_files_wait_and_are_loaded(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    files = made(tmp_path, spool)
    with small_disk(tmp_path / "disk", f"{32 + FILES // 40}m") as disk:
        database = disk / "store.db"
        url = f"sqlite:{database}"
        with closing(opened(url)):
            ballast = fill(disk)
        for path, place in files[: len(files) // 2]:  # found by a scan; the others by events
            path.rename(place)
        with closing(Watch(spool, url, SETTINGS)) as watch, Asked(watch.page, database) as asked:
            memory = Memory(watch.process.pid, during="store away")
            with memory.watched():
                watch.until(lambda: "nothing is lost" in watch.told(), "the store is missed", PATIENCE_S)
                for path, place in files[len(files) // 2 :]:
                    path.rename(place)
                watch.until(lambda: asked.pending == len(files), "all are told to wait", PATIENCE_S)
                figures = {"files": len(files), **scanned(spool)}
                ballast.unlink()
                began, memory.during = time.monotonic(), "loading"
                watch.until(lambda: watch.metric("pcapline_loader_store_up") == 1, "the store answers", PATIENCE_S)
                asked.leases = True
                watch.until(lambda: asked.pending == 0, "all are loaded", PATIENCE_S)
                watch.until_idle(PATIENCE_S)
                asked.leases = False
            figures |= {"loaded in s": round(time.monotonic() - began, 1), "asked": asked.answers}
            figures |= {"slowest answer s": round(asked.slowest_s, 2), "shortest lease s": round(asked.shortest_s, 2)}
            figures |= {f"MiB, {during}": most >> 20 for during, most in memory.most.items()}
            print(json.dumps(figures))
            failures = fetch(watch.page).count('reason="lease_lost"')
        assert len(put_away(spool)) == len(files)
        assert failures == 0
        assert 0 < asked.shortest_s < float("inf")  # looked at, and never run out
        assert max(memory.most.values()) < MOST_BYTES
        with closing(opened(url)) as store:
            assert {sensor: store.ledger(sensor).totals["captures"] for sensor in SHARES} == {
                sensor: FILES // share for sensor, share in SHARES.items()
            }
            assert sum(store.ledger(sensor).totals["frames"] for sensor in SHARES) == PACKETS * len(files)
        verify(url, tmp_path)

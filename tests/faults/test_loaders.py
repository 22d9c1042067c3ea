"""Several loaders in one store, fighting or not: every table is that of one loader that nobody disturbed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from loader.settings import LoaderSettings
from tests.faults.lone import ENDED
from tests.faults.scene import Calm, hand_over, opened, put_away, sensor_captures, verify, waiting
from tests.pcapline.command import ROOT, clean_environment
from tests.pcapline.workers import group, pid_of
from tests.servers.prometheus import until

PATIENCE_S = 120
LEASE_S = 2
QUICK: dict[str, object] = {"grace_s": 0, "rescan_s": 0.1, "settle_s": 0.1, "lease_s": LEASE_S}
HOUR_S = 3_600


@dataclass(frozen=True, kw_only=True)
class Fight:
    """Two loaders want one sensor. The first stops itself (or is killed) at a moment of one of its captures; the second takes
    over and loads on; the first wakes."""

    name: str
    label: str  # of the moment (`moments`)
    capture: int = 1  # the moment comes in this one: 0 where the two have other inputs
    signal: str = "SIGSTOP"
    first: dict[str, object] = field(default_factory=dict)  # what is special about a loader (`lone`)
    second: dict[str, object] = field(default_factory=dict)
    bucket: str = "hour"  # the second's policy
    twin: bool = False  # the second has the same content as another sensor's

    @property
    def sensor(self) -> str:
        return self.name.replace(" ", "-")

    @property
    def settings(self) -> LoaderSettings:
        """What the rows that count depend on."""
        return LoaderSettings(bucket=self.bucket)


def _fights(moment: str) -> list[Fight]:
    """Those that may come at any moment of an attempt."""
    fight = Fight(name="", label=moment, capture=0)
    return [
        replace(fight, name="another decoder", second={"decoder": "other-1"}),
        replace(fight, name="another bucket", bucket="min"),
        replace(fight, name="a decoder and a bucket before", first={"decoder": "other-1"}, bucket="day"),
        replace(fight, name="the second an hour ahead", second={"ahead_s": HOUR_S}, capture=1),
        replace(fight, name="the first an hour ahead and killed", first={"ahead_s": HOUR_S}, signal="SIGKILL", bucket="min"),
        replace(fight, name="never comes back", first={"owner": "nowhere.example:1:gone"}, signal="SIGKILL", capture=1),
    ]


_ROWS, _COMMIT = "INSERT flows", "UPDATE ledger SET version IF"
FIGHTS = {
    "sqlite": [Fight(name="before the claim", label="BEGIN"), *_fights("BEGIN")],
    "cassandra": [
        Fight(name="amid the rows", label=_ROWS),
        Fight(name="behind the rows", label="INSERT commit_deltas"),
        Fight(name="at the commit", label=_COMMIT),
        Fight(name="another bucket at the commit", label=_COMMIT, capture=0, bucket="min"),
        Fight(name="same content of another sensor", label=_ROWS, capture=0, twin=True),
        *_fights(_ROWS),
    ],
}


class Sides:
    """Where loaders come from (`tests.faults.lone`)."""

    def __init__(self) -> None:
        pipe, command = subprocess.PIPE, [sys.executable, "-m", "tests.faults.lone"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdin=pipe, stdout=pipe, text=True)

    def start(self, wanted: dict[str, object], log: Path) -> "Side":
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted | {"log": str(log)}) + "\n")
        self._process.stdin.flush()
        return Side(int(self._process.stdout.readline()), log)

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE_S)


@dataclass(frozen=True)
class Side:
    """A loader of a fight, and what it said."""

    pid: int
    log: Path

    def state(self) -> str:
        """As the kernel has it: T is stopped; "" when it is gone."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self) -> None:
        """In good order."""
        self.send(signal.SIGTERM)
        until(lambda: not self.state(), f"it ends: {self.said()}", PATIENCE_S)
        assert ENDED in self.said() and "Traceback" not in self.said(), self.said()


class Ring:
    """One fight, with a spool of its own."""

    def __init__(
        self, fight: Fight, number: int, directory: Path, start: Callable[[dict[str, object], Path], Side], url: str
    ) -> None:
        self.fight, self._url, self._start_side = fight, url, start
        self._directory = directory / f"fight-{number}"
        self.spool, self.others = self._directory / "spool", self._directory / "others"
        for folder in (self.spool, self.others):
            folder.mkdir(parents=True)
        self.files = sensor_captures(self._directory / "made" / fight.sensor, number)
        twin = self._directory / "twins" / f"{fight.sensor}-again"
        shutil.copytree(self.files[0].parent, twin)
        self.twins = [path.rename(twin / path.name.replace(fight.sensor, twin.name)) for path in sorted(twin.glob("*.pcap"))]
        self.sides: list[Side] = []

    @property
    def counted(self) -> list[Path]:
        """The files whose rows count, of which copies are kept."""
        kept = self._directory / "kept"
        if not kept.exists():
            shutil.copytree((self.twins if self.fight.twin else self.files)[0].parent, kept / self.counted_sensor)
        return sorted((kept / self.counted_sensor).glob("*.pcap"))

    @property
    def counted_sensor(self) -> str:
        return f"{self.fight.sensor}-again" if self.fight.twin else self.fight.sensor

    def start_first(self) -> None:
        hand_over(self.files, self.spool)
        opens = self.spool / self.fight.sensor / self.files[self.fight.capture].name
        fuse = {"label": self.fight.label, "armed_by": f"open {opens}", "nth": 1, "after": False}
        self._start(self.spool, {"fuse": fuse, "signal": self.fight.signal, **self.fight.first}, "hour")

    def start_second(self) -> None:
        spool = self.spool
        if self.fight.twin:
            spool = self.others
            hand_over(self.twins, spool)
        self._start(spool, self.fight.second, self.fight.bucket)

    def _start(self, spool: Path, special: dict[str, object], bucket: str) -> None:
        wanted = {"store": self._url, "directory": str(spool), "settings": QUICK | {"bucket": bucket}} | special
        self.sides.append(self._start_side(wanted, self._directory / f"side-{len(self.sides)}.log"))

    def first_is_down(self) -> bool:
        return self.sides[0].state() == ("T" if self.fight.signal == "SIGSTOP" else "")

    def second_is_done(self) -> bool:
        assert self.sides[1].state(), self.sides[1].said()
        return not waiting(self.others if self.fight.twin else self.spool)

    def wake_first(self) -> None:
        if self.fight.signal == "SIGSTOP":
            self.sides[0].send(signal.SIGCONT)

    def first_has_seen(self) -> bool:
        """Whether it found out that it lost; and it goes on with what is left, if anything."""
        said = self.sides[0].said()  # its request may have run out while it slept: then it begins anew, too
        lost = self.fight.signal == "SIGKILL" or "took sensor" in said or "does not answer" in said
        return lost and not waiting(self.spool)

    def story(self) -> str:
        return "\n".join([self.fight.name, *(side.said() for side in self.sides)])


@contextmanager
def ringside(fights: list[Fight], directory: Path, url: str) -> Iterator[list[Ring]]:
    """All fights at once, each for a sensor of its own; whoever is left at the end is ended."""
    sides = Sides()
    rings = [Ring(fight, number, directory, sides.start, url) for number, fight in enumerate(fights)]
    try:
        yield rings
    finally:
        for side in (side for ring in rings for side in ring.sides):
            side.send(signal.SIGKILL)
        sides.close()


def all_of(rings: list[Ring], what: str) -> None:
    """Wait until each ring says yes."""
    for ring in rings:
        try:
            until(getattr(ring, what), what, PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {ring.story()}") from error


@pytest.mark.timeout(600)
def test_who_loses_a_sensor_changes_nothing_when_it_wakes(store_kind: str, store_url: str, tmp_path: Path) -> None:
    opened(store_url).close()
    with ringside(FIGHTS[store_kind], tmp_path, store_url) as rings:
        counted = [file for ring in rings for file in ring.counted]
        calm = Calm.load(tmp_path / "calm.db", counted, {ring.counted_sensor: ring.fight.settings for ring in rings})
        for ring in rings:
            ring.start_first()
        all_of(rings, "first_is_down")
        for ring in rings:
            ring.start_second()
        all_of(rings, "second_is_done")
        for ring in rings:
            ring.wake_first()
        all_of(rings, "first_has_seen")
        for side in (side for ring in rings for side in ring.sides if side.state()):
            side.end()
        for ring in rings:
            assert len(put_away(ring.spool)) == 3, ring.story()
    with closing(opened(store_url)) as store:
        twins = [ring.fight.sensor for ring in rings if ring.fight.twin]
        calm.assert_same(store, more_in=("flow_buckets", "answer_buckets"), beside=twins)  # of the policy that lost
    verify(store_url, tmp_path)


def test_a_loader_stopped_within_its_transaction_holds_others_up_and_nothing_is_lost(sqlite_url: str, tmp_path: Path) -> None:
    opened(sqlite_url).close()
    with ringside([Fight(name="amid the rows", label="INSERT flows", second={"busy_s": 1.0})], tmp_path, sqlite_url) as (ring,):
        calm = Calm.load(tmp_path / "calm.db", ring.counted)
        ring.start_first()
        all_of([ring], "first_is_down")
        ring.start_second()
        until(lambda: "waiting for the store" in ring.sides[1].said(), ring.story(), PATIENCE_S)
        ring.wake_first()
        all_of([ring], "second_is_done")
        for side in ring.sides:
            side.end()
    with closing(opened(sqlite_url)) as store:
        calm.assert_same(store)
    verify(sqlite_url, tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [2, 4])
def test_several_loaders_one_of_them_killed_leave_what_one_does(workers: int, store_url: str, tmp_path: Path) -> None:
    files = [file for number in range(4) for file in sensor_captures(tmp_path / f"made/s{number}", number)]
    opened(store_url).close()
    calm = Calm.load(tmp_path / "calm.db", files)
    with group(tmp_path, workers=workers, url=store_url) as watch:
        hand_over(files, watch.spool)
        watch.until(lambda: bool(put_away(watch.spool)), "some are loaded")
        victim = random.Random(workers).choice([owner for owner in watch.owners().values() if owner])
        os.kill(pid_of(victim), signal.SIGKILL)
        watch.until_answered(len(files))
    assert set(put_away(watch.spool)) == {f"{file.parent.name}/{file.name}" for file in files}
    with closing(opened(store_url)) as store:
        calm.assert_same(store)
    verify(store_url, tmp_path)


@pytest.mark.timeout(600)
def test_the_same_content_of_two_sensors_at_once_counts_once(store_url: str, tmp_path: Path) -> None:
    files = sensor_captures(tmp_path / "made/left", 0)
    twins = [tmp_path / "made/right" / file.name.replace("left", "right") for file in files]
    twins[0].parent.mkdir()
    for file, twin in zip(files, twins, strict=True):
        shutil.copy(file, twin)
    opened(store_url).close()
    calm = Calm.load(tmp_path / "calm.db", files)
    with group(tmp_path, url=store_url) as watch:
        hand_over([*files, *twins], watch.spool)
        watch.until_answered(2 * len(files))
    with closing(opened(store_url)) as store:
        records = list(store.captures())
        assert {record.facts.capture_id for record in records} == {outcome.capture_id for outcome in calm.outcomes}
        assert {record.state for record in records} == {"loaded"}
        committed = [commit.capture_id for sensor in ("left", "right") for commit in store.commits(sensor, 0)]
        assert len(committed) == len(set(committed)) == len(files)
        frames = sum(store.ledger(sensor).totals.get("frames", 0) for sensor in ("left", "right"))
        assert frames == calm.totals["left"]["frames"]
    verify(store_url, tmp_path)

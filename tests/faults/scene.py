"""What the tests of faults share: sensors' captures, a spool they are handed over to, an exporter, and the verdict."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from exporter.scrape import samples
from exporter.service import fetch
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.spool.files import ARCHIVE, OWN_FOLDER, sidecar_of
from pcapline.wiring import Purpose, open_store
from schema.capture_names import capture_name
from schema.errors import StoreUnavailableError
from schema.records import EndpointTotals
from schema.settings import StoreSettings
from schema.store.reading import StoreReader
from schema.store.writing import Store
from schema.tables import BY_NAME
from tests.e2e.loading import Contents, contents, load_all
from tests.loader.naming.script import ALICE, BOB, CDN, WEB, Script
from tests.pcapline.command import ROOT, clean_environment, command_line, pcapline
from tests.servers import free_port
from tests.servers.prometheus import until

PATIENCE_S = 180  # for what takes seconds where nothing else runs
SPACE_S = 10_000  # between the captures of one sensor and those of the next: no content is made twice


def sensor_captures(folder: Path, number: int, captures: int = 3, flows: int = 24) -> list[Path]:
    """Captures of one sensor: flows go on from each to the next, and the second names what the first called."""
    folder.mkdir(parents=True)
    script, start_s, files = Script(start_s := 1_700_000_000 + number * SPACE_S), start_s, []
    script.tell(1, ALICE, "web.example", WEB)
    lasting, unnamed = script.call(2, ALICE, WEB), script.call(3, ALICE, CDN)
    for sequence in range(1, captures + 1):
        at = sequence * 10.0
        script.go_on(at, lasting, WEB)
        script.go_on(at + 1, unnamed, CDN)
        script.tell(at + 2, ALICE, f"cdn{sequence}.example", CDN)
        script.tell(at + 2.5, BOB, f"host{sequence}.example", f"203.0.113.{sequence % 200}")
        for n in range(flows):
            script.call(at + 3 + n / 100, BOB, f"203.0.113.{sequence % 200 + n % 4}", packets=2, every=0.01)
        path = folder / capture_name(folder.name, (start_s + int(at)) * 1_000_000_000, sequence)
        files.append(script.write(path))
        sidecar_of(path).write_text(json.dumps({"kernel_drops": sequence}))
    return files


@dataclass(frozen=True)
class Calm:
    """What a load that nobody disturbs leaves: every table a user reads, and the totals of each sensor."""

    tables: Contents
    endpoints: dict[str, dict[str, EndpointTotals]]
    totals: dict[str, dict[str, int]]
    outcomes: list[FileOutcome]

    @classmethod
    def load(cls, path: Path, files: Iterable[Path], settings: Mapping[str, LoaderSettings] | None = None) -> "Calm":
        """Files of several sensors, each in the folder of its sensor, one after the other; `settings`: by sensor."""
        by_sensor: dict[str, list[Path]] = {}
        for file in sorted(files):
            by_sensor.setdefault(file.parent.name, []).append(file)
        with closing(opened(f"sqlite:{path}")) as store:
            outcomes = [
                outcome
                for sensor, paths in by_sensor.items()
                for outcome in load_all(store, paths, sensor, (settings or {}).get(sensor))
            ]
            ledgers = {sensor: store.ledger(sensor) for sensor in by_sensor}
            return cls(
                contents(store),
                {sensor: dict(ledger.endpoints) for sensor, ledger in ledgers.items()},
                {sensor: dict(ledger.totals) for sensor, ledger in ledgers.items()},
                outcomes,
            )

    def assert_same(self, store: StoreReader, more_in: Collection[str] = (), beside: Collection[str] = ()) -> None:
        """Sensor by sensor first, so that what differs says in which story it does. `more_in`: tables that may have further
        rows, which send those who look to where nothing is. `beside`: sensors that saw the same as those here, of which the
        dictionary may say so."""
        for sensor, totals in self.totals.items():
            ledger = store.ledger(sensor)
            assert dict(ledger.totals) == totals, sensor
            assert dict(ledger.endpoints) == self.endpoints[sensor], sensor
            commits = [commit.capture_id for commit in store.commits(sensor, 0)]
            assert len(set(commits)) == len(commits) == totals["captures"], sensor
        found = contents(store)
        for table, rows in self.tables.items():
            wanted, there = Counter(map(repr, rows)), Counter(map(repr, found[table]))
            if beside and BY_NAME[table].spans:
                at = BY_NAME[table].index("sensor")
                there = Counter(repr(row) for row in found[table] if row[at] not in beside)
            if table in more_in:
                there &= wanted
            assert wanted == there, (table, "missing", list(wanted - there)[:3], "too many", list(there - wanted)[:3])


def opened(url: str) -> Store:
    """The store, its tables made."""
    store = open_store(StoreSettings(url=url), Purpose.LOAD)
    store.apply_schema()
    return store


def hand_over(files: Iterable[Path], spool: Path) -> None:
    """As a sensor does: into the folder of its name, by renaming, what it noted first."""
    for file in files:
        folder = spool / file.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        for path in (sidecar_of(file), file):
            if path.exists():
                path.rename(folder / path.name)


def waiting(spool: Path) -> list[Path]:
    """Inputs that are still there."""
    return [path for path in spool.glob("*/*.pcap") if path.parent.name != OWN_FOLDER]


def put_away(spool: Path, kind: str = ARCHIVE) -> dict[str, int]:
    """Names and sizes of the captures in the archive, or in quarantine; notes and reasons aside."""
    folder = spool / OWN_FOLDER / kind
    return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in folder.glob("*/*.pcap*") if is_capture(path)}


def is_capture(path: Path) -> bool:
    """Not a note, not a reason."""
    return path.suffix not in (".json", ".txt")


@dataclass
class Scraped:
    """An exporter's page, read again and again: what is counted never goes down."""

    url: str
    looks: int = 0
    last: dict[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)

    def again(self) -> None:
        """One more look, where the exporter answers already."""
        try:
            page = fetch(self.url)
        except StoreUnavailableError:
            return
        self.looks += 1
        for sample in samples(page):
            if sample.name.startswith("pcapline_") and sample.name.endswith("_total"):
                key = (sample.name, frozenset(sample.labels.items()))
                assert sample.value >= self.last.get(key, 0.0), (key, self.last[key], sample.value)
                self.last[key] = sample.value

    def until_writes(self, rows: int) -> None:
        """Look until all endpoints together show so many writes."""

        def shown() -> float:
            self.again()
            return sum(value for (name, _), value in self.last.items() if name == "pcapline_endpoint_writes_total")

        until(lambda: shown() == rows, f"{rows} writes are shown", PATIENCE_S)


@contextmanager
def exporting(url: str, directory: Path) -> Iterator[Scraped]:
    """The real exporter of a store, until the block ends."""
    address = f"127.0.0.1:{free_port()}"
    environment = clean_environment(
        {"PCAPLINE_EXPORTER__REFRESH_S": "1", "PCAPLINE_EXPORTER__RECONCILE_S": "3600", "PCAPLINE_STORE": url}
    )
    with (directory / "exporter.log").open("ab") as log:
        command = command_line("exporter", "--web.listen-address", address)
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Scraped(f"http://{address}/metrics")
    finally:
        process.terminate()
        process.wait(30)


def verify(url: str, directory: Path, page: str | None = None) -> None:
    """`pcapline verify --full` finds nothing; against a page it is asked again until that has followed."""
    scrape = ["--scrape", page] if page else []
    said: list[str] = []

    def clean() -> bool:
        done = pcapline("verify", "--full", "--store", url, *scrape, cwd=directory)
        said.append(done.stdout + done.stderr)
        assert done.returncode in (0, 5), said[-1]
        return done.returncode == 0

    until(clean, f"verify is clean: {said[-1:]}", PATIENCE_S)


class Loaders:
    """Loaders one after the other, each ended by its fuse or recorded (`tests.faults.dying`)."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "loader.log"
        with self.log.open("ab") as log:
            pipe, command = subprocess.PIPE, [sys.executable, "-m", "tests.faults.dying"]
            self._process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(), stdin=pipe, stdout=pipe, stderr=log)

    def start(self, fuse: dict[str, object], spool: Path, url: str, config: Path) -> int:
        """The process's id."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([fuse, *map(str, (spool, url, config))]).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self) -> bool:
        """Whether the last one has; waits a moment."""
        return bool(select.select([self._process.stdout], [], [], 0.02)[0])

    def how(self) -> int:
        """How the last one ended, as `subprocess` has it; waits for it."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def run(self, fuse: dict[str, object], spool: Path, url: str, config: Path, captures: Iterable[Path]) -> int:
        """Finish what is left, load these, and say how the loader ended: by itself, or told to once all was done."""
        child, behind = self.start(fuse, spool, url, config), list(captures)
        end, told = time.monotonic() + PATIENCE_S, False
        while not self.ended():
            assert time.monotonic() < end, f"it neither died nor finished: {self.log}"
            if waiting(spool) or told:
                continue
            hand_over(behind, spool)
            told = not behind
            behind.clear()
            if told:
                with suppress(ProcessLookupError):  # it may just have died
                    os.kill(child, signal.SIGTERM)
        return self.how()

    def close(self) -> None:
        """The one that forks them ends with its input."""
        self._process.communicate(timeout=PATIENCE_S)


class Watch:
    """The real `pcapline watch` over a spool, and what it told."""

    def __init__(self, spool: Path, url: str, settings: str) -> None:
        """`settings`: a settings file's text."""
        spool.mkdir(exist_ok=True)
        config, self.log = spool.parent / "watch.toml", spool.parent / "watch.log"
        config.write_text(settings)
        address = f"127.0.0.1:{free_port()}"
        self.page, self.spool = f"http://{address}/metrics", spool
        words = ["watch", spool, "--store", url, "--config", config, "--sensor", "edge", "--web.listen-address", address]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command_line(*words),
                cwd=spool.parent,
                env=clean_environment({"PYTHONUNBUFFERED": "1"}),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def told(self) -> str:
        """All that it said so far."""
        return self.log.read_text()

    def loaded(self) -> int:
        """Captures that it says it has loaded."""
        return self.told().count("\nloaded ")

    def metric(self, name: str) -> float:
        """A family of its own page, summed."""
        return sum(sample.value for sample in samples(fetch(self.page)) if sample.name == name)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait for a condition while it lives."""
        until(lambda: self.process.poll() is not None or condition(), what, seconds)
        assert self.process.poll() is None, self.told()[-2000:]

    def until_idle(self, seconds: float = PATIENCE_S) -> None:
        """Wait until nothing is left in the spool."""
        self.until(lambda: not waiting(self.spool), "every file is put away", seconds)

    def close(self) -> None:
        """Stop it in good order."""
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 128 + signal.SIGTERM

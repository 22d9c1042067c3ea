"""A watch with several loaders, as its users start it."""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pcapline.wiring import Purpose, open_store
from schema.settings import StoreSettings
from tests.pcapline.command import clean_environment, command_line
from tests.pcapline.test_services import page, url_in
from tests.servers.prometheus import until

SETTINGS = "[loader]\ngrace_s = 0\nrescan_s = 0.3\n"
PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Group:
    """A watch with several loaders."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str  # of the store
    spool: Path
    workers: int

    def metric(self, line: str) -> float:
        found = [text.rpartition(" ")[2] for text in page(url_in(self.log)).splitlines() if text.startswith(line + " ")]
        return float(found[0]) if found else 0.0

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def now() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return condition()

        until(now, f"{what}\n{self.log.read_text()}", PATIENCE_S)

    def until_answered(self, files: int) -> None:
        """Each file has left the spool."""
        self.until(lambda: len(list((self.spool / ".pcapline" / "archive").rglob("*.pcap"))) == files, f"{files} are archived")

    def owners(self) -> dict[str, str]:
        """Who holds each sensor."""
        store = open_store(StoreSettings(url=self.url), Purpose.READ)
        try:
            return {record.sensor: record.owner for record in store.sensors()}
        finally:
            store.close()

    def held(self) -> list[int]:
        """How many sensors each loader holds, ascending."""
        counts = Counter(owner for owner in self.owners().values() if owner)
        return sorted([*counts.values(), *[0] * (self.workers - len(counts))])

    def is_fair(self) -> bool:
        """Whether no loader holds two more than another."""
        held = self.held()
        return held[-1] - held[0] < 2


def pid_of(owner: str) -> int:
    return int(owner.split(":")[1])


@contextmanager
def group(directory: Path, workers: int = 2, settings: str = SETTINGS, url: str = "") -> Iterator[Group]:
    """Runs until the block ends; `url`: of the store, by default a file in the directory."""
    spool, log, config = directory / "spool", directory / "watch.log", directory / "group.toml"
    spool.mkdir(exist_ok=True)
    config.write_text(settings)
    url = url or f"sqlite:{directory / 'store.db'}"
    arguments = ["--store", url, "--config", config, "--workers", str(workers), "--web.listen-address", "127.0.0.1:0"]
    with log.open("wb") as told:
        command = command_line("watch", spool, *arguments)
        process = subprocess.Popen(command, cwd=directory, env=clean_environment(), stdout=told, stderr=told)
    made = Group(process, log, url, spool, workers)
    try:
        made.until(lambda: bool(url_in(log)), "it watches")
        made.until(lambda: len(list((spool / ".pcapline" / "loaders").glob("*.json"))) == workers, "all loaders look")
        yield made
    finally:
        process.kill()
        process.wait(PATIENCE_S)

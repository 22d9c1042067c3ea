"""Watches fed from elsewhere, as processes of the real command; captures to feed them with; what a calm load makes of them."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from capture.demo import Rotation, write_captures
from capture.traffic import TrafficPlan
from pcapline.wiring import Purpose, open_store
from schema.settings import StoreSettings
from tests.e2e.loading import Contents, contents, load_all
from tests.servers.cassandra.node import die_with_parent

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60
_SAMPLE = re.compile(r"^(pcapline_remote_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def made_captures(directory: Path, sensors: Sequence[str], captures: int, packets: int = 60) -> list[Path]:
    """Files `directory/SENSOR/NAME`, the sensors' in turn, each sensor's in order."""
    of_sensor = []
    for number, sensor in enumerate(sensors):
        folder = directory / sensor
        folder.mkdir(parents=True)
        write_captures(TrafficPlan(seed=number + 1, packets=captures * packets), folder, Rotation(packets=packets), sensor)
        of_sensor.append(sorted(folder.glob("*.pcap")))
    return [file for files in zip(*of_sensor, strict=True) for file in files]


def calm(directory: Path, files: Iterable[Path]) -> Contents:
    """Every table after a plain load, each sensor's files in order."""
    with closing(open_store(StoreSettings(url=f"sqlite:{directory / 'calm.db'}"), Purpose.LOAD)) as store:
        by_sensor: dict[str, list[Path]] = {}
        for file in files:
            by_sensor.setdefault(file.parent.name, []).append(file)
        for sensor, its_files in by_sensor.items():
            load_all(store, its_files, sensor)
        return contents(store)


def assert_same(store_url: str, expected: Contents) -> None:
    """Table by table: nothing lost, nothing doubled."""
    with closing(open_store(StoreSettings(url=store_url), Purpose.READ)) as store:
        found = contents(store)
    for table, rows in expected.items():
        assert found[table] == rows, table


def until(condition: Callable[[], bool], what: Callable[[], str], seconds: float = PATIENCE_S) -> None:
    """Wait for a condition; fails with `what` when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what()}"
        time.sleep(0.05)


class FedWatch:
    """One `pcapline watch --from`."""

    def __init__(
        self, directory: Path, store_url: str, source: str, settings: str = "", *, loader: str = "grace_s = 0\n"
    ) -> None:
        """`settings`: of what is fed, `loader`: of the rest. `directory` need not be there."""
        (directory / "spool").mkdir(parents=True, exist_ok=True)
        self.spool, self.log = directory / "spool", directory / "log"
        config = directory / "pcapline.toml"
        config.write_text(f"[loader]\nrescan_s = 0.3\nlease_s = 4\n{loader}[remote]\npoll_s = 0.2\ntimeout_s = 3\n{settings}")
        command = [sys.executable, "-m", "pcapline", "watch", str(self.spool), "--store", store_url, "--config", str(config)]
        command += ["--from", source, "--web.listen-address", "127.0.0.1:0"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"}, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )  # fmt: skip

    def said(self) -> str:
        """All it said, and what earlier ones in the same directory said."""
        return self.log.read_text()

    def until_it_says(self, words: str, times: int = 1) -> None:
        """Wait for words; fails where it ends first."""
        until(
            lambda: self.said().count(words) >= times or self.process.poll() is not None,
            lambda: f"{times} x {words!r} in:\n{self.said()[-3000:]}",
        )
        assert self.said().count(words) >= times, self.said()[-3000:]

    def counts(self) -> dict[str, float]:
        """Its metrics about what comes from elsewhere: `name` or `name{labels}`, without the prefix."""
        address = re.findall(r"metrics at (\S+)", self.said())[-1]
        with urllib.request.urlopen(address, timeout=10) as answer:
            page = answer.read().decode()
        return {
            f"{name.removeprefix('pcapline_remote_')}{'{' + labels + '}' if labels else ''}": float(value)
            for name, labels, value in _SAMPLE.findall(page)
        }

    def stop(self, sent: int = signal.SIGTERM) -> None:
        """End it, and wait for the end."""
        self.process.send_signal(sent)
        self.process.wait(PATIENCE_S)


@contextmanager
def ended(*watches: FedWatch) -> Iterator[None]:
    """None of them outlives the block."""
    try:
        yield
    finally:
        for watch in watches:
            if watch.process.poll() is None:
                watch.process.kill()
                watch.process.wait(PATIENCE_S)


def balance(counts: dict[str, float]) -> float:
    """References that came, less those that are acknowledged, dropped or held."""
    held = sum(value for name, value in counts.items() if name.startswith("held{"))
    ends = sum(value for name, value in counts.items() if name.startswith(("acknowledged_total", "dropped_total")))
    return counts["references_total"] - ends - held

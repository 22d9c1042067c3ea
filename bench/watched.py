"""A `pcapline watch` as its users run it, given captures as a sensor hands them over; when each was said to be loaded."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread
from typing import IO

from schema.capture_names import parse_capture_name

SENSOR = "bench"
_VERDICT = re.compile(r"^(\w+)\s+(\S+)")


def measured(name: str, url: str | None, measure: Callable[[Path, str], dict[str, object]]) -> None:
    """Measure in a directory of its own, in the store of that URL or an SQLite file of its own, and print one JSON object."""
    with tempfile.TemporaryDirectory(prefix=f"pcapline-{name}-") as directory:
        store = url or f"sqlite:{directory}/store.db"
        print(json.dumps({"store": store.partition(":")[0], **measure(Path(directory), store)}))


class Watched:
    """The process, and its verdicts: each is told once the commit is acknowledged. A context: it ends the process."""

    def __init__(self, directory: Path, store: str, *, after: str) -> None:
        """`directory` is made the spool; `after`: what becomes of loaded files."""
        self._inbox = directory / "spool" / SENSOR
        self._inbox.mkdir(parents=True)
        self._command = [sys.executable, "-m", "pcapline", "watch", str(self._inbox.parent), "--store", store]
        self._command += ["--after", after, "--web.listen-address", "127.0.0.1:0"]
        self._loaded: dict[str, float] = {}
        self._told = Condition()
        self.peak_mib = 0.0  # that the process held, once it has ended

    def __enter__(self) -> "Watched":
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None and self._process.stderr is not None
        self._process.stderr.readline()  # it watches
        for lines, read in ((self._process.stdout, self._verdicts), (self._process.stderr, _drained)):
            Thread(target=read, args=(lines,), daemon=True).start()
        return self

    def __exit__(self, *why: object) -> None:
        self._process.terminate()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.peak_mib = usage.ru_maxrss / 1024

    def land(self, capture: Path) -> float:
        """Hand over a capture, by a rename; gives the moment (monotonic seconds)."""
        landed = time.monotonic()
        capture.replace(self._inbox / capture.name)
        return landed

    def loaded_at(self, name: str, timeout_s: float) -> float | None:
        """When a capture was said to be loaded; None where it was not in time."""
        with self._told:
            self._told.wait_for(lambda: name in self._loaded, timeout_s)
        return self._loaded.get(name)

    def remove(self, name: str) -> None:
        """Take a loaded file away, where `after` keeps it."""
        (self._inbox / name).unlink()

    def cpu_s(self) -> float:
        """Processor time that the process has used, user and system."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _verdicts(self, lines: IO[str]) -> None:
        for line in lines:
            found = _VERDICT.match(line)
            name = Path(found[2]).name if found is not None and found[1] == "loaded" else ""
            if parse_capture_name(name) is not None:
                with self._told:
                    self._loaded[name] = time.monotonic()
                    self._told.notify_all()


def _drained(lines: IO[str]) -> None:
    for line in lines:
        sys.stderr.write(line)

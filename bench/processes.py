"""One run of one command as a whole process, with the operating system's own account of it."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Timer


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took."""

    wall_s: float
    cpu_s: float  # user and system
    peak_mib: float  # resident
    ended: bool  # by itself, with exit code 0


def run(command: Sequence[str], timeout_s: float) -> Run:
    """Run a command to its end, its output thrown away; it is killed after `timeout_s`."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        guard = Timer(timeout_s, process.kill)
        guard.start()
        _, status, usage = os.wait4(process.pid, 0)
        guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode == 0)

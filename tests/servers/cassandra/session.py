"""One node for a whole test session: the first test that asks starts it, all workers share it, it ends with the last of them.

The node runs as `python -m tests.servers.cassandra` whose standard input is a pipe that every worker holds open: when the last
worker has gone, however it went, the pipe closes and the node stops.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from tests.servers.cassandra.node import fetched_jars, require_cassandra

_ROOT = Path(__file__).resolve().parents[3]


def shared_port(directory: Path) -> int:
    """The port of the session's node, whose files are in `directory`; starts it where nobody has."""
    require_cassandra()
    pipe, said = directory / "cassandra.alive", directory / "cassandra.port"
    with (directory / "cassandra.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not pipe.exists():
            fetched_jars()
            os.mkfifo(pipe)
            _start(pipe, said, directory)
        assert said.exists(), f"the node did not start when the first test asked for it: {directory / 'cassandra.log'}"
        _hold_open(pipe)
    return int(said.read_text())


def _start(pipe: Path, said: Path, directory: Path) -> None:
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    _hold_open(pipe)  # before the node looks: a pipe without a writer is at its end
    os.set_blocking(reading, True)
    with (directory / "cassandra.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.servers.cassandra", "--while-stdin"]
        node = subprocess.Popen(
            command, stdin=reading, stdout=subprocess.PIPE, stderr=log, cwd=_ROOT, text=True, start_new_session=True
        )
    os.close(reading)
    assert node.stdout is not None
    port = node.stdout.readline().strip()
    assert port, f"no node:\n{(directory / 'cassandra.log').read_text()[-4000:]}"
    said.write_text(port)


def _hold_open(pipe: Path) -> None:
    """Until this process ends; children do not inherit it."""
    os.open(pipe, os.O_WRONLY)

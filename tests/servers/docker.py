"""A Docker engine: the one that answers, or one of the tests' own, which is gone with its images when they end."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.cassandra.node import die_with_parent
from tests.servers.prometheus import until

_LACKING = "no Docker engine answers, and {} is missing to start one: apt-get install docker.io iptables debootstrap, as root"


class Engine:
    """Runs docker's commands against one engine."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, *arguments: str | Path, stdin: int | None = None) -> str:
        """Standard output of `docker ARGUMENTS`; fails where it fails."""
        done = self._run(arguments, stdin)
        assert done.returncode == 0, f"docker {' '.join(map(str, arguments))}\n{done.stderr[-4000:]}"
        return done.stdout

    def succeeds(self, *arguments: str | Path) -> bool:
        """Whether `docker ARGUMENTS` does."""
        return self._run(arguments, None).returncode == 0

    def _run(self, arguments: tuple[str | Path, ...], stdin: int | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *map(str, arguments)], env=self.environment, stdin=stdin, capture_output=True, text=True, check=False
        )


@contextmanager
def engine() -> Iterator[Engine]:
    """The engine of this machine, else one of our own; skips, in CI too, where neither is to be had."""
    found = Engine(dict(os.environ))
    if shutil.which("docker") and found.succeeds("info"):
        yield found
        return
    if missing := next((name for name in ("docker", "dockerd", "iptables", "debootstrap") if not shutil.which(name)), None):
        pytest.skip(_LACKING.format(missing))
    if os.geteuid() != 0:
        pytest.skip(_LACKING.format("the right"))
    with _own() as own:
        yield own


@contextmanager
def _own() -> Iterator[Engine]:
    """With its data and sockets in a directory whose name is short enough for a socket."""
    directory = Path(tempfile.mkdtemp(prefix="pcapline-docker-", dir="/tmp"))
    address = f"unix://{directory}/docker.sock"
    command = ["dockerd", "--bridge", "none", "--data-root", directory / "data", "--exec-root", directory / "exec"]
    own = Engine(os.environ | {"DOCKER_HOST": address})
    with (directory / "log").open("wb") as log:
        arguments = [*command, "-p", directory / "pid", "-H", address]
        process = subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        try:
            until(lambda: process.poll() is not None or own.succeeds("info"), "the engine answers", 60)
            if process.poll() is not None:
                pytest.skip(f"dockerd does not run here: {(directory / 'log').read_text()[-500:]}")
            yield own
        finally:
            process.terminate()
            process.wait(60)
            _unmount(directory)
            shutil.rmtree(directory)


def _unmount(directory: Path) -> None:
    """What the engine leaves mounted: its own network namespace at least."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if (place := line.split()[1]).startswith(f"{directory}/"):
            subprocess.run(["umount", place], check=True)

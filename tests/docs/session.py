"""A reader at a shell: one bash in a directory and a network namespace of its own, in which commands are typed one by one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from capture.demo import Rotation, write_captures
from capture.traffic import TrafficPlan
from tests.docs.pages import ROOT, Step
from tests.pcapline.command import clean_environment
from tests.servers import require

PATIENCE_S = 90.0  # how long what runs on may take until another command sees what it does
_NUMBERS = count(1)


class Session:
    """One shell; `type` waits for a command's end."""

    def __init__(self, namespace: str, place: Path) -> None:
        environment = clean_environment() | {"HOME": str(place), "COLUMNS": "160", "LC_ALL": "C.UTF-8"}
        environment["PATH"] = f"{place / '.venv' / 'bin'}:{environment['PATH']}"
        pipe = subprocess.PIPE
        # its own process group, so that whatever it leaves running is ended with it
        self._bash = subprocess.Popen(
            ["ip", "netns", "exec", namespace, "bash", "--norc"],
            cwd=place / "here",
            env=environment,
            stdin=pipe,
            stdout=pipe,
            text=True,
            start_new_session=True,
        )
        self._outputs = place / "outputs"
        self._outputs.mkdir()
        self._running: list[Path] = []  # where what runs on writes to

    def type(self, step: Step) -> tuple[int, str]:
        """What it ended with and printed. While something runs on, a command that shows nothing of it yet is typed again."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            exit_code, output = self._run(step)
            met = exit_code == step.exit_code and step.is_met_by(output)
            if met or step.runs_on or not self._running or time.monotonic() > deadline:
                return exit_code, output
            time.sleep(0.3)

    def _run(self, step: Step) -> tuple[int, str]:
        assert self._bash.stdin and self._bash.stdout
        file = self._outputs / str(next(_NUMBERS))
        typed = f"( exec {step.typed}\n) &" if step.runs_on else step.typed
        self._bash.stdin.write(f"{{ {typed}\n}} >{file} 2>&1 </dev/null; echo $?\n")
        self._bash.stdin.flush()
        exit_code = int(self._bash.stdout.readline())
        if step.runs_on:
            self._running.append(file)
        return exit_code, file.read_text(errors="replace")

    def told(self) -> str:
        """What all that runs on has printed so far."""
        return "".join(file.read_text(errors="replace") for file in self._running)

    def close(self) -> None:
        """End all that runs, as Ctrl-C does; what has not ended after a while is killed."""
        deadline = time.monotonic() + 20
        with suppress(ProcessLookupError):  # nobody of the group is left
            os.killpg(self._bash.pid, signal.SIGTERM)
            while time.monotonic() < deadline:
                self._bash.poll()
                os.killpg(self._bash.pid, 0)
                time.sleep(0.05)
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait(20)


@contextmanager
def session(place: Path) -> Iterator[Session]:
    """In `place`; `holiday.pcap`, a capture of made-up traffic that is always the same, lies in the shell's directory."""
    _prepare(place)
    with _network() as namespace:
        shell = Session(namespace, place)
        try:
            yield shell
        finally:
            shell.close()


def _prepare(place: Path) -> None:
    here, programs = place / "here", place / ".venv" / "bin"
    programs.mkdir(parents=True)
    here.mkdir()
    (here / ".venv").symlink_to(place / ".venv")
    (programs / "activate").write_text("")
    code = "import sys; sys.path.insert(0, {!r}); from pcapline.__main__ import main; main()"
    _program(programs / "pcapline", f"#!{sys.executable}\n{code.format(str(ROOT))}\n")
    _program(programs / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    _program(programs / "sudo", '#!/bin/sh\nexec "$@"\n')
    write_captures(TrafficPlan(seed=7, packets=500), place / "made", Rotation(packets=500), sensor="laptop")
    shutil.move(next((place / "made").glob("*.pcap")), here / "holiday.pcap")


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@contextmanager
def _network() -> Iterator[str]:
    """A loopback on which every port is free, and an `eth0` that leads nowhere."""
    require(os.geteuid() == 0, "a network namespace needs root")
    for program in ("ip", "curl", "openssl", "prometheus", "tcpdump"):
        require(shutil.which(program) is not None, f"{program} is missing: scripts/setup test")
    name = f"pcl-docs-{os.getpid()}-{next(_NUMBERS)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    require(made.returncode == 0, f"no network namespace can be made here: {made.stderr}")
    try:
        for words in (
            "link set lo up",
            "link add eth0 type veth peer name far",
            "addr add 192.0.2.2/24 dev eth0",
            "link set far up",
            "link set eth0 up",
        ):
            subprocess.run(["ip", "-n", name, *words.split()], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)

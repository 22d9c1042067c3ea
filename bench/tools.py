"""What is compared: pcapline, and what a user would pick instead. A tool that is absent is told and left out."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Command = list[str]
READ, LOAD = "read --summary", "load"


@dataclass(frozen=True, slots=True)
class Place:
    """What one run may use: the capture, an empty directory of its own, a UDP port where nobody minds what comes."""

    capture: Path
    scratch: Path
    udp_port: int


@dataclass(frozen=True, slots=True)
class Tool:
    """A command to compare; `task` is whose ratio it stands in."""

    name: str
    task: str
    gives: str
    command: Callable[[Place], Command]

    @property
    def is_ours(self) -> bool:
        """Whether the others are compared to it."""
        return self.name.startswith("pcapline")

    def is_here(self, place: Place) -> bool:
        """Whether its program is installed."""
        return shutil.which(self.command(place)[0]) is not None


def _pcapline(*arguments: str) -> Command:
    return [str(Path(sys.executable).with_name("pcapline")), *arguments]


def _read(place: Place) -> Command:
    return _pcapline("read", "--summary", str(place.capture))


def _load(place: Place) -> Command:
    return _pcapline("load", str(place.capture), "--store", f"sqlite:{place.scratch / 'bench.db'}")


def _tcpdump(place: Place) -> Command:
    return ["tcpdump", "--count", "-r", str(place.capture)]


def _softflowd(place: Place) -> Command:
    # without a control socket: version 1.1.0 may wait on it for ever when it reads a file
    own = ["-d", "-c", "none", "-p", str(place.scratch / "pid")]
    return ["softflowd", "-r", str(place.capture), "-v", "9", "-n", f"127.0.0.1:{place.udp_port}", *own]


def _nfpcapd(place: Place) -> Command:
    return ["nfpcapd", "-r", str(place.capture), "-w", str(place.scratch)]


TOOLS = (
    Tool("pcapline read --summary", READ, "headers, DNS, flows", _read),
    Tool("tcpdump --count", READ, "a count", _tcpdump),
    Tool("softflowd", READ, "flows, no DNS", _softflowd),
    Tool("nfpcapd", READ, "flows, no DNS, written to a file", _nfpcapd),
    Tool("pcapline load", LOAD, "headers, DNS, names, flows; every table, hashed, durable", _load),
    Tool("nfpcapd", LOAD, "flows, no DNS, written to a file", _nfpcapd),
)

"""Two network namespaces joined by a cable, made and removed by the test, and a sensor at one end of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Self

from capture.pcap import FILE_HEADER_BYTES, StreamFormat, whole_records
from tests.servers import require

ROOT = Path(__file__).resolve().parents[2]
NEAR, FAR = "10.201.7.1", "10.201.7.2"  # sender and sensor; reachable nowhere but in these namespaces
PORT = 40_999
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Wire:
    """Names of the namespaces; the interface is called `tap` in both."""

    near: str
    far: str

    def ip(self, namespace: str, *words: str) -> None:
        subprocess.run(["ip", "-n", namespace, *words], check=True, capture_output=True)

    def sender(self, packets: int, per_second: int, ports: int = 1) -> list[str]:
        """The command that sends UDP packets at an even pace from the near namespace, to each of some ports in turn, until
        SIGTERM; it ends with saying how many it sent."""
        source = (
            "import signal, socket, sys, time\n"
            "told = []\n"
            "signal.signal(signal.SIGTERM, lambda *_: told.append(1))\n"
            "packets, rate, ports = map(int, sys.argv[1:4])\n"
            "out, began = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), time.monotonic()\n"
            "sent = 0\n"
            "while sent < packets and not told:\n"
            "    time.sleep(max(0, began + sent / rate - time.monotonic()))\n"
            "    out.sendto(sent.to_bytes(4, 'big'), (sys.argv[4], int(sys.argv[5]) + sent % ports))\n"
            "    sent += 1\n"
            "print(sent)\n"
        )
        command = [sys.executable, "-c", source, *map(str, (packets, per_second, ports, FAR, PORT))]
        return ["ip", "netns", "exec", self.near, *command]

    def send(self, packets: int, per_second: int) -> None:
        """UDP packets at an even pace, until they are sent."""
        subprocess.run(self.sender(packets, per_second), check=True, timeout=60, stdout=subprocess.DEVNULL)


@contextmanager
def wire(*, up: bool = True) -> Iterator[Wire]:
    """Needs root, iproute2 and tcpdump."""
    require(os.geteuid() == 0, "a network namespace needs root")
    require(shutil.which("ip") is not None, "ip is missing: apt-get install iproute2")
    require(shutil.which("tcpdump") is not None, "tcpdump is missing: apt-get install tcpdump")
    stem = f"pcl-{os.getpid()}-{next(_NUMBERS)}"
    names = Wire(f"{stem}a", f"{stem}b")
    made = subprocess.run(["ip", "netns", "add", names.near], capture_output=True, text=True)
    require(made.returncode == 0, f"no network namespace can be made here: {made.stderr}")
    try:
        subprocess.run(["ip", "netns", "add", names.far], check=True)
        names.ip(names.near, "link", "add", "tap", "type", "veth", "peer", "name", "tap", "netns", names.far)
        for namespace, address in ((names.near, NEAR), (names.far, FAR)):
            names.ip(namespace, "addr", "add", f"{address}/24", "dev", "tap")
            if up:
                names.ip(namespace, "link", "set", "tap", "up")
        yield names
    finally:
        for namespace in (names.near, names.far):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


@dataclass(slots=True)
class Sensor:
    """A sensor process in the far namespace, and what it told."""

    process: subprocess.Popen[str]
    directory: Path
    events: list[dict[str, object]] = field(default_factory=list)

    @classmethod
    def start(cls, wire: Wire, directory: Path, rotate_s: float, bpf: str = f"udp port {PORT}") -> Self:
        words = ["tap", str(directory), str(rotate_s), bpf]
        command = ["ip", "netns", "exec", wire.far, sys.executable, "-m", "tests.capture.sensor_process", *words]
        pipe = subprocess.PIPE
        sensor = cls(subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True), directory)
        threading.Thread(target=sensor._listen, daemon=True).start()
        return sensor

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def told(self, kind: str) -> int:
        """How often it told this."""
        return sum(event["kind"] == kind for event in self.events)

    def tcpdump_pid(self) -> int:
        """Its only child (`ip netns exec` has become the sensor itself)."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def stop(self) -> None:
        """In good order; within the five seconds that are promised."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=5) == 0, self.process.stderr and self.process.stderr.read()

    def close(self) -> None:
        """Whatever the test left running ends."""
        self.process.kill()
        self.process.wait(timeout=10)

    def files(self) -> list[Path]:
        """What was handed over, in order."""
        return sorted(self.directory.glob("*.pcap"), key=lambda path: path.name.rsplit("-", 1)[1])


def packets_in(path: Path) -> int:
    """Packets of a file, which must be whole to its last byte."""
    content = path.read_bytes()
    records = whole_records(content[FILE_HEADER_BYTES:], StreamFormat.of(content), len(content))
    assert FILE_HEADER_BYTES + records.end == len(content), f"{path.name} ends within a record"
    return records.count


def beside(path: Path) -> dict[str, int]:
    """The counts beside a capture."""
    facts = json.loads(path.with_name(path.name + ".json").read_text())
    assert isinstance(facts, dict)
    return facts

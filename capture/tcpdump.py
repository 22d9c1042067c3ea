"""Running tcpdump: its command line, its statistics, what its messages mean. ◄ door to subprocess"""

import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import termios
from dataclasses import dataclass, replace
from shutil import which

from capture.settings import CaptureSettings
from schema.errors import PcaplineError, PermissionDeniedError, SettingsError

_PIPE_BYTES = 1 << 20
_ANY = "any"  # libpcap's name for all interfaces at once
_COUNT = re.compile(rb"(\d+) packets? (captured|received by filter|dropped by kernel|dropped by interface)")
_NO_PERMISSION = ("permission", "Operation not permitted")
_NO_DEVICE = "No such device exists"
_CHECK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Packets since tcpdump was started, by its own word. `dropped`: the kernel found no room for them."""

    captured: int = 0
    received: int = 0
    dropped: int = 0
    interface_dropped: int = 0

    def since(self, earlier: "Statistics") -> "Statistics":
        """Each count less what it was then."""
        return Statistics(
            captured=self.captured - earlier.captured,
            received=self.received - earlier.received,
            dropped=self.dropped - earlier.dropped,
            interface_dropped=self.interface_dropped - earlier.interface_dropped,
        )


_FIELDS = {
    b"captured": "captured", b"received by filter": "received",
    b"dropped by kernel": "dropped", b"dropped by interface": "interface_dropped",
}  # fmt: skip


def read_statistics(message: bytes, known: Statistics) -> Statistics:
    """Take what a message of tcpdump says; counts it does not name stay."""
    return replace(known, **{_FIELDS[match[2]]: int(match[1]) for match in _COUNT.finditer(message)})


def check_interface(interface: str) -> None:
    """Raises `SettingsError` with the names there are."""
    names = [name for _, name in socket.if_nameindex()]
    if interface != _ANY and interface not in names:
        raise SettingsError(f"there is no interface {interface}; there are: {', '.join(names)} (and {_ANY}: all of them)")


def check_filter(settings: CaptureSettings, interface: str, bpf: str) -> None:
    """Compile a filter as the interface's link type wants it; raises `SettingsError` with tcpdump's own words."""
    found = _run([_program(settings), "-d", "-i", interface, "--", bpf])
    if found.returncode and "not up" in found.stderr:  # its link type is not known yet: most are Ethernet
        found = _run([_program(settings), "-d", "-y", "EN10MB", "--", bpf])
    if found.returncode:
        error = failure(settings, interface, found.stderr)
        raise error or SettingsError(f"the filter {bpf!r} does not compile: {_plain(found.stderr)}")


def failure(settings: CaptureSettings, interface: str, message: str) -> PcaplineError | None:
    """The error that no retry heals, if a message of tcpdump tells of one."""
    if any(words in message for words in _NO_PERMISSION):
        return PermissionDeniedError(
            f"no right to capture on {interface}. Once, as root: "
            f"setcap cap_net_raw,cap_net_admin=eip {_program(settings)} (or run this command under sudo)"
        )
    if _NO_DEVICE in message:
        return SettingsError(f"there is no interface {interface}")
    return None


class Tcpdump:
    """One run of tcpdump, writing a capture stream into a pipe."""

    def __init__(self, settings: CaptureSettings, interface: str, bpf: str | None) -> None:
        """Starts it. A session of its own: Ctrl-C is for the sensor, which then stops it in good order."""
        command = [
            _program(settings), "-i", interface, "-n", "-U", "--nano", "-w", "-", "-s", str(settings.snaplen),
            "-B", str(settings.kernel_buffer_kib), *([] if settings.promiscuous else ["-p"]),
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [*command, "--", bpf] if bpf else command,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, bufsize=0,
        )  # fmt: skip
        if self._process.stdout is None or self._process.stderr is None:
            raise AssertionError("asked for pipes")
        self._out, self._errors = self._process.stdout, self._process.stderr
        fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        for stream in (self._out, self._errors):
            os.set_blocking(stream.fileno(), False)
        self.statistics = Statistics()
        self.message = ""  # the last thing it said that is no statistics

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def packets_fd(self) -> int:
        """Descriptor of the capture stream."""
        return self._out.fileno()

    @property
    def messages_fd(self) -> int:
        """Descriptor of what it says."""
        return self._errors.fileno()

    def read_packets(self) -> bytes | None:
        """What the pipe holds now; None: nothing; empty: the stream has ended."""
        return _read(self.packets_fd)

    def read_messages(self) -> bool:
        """Take in what it says; False when it has said its last word."""
        content = _read(self.messages_fd)
        if content:
            self.statistics = read_statistics(content, self.statistics)
            words = [line for line in content.decode(errors="replace").splitlines() if not _COUNT.search(line.encode())]
            self.message = _plain("\n".join(words)) or self.message
        return content != b""

    def ask_statistics(self) -> None:
        """It answers on `messages_fd`. Not while the pipe is filling up: the signal might break into a blocked write."""
        waiting = struct.unpack("i", fcntl.ioctl(self._out, termios.FIONREAD, bytes(4)))[0]
        if waiting < _PIPE_BYTES // 4 and self._process.poll() is None:
            self._process.send_signal(signal.SIGUSR1)

    def terminate(self) -> None:
        """Have it write out what it holds, say its statistics and end."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> int:
        """End it at once if it still runs; its exit status."""
        if self._process.poll() is None:
            self._process.kill()
        status = self._process.wait()
        self._out.close()
        self._errors.close()
        return status


def _program(settings: CaptureSettings) -> str:
    """The program's path; Debian has it where not every user looks."""
    path = which(settings.tcpdump) or which(settings.tcpdump, path="/usr/bin:/usr/sbin:/sbin")
    if path is None:
        raise SettingsError(f"{settings.tcpdump} is not installed: on Debian, apt install tcpdump")
    return path


def _read(descriptor: int) -> bytes | None:
    try:
        return os.read(descriptor, _PIPE_BYTES)
    except BlockingIOError:
        return None


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_CHECK_S, check=False)


def _plain(message: str) -> str:
    """Without the program's name before each line, and without the line that every start says."""
    lines = [line.removeprefix("tcpdump: ").strip() for line in message.splitlines()]
    return " ".join(line for line in lines if line and not line.startswith("listening on "))

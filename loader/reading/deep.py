"""The deep decoder: tshark, once a capture, says where in held frames IP headers begin, and nothing else. ◄ door to its process

tshark reads hostile bytes here. It resolves no names, finds an empty home (no profile, plugin or script of the user's changes
what it says), dissects no transport, and is bounded in time, memory and output. Whatever goes wrong leaves the frames as they
were, under a count.
"""

import logging
import os
import resource
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from loader.decode.held import HeldFrame
from loader.reading.framefile import write_frames
from loader.reading.pdml import GarbledOutput, IpOffsets

_LOG = logging.getLogger(__name__)

INSTALL = "sudo apt-get install --no-install-recommends tshark"
# No transport is dissected: what is within the first IP header is read by our own kernels.
_SILENT = ("tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "igmp", "ospf", "pim")
_QUIET = ("-o", "ip.defragment:FALSE", *(word for protocol in _SILENT for word in ("--disable-protocol", protocol)))
# Protocols whose fields are printed: those that have frames of their own within them. Of IP the line of the protocol is enough.
_SHOWN = "wlan_aggregate wlan_aggregate.a_mdsu.subframe"
_COMMAND = ("tshark", "-n", "-Q", "-r", "-", "-T", "pdml", "-j", _SHOWN, *_QUIET)
# The time it may take: it starts in a quarter of a second and then looks at some thousand frames a second.
_START_S, _FRAMES_A_SECOND = 30.0, 500
_MEMORY_BYTES = 2 << 30
# Of output; a frame makes some two thousand bytes, and what is in it may be printed in hexadecimal.
_FIRST_OUTPUT_BYTES, _OUTPUT_BYTES_A_FRAME, _OUTPUT_BYTES_A_BYTE = 1 << 22, 1 << 15, 3
_READ = 1 << 16
_WAIT_MS = 1_000
_MESSAGE_BYTES = 300


class TsharkBatch:
    """One run of tshark over the held frames of a capture. Iterate `wait()` to its end: then the rest is known."""

    def __init__(self, frames: Sequence[HeldFrame]) -> None:
        self._frames = frames
        self.offsets: list[int | None] = [None] * len(frames)
        self.outcome = ""  # what the rows of these frames depend on: `tshark VERSION`, `absent` or `failed`
        self.counters: dict[str, int] = {}

    def wait(self) -> Iterator[None]:
        """Yields now and then, so that whoever waits can do what must not wait."""
        asked = len(self._frames)
        tshark = shutil.which(_COMMAND[0])
        if tshark is None:
            self.outcome, self.counters = "absent", {"deep_absent": asked}
            return
        found = IpOffsets(self._frames)
        try:
            yield from self._run(tshark, found)
        except (OSError, subprocess.TimeoutExpired, GarbledOutput) as error:
            self.outcome = "failed"
            _LOG.warning("tshark was of no help with %d frames, which stay as they are: %s", asked, error)
            self.counters = {"deep_asked": asked, "deep_failed": asked}
        else:
            self.outcome, self.offsets = f"tshark {found.version}", found.offsets
            answered = asked - found.offsets.count(None)
            counts = {"deep_asked": asked, "deep_answered": answered, "deep_elsewhere": found.elsewhere}
            self.counters = {name: count for name, count in counts.items() if count}

    def _run(self, tshark: str, found: IpOffsets) -> Iterator[None]:
        with TemporaryDirectory(prefix="pcapline-") as home, TemporaryFile() as batch, TemporaryFile() as said:
            write_frames(batch, self._frames)
            batch.seek(0)
            command, environ = (tshark, *_COMMAND[1:]), _environment(home)
            with subprocess.Popen(command, stdin=batch, stdout=subprocess.PIPE, stderr=said, cwd=home, env=environ) as process:
                try:
                    resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
                    yield from self._parse(process, found)
                except GarbledOutput as error:
                    raise GarbledOutput(f"{error}; it said {_tail(said)!r}") from error
                finally:
                    process.kill()
            if process.returncode:
                raise GarbledOutput(f"tshark ended with {process.returncode}; it said {_tail(said)!r}")

    def _parse(self, process: "subprocess.Popen[bytes]", found: IpOffsets) -> Iterator[None]:
        """tshark's output as it comes; ends when tshark has ended."""
        assert process.stdout is not None
        output, room = process.stdout.fileno(), _output_room(self._frames)
        deadline = time.monotonic() + _START_S + len(self._frames) / _FRAMES_A_SECOND
        poll = select.poll()
        poll.register(output, select.POLLIN)
        while room > 0 and time.monotonic() < deadline:
            if poll.poll(_WAIT_MS):
                piece = os.read(output, _READ)
                found.feed(piece, final=not piece)
                if not piece:
                    process.wait(timeout=_START_S)
                    return
                room -= len(piece)
            yield
        raise GarbledOutput("tshark took too long" if room > 0 else "tshark said too much")


def _output_room(frames: Sequence[HeldFrame]) -> int:
    return _FIRST_OUTPUT_BYTES + sum(_OUTPUT_BYTES_A_FRAME + _OUTPUT_BYTES_A_BYTE * len(frame.data) for frame in frames)


def _environment(home: str) -> dict[str, str]:
    path = os.environ.get("PATH", os.defpath)
    return {"PATH": path, "HOME": home, "WIRESHARK_CONFIG_DIR": home, "LC_ALL": "C"}


def _tail(said: IO[bytes]) -> str:
    """The end of what tshark told of its troubles."""
    end = said.seek(0, os.SEEK_END)
    said.seek(max(end - _MESSAGE_BYTES, 0))
    return said.read().decode("ascii", "replace").strip()

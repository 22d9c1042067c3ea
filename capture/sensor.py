"""The sensor: keeps tcpdump running, cuts its stream into captures by time and size, hands them over complete.

tcpdump writes into a pipe and the stream is cut here, between records: its own rotation waits for the next packet, so on an
idle link the last ones would stay unseen.
"""

import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

from capture.events import SensorEventKind
from capture.handover import HandOver
from capture.pcap import PcapStreamError
from capture.rotation import RotationClock, StreamSplitter
from capture.settings import CaptureSettings
from capture.tcpdump import Tcpdump, check_filter, check_interface, failure
from capture.writing import CaptureWriter, Journal, recover
from schema.errors import PcaplineError

_KERNEL_HOLDS_S = 1.25  # libpcap's block time-out of 1 s, and room for the way through the pipe
_ASK_BEFORE_S = 0.2  # statistics are asked for so long before a file is closed
_LOOK_S = 0.1  # how often `stop` and the clock are looked at
_LAST_WORDS_S = 1.0  # tcpdump may take so long to end


def run_sensor(  # noqa: PLR0913 - what is captured, where to, and the two ways out
    settings: CaptureSettings, interface: str, directory: Path, bpf: str | None, stop: threading.Event, journal: Journal
) -> None:
    """Capture until `stop` is set. Raises `SettingsError` or `PermissionDeniedError` before the first packet; after that,
    whatever ends tcpdump is told to `journal`, and it is started again."""
    check_interface(interface)
    if bpf:
        check_filter(settings, interface, bpf)
    with HandOver(directory, settings.name) as handover:
        recover(handover, journal)
        writer = CaptureWriter(handover, journal)
        _Supervisor(settings, interface, bpf, writer, journal).run(stop)
        journal.tell(SensorEventKind.STOPPED, writer.end())


class _Supervisor:
    """Runs tcpdump again and again, waiting longer after each failure in a row."""

    def __init__(
        self, settings: CaptureSettings, interface: str, bpf: str | None, writer: CaptureWriter, journal: Journal
    ) -> None:
        self._settings, self._interface, self._bpf = settings, interface, bpf
        self._writer, self._journal = writer, journal
        self._clock = RotationClock(time.monotonic(), settings.rotate_s, _KERNEL_HOLDS_S)
        self._ever_ran = False

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        pause_s = self._settings.retry_s
        while not stop.is_set():
            tcpdump = Tcpdump(self._settings, self._interface, self._bpf)
            run = _Run(tcpdump, self._settings, self._writer, self._clock, self._journal)
            self._writer.tcpdump_began()
            try:
                run.follow(stop, self._started)
            finally:
                self._journal.captures_now = False
                status = tcpdump.close()
                self._writer.close(tcpdump.statistics)
            if stop.is_set():
                return
            self._ended(tcpdump, status)
            pause_s = self._settings.retry_s if run.has_captured else min(pause_s * 2, self._settings.retry_max_s)
            stop.wait(pause_s)

    def _started(self) -> None:
        self._ever_ran = self._journal.captures_now = True
        self._journal.tell(SensorEventKind.STARTED, f"capturing on {self._interface}")

    def _ended(self, tcpdump: Tcpdump, status: int) -> None:
        error: PcaplineError | None = failure(self._settings, self._interface, tcpdump.message)
        if error is not None and not self._ever_ran:
            raise error
        why = tcpdump.message or (f"signal {-status}" if status < 0 else f"exit status {status}")
        detail = f"tcpdump on {self._interface} ended ({why}); it is started again"
        self._journal.tell(SensorEventKind.TCPDUMP_ENDED, detail, restarts=1)


class _Run:
    """One run of tcpdump, from its first byte to its last."""

    def __init__(
        self, tcpdump: Tcpdump, settings: CaptureSettings, writer: CaptureWriter, clock: RotationClock, journal: Journal
    ) -> None:
        self._tcpdump, self._settings, self._writer, self._clock = tcpdump, settings, writer, clock
        self._journal = journal
        self._splitter = StreamSplitter(settings.rotate_bytes)
        self._poll = select.poll()
        self._poll.register(tcpdump.packets_fd, select.POLLIN)
        self._poll.register(tcpdump.messages_fd, select.POLLIN)
        self._open = {tcpdump.packets_fd, tcpdump.messages_fd}
        self._asked_for_s = -1.0
        self.has_captured = False

    def follow(self, stop: threading.Event, started: Callable[[], None]) -> None:
        """Until tcpdump ends by itself, or `stop` is set and what it and the kernel still hold has been taken in."""
        stopping_s: float | None = None
        while self._tcpdump.packets_fd in self._open:
            began = self._splitter.header
            is_dry = not self._take(_LOOK_S)
            if not began and self._splitter.header:
                started()
            now_s = time.monotonic()
            self._keep_time(now_s)
            if stop.is_set():
                stopping_s = stopping_s or now_s
                waited_s = now_s - stopping_s
                if (is_dry and waited_s >= _KERNEL_HOLDS_S) or waited_s >= self._settings.stop_s:
                    break
        self._take_rest()

    def _take_rest(self) -> None:
        """tcpdump is told to end: what it still writes, its statistics last."""
        self._tcpdump.terminate()
        last_s = time.monotonic() + _LAST_WORDS_S
        while self._open and time.monotonic() < last_s:
            self._take(_LOOK_S)

    def _take(self, wait_s: float) -> bool:
        """Wait for packets or messages and take them in; whether there was a packet."""
        has_packets = False
        for descriptor, _ in self._poll.poll(wait_s * 1000):
            if descriptor == self._tcpdump.packets_fd:
                content = self._tcpdump.read_packets()
                has_packets, is_open = bool(content), content != b""
                self._write(content or b"")
            else:
                is_open = self._tcpdump.read_messages()
            if not is_open:
                self._poll.unregister(descriptor)
                self._open.discard(descriptor)
        return has_packets

    def _write(self, content: bytes) -> None:
        try:
            for piece in self._splitter.feed(content):
                self._writer.write(self._splitter.header, piece)
                self.has_captured = self.has_captured or piece.records > 0
                if piece.closes:
                    self._journal.count(rotations_by_size=1)
                    self._writer.close(self._tcpdump.statistics)
        except PcapStreamError as error:
            self._tcpdump.message = str(error)
            self._open.discard(self._tcpdump.packets_fd)
            self._poll.unregister(self._tcpdump.packets_fd)

    def _keep_time(self, now_s: float) -> None:
        """Ask for statistics shortly before a file's time is over, then close it."""
        close_s = self._clock.close_s
        if now_s >= close_s - _ASK_BEFORE_S and self._asked_for_s != close_s:
            self._asked_for_s = close_s
            self._tcpdump.ask_statistics()
        if now_s >= close_s:
            self._journal.count(rotations_by_time=1)
            self._writer.close(self._tcpdump.statistics)
            self._splitter.begin_file()
            self._clock.close(now_s)

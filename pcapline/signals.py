"""SIGINT and SIGTERM for commands that finish what they have in hand: the first asks, the second insists."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Stop:
    """Whether somebody asked to stop, and the exit code that says how."""

    event: Event = field(default_factory=Event)
    exit_code: int = 0

    @property
    def asked(self) -> bool:
        """Whether to stop."""
        return self.event.is_set()

    def ask(self, number: int) -> None:
        """As a signal would; the second time ends the process at once."""
        if self.asked:
            raise SystemExit(128 + number)
        self.exit_code = 128 + number
        self.event.set()


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn both signals into `Stop` while the block runs."""
    stop = Stop()

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.ask(number)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

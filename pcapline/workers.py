"""`watch --workers N`: starts the loaders, starts again those that end unasked, and has them share the sensors evenly.

The loaders share nothing but the directory and the store: which of them loads a sensor is settled by its lease. This process
only tells them when it is worth while to ask for one (docs/decisions/0022).
"""

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Event

from loader.backoff import BackOff
from loader.watch.groupcounts import GroupCounts
from pcapline.worker import LOOK, SHARE, Farewell, Place, work
from schema.errors import PermissionDeniedError, SettingsError

_TICK_S = 0.2
_LIVED_S = 60.0  # one that ends after so long has begun well: it is started again soon
_SETTLED_S = 6.0  # a sensor that was let go has found its new loader after so long
_NEED_A_PERSON = {error.exit_code: error for error in (SettingsError, PermissionDeniedError)}


@dataclass(slots=True, kw_only=True)
class _Worker:
    """One loader, while it runs and between two runs."""

    place: Place
    process: BaseProcess | None = None
    link: Connection | None = None
    sensors: int = 0  # that it holds
    started_at: float = 0.0
    start_at: float = 0.0
    failures: BackOff = field(default_factory=lambda: BackOff(random.random))

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self.process is not None


class Workers:
    """All of them. One thread uses it: the one that signals come to."""

    def __init__(self, places: Sequence[Place], counts: GroupCounts, stop: Event, tell: Callable[[str], None]) -> None:
        self._workers = [_Worker(place=place) for place in places]
        self._counts, self._stop, self._tell = counts, stop, tell
        self._failure: BaseException | None = None
        self._share_at = 0.0

    def run(self) -> None:
        """Until `stop`; each finishes the file in hand. Raises what a person has to put right, after all have ended."""
        try:
            while not self._stop.is_set() and self._failure is None:
                self._start_due(time.monotonic())
                self._hear()
                self._even_out(time.monotonic())
            self._end()
        except BaseException:
            self._kill()
            raise
        if self._failure is not None:
            raise self._failure

    def _start_due(self, now: float) -> None:
        for worker in self._workers:
            if not worker.runs and now >= worker.start_at:
                self._start(worker, now)

    def _start(self, worker: _Worker, now: float) -> None:
        context = get_context("spawn")  # threads and connections of this process are none of theirs
        worker.link, theirs = context.Pipe()
        worker.process = context.Process(target=work, args=(worker.place, theirs), name=f"loader {worker.place.number}")
        worker.process.start()
        theirs.close()  # so that it is closed when the worker ends
        worker.started_at, worker.sensors = now, 0
        self._counts.started(worker.place.number)

    def _hear(self) -> None:
        """Wait a moment for what they say; a closed link is the end of its worker."""
        links = {worker.link: worker for worker in self._workers if worker.link is not None}
        if not links:
            self._stop.wait(_TICK_S)
        for link in wait(list(links), timeout=_TICK_S):
            worker = links[link]  # type: ignore[index]  # connections are all that was waited for
            try:
                self._heard(worker, worker.link.recv())  # type: ignore[union-attr]  # it has one: it was waited for
            except (EOFError, OSError):
                self._ended(worker, time.monotonic())

    def _heard(self, worker: _Worker, message: object) -> None:
        if isinstance(message, int):
            worker.sensors = message
        elif isinstance(message, Farewell):
            self._failure = self._failure or _failure(message)
            if self._failure is None:
                self._tell(f"loader {worker.place.number}: {message.text}")

    def _ended(self, worker: _Worker, now: float) -> None:
        """Take its process off the system's list at once: only then do the others see that what it held is free."""
        process, number = worker.process, worker.place.number
        assert process is not None
        process.join()
        self._put_away(worker)
        if self._failure is not None:
            return
        if now - worker.started_at > _LIVED_S:
            worker.failures.succeeded()
        again_s = worker.failures.failed()
        worker.start_at = now + again_s
        code = process.exitcode or 0
        self._counts.ended(number, "killed" if code < 0 else "failed")
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with {code}"
        self._tell(
            f"loader {number} (process {process.pid}) {how}; the others take its sensors, it begins again in {again_s:.1f} s"
        )
        for other in self._workers:
            self._send(other, LOOK)

    def _even_out(self, now: float) -> None:
        """Where one holds more sensors than another needs to be left, it lets one go: the other is sooner to take it."""
        running = [worker for worker in self._workers if worker.runs]
        if len(running) < 2 or now < self._share_at:
            return
        most, fewest = max(running, key=_sensors), min(running, key=_sensors)
        if most.sensors - fewest.sensors >= 2:
            self._send(most, SHARE)
            self._share_at = now + _SETTLED_S

    def _send(self, worker: _Worker, message: str) -> None:
        if worker.link is not None:
            try:
                worker.link.send(message)
            except OSError:
                self._tell(f"loader {worker.place.number} does not listen")

    def _put_away(self, worker: _Worker) -> None:
        if worker.link is not None:
            worker.link.close()
        worker.process = worker.link = None

    def _end(self) -> None:
        for worker in self._workers:
            if worker.link is not None:
                worker.link.close()
        for worker in self._workers:
            if worker.process is not None:
                worker.process.join()
                self._counts.ended(worker.place.number, None)
                self._put_away(worker)

    def _kill(self) -> None:
        for worker in self._workers:
            if worker.process is not None:
                worker.process.kill()
                worker.process.join()


def _failure(farewell: Farewell) -> BaseException | None:
    """What ends all of them; None where the others go on and this one begins again."""
    if farewell.exit_code is None:
        return BrokenPipeError()
    needs_a_person = _NEED_A_PERSON.get(farewell.exit_code)
    return None if needs_a_person is None else needs_a_person(farewell.text)


def _sensors(worker: _Worker) -> int:
    return worker.sensors

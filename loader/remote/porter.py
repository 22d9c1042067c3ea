"""Brings captures from elsewhere into the spool, and says there what became of them: a thread that uses no store."""

import logging
import random
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from loader.backoff import BackOff
from loader.remote.fetching import Download
from loader.remote.landing import Landing
from loader.remote.leaving import Root
from loader.remote.port import Arrivals, Fate, Reference, RefusedError, Settled, Source, SourceAwayError
from loader.remote.queue import FetchQueue, Landed
from loader.remote.reports import Reports
from loader.watch.remotetelemetry import RemoteTelemetry
from schema.enums import FileState

_LOG = logging.getLogger(__name__)
MAX_REFERENCES = 16_384  # held at a time, some 500 bytes each
_IDLE_S = 0.1
_BREATH_S = 1.0  # how often the source is asked while a large object is fetched
_MISSED_S = 3.0  # how often files are looked for that vanished from the directory unasked
_FAULT_S = 5.0  # how long nothing is done after a fault of ours


@dataclass(slots=True)
class _Patience:
    """One thing that may be away: told once, asked less and less often."""

    tell: Callable[[str], None]
    _back_off: BackOff = field(default_factory=lambda: BackOff(random.random), init=False)
    _retry_at: float = field(default=0.0, init=False)

    def is_due(self, now: float) -> bool:
        return now >= self._retry_at

    def failed(self, error: SourceAwayError, now: float) -> None:
        if not self._back_off.failing:
            self.tell(f"{error}; waiting for it, nothing is lost")
        self._retry_at = now + self._back_off.failed()

    def succeeded(self, what: str) -> None:
        if self._back_off.failing:
            self.tell(what)
            self._back_off.succeeded()


@dataclass(slots=True, kw_only=True)
class Porter:
    """Acknowledges, takes in, fetches: a step of each in turn, so that nothing waits long for the others."""

    source: Source
    roots: Mapping[str, Root]
    landing: Landing
    queue: FetchQueue
    reports: Reports
    telemetry: RemoteTelemetry
    clock: Callable[[], float]
    tell: Callable[[str], None]
    landed: Callable[[Path], None]  # a file is there, complete
    stop: Event = field(default_factory=Event)
    _settled: list[Settled] = field(default_factory=list, init=False)  # to be handed to the source
    _open: set[Hashable] = field(default_factory=set, init=False)  # tokens that are not acknowledged
    _download: Download | None = field(default=None, init=False)
    _asking: _Patience = field(init=False)
    _answering: _Patience = field(init=False)
    _told: Counter[str] = field(default_factory=Counter, init=False)
    _exchanged_at: float = field(default=0.0, init=False)
    _looked_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._asking, self._answering = _Patience(self.tell), _Patience(self.tell)

    def run(self) -> None:
        """Until `stop`; what was settled by then is acknowledged."""
        while not self.stop.is_set():
            try:
                if not self.step():
                    self.stop.wait(_IDLE_S)
            except Exception as error:  # nothing is acknowledged that is not settled: go on
                _LOG.exception("fetching captures")
                self.tell(f"internal_error: {error!r}; report it; captures are fetched again in {_FAULT_S:g} s")
                self._discard()
                self.stop.wait(_FAULT_S)
        self._finish()

    def _finish(self) -> None:
        self._hear()
        try:
            self._acknowledge()
        except SourceAwayError as error:
            self.tell(f"{error}; what is not acknowledged comes again, and is found loaded")
        self._discard()
        self.source.close()

    def step(self) -> bool:
        """Whether something was fetched."""
        self._exchange()
        self._look_for_lost()
        return self._fetch_next()

    def _exchange(self) -> None:
        """Hear what became of files, acknowledge it, and take new references in."""
        now = self._exchanged_at = self.clock()
        self._hear()
        if self._answering.is_due(now):
            try:
                self._acknowledge()
                self._answering.succeeded("captures are acknowledged again")
            except SourceAwayError as error:
                self._answering.failed(error, now)
        if self._asking.is_due(now):
            try:
                self._take_in(self.source.arrivals(max(0, MAX_REFERENCES - len(self._open))))
                self._asking.succeeded("the source of captures answers again")
                self.telemetry.answers(True)
            except SourceAwayError as error:
                self._asking.failed(error, now)
                self.telemetry.answers(False)
        self._report()

    def _report(self) -> None:
        waiting, files = self.queue.waiting(), list(self.queue.files())
        settled = len(self._open) - waiting - len(files)
        self.telemetry.holds(waiting, len(files), settled, sum(landed.stamp.size for landed in files))

    def _hear(self) -> None:
        for report in self.reports.take():
            if not report.gone:
                self.queue.answered(report.stamp)
            elif (landed := self.queue.gone(report.stamp)) is not None:
                quarantined = report.outcome.state is FileState.QUARANTINED
                fate = Fate.QUARANTINED if quarantined else Fate.DONE
                reason = report.outcome.reason if quarantined else ""
                self._settled.append(Settled(reference=landed.reference, fate=fate, reason=reason, version=landed.version))
                self.landing.forget(landed.path)

    def _acknowledge(self) -> None:
        settled, self._settled = self._settled, []
        for one in self.source.acknowledge(settled):
            self._open.discard(one.reference.token)
            if one.fate is Fate.REFUSED:
                self.telemetry.dropped(one.reason, 1)
            else:
                self.telemetry.acknowledged(one.fate.value)

    def _take_in(self, arrivals: Arrivals) -> None:
        self.telemetry.arrived(len(arrivals.references) + sum(refusal.count for refusal in arrivals.refusals))
        for refusal in arrivals.refusals:
            self.telemetry.dropped(refusal.reason, refusal.count)
            self._tell_refusal(refusal.reason, refusal.detail)
        for reference in arrivals.references:
            self._open.add(reference.token)
            self.queue.add(reference)
        self._withdraw(arrivals.withdrawn)
        if arrivals.moved:
            self.reports.say_sensors_moved()

    def _withdraw(self, tokens: frozenset[Hashable]) -> None:
        if not tokens:
            return
        self.telemetry.dropped("withdrawn", len(tokens & self._open))
        self._open -= tokens
        for landed in self.queue.withdraw(tokens):
            self.landing.drop(landed.path, landed.stamp)

    def _tell_refusal(self, reason: str, detail: str) -> None:
        """The 1st, 2nd, 4th, 8th ...: who sends them chooses how many there are."""
        self._told[reason] += 1
        if self._told[reason].bit_count() == 1:
            self.tell(f"{detail} ({reason}, {self._told[reason]} so far)")

    def _look_for_lost(self) -> None:
        """What somebody removed is fetched again. Twice not there, for the loop moves a file before it says so."""
        if self.clock() - self._looked_at < _MISSED_S:
            return
        self._looked_at = self.clock()
        for landed in self.queue.files():
            missing = not self.landing.is_here(landed.path, landed.stamp)
            if missing and landed.missed:
                self.landing.forget(landed.path)
                self.queue.lost(landed)
            landed.missed = missing

    def _fetch_next(self) -> bool:
        reference = self.queue.next(self.clock())
        if reference is None:
            return False
        if self._download is None or self._download.reference is not reference:
            self._discard()
            self._download = Download(reference, self.landing.part())
        try:
            if self._download.run(self.roots, self._goes_on):
                self._land(self._download)
            else:
                self._discard()
        except RefusedError as error:
            self._discard()
            self.queue.give_up(reference)
            self._settled.append(Settled(reference=reference, fate=Fate.REFUSED, reason=error.reason))
            self._tell_refusal(error.reason, str(error))
        except SourceAwayError as error:  # what came so far stays
            self._wait(reference, str(error))
        except OSError as error:
            self._discard()
            self._wait(reference, f"{self.landing.directory}: {error.strerror or error}")
        return True

    def _wait(self, reference: Reference, why: str) -> None:
        if self.queue.failed(reference, self.clock()):
            self.tell(f"{reference.told} cannot be fetched: {why}; it is tried again, other sensors go on")

    def _goes_on(self, size: int) -> bool:
        """Whether the object in hand is still to be fetched; the source is asked meanwhile."""
        self.telemetry.fetched(size)
        if self.clock() - self._exchanged_at >= _BREATH_S:
            self._exchange()
        wanted = self._download is not None and self._download.reference.token in self._open
        return wanted and not self.stop.is_set()

    def _land(self, download: Download) -> None:
        reference, version = download.reference, download.version
        assert version is not None
        path, stamp = self.landing.land(download.part, reference.sensor, reference.name)
        self._download = None
        self.queue.landed(Landed(reference=reference, path=path, stamp=stamp, version=version))
        self.landed(path)

    def _discard(self) -> None:
        self._download = None
        self.landing.clear_part()

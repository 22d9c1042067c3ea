"""Files of each sensor in turn: who is next, what came of it, and what becomes of the file."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Event

from loader.archive.disposal import Disposal, Disposed, open_for_writing
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.spool.files import Spool, SpoolFile
from loader.spool.ordering import next_file
from loader.watch.aside import SensorsAside
from loader.watch.feed import Feed, NoFeed
from loader.watch.fellows import ALONE, Fellows
from loader.watch.leases import LeasedSensor, LeasedSensors
from loader.watch.telemetry import LoaderTelemetry
from schema.enums import FileState
from schema.errors import STORE_WIDE, LeaseLostError, StoreError

_LOG = logging.getLogger(__name__)
_FILES_A_TURN = 16  # of one sensor, before the next sensor's turn and before new files are looked for
_DISPOSED_A_TURN = 16  # of all sensors, or as many as were loaded, before it is looked for new files: each asks the store
_LARGE_BYTES = 8 << 20  # what may take a while is told of before it begins
_AGAIN_S = 5.0  # a file that something outside of it holds up is tried again so often


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The world, as far as a watch needs it."""

    clock: Callable[[], float]  # Unix time: what is written down, and what is waited for
    monotonic: Callable[[], float]  # how long something took: the clock may be set meanwhile
    stop: Event
    tell: Callable[[str], None]  # one line for people
    on_outcome: Callable[[FileOutcome], None]
    fellows: Fellows = ALONE
    feed: Feed = field(default_factory=NoFeed)  # brings files from elsewhere


def _no_notice() -> None:
    """For who keeps no note."""


@dataclass(slots=True, kw_only=True)
class Turns:
    """Works through the spool. Sensors are independent: a bad file or a held lease of one never holds up another."""

    spool: Spool
    sensors: LeasedSensors
    disposal: Disposal
    settings: LoaderSettings
    telemetry: LoaderTelemetry
    world: Surroundings
    aside: SensorsAside
    notice: Callable[[], None] = field(default=_no_notice)  # a file that takes long is in hand
    in_hand: Path | None = field(default=None, init=False)
    _loaded_any: bool = field(default=False, init=False)

    def round(self) -> int:
        """Load some files of each sensor; how many. Raises `StoreError` where the store is away (`STORE_WIDE`):
        the file in hand waits like the others. What ails one sensor puts that one aside."""
        loaded = 0
        for sensor in filter(self.aside.is_due, self.spool.sensors()):
            try:
                loaded += self._turn(sensor)
            except STORE_WIDE:
                raise
            except StoreError as error:
                self._put_aside(sensor, error)
        return loaded

    def _put_aside(self, sensor: str, error: StoreError) -> None:
        self.sensors.drop(sensor)
        self.telemetry.store_failed("refused")
        self.aside.failed(sensor, str(error))

    def _turn(self, sensor: str) -> int:
        if not self.sensors.may_take(sensor):
            return 0
        now = self.world.clock()
        if all(file.ready_at(now) is None for file in self.spool.waiting_of(sensor)):
            return 0
        loaded = 0
        while loaded < _FILES_A_TURN and not self.world.stop.is_set():
            taken = self.sensors.take(sensor)
            if taken is None or self._lost(sensor, taken):
                break
            now = self.world.clock()
            file = next_file(self.spool.waiting_of(sensor), taken.expected_sequence, now, self.settings.gap_wait_s)
            if file is None:
                break
            self._answer(file, taken)
            loaded += 1
        return loaded

    def _lost(self, sensor: str, taken: LeasedSensor) -> bool:
        """Whether commits are gone since the sensor was taken before: a node forgets what it did not sync. Their captures are
        to be loaded before any that came after them, else they would be out of order."""
        if taken.looked_at or not self.disposal.lets_go:  # what stays for ever would be asked for ever
            return False
        answered = [file for file in self.spool.answered() if file.sensor == sensor]
        lost = [file for file in answered if not self.disposal.stands(file)]
        for file in lost:
            self._load_again(file, self.world.clock())
        taken.looked_at = True
        return bool(lost)

    def _answer(self, file: SpoolFile, taken: LeasedSensor) -> None:
        started = self.world.monotonic()
        self.in_hand = file.path
        if file.stamp.size >= _LARGE_BYTES or not self._loaded_any:  # the first is told of, too: the next scan may be far off
            self._loaded_any = True
            self.notice()
        try:
            outcome = self._load(file, taken)
        finally:
            self.in_hand = None
        if outcome is None:
            return
        if outcome.state is not FileState.WAITING:
            taken.loaded(file.name)
            self.aside.succeeded(file.sensor)
        elif file.not_before > 0:  # told already
            self.spool.again(file, self.world.clock() + _AGAIN_S, outcome.reason)
            return
        self.telemetry.answered(outcome, self.world.monotonic() - started)
        self.telemetry.names_evicted(taken.loader.evictions())
        partitions = self.sensors.shared.partitions
        self.telemetry.partitions(partitions.largest(), partitions.forgotten())
        self._settle(file, outcome)
        self.world.on_outcome(outcome)

    def _load(self, file: SpoolFile, taken: LeasedSensor) -> FileOutcome | None:
        """The file's outcome; None where it is gone, or its turn comes again under a new lease."""
        try:
            return taken.loader.load(file.path, file.sequence, is_written=_is_being_written)
        except LeaseLostError as error:
            self.sensors.drop(file.sensor)
            self.telemetry.store_failed("lease_lost")
            self.world.tell(str(error))
        except StoreError:
            self.sensors.drop(file.sensor)
            raise
        except OSError as error:
            if file.path.exists():
                return self._outcome(file, FileState.WAITING, f"{error.strerror or error}; it is tried again")
            _LOG.debug("%s was gone before it could be loaded", file.path)
            self.spool.forget(file)
        except Exception as error:  # not while decoding: nothing is wrong with the capture
            _LOG.exception("%s could not be stored", file.path)
            self.sensors.drop(file.sensor)
            return self._outcome(file, FileState.WAITING, f"internal_error: {error!r}; report it; it is tried again")
        return None

    def _settle(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """What becomes of a file that has an outcome."""
        now = self.world.clock()
        if outcome.state is FileState.WAITING:
            self.spool.again(file, now + _AGAIN_S, outcome.reason)
        elif outcome.state is FileState.QUARANTINED:
            self._quarantine(file, outcome)
        else:
            self.spool.answer(file, outcome, now)
            self.world.feed.answered(file, outcome)

    def _quarantine(self, file: SpoolFile, outcome: FileOutcome) -> None:
        try:
            self.disposal.quarantine(file, outcome)
        except FileNotFoundError:
            _LOG.debug("%s was gone before it could be moved", file.path)
        except OSError as error:
            self.spool.answer(file, outcome, self.world.clock())
            self.world.tell(f"{file.path} cannot be moved away and stays: {error.strerror or error}")
            return
        self.spool.forget(file)
        self.world.feed.gone(file, outcome)

    def dispose(self, loaded: int) -> None:
        """Archive or delete inputs whose time has come: some, so that files which come meanwhile do not wait for a backlog's,
        and no fewer than were `loaded` in this round, so that none grows. Raises `StoreError` where their commits cannot be
        read back."""
        now = self.world.clock()
        due = (file for file in self.spool.answered() if self._may_go(file, now))
        for file in islice(due, max(_DISPOSED_A_TURN, loaded)):
            if self.world.stop.is_set():
                return
            self._dispose(file, now)

    def _may_go(self, file: SpoolFile, now: float) -> bool:
        """Whether it is worth while to try: what another loader has, or the store refuses, takes no other file's place."""
        return self.disposal.is_due(file, now) and self.aside.is_due(file.sensor) and self.sensors.may_take(file.sensor)

    def _dispose(self, file: SpoolFile, now: float) -> None:
        try:
            if self.sensors.take(file.sensor) is None:  # whoever holds it takes its files away
                return
            disposed = self.disposal.dispose(file)
        except STORE_WIDE:
            raise
        except StoreError as error:
            self._put_off(file, now, str(error))
            self._put_aside(file.sensor, error)
        except FileNotFoundError:
            self.spool.forget(file)
        except OSError as error:
            why = f"cannot be moved away: {error.strerror or error}"
            if file.trouble != why:  # told once
                self.world.tell(f"{file.path} {why}")
            self._put_off(file, now, why)
        else:
            self._disposed(file, disposed, now)

    def _disposed(self, file: SpoolFile, disposed: Disposed, now: float) -> None:
        if disposed is Disposed.GONE:
            self.spool.forget(file)
            self.telemetry.disposed()
            if file.outcome is not None:
                self.world.feed.gone(file, file.outcome)
        elif disposed is Disposed.UNCOMMITTED:
            self._load_again(file, now + _AGAIN_S)
        else:
            self._put_off(file, now, "it changed, or somebody has it open for writing")

    def _load_again(self, file: SpoolFile, not_before: float) -> None:
        self.world.tell(f"the store lost the commit of {file.path}; it is loaded again")
        self.spool.again(file, not_before, "the store lost its commit")

    def _put_off(self, file: SpoolFile, now: float, why: str) -> None:
        """It stays for a while."""
        file.not_before, file.trouble = now + _AGAIN_S, why

    def share(self) -> None:
        """Let a fellow have the sensor that has the most files waiting."""
        held = self.sensors.held()
        if len(held) > 1:
            self.sensors.share(max(held, key=lambda sensor: len(self.spool.waiting_of(sensor))))

    def let_go(self) -> None:
        """Let other loaders have the sensors that have no file here."""
        here = {*self.spool.sensors(), *(file.sensor for file in self.spool.answered())}
        self.sensors.release(keep=here)

    def _outcome(self, file: SpoolFile, state: FileState, reason: str) -> FileOutcome:
        return FileOutcome(file=str(file.path), state=state, reason=reason, sensor=file.sensor)


def _is_being_written(path: Path) -> bool:
    """Whether a file that is no capture may become one yet."""
    try:
        return open_for_writing(path)
    except OSError:
        return False

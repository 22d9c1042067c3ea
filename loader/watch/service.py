"""`watch`: loads what lands in a directory, for ever. One loop uses the store; events and periodic jobs only wake it."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from loader.archive.disk import ArchiveKeeper, PauseKeeper
from loader.archive.disposal import Disposal
from loader.backoff import BackOff, is_over
from loader.reading.capture import first_packet_time
from loader.settings import LoaderSettings
from loader.spool.files import ARCHIVE, OWN_FOLDER, Spool
from loader.spool.strays import strays_in
from loader.spool.watcher import DirectoryWatcher, Hints
from loader.watch.archivewatch import archive_watched
from loader.watch.aside import SensorsAside
from loader.watch.leases import LeasedSensors
from loader.watch.note import NoteKeeper
from loader.watch.schedule import Schedule
from loader.watch.states import SpoolView
from loader.watch.telemetry import LoaderTelemetry, Pending
from loader.watch.turns import Surroundings, Turns
from loader.watch.upkeep import Upkeep
from schema.errors import SchemaMismatchError, SettingsError, StoreError, StorePermissionError
from schema.store.writing import Store

_UNUSED_S = 60.0  # how often sensors that send nothing any more are looked for
_TICK_S = 0.2  # how soon the loop sees that it is to stop, or that a file has settled


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What is watched, as whose."""

    directory: Path
    sensor: str  # of the files in the directory itself
    network: str  # of sensors that are seen for the first time
    owner: str  # of the leases: HOST:PID:RANDOM
    events: bool = True  # False: file events are not listened to, for file systems that send none


def run_watch(
    store: Store,
    request: WatchRequest,
    settings: LoaderSettings,
    telemetry: LoaderTelemetry,
    world: Surroundings,
) -> None:
    """Load what lands until `world.stop`; the file in hand is finished then, and the leases are let go.

    Raises `SettingsError` where the directory is not there at the start, `PermissionDeniedError` where nothing in it can be
    moved, `SchemaMismatchError` where the store has another schema. A store or a directory that goes away later is told
    once and waited for.
    """
    if not request.directory.is_dir():
        raise SettingsError(f"{request.directory} is no directory: create it, or name the one that captures land in")
    spool = Spool(request.directory, request.sensor, settings.settle_s, first_packet_time)
    sensors = LeasedSensors(store, settings, request.network, request.owner, world.clock, world.tell, world.fellows)
    turns = Turns(
        spool=spool,
        sensors=sensors,
        disposal=Disposal(request.directory, store, settings, world.tell),
        settings=settings,
        telemetry=telemetry,
        world=world,
        aside=SensorsAside(world.clock, world.tell),
    )
    view = SpoolView(spool=spool, sensors=sensors, aside=turns.aside, settings=settings)
    upkeep = Upkeep(
        directory=request.directory,
        turns=turns,
        view=view,
        note=NoteKeeper(directory=request.directory, owner=request.owner),
        archive=ArchiveKeeper(
            archive=request.directory / OWN_FOLDER / ARCHIVE, store=store, settings=settings, tell=world.tell
        ),
        pause=PauseKeeper(directory=request.directory, settings=settings, tell=world.tell),
        telemetry=telemetry,
    )
    turns.notice = upkeep.notice
    with archive_watched(request.directory, store, settings, telemetry, world):
        _Watch(store=store, request=request, turns=turns, upkeep=upkeep).run()


@dataclass(slots=True, kw_only=True)
class _Due:
    """What the jobs asked for since the loop looked last."""

    wake: Event = field(default_factory=Event)
    rescan: Event = field(default_factory=Event)
    unused: Event = field(default_factory=Event)
    retention: Event = field(default_factory=Event)
    room: Event = field(default_factory=Event)

    def schedule(
        self, settings: LoaderSettings, keep_leases: Callable[[], None], look_for_room: Callable[[], None]
    ) -> Schedule:
        jobs = {
            "rescan": (settings.rescan_s, self.rescan.set),
            "renewal": (settings.lease_s / 3, keep_leases),
            "unused": (_UNUSED_S, self.unused.set),
            "room": (settings.rescan_s, look_for_room),
            "retention": (settings.retention_s, self.retention.set),
        }
        return Schedule(jobs)


def _taken(event: Event) -> bool:
    """Whether it was set; it is not any more."""
    was_set = event.is_set()
    event.clear()
    return was_set


@dataclass(slots=True, kw_only=True)
class _Watch:
    """The loop. All but the jobs and the watcher runs in the thread that calls `run`."""

    store: Store
    request: WatchRequest
    turns: Turns
    upkeep: Upkeep
    _due: _Due = field(default_factory=_Due, init=False)
    _hints: Hints = field(init=False)
    _watcher: DirectoryWatcher = field(init=False)
    _watched: tuple[int, int] | None = field(default=None, init=False)  # device and inode that events come from
    _store_away: BackOff = field(default_factory=lambda: BackOff(random.random), init=False)
    _retry_at: float = field(default=0.0, init=False)
    _directory_away: bool = field(default=False, init=False)
    _strays: set[Path] = field(default_factory=set, init=False)  # told of

    def __post_init__(self) -> None:
        self._hints = Hints(self._due.wake.set)
        self._watcher = DirectoryWatcher(self.request.directory, self._hints)

    def run(self) -> None:
        """Until it is time to stop."""
        turns, stop = self.turns, self.turns.world.stop
        schedule = self._due.schedule(turns.settings, turns.sensors.keep, self.upkeep.look_for_room)
        if not turns.world.fellows.group:  # while fellows are at work, what they have in hand is not to be put back
            turns.disposal.prepare()
        schedule.start()
        turns.world.feed.start(lambda path: self._hints.put(path, complete=True))
        try:
            self._rescan(turns.world.clock(), first=True)
            self.upkeep.notice()  # who asks meanwhile is told that somebody watches
            while not stop.is_set():
                if not self._step():
                    self._due.wake.wait(_TICK_S)
                    self._due.wake.clear()
        finally:
            schedule.stop()
            self._watcher.stop()
            turns.world.feed.stop()
            self.upkeep.end()
            turns.sensors.release()
            turns.telemetry.leases(())

    @property
    def _keeps_house(self) -> bool:
        return self.turns.world.fellows.keeps_house

    def _step(self) -> bool:
        """Whether there was something to load."""
        turns, now = self.turns, self.turns.world.clock()
        if _taken(self._due.rescan):
            self._rescan(now)
            self.upkeep.notice(store_away=self._store_away.failing)
            self._due.room.set()
        if _taken(self._due.room) and self.upkeep.make_room():
            self._due.room.set()  # the next step, after the files that came meanwhile
        for path, complete in self._hints.take().items():
            turns.spool.hint(path, complete=complete, now=now)
        turns.spool.observe(now)
        worked = is_over(self._retry_at, now) and self._use_store(now)
        self._report()
        return worked

    def _use_store(self, now: float) -> bool:
        """All that needs the store; while it is away files wait, and it is asked less and less often."""
        try:
            self.turns.telemetry.store_refused(self.store.refusals())
            if self._store_away.failing:
                self.store.health()
            self._see_to_leases()
            if self.turns.world.feed.sensors_moved():
                self._rescan(now)
                self.turns.let_go()
            loaded = self.turns.round()
            self.turns.dispose(loaded)
            if _taken(self._due.retention) and self._keeps_house:
                self._expire(now)
        except SchemaMismatchError:
            raise
        except StoreError as error:
            self._store_failed(error)
            return False
        if self._store_away.failing:
            self.turns.world.tell("the store answers again; what waited is loaded now")
            self._store_away.succeeded()
        self.turns.telemetry.store_answers(True)
        return loaded > 0

    def _see_to_leases(self) -> None:
        sensors, fellows = self.turns.sensors, self.turns.world.fellows
        sensors.ask_for_doubtful()
        if _taken(self._due.unused):
            sensors.let_go_unused()
        if _taken(fellows.look):
            sensors.fellow_ended()
        if _taken(fellows.share):
            self.turns.share()

    def _store_failed(self, error: StoreError) -> None:
        if not self._store_away.failing:
            waiting = sum(1 for _ in self.turns.spool.waiting())
            self.turns.world.tell(f"{error}; waiting for the store, nothing is lost (files waiting: {waiting})")
        self._retry_at = self.turns.world.clock() + self._store_away.failed()
        self.turns.telemetry.store_failed("refused" if isinstance(error, StorePermissionError) else "unavailable")
        self.turns.telemetry.store_answers(False)

    def _expire(self, now: float) -> None:
        limit = self.turns.settings.retention_rows
        expired = self.store.expire(int(now * 1000), limit)
        self.turns.telemetry.expired(expired)
        if expired >= limit:  # more is left: the next step, after the files that came meanwhile
            self._due.retention.set()

    def _rescan(self, now: float, *, first: bool = False) -> None:
        turns = self.turns
        try:
            self._follow_directory()
            missed = turns.spool.rescan(now)
            strays = dict(strays_in(self.request.directory)) if self._keeps_house else {}
        except OSError as error:
            self._directory_lost(error)
            return
        self._tell_of(strays)
        if not first and self.request.events and self._keeps_house:
            turns.telemetry.missed(missed)
        if self._directory_away:
            self._directory_away = False
            turns.world.tell(f"{self.request.directory} is back")
        turns.telemetry.directory_answers(True)

    def _tell_of(self, strays: Mapping[Path, str]) -> None:
        """Once each, while it is there."""
        for path in strays.keys() - self._strays:
            self.turns.world.tell(f"{path} is passed over: {strays[path]}")
        self._strays = set(strays)
        self.turns.telemetry.passed_over(len(strays))

    def _follow_directory(self) -> None:
        """Listen to the directory that has the name now: one made anew sends its events to nobody."""
        status = self.request.directory.stat()
        identity = (status.st_dev, status.st_ino)
        if not self.request.events or identity == self._watched:
            return
        self._watched = identity
        try:
            self._watcher.start()
        except OSError as error:
            seconds = self.turns.settings.rescan_s
            self.turns.world.tell(f"no file events ({error.strerror or error}); the directory is scanned every {seconds:g} s")

    def _directory_lost(self, error: OSError) -> None:
        if not self._directory_away:
            self._directory_away = True
            self._watched = None
            self.turns.world.tell(f"{self.request.directory} cannot be read: {error.strerror or error}; waiting for it")
        self.turns.telemetry.directory_answers(False)

    def _report(self) -> None:
        pending, spool, sensors = [], self.turns.spool, self.turns.sensors
        for sensor in spool.sensors():
            if not sensors.fellows.include(sensors.held_elsewhere(sensor)):  # else whether they wait is known where it is held
                files = spool.waiting_of(sensor)
                pending.append(Pending(sensor=sensor, files=len(files), oldest=min(file.since for file in files)))
        self.turns.telemetry.waits(pending)
        held = sensors.held()
        self.turns.telemetry.leases(held)
        sensors.fellows.holds(len(held))

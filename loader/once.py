"""Files that a person names, loaded now: one verdict for each, whatever happens to the others. Moves and deletes nothing."""

import errno
import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loader.commit.pipeline import Clock, SensorLoader
from loader.commit.shared import Shared
from loader.outcome import FileOutcome
from loader.reading.capture import first_packet_time
from loader.settings import LoaderSettings
from loader.spool.files import sidecar_of
from schema.capture_names import is_sensor_name, parse_capture_name
from schema.enums import FileState
from schema.errors import (
    STORE_WIDE,
    CaptureError,
    LeaseHeldError,
    LeaseLostError,
    SchemaMismatchError,
    StoreError,
    StoreMovedError,
)
from schema.records import STANDALONE_SENSOR
from schema.store.writing import SensorLease, Store

_LOG = logging.getLogger(__name__)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_POLL_S = 0.2  # how often a held lease is asked for again
_LONGEST_NOTE = 1 << 16  # bytes: a sensor writes a few hundred
_LATE_NS = 1 << 63  # behind every packet time


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be loaded, and as whose."""

    paths: tuple[Path, ...]
    sensor: str = STANDALONE_SENSOR
    network: str
    owner: str  # of the lease: HOST:PID:RANDOM
    notes_refusals: bool = False  # in the store, for others: who names a file is told of it, and that is all


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The world, as far as loading needs it. `wait` sleeps and is True when it is time to stop."""

    clock: Clock
    wait: Callable[[float], bool]
    tell: Callable[[str], None]


def files_under(paths: Iterable[Path], own: Collection[Path] = ()) -> list[Path]:
    """The files named and all below the directories named, once each, in order of name; below a directory hidden files are
    passed over, the notes that a sensor writes beside its captures (`NAME.json`), the store's `own` files (resolved paths),
    and all that is no regular file."""
    found: dict[Path, None] = {}
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in below:
            if file == path or (_is_input(file, path) and not (own and file.resolve() in own)):
                found[file] = None
    return list(found)


def _is_input(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    note = file.suffix == ".json" and file.with_suffix("").is_file()
    return not hidden and not note and file.is_file()


def sensors_noted(paths: Iterable[Path]) -> dict[str, Path]:
    """The sensors that captured these files, by the notes beside them, each with the first of its files."""
    noted: dict[str, Path] = {}
    for path in paths:
        with suppress(OSError, ValueError), sidecar_of(path).open("rb") as note:
            said = json.loads(note.read(_LONGEST_NOTE))
            sensor = said.get("sensor") if isinstance(said, dict) else None
            if isinstance(sensor, str) and is_sensor_name(sensor):
                noted.setdefault(sensor, path)
    return noted


def _is_special(path: Path) -> bool:
    """Whether it is there and no regular file: to open a pipe or a device may wait for ever."""
    return path.exists() and not path.is_file()


@dataclass(slots=True)
class OnceLoader:
    """Loads what was asked for, under one lease, in the order in which its sensor made it."""

    store: Store
    settings: LoaderSettings
    request: Request
    world: Surroundings
    _loader: SensorLoader | None = field(default=None, init=False)
    _shared: Shared = field(init=False)

    def __post_init__(self) -> None:
        self._shared = Shared.of(self.store, self.settings, self.world.tell)

    def outcomes(self) -> Iterator[FileOutcome]:
        """One outcome a file. Ends early only when it is time to stop; what was not reached then has no outcome."""
        away: str | None = None
        try:
            for path in self._in_order():
                if self.world.wait(0):
                    return
                if away is not None:
                    yield self._waiting(path, away)
                    continue
                outcome, away = self._load(path)
                yield outcome
        finally:
            self._let_go()

    def _in_order(self) -> list[Path]:
        """Files that were written just now come last: each is given time to settle, and the others need not wait for it."""
        now = self.world.clock()
        return sorted(self.request.paths, key=lambda path: (self._settles_in(path, now) > 0, *self._made(path)))

    def _made(self, path: Path) -> tuple[int, int]:
        """A sensor's own count, else the time of the first packet; a file that stands alone has no order."""
        if self.request.sensor == STANDALONE_SENSOR:
            return (0, 0)
        sequence = self._sequence(path)
        if sequence is not None:
            return (0, sequence)
        if _is_special(path):
            return (1, _LATE_NS)
        try:
            return (1, first_packet_time(path) or _LATE_NS)
        except (CaptureError, OSError):
            return (1, _LATE_NS)

    def _sequence(self, path: Path) -> int | None:
        name = parse_capture_name(path.name)
        return name.sequence if name is not None and name.sensor == self.request.sensor else None

    def _load(self, path: Path) -> tuple[FileOutcome, str | None]:
        """The file's outcome; and why the store is away, where it is: then the files behind it need not be tried."""
        if _is_special(path):
            return self._refused(path, "not a regular file"), None
        try:
            if self._grows(path):
                return self._waiting(path, "still growing; load it again when it is complete"), None
            return self._under_lease(path), None
        except (SchemaMismatchError, StoreMovedError):
            raise
        except StoreError as error:
            self._loader = None
            away = isinstance(error, (*STORE_WIDE, LeaseHeldError))
            return self._waiting(path, str(error)), str(error) if away else None
        except OSError as error:
            return self._unreadable(path, error), None
        except Exception as error:  # not while decoding: nothing is wrong with the capture
            _LOG.exception("%s could not be stored", path)
            self._loader = None
            return self._waiting(path, f"internal_error: {error!r}; report it, then load it again"), None

    def _under_lease(self, path: Path) -> FileOutcome:
        sequence, notes = self._sequence(path), self.request.notes_refusals
        try:
            return self._taken().load(path, sequence, notes_refusal=notes)
        except LeaseLostError:  # another loader took over while this one slept: nothing of the capture counts, begin again
            self._loader = None
            return self._taken().load(path, sequence, notes_refusal=notes)

    def _taken(self) -> SensorLoader:
        if self._loader is None:
            lease = self._take()
            self._shared.partitions.read_again()
            self._loader = SensorLoader(self.store, lease, self.settings, self.world.clock, self._shared)
        return self._loader

    def _take(self) -> SensorLease:
        """The sensor's lease; whoever holds it is waited for."""
        told = False
        while True:
            until_ms = int((self.world.clock() + self.settings.lease_s) * 1000)
            try:
                return self.store.take_sensor(self.request.sensor, self.request.network, self.request.owner, until_ms)
            except LeaseHeldError as held:
                if not told:
                    self.world.tell(str(held))
                    told = True
                if self.world.wait(_POLL_S):
                    raise

    def _grows(self, path: Path) -> bool:
        """Whether somebody still writes to the file: one that was changed just now is looked at again."""
        settles_in = self._settles_in(path, self.world.clock())
        if settles_in <= 0:
            return False
        before = path.stat()
        self.world.wait(settles_in)
        after = path.stat()
        return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)

    def _settles_in(self, path: Path, now: float) -> float:
        try:
            return min(path.stat().st_mtime - now, 0) + self.settings.settle_s
        except OSError:
            return 0

    def _waiting(self, path: Path, reason: str) -> FileOutcome:
        return FileOutcome(file=str(path), state=FileState.WAITING, reason=reason, sensor=self.request.sensor)

    def _unreadable(self, path: Path, error: OSError) -> FileOutcome:
        reason = error.strerror or str(error)
        if error.errno in _NO_SPACE:
            return self._waiting(path, f"{reason}; make room in {error.filename or 'the temporary directory'}, load it again")
        return self._refused(path, f"unreadable: {reason}")

    def _refused(self, path: Path, reason: str) -> FileOutcome:
        return FileOutcome(file=str(path), state=FileState.QUARANTINED, reason=reason, sensor=self.request.sensor)

    def _let_go(self) -> None:
        if self._loader is not None:
            try:
                self._loader.lease.release()
            except StoreError:
                self.world.tell("the store did not take the lease back; it ends by itself")

"""The watched directory: which files are there, whose they are, and which are complete. Touches no store, moves nothing.

Events are hints. What counts is what a scan finds, so that a file whose event never came is loaded all the same.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from loader.backoff import is_over
from loader.outcome import FileOutcome
from loader.spool.queues import Queues
from schema.capture_names import CaptureName, is_sensor_name, parse_capture_name
from schema.errors import CaptureError

OWN_FOLDER = ".pcapline"  # archive and quarantine, beside what waits: the same file system, so that a move is a rename
ARCHIVE, QUARANTINE = "archive", "quarantine"
REASON_SUFFIX = ".reason.txt"
SIDECAR_SUFFIX = ".json"  # what a sensor notes beside a capture
_UNFINISHED = (".part", ".tmp", "~", ".filepart", ".crdownload")  # as programs name what they still write


class Stamp(NamedTuple):
    """What tells one state of a file from another."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """From `stat`."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(slots=True, eq=False)
class SpoolFile:
    """One file of the directory and what is known of it; equal to itself alone."""

    path: Path
    sensor: str
    stamp: Stamp
    since: float  # the stamp has not changed from then on
    name: CaptureName | None  # where its sensor named it
    complete: bool = False  # closed after writing, moved in, or handed over by its sensor
    ready_since: float | None = None
    not_before: float = 0.0  # after a failure that may pass
    trouble: str = ""  # that failure
    first_ts_ns: int | None = None
    outcome: FileOutcome | None = None  # loaded, empty or known already: waits for its disposal
    answered_at: float = 0.0  # when the outcome was known
    counted: bool = False  # it was announced by an event, or counted as missed

    @property
    def sequence(self) -> int | None:
        """Its number in the sensor's own order."""
        return None if self.name is None else self.name.sequence

    def ready_at(self, now: float) -> float | None:
        """Since when it can be loaded; None: it may still grow, or is to be tried later."""
        if self.ready_since is not None:
            self.ready_since = min(self.ready_since, now)  # the clock may have been set back
        return self.ready_since if is_over(self.not_before, now) else None


@dataclass(slots=True)
class Spool:
    """Files of a watched directory: those in `directory/NAME/` belong to sensor NAME, those in it to `default_sensor`."""

    directory: Path
    default_sensor: str
    settle_s: float
    first_packet_time: Callable[[Path], int | None]  # may raise CaptureError, OSError
    _files: dict[str, SpoolFile] = field(default_factory=dict, init=False)  # by path: a scan makes no `Path` of what is known
    _waiting: Queues[SpoolFile] = field(default_factory=Queues, init=False)  # those of them without an answer

    def rescan(self, now: float) -> int:
        """Look at all that is there; returns how many new files no event had told of. Raises `OSError` where the directory
        is gone."""
        seen = dict(captures_in(self.directory, self.default_sensor))
        for path in self._files.keys() - seen.keys():
            self._drop(path)
        return sum(self._see(path, sensor, now) for path, sensor in seen.items())

    def hint(self, path: Path, *, complete: bool, now: float) -> None:
        """An event told of a file; `complete`: it was closed after writing, or renamed to this name."""
        sensor = sensor_of(path, self.directory, self.default_sensor)
        if sensor is None:
            return
        self._see(str(path), sensor, now)
        file = self._files.get(str(path))
        if file is not None:
            file.counted = True
            file.complete = file.complete or complete
            self._settle(file, now)

    def observe(self, now: float) -> None:
        """Look again at the files that may still grow."""
        for file in [file for file in self.waiting() if file.ready_since is None]:
            self._see(str(file.path), file.sensor, now)

    def sensors(self) -> list[str]:
        """Sensors that have files waiting."""
        return self._waiting.sensors()

    def waiting(self) -> Iterator[SpoolFile]:
        """Files without an answer yet."""
        return self._waiting.files()

    def waiting_of(self, sensor: str) -> Sequence[SpoolFile]:
        """Those of one sensor, in the order in which it made them."""
        return self._waiting.of(sensor)

    def answered(self) -> list[SpoolFile]:
        """Files that are loaded, empty or known, and still here."""
        return [file for file in self._files.values() if file.outcome is not None]

    def answer(self, file: SpoolFile, outcome: FileOutcome, now: float) -> None:
        """The file needs no loading any more, until it grows."""
        file.outcome, file.answered_at, file.trouble = outcome, now, ""
        self._waiting.drop(file)

    def again(self, file: SpoolFile, not_before: float, trouble: str) -> None:
        """The file is to be loaded (again), but not before then."""
        file.outcome, file.not_before, file.trouble = None, not_before, trouble
        self._waiting.add(file)

    def forget(self, file: SpoolFile) -> None:
        """The file is gone, or was moved away."""
        self._drop(str(file.path))

    def _drop(self, path: str) -> None:
        file = self._files.pop(path, None)
        if file is not None:
            self._waiting.drop(file)

    def _see(self, path: str, sensor: str, now: float) -> bool:
        """Take note of a file as it is now; True for one that is new and that no event had told of."""
        try:
            status = os.lstat(path)
        except OSError:
            self._drop(path)
            return False
        if not S_ISREG(status.st_mode):  # nor may what had the name before be looked for there
            self._drop(path)
            return False
        stamp, file = Stamp.of(status), self._files.get(path)
        if file is None or file.stamp != stamp:
            place = Path(path)
            name = _name_by_sensor(place, sensor)
            file = SpoolFile(path=place, sensor=sensor, stamp=stamp, since=now, name=name, complete=name is not None,
                             counted=file is not None)  # fmt: skip
            self._drop(path)
            self._files[path] = file
            self._waiting.add(file)
        self._settle(file, now)
        missed = not file.counted
        file.counted = True
        return missed

    def _settle(self, file: SpoolFile, now: float) -> None:
        file.since = min(file.since, now)  # a clock that was set back makes nobody wait until it has caught up
        settled = file.complete or now - file.since >= self.settle_s
        if file.ready_since is None and file.sequence is None and (settled or file.since == now):
            self._waiting.drop(file)  # its place follows from what is found
            file.first_ts_ns = self._first_packet_time(file.path)
            self._waiting.add(file)
        if file.ready_since is None and settled:
            file.ready_since = now

    def _first_packet_time(self, path: Path) -> int | None:
        try:
            return self.first_packet_time(path)
        except (CaptureError, OSError):
            return None


def captures_in(directory: Path, default_sensor: str) -> Iterator[tuple[str, str]]:
    """The files of a watched directory that are captures by their place and name, as `str` of a `Path` has it, and whose they
    are."""
    with os.scandir(directory) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    before = _before_names_in(directory)
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            yield from _captures_of_sensor(directory / entry.name)
        elif entry.is_file(follow_symlinks=False) and _is_input(entry.name):
            yield before + entry.name, default_sensor


def _before_names_in(folder: Path) -> str:
    return str(folder / "x")[:-1]


def folders_of(directory: Path) -> Iterator[Path]:
    """The directory and its sensors' folders: where captures lie. Raises `OSError` where it is gone."""
    yield directory
    with os.scandir(directory) as entries:
        yield from sorted(Path(entry.path) for entry in entries if _is_sensor_folder(entry))


def _is_sensor_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) and is_sensor_name(entry.name)


def _captures_of_sensor(folder: Path) -> Iterator[tuple[str, str]]:
    if not is_sensor_name(folder.name):
        return
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError:  # gone since, or not ours to read: the neighbours go on
        return
    before = _before_names_in(folder)
    for entry in inside:
        if entry.is_file(follow_symlinks=False) and _is_input(entry.name):
            yield before + entry.name, folder.name


def sensor_of(path: Path, directory: Path, default_sensor: str) -> str | None:
    """Whose file it is; None for what is no capture by its place or name: hidden, unfinished, a sensor's note."""
    if not _is_input(path.name):
        return None
    if path.parent == directory:
        return default_sensor
    folder = path.parent
    return folder.name if folder.parent == directory and is_sensor_name(folder.name) else None


def _is_input(name: str) -> bool:
    return not name.startswith(".") and not name.endswith((*_UNFINISHED, SIDECAR_SUFFIX))


def sidecar_of(path: Path) -> Path:
    """Where a sensor's note about a capture would be."""
    return path.with_name(path.name + SIDECAR_SUFFIX)


def _name_by_sensor(path: Path, sensor: str) -> CaptureName | None:
    """What the name says, where it is this sensor's: somebody else's file may have any number and be incomplete."""
    name = parse_capture_name(path.name)
    return name if name is not None and name.sensor == sensor else None

"""A disk that is nearly full: loaded captures are let go, or sensors asked to pause. What is not loaded is never deleted."""

import heapq
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loader.kept import let_go
from loader.prepared import content_origin, file_id_of
from loader.reading import file_identity
from loader.settings import LoaderSettings
from loader.spool import is_put_away, sidecar_of
from schema.capture_names import is_sensor_name
from schema.errors import CaptureError
from schema.pause import ask_for_pause, end_pause
from schema.records import CaptureRecord
from schema.store.port import StoreReader

DROP = "drop"
_DROPPED_A_STEP = 200

FreeBytes = Callable[[Path], int]


def free_bytes(path: Path) -> int:
    """Room on a file system for who is not root. Raises `OSError`."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


@dataclass(slots=True, kw_only=True)
class Shortage:
    """Between two marks: begins when less than the high one is free, ends when more than the low one is."""

    begins_below: int
    ends_above: int
    lasts: bool = False

    def look(self, free: int) -> bool:
        """Whether there is one, now that so many bytes are free."""
        self.lasts = free < (self.ends_above if self.lasts else self.begins_below)
        return self.lasts


def shortage_of(settings: LoaderSettings) -> Shortage:
    """One between the marks that are set."""
    return Shortage(begins_below=settings.disk_high_free_bytes, ends_above=settings.disk_low_free_bytes)


@dataclass(slots=True, kw_only=True)
class ArchiveKeeper:
    """Keeps room on the disk of the archive by deleting what was archived longest ago, where the settings say so."""

    archive: Path
    store: StoreReader
    settings: LoaderSettings
    tell: Callable[[str], None]
    free: FreeBytes = free_bytes
    dropped: int = field(default=0, init=False)  # captures that were deleted
    _shortage: Shortage = field(init=False)

    def __post_init__(self) -> None:
        self._shortage = shortage_of(self.settings)

    def drop(self) -> bool:
        """Delete some captures where there is a shortage; whether that helps: False where none is left that may go.

        Raises `OSError` where the archive is gone, `StoreError` where commits cannot be read back.
        """
        if self.settings.disk_policy != DROP or not self._shortage.look(self.free(self.archive)):
            return False
        if not self.store.health().durable:
            return False
        dropped = 0
        for path in heapq.nsmallest(_DROPPED_A_STEP, _archived(self.archive), key=_archived_at):
            if not self._shortage.look(self.free(self.archive)):
                break
            dropped += self._let_go(path)
        if dropped and not self.dropped:
            self.tell(f"the disk of {self.archive} is nearly full: captures archived longest ago are deleted")
        self.dropped += dropped
        return dropped > 0

    def _let_go(self, path: Path) -> bool:
        """Whether it could be deleted: the ledger has its content."""
        try:
            if not self._is_loaded(path):
                return False
        except FileNotFoundError:  # somebody else was faster
            return False
        let_go(path)
        sidecar_of(path).unlink(missing_ok=True)
        return True

    def _is_loaded(self, path: Path) -> bool:
        """Whether the ledger has all of a file's content."""
        record = self._record_of(path)
        return record is not None and self.store.stands(record.facts.capture_id)

    def _record_of(self, path: Path) -> CaptureRecord | None:
        """By its inode; a copy on another file system has one of its own and is known by its content."""
        record = self.store.capture_of_origin(file_id_of(path))
        if record is not None and record.facts.size_bytes == path.stat().st_size:
            return record
        try:
            identity = file_identity(path)
        except CaptureError:
            return None
        return self.store.capture(identity) or self.store.capture_of_origin(content_origin(identity))


def _archived(archive: Path) -> Iterator[Path]:
    """Captures in the archive, whatever their order."""
    for folder in (path for path in archive.iterdir() if is_sensor_name(path.name) and path.is_dir()):
        with os.scandir(folder) as entries:
            yield from (Path(entry.path) for entry in entries if is_put_away(entry.name))


def _archived_at(path: Path) -> tuple[int, str]:
    """When it came there: the time of change of its inode, which no sensor's clock touches. What is gone since comes first."""
    try:
        return path.stat().st_ctime_ns, path.name
    except OSError:
        return 0, path.name


@dataclass(slots=True, kw_only=True)
class PauseKeeper:
    """Asks sensors to pause while the disk of the captures is nearly full.

    Uses no store, so that it may have a thread of its own: what keeps the loader busy does not let a request end.
    """

    directory: Path
    settings: LoaderSettings
    tell: Callable[[str], None]
    free: FreeBytes = free_bytes
    others_make_room: bool = field(init=False)  # archived captures are being deleted
    asks: bool = field(default=False, init=False)
    _shortage: Shortage = field(init=False)

    def __post_init__(self) -> None:
        self._shortage = shortage_of(self.settings)
        self.others_make_room = self.settings.disk_policy == DROP

    def look(self) -> None:
        """Ask, renew what was asked, or ask for nothing any more. Raises `OSError` where the directory is gone."""
        short = self._shortage.look(self.free(self.directory))
        if short and (self.asks or not self.others_make_room):
            if not self.asks:
                mark = f"less than {self._shortage.begins_below:,} bytes free (loader.disk_high_free_bytes)"
                self.tell(f"the disk of {self.directory} has {mark}: its sensors are asked to pause")
            self.asks = True
            ask_for_pause(self.directory)
        elif self.asks and not short:
            self.end()
            self.tell(f"there is room again on the disk of {self.directory}: sensors may go on")

    def end(self) -> None:
        """Ask for nothing any more. Raises `OSError`."""
        if self.asks:
            self.asks = False
            end_pause(self.directory)

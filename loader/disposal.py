"""What becomes of an input: archived, deleted, kept or quarantined. Nothing goes before its commit was read back."""

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from pathlib import Path

from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.spool import ARCHIVE, OWN_FOLDER, QUARANTINE, REASON_SUFFIX, SpoolFile, Stamp, sidecar_of
from schema.errors import PermissionDeniedError
from schema.records import FileState
from schema.store.port import StoreReader

_DELETE, _KEEP = "delete", "keep"


class Disposed(Enum):
    """What `dispose` did."""

    GONE = "gone"  # archived or deleted
    STAYS = "stays"  # it is not what was loaded any more, or somebody still writes to it
    UNCOMMITTED = "uncommitted"  # the store does not have its commit: it is to be loaded again


@dataclass(slots=True)
class Disposal:
    """Moves inputs of one watched directory to their last place, by renaming within its file system. The files of a sensor
    are moved by the holder of its lease alone."""

    directory: Path
    store: StoreReader
    settings: LoaderSettings
    tell: Callable[[str], None]
    _delete_refused: bool = field(default=False, init=False)

    def prepare(self) -> None:
        """Make the folders that inputs are moved to. Raises `PermissionDeniedError` where nothing can be moved."""
        try:
            for kind in (ARCHIVE, QUARANTINE):
                (self.directory / OWN_FOLDER / kind).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if self.settings.after != _KEEP:
                why = f"{self.directory} cannot be written to ({error.strerror or error})"
                raise PermissionDeniedError(f"{why}: allow it, or leave inputs where they are (--after keep)") from error

    def is_due(self, file: SpoolFile, now: float) -> bool:
        """Whether the grace period is over: counted from the commit as the ledger has it, else from the answer."""
        if file.outcome is None or file.outcome.state is FileState.QUARANTINED:
            return False
        if self.settings.after == _KEEP or now < file.not_before:
            return False
        return now >= (file.outcome.loaded_at_ms / 1000 or file.answered_at) + self.settings.grace_s

    def dispose(self, file: SpoolFile) -> Disposed:
        """Archive or delete an input whose time has come. Raises `StoreError` where the ledger cannot be read."""
        if not _unchanged(file) or open_for_writing(file.path):
            return Disposed.STAYS
        if not self._stands(file):
            return Disposed.UNCOMMITTED
        if self._may_delete(file):
            file.path.unlink()
            sidecar_of(file.path).unlink(missing_ok=True)
        else:
            self._move(file, ARCHIVE)
        return Disposed.GONE

    def quarantine(self, file: SpoolFile, outcome: FileOutcome) -> Path:
        """Move a file that cannot be loaded out of the way, with the reason beside it; returns where it is now."""
        place = self._move(file, QUARANTINE)
        note = f"{outcome.reason}\n\nTo load it after all, put it right and move it back to {file.path.parent}\n"
        place.with_name(place.name + REASON_SUFFIX).write_text(note, encoding="utf-8")
        return place

    def _stands(self, file: SpoolFile) -> bool:
        """Whether the ledger has the commit, now that the grace period is over. An empty file has none."""
        outcome = file.outcome
        if outcome is None or outcome.state is FileState.EMPTY:
            return outcome is not None
        record = self.store.capture(outcome.capture_id)
        return record is not None and record.state == FileState.LOADED and record.position is not None

    def _may_delete(self, file: SpoolFile) -> bool:
        if self.settings.after != _DELETE or (file.outcome is not None and file.outcome.state is FileState.EMPTY):
            return False
        health = self.store.health()
        if not health.durable and not self._delete_refused:
            self._delete_refused = True
            self.tell(f"inputs are archived, not deleted: an acknowledged commit may be lost in a crash ({health.detail})")
        return health.durable

    def _move(self, file: SpoolFile, kind: str) -> Path:
        folder = self.directory / OWN_FOLDER / kind / file.sensor
        folder.mkdir(parents=True, exist_ok=True)
        place = _reserve(folder, file.path.name)
        file.path.replace(place)
        sidecar = sidecar_of(file.path)
        if sidecar.is_file():
            sidecar.replace(sidecar_of(place))
        return place


def open_for_writing(path: Path) -> bool:
    """Whether a process on this machine has the file open for writing: no read lease is granted then. False where the
    file system or our rights do not let us ask."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except PermissionError:
        return False
    try:
        # a writer that comes at this very moment is announced by a signal that does nothing; the default one would kill us
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False


def _unchanged(file: SpoolFile) -> bool:
    return Stamp.of(file.path.lstat()) == file.stamp


def _reserve(folder: Path, name: str) -> Path:
    """A name that nobody else has: taken by an empty file, which the rename replaces. An empty one that is there already was
    taken by a loader that did not live to use it, or holds nothing to lose."""
    for place in _names(folder, name):
        if not sidecar_of(place).exists() and (not place.exists() or place.stat().st_size == 0):
            place.touch()
            return place
    raise AssertionError("counting has no end")


def _names(folder: Path, name: str) -> Iterator[Path]:
    yield folder / name
    for number in count(1):
        yield folder / f"{name}.{number}"

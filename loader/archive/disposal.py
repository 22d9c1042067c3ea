"""What becomes of an input: archived, deleted, kept or quarantined. Nothing goes before its commit was read back."""

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from shlex import quote

from loader.archive.kept import note_kept
from loader.archive.moving import move_capture, put_back_leaving
from loader.backoff import is_over
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from loader.spool.files import ARCHIVE, OWN_FOLDER, QUARANTINE, REASON_SUFFIX, SpoolFile, Stamp, folders_of, sidecar_of
from schema.enums import FileState
from schema.errors import PermissionDeniedError
from schema.objects import uuid_text
from schema.store.reading import StoreReader

_DELETE, _KEEP = "delete", "keep"


class Disposed(Enum):
    """What `dispose` did."""

    GONE = "gone"  # archived or deleted
    STAYS = "stays"  # it is not what was loaded any more, or somebody still writes to it
    UNCOMMITTED = "uncommitted"  # the store does not have its commit: it is to be loaded again


@dataclass(slots=True)
class Disposal:
    """Moves inputs of one watched directory to their last place. It asks for no lease:
    who calls it holds that of the file's sensor."""

    directory: Path
    store: StoreReader
    settings: LoaderSettings
    tell: Callable[[str], None]
    _delete_refused: bool = field(default=False, init=False)

    def prepare(self) -> None:
        """Make the folders that inputs are moved to. Raises `PermissionDeniedError` where nothing can be moved."""
        try:
            for kind in ("", ARCHIVE, QUARANTINE):  # never the directory itself: it may be away
                (self.directory / OWN_FOLDER / kind).mkdir(exist_ok=True)
            for folder in folders_of(self.directory):
                put_back_leaving(folder)
        except FileNotFoundError:
            return  # it went just now, and is waited for
        except OSError as error:
            if self.settings.after != _KEEP:
                why = f"{self.directory} cannot be written to ({error.strerror or error})"
                raise PermissionDeniedError(f"{why}: allow it, or leave inputs where they are (--after keep)") from error

    def is_due(self, file: SpoolFile, now: float) -> bool:
        """Whether the grace period is over: counted from the commit as the ledger has it, else from the answer."""
        if file.outcome is None or file.outcome.state is FileState.QUARANTINED:
            return False
        if self.settings.after == _KEEP or not is_over(file.not_before, now):
            return False
        return now >= (file.outcome.loaded_at_ms / 1000 or file.answered_at) + self.settings.grace_s

    def dispose(self, file: SpoolFile) -> Disposed:
        """Archive or delete an input whose time has come. Raises `StoreError` where the ledger cannot be read.

        The store is asked first, as that takes time. From the last look at the file until it has its new name nobody can
        write to it; who opened it meanwhile, by its old name, has it back there.
        """
        if not _unchanged(file):
            return Disposed.STAYS
        if not self.stands(file):
            return Disposed.UNCOMMITTED
        deletes = self._may_delete(file)
        with writers_held_up(file.path) as held_up:
            if not held_up() or not _unchanged(file):
                return Disposed.STAYS
            place = move_capture(file.path, self._folder(ARCHIVE, file), held_up)
            if place is None:
                return Disposed.STAYS
            if deletes and held_up():
                place.unlink()
                sidecar_of(place).unlink(missing_ok=True)
            else:
                self._note(place, file)
        return Disposed.GONE

    def _note(self, place: Path, file: SpoolFile) -> None:
        """That the archive holds it from now on. A file without packets is no capture: nobody will miss it."""
        if file.outcome is None or file.outcome.state is FileState.EMPTY:
            return
        try:
            note_kept(place, file.outcome.capture_id, file.outcome.loaded_at_ms or int(file.answered_at * 1000))
        except OSError as error:
            self.tell(f"{place} is archived, but cannot be noted in its folder: {error.strerror or error}")

    def quarantine(self, file: SpoolFile, outcome: FileOutcome) -> Path:
        """Move a file that cannot be loaded out of the way, with the reason beside it; returns where it is now."""
        place = move_capture(file.path, self._folder(QUARANTINE, file))
        assert place is not None
        try:
            note_reason(place, outcome, self.directory)
        except OSError as error:
            self.tell(f"{place} is quarantined, but its reason cannot be noted beside it: {error.strerror or error}")
        return place

    @property
    def lets_go(self) -> bool:
        """Whether files leave once they are loaded."""
        return self.settings.after != _KEEP

    def stands(self, file: SpoolFile) -> bool:
        """Whether the ledger has the commit of a file that is answered for, if it needs one: what is empty or damaged has none.
        Raises `StoreError` where the ledger cannot be read."""
        outcome = file.outcome
        if outcome is None or outcome.state in (FileState.EMPTY, FileState.QUARANTINED):
            return outcome is not None
        return self.store.stands(outcome.capture_id)

    def _may_delete(self, file: SpoolFile) -> bool:
        if self.settings.after != _DELETE or (file.outcome is not None and file.outcome.state is FileState.EMPTY):
            return False
        health = self.store.health()
        if not health.durable and not self._delete_refused:
            self._delete_refused = True
            self.tell(f"inputs are archived, not deleted: an acknowledged commit may be lost in a crash ({health.detail})")
        return health.durable

    def _folder(self, kind: str, file: SpoolFile) -> Path:
        return self.directory / OWN_FOLDER / kind / file.sensor


def note_reason(place: Path, outcome: FileOutcome, directory: Path) -> None:
    """Why a file is in quarantine, beside it, and what to do about it. Raises `OSError`."""
    note = f"{outcome.reason}\n\nTo load it after all, put it right, then: pcapline load --retry {quote(str(directory))}\n"
    if outcome.capture_id:
        note += f"If it is of no use, delete it and this note, then: pcapline store dismiss {uuid_text(outcome.capture_id)}\n"
    place.with_name(place.name + REASON_SUFFIX).write_text(note, encoding="utf-8")


def open_for_writing(path: Path) -> bool:
    """Whether a process on this machine has the file open for writing. False where nobody can tell."""
    with writers_held_up(path) as held_up:
        return not held_up()


@contextmanager
def writers_held_up(path: Path) -> Iterator[Callable[[], bool]]:
    """Who opens the file for writing waits until the block ends: a read lease of the kernel.

    The question is whether nobody has it open for writing, or waits to. Yes where the file system or our rights do not let us
    ask: then nothing is held up. Raises `OSError` for a file that is gone.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        yield lambda: True
        return
    try:
        yield _read_lease(descriptor)
    finally:
        os.close(descriptor)  # and with it the lease


def _read_lease(descriptor: int) -> Callable[[], bool]:
    try:
        # a writer that comes meanwhile is announced by a signal that does nothing; the default one would kill us
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        written = error.errno == errno.EAGAIN
        return lambda: not written
    return lambda: fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK


def _unchanged(file: SpoolFile) -> bool:
    return Stamp.of(file.path.lstat()) == file.stamp

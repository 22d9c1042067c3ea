"""The local side: where objects are fetched to, under which name they land, and which files of the spool came so."""

import errno
import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loader.archive.moving import names_like
from loader.spool.files import OWN_FOLDER, Stamp
from schema.errors import PermissionDeniedError, SettingsError

_INCOMING, _FETCHED = "incoming", "fetched"
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})  # what file systems without them say


@dataclass(slots=True)
class Landing:
    """Files of one watched directory that came from elsewhere. A note beside each, under `DIR/.pcapline/fetched`, tells them
    from files that somebody else put there: those are never touched."""

    directory: Path
    _lock: int | None = field(default=None, init=False)

    def prepare(self) -> None:
        """Begin with nothing fetched: what an earlier watch had not finished is removed, and comes again. Raises
        `SettingsError` where another watch fetches into the directory, `PermissionDeniedError`."""
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            for leftover in self._incoming.glob("*.part"):
                leftover.unlink()
            for note in list(self._notes.glob("*/*")):
                self._clear(note)
        except PermissionError as error:
            raise PermissionDeniedError(f"{self.directory} cannot be written to: allow it to fetch captures there") from error

    def _take_lock(self) -> None:
        self._lock = os.open(self._incoming / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise SettingsError(f"another watch fetches into {self.directory}: give each a directory of its own") from error

    def close(self) -> None:
        """Let another watch have the directory."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def part(self) -> Path:
        """Where an object is written while it is fetched; no capture by its place."""
        return self._incoming / "object.part"

    def land(self, part: Path, sensor: str, name: str) -> tuple[Path, Stamp]:
        """Give a fetched file its place, where no other file is; `part` is synced, or a crash could leave half a capture."""
        stamp = Stamp.of(part.stat())
        (self.directory / sensor).mkdir(exist_ok=True)
        (self._notes / sensor).mkdir(parents=True, exist_ok=True)
        free = (path for path in names_like(self.directory / sensor / name) if not os.path.lexists(path))
        return next(path for path in free if self._gets(part, path, stamp)), stamp

    def _gets(self, part: Path, path: Path, stamp: Stamp) -> bool:
        """Whether a file has its name now; not where somebody was sooner."""
        self._note(path).write_text(" ".join(map(str, stamp)), encoding="ascii")  # first: a crash in between is cleared up
        try:
            give_name(part, path)
        except FileExistsError:
            self.forget(path)
            return False
        return True

    def is_here(self, path: Path, stamp: Stamp) -> bool:
        """Whether a file that landed still is where it was."""
        try:
            return Stamp.of(path.lstat()) == stamp
        except OSError:
            return False

    def drop(self, path: Path, stamp: Stamp) -> None:
        """Remove a file that is somebody else's to load now. Who reads it reads on."""
        if self.is_here(path, stamp):
            path.unlink(missing_ok=True)
        self.forget(path)

    def forget(self, path: Path) -> None:
        """The file has left the spool. A note that cannot be removed is of no file: the next start removes it."""
        with suppress(OSError):
            self._note(path).unlink()

    def clear_part(self) -> None:
        """Nothing is being fetched."""
        self.part().unlink(missing_ok=True)

    @property
    def _incoming(self) -> Path:
        return self.directory / OWN_FOLDER / _INCOMING

    @property
    def _notes(self) -> Path:
        return self.directory / OWN_FOLDER / _FETCHED

    def _note(self, path: Path) -> Path:
        return self._notes / path.parent.name / path.name

    def _clear(self, note: Path) -> None:
        path = self.directory / note.parent.name / note.name
        try:
            stamp = Stamp(*map(int, note.read_text(encoding="ascii").split()))
        except (ValueError, TypeError):  # cut by a crash: its file did not get its name yet
            note.unlink()
            return
        self.drop(path, stamp)


def give_name(part: Path, path: Path) -> None:
    """Give a file its name unless another has it: raises `FileExistsError`. A rename would replace that one."""
    try:
        path.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        path.touch(exist_ok=False)
        part.rename(path)
    else:
        part.unlink()

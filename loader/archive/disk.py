"""A disk that is nearly full: loaded captures are let go, or sensors asked to pause. What is not loaded is never deleted."""

import heapq
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loader.archive.finding import committed_as, holds_no_packet, identity_of
from loader.archive.kept import let_go
from loader.archive.places import put_away
from loader.marks import FreeMark, Room, free_mark
from loader.settings import LoaderSettings
from loader.spool.files import Stamp, folders_of, sidecar_of
from schema.pause import ask_for_pause, end_pause
from schema.store.reading import StoreReader

DROP = "drop"
_HIGH_MARK = "loader.disk_high_free"
_FILES_A_STEP, _BYTES_A_STEP = 200, 268_435_456  # that are looked at before loading goes on
_NONE_PASSED = (0, "")

RoomOn = Callable[[Path], Room]


def room_on(path: Path) -> Room:
    """Room on a file system for who is not root. Raises `OSError`."""
    status = os.statvfs(path)
    used = status.f_blocks - status.f_bfree
    return Room(free=status.f_bavail * status.f_frsize, total=(used + status.f_bavail) * status.f_frsize)


@dataclass(slots=True, kw_only=True)
class Shortage:
    """Between two marks: begins when less than the high one is free, ends when more than the low one is."""

    begins_below: FreeMark
    ends_above: FreeMark
    lasts: bool = False

    def look(self, room: Room) -> bool:
        """Whether there is one, now that there is so much room."""
        self.lasts = (self.ends_above if self.lasts else self.begins_below).is_above(room)
        return self.lasts


def shortage_of(settings: LoaderSettings) -> Shortage:
    """One between the marks that are set."""
    high, low = free_mark(_HIGH_MARK, settings.disk_high_free), free_mark("loader.disk_low_free", settings.disk_low_free)
    return Shortage(begins_below=high, ends_above=low)


@dataclass(slots=True, kw_only=True)
class ArchiveKeeper:
    """Keeps room on the disk of the archive by deleting what was archived longest ago, where the settings say so."""

    archive: Path
    store: StoreReader
    settings: LoaderSettings
    tell: Callable[[str], None]
    room_on: RoomOn = room_on
    clock: Callable[[], float] = time.time
    dropped: int = field(default=0, init=False)  # captures that were deleted
    _passed: tuple[int, str] = field(default=_NONE_PASSED, init=False)  # when the last that may not go came there, and its name
    _shortage: Shortage = field(init=False)

    def __post_init__(self) -> None:
        self._shortage = shortage_of(self.settings)

    def drop(self) -> bool:
        """Delete some captures where there is a shortage; whether there may be more: False where none is left that may go.
        What may not is passed over and not looked at again, unless it changes.

        Raises `OSError` where the archive is gone, `StoreError` where commits cannot be read back.
        """
        if self.settings.disk_policy != DROP or not self._shortage.look(self.room_on(self.archive)):
            return False
        if not self.store.health().durable:
            return False
        if self._passed[0] > self.clock() * 1e9:  # set back since: what comes now seems older than what was refused
            self._passed = _NONE_PASSED
        found = heapq.nsmallest(_FILES_A_STEP, (each for each in _archived(self.archive) if each[:2] > self._passed))
        self._drop_of(found)
        return bool(found)

    def _drop_of(self, found: list[tuple[int, str, Path]]) -> None:
        left, dropped = _BYTES_A_STEP, 0
        for at, name, path in found:
            if left <= 0 or not self._shortage.look(self.room_on(self.archive)):
                break
            left -= _size(path)
            if self._may_go(path):
                let_go(path)
                sidecar_of(path).unlink(missing_ok=True)
                dropped += 1
            else:
                self._passed = (at, name)
        if dropped and not self.dropped:
            self.tell(f"the disk of {self.archive} is nearly full: captures archived longest ago are deleted")
        self.dropped += dropped

    def _may_go(self, path: Path) -> bool:
        """Whether the ledger has all of a file's content, or there is none to have. Only the content tells: an inode is given
        to another file, of the same size too, once its own is gone."""
        try:
            before = Stamp.of(path.lstat())
            if not path.is_file() or path.is_symlink() or not before.size:  # an empty one keeps a name for what is on its way
                return False
            identity = identity_of(path)
            if identity is None or (committed_as(self.store, identity) is None and not holds_no_packet(path)):
                return False
            return Stamp.of(path.lstat()) == before
        except FileNotFoundError:  # somebody else was faster
            return False


def _archived(archive: Path) -> Iterator[tuple[int, str, Path]]:
    """Captures in the archive in any order, each with when it came there: the time of change of its inode (Unix ns), which no
    sensor's clock touches."""
    for _, entry in put_away(archive):
        with suppress(FileNotFoundError):
            yield entry.stat(follow_symlinks=False).st_ctime_ns, entry.path, Path(entry.path)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


@dataclass(slots=True, kw_only=True)
class PauseKeeper:
    """Asks sensors to pause while the disk of the captures is nearly full: those that capture into the directory, and those
    with a folder of their own in it, each where it captures. A sensor need not know, see or trust what lies above its folder.

    Uses no store, so that it may have a thread of its own: what keeps the loader busy does not let a request end.
    """

    directory: Path
    settings: LoaderSettings
    tell: Callable[[str], None]
    room_on: RoomOn = room_on
    others_make_room: bool = field(init=False)  # archived captures are being deleted
    asks: bool = field(default=False, init=False)
    _shortage: Shortage = field(init=False)

    def __post_init__(self) -> None:
        self._shortage = shortage_of(self.settings)
        self.others_make_room = self.settings.disk_policy == DROP

    def look(self) -> None:
        """Ask, renew what was asked, or ask for nothing any more. Raises `OSError` where the directory is gone."""
        short = self._shortage.look(self.room_on(self.directory))
        if short and (self.asks or not self.others_make_room):
            if not self.asks:
                mark = f"less than {self._shortage.begins_below} free ({_HIGH_MARK})"
                self.tell(f"the disk of {self.directory} has {mark}: its sensors are asked to pause")
            self.asks = True
            self._in_each_folder(ask_for_pause)
        elif self.asks and not short:
            self.end()
            self.tell(f"there is room again on the disk of {self.directory}: sensors may go on")

    def end(self) -> None:
        """Ask for nothing any more. Raises `OSError`."""
        if self.asks:
            self.asks = False
            self._in_each_folder(end_pause)

    def _in_each_folder(self, act: Callable[[Path], None]) -> None:
        disk = self.directory.stat().st_dev
        for folder in folders_of(self.directory):
            with suppress(OSError):  # gone since, or not ours to write in: the neighbours pause all the same
                if folder.stat().st_dev == disk:  # another disk may have room
                    act(folder)

"""Moving a capture, and what its sensor noted beside it, to another folder: never over another file, never half.

Within a file system that is one rename. Where the folder is on another one the content is copied, synced, read back and
compared before the first is removed.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from loader.reading.capture import bytes_identity
from loader.spool.files import sidecar_of

_COPYING = ".copying-"  # hidden names: nobody takes these for captures
_LEAVING = ".leaving-"

Undisturbed = Callable[[], bool]


def nobody_asked() -> bool:
    """For files that nobody is kept away from."""
    return True


def move_capture(path: Path, folder: Path, undisturbed: Undisturbed = nobody_asked) -> Path | None:
    """Move a file into a folder, under its own name or the first that is free behind it; returns where it is now.

    `undisturbed` is asked when nobody can find the file by its old name any more: whether nobody opened it for writing before.
    Who did has it back there; None then. Raises `OSError` where it cannot be moved, or is not the same when it is read back:
    it is where it was then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with reserved(folder, path.name) as place:
        try:
            moved = _move(path, place, undisturbed)
        except BaseException:
            place.unlink(missing_ok=True)  # empty: it was only reserved
            raise
        sidecar = sidecar_of(path)
        if moved and sidecar.is_file():
            _move(sidecar, sidecar_of(place), nobody_asked)
        return place if moved else None


def put_back_leaving(folder: Path) -> None:
    """Files that a loader which ended in between had begun to remove: their copies may or may not be complete."""
    for leaving in sorted(folder.glob(f"{_LEAVING}*")):
        _show(leaving, folder / leaving.name.removeprefix(_LEAVING))


def _move(path: Path, place: Path, undisturbed: Undisturbed) -> bool:
    try:
        path.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _move_over(path, place, undisturbed)
    return undisturbed() or not _put_back(place, path)


def _move_over(path: Path, place: Path, undisturbed: Undisturbed) -> bool:
    """To another file system. A file that has no name any more cannot be given back: it has a hidden one until the end."""
    _copy(path, place)
    leaving = path.with_name(_LEAVING + path.name)
    path.rename(leaving)
    if not undisturbed():
        _show(leaving, path)
        place.unlink()
        return False
    leaving.unlink()
    return True


def _put_back(place: Path, path: Path) -> bool:
    """Whether a file that was moved could have its old name again: not where another has it by now."""
    try:
        path.hardlink_to(place)
    except OSError:
        return False
    place.unlink()
    return True


def _show(leaving: Path, path: Path) -> None:
    """Give it its name again, or the first that is free behind it."""
    for name in names_like(path):
        try:
            name.hardlink_to(leaving)
        except FileExistsError:
            continue
        leaving.unlink()
        return


def _copy(path: Path, place: Path) -> None:
    """The same content, times and rights under a name on another file system, durable before it is there."""
    beside = place.with_name(_COPYING + place.name)
    try:
        with path.open("rb") as source, beside.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
            os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # read back from the disk, not from memory
        if bytes_identity(beside) != bytes_identity(path):
            raise OSError(errno.EIO, f"the copy on {place.parent} differs from it: that disk fails")
        shutil.copystat(path, beside)
        beside.replace(place)
        _sync_folder(place.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reserved(folder: Path, name: str) -> Iterator[Path]:
    """A name that nobody else has: taken by an empty file, which the rename replaces, and locked
    as long as who took it lives."""
    for place in names_like(folder / name):
        if sidecar_of(place).exists() or (descriptor := _taken(place)) is None:
            continue
        try:
            yield place
        finally:
            os.close(descriptor)
        return


def _taken(place: Path) -> int | None:
    """A locked empty file of that name; None where somebody else has the name. An empty one that is not locked was left by a
    loader that did not live to use it, or holds nothing to lose."""
    if os.path.lexists(place) and place.lstat().st_size > 0:
        return None
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    if _is_mine(descriptor, place):
        return descriptor
    os.close(descriptor)
    return None


def _is_mine(descriptor: int, place: Path) -> bool:
    """Whether it could be locked, and still is the empty file of that name: who had the lock may have moved its own there."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = place.lstat()
    except (BlockingIOError, FileNotFoundError):
        return False
    return there.st_size == 0 and os.path.samestat(os.fstat(descriptor), there)


def names_like(path: Path) -> Iterator[Path]:
    """The name that a file is to have, and those to try in turn where it is taken."""
    yield path
    for number in count(1):
        yield path.with_name(f"{path.name}.{number}")

"""What the archive is to hold: a line for each file that a loader put there, and one for each that it let go.

Only so is a file that vanished told from one that was never archived, or was dropped on purpose. One file a sensor, beside what
it tells of (`archive/SENSOR/.kept`); lines that are lost, or cut off, cost a check of their file and nothing else.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_NAME = ".kept"
# Longest lifetime of a capture's rows: behind it there is nothing that a file could bring back.
KEPT_FOR_MS = 31 * 86_400_000


def note_kept(place: Path, capture_id: bytes, at_ms: int) -> None:
    """A file came into the archive. Raises `OSError`."""
    with _locked(place.parent) as book:
        book.write(_line({"file": place.name, "capture": capture_id.hex(), "at_ms": at_ms}))


def let_go(place: Path) -> None:
    """Delete a file from the archive on purpose. On a disk without room for the note the file goes first."""
    try:
        _note_dropped(place)
    except OSError:
        place.unlink(missing_ok=True)
        with suppress(OSError):
            _note_dropped(place)
    else:
        place.unlink(missing_ok=True)


def _note_dropped(place: Path) -> None:
    with _locked(place.parent) as book:
        book.write(_line({"dropped": place.name}))
        book.flush()
        os.fsync(book.fileno())  # a note that is lost would make it a file that vanished


def kept_in(folder: Path) -> dict[str, bytes]:
    """Files that a sensor's folder is to hold, and the capture of each."""
    return {name: capture_id for name, (capture_id, _) in _entries(folder).items()}


def forget_old(folder: Path, now_ms: int) -> None:
    """Leave out lines of files that were let go, and of those whose rows are gone. Raises `OSError`."""
    entries = _entries(folder)
    young = {name: entry for name, entry in entries.items() if entry[1] + KEPT_FOR_MS > now_ms}
    if not (folder / _NAME).exists() or _lines(folder) <= 2 * len(young) + 100:
        return
    with _locked(folder):
        young = {name: entry for name, entry in _entries(folder).items() if entry[1] + KEPT_FOR_MS > now_ms}
        beside = folder / (_NAME + ".part")
        with beside.open("wb") as book:
            for name, (capture_id, at_ms) in young.items():
                book.write(_line({"file": name, "capture": capture_id.hex(), "at_ms": at_ms}))
            book.flush()
            os.fsync(book.fileno())
        beside.replace(folder / _NAME)


def _entries(folder: Path) -> dict[str, tuple[bytes, int]]:
    entries: dict[str, tuple[bytes, int]] = {}
    try:
        lines = (folder / _NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return entries
    for line in lines:
        try:
            item = json.loads(line)
            if "dropped" in item:
                entries.pop(item["dropped"], None)
            else:
                entries[item["file"]] = bytes.fromhex(item["capture"]), int(item["at_ms"])
        except (ValueError, KeyError, TypeError):
            continue  # cut off by a crash
    return entries


def _lines(folder: Path) -> int:
    return (folder / _NAME).read_bytes().count(b"\n")


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes]]:
    """The book, for lines at its end; loaders of one directory take turns."""
    path = folder / _NAME
    while True:
        with path.open("ab") as book:
            fcntl.flock(book, fcntl.LOCK_EX)
            if _is_open_there(book, path):  # else it was written anew while its turn was waited for
                yield book
                return


def _is_open_there(book: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(book.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _line(item: dict[str, object]) -> bytes:
    return json.dumps(item).encode() + b"\n"

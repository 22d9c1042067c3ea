"""What SQLite's errors mean to the person who reads them: which error of the port, and what to do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from schema.errors import PcaplineError, SettingsError, StoreError, StorePermissionError, StoreUnavailableError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what apsw raises about the store at `path` into the port's errors."""
    try:
        yield
    except apsw.Error as error:
        raise _meaning(error, path) from error


def _meaning(error: apsw.Error, path: Path) -> PcaplineError:
    match error:
        case apsw.FullError():
            return StoreUnavailableError(f"the disk that holds {path} is full: free some space, what waits is loaded then")
        case apsw.BusyError() | apsw.LockedError():
            return StoreUnavailableError(f"another process keeps writing to {path}: wait for it or stop it")
        case apsw.NotADBError():
            return SettingsError(f"{path} is not a SQLite database: name another file with --store sqlite:PATH")
        case apsw.CorruptError():
            return StoreUnavailableError(f"{path} is damaged ({error}): restore it, or load into a new file")
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return StorePermissionError(f"{path} cannot be written: {_how_to_write(path)}")
        case apsw.CantOpenError():
            return _cannot_open(path)
        case apsw.IOError():
            return StoreUnavailableError(f"the disk that holds {path} fails ({error}): see dmesg, then start again")
        case _:
            return StoreError(f"{path}: {error}")


def _cannot_open(path: Path) -> PcaplineError:
    with suppress(PermissionError):  # even looking may be denied
        if not path.parent.is_dir():
            return SettingsError(f"there is no directory {path.parent} for the store: mkdir -p {path.parent}")
        if path.is_dir():
            return SettingsError(f"{path} is a directory: name a file in it with --store sqlite:PATH")
        if not path.exists() and os.access(path.parent, os.W_OK, effective_ids=True):
            remedy = "load something first (pcapline load FILE)"
            return StoreUnavailableError(f"there is no store at {path.absolute()} yet: {remedy}")
    return StorePermissionError(f"{path} cannot be opened: {_how_to_write(path)}")


def _how_to_write(path: Path) -> str:
    return f"give this user write access to it and to its directory {path.parent} (SQLite needs both, also to read)"

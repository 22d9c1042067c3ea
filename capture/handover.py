"""Handing captures over: written in a hidden work directory, renamed into the watched one when complete.

The work directory stands inside the watched one (a rename is atomic only within a file system) and is named after the
sensor, so that sensors may share a directory. It also keeps the last sequence number given, across restarts.
"""

import errno
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from schema.capture_names import SENSOR_NAME_RULE, capture_name, is_sensor_name, parse_capture_name
from schema.errors import PermissionDeniedError, SettingsError
from schema.pause import pause_is_asked

_PART = ".part"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def is_no_room(error: OSError) -> bool:
    """Whether the disk, or this user's share of it, is full."""
    return error.errno in _NO_ROOM


class HandedOver(NamedTuple):
    """A complete capture in its directory, and whether its facts stand beside it."""

    path: Path
    has_facts: bool


class HandOver:
    """One sensor's way into a directory; only one process at a time may hold it."""

    def __init__(self, directory: Path, sensor: str) -> None:
        """Opens nothing yet: use it in a `with`."""
        if not is_sensor_name(sensor):
            raise SettingsError(f"{sensor!r} cannot name a sensor: {SENSOR_NAME_RULE}")
        self._directory, self._sensor = directory, sensor
        self.work = directory / f".capture-{sensor}"
        self._sequence = 0

    def __enter__(self) -> Self:
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.work / "sequence", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except PermissionError as error:
            raise PermissionDeniedError(f"cannot write to {self._directory}: give this user the right to") from error
        except OSError as error:
            raise SettingsError(f"cannot write captures to {self._directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise SettingsError(
                f"sensor {self._sensor} is already written to {self._directory} by another process: "
                "stop it, or give this one another sensor name"
            ) from error
        self._sequence = self._last_sequence()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._lock)

    @property
    def sensor(self) -> str:
        """Whose captures these are."""
        return self._sensor

    def is_to_pause(self) -> bool:
        """Whether the loader of the directory asks for a pause: its disk is nearly full."""
        return pause_is_asked(self._directory, time.time())

    def leftovers(self) -> list[Path]:
        """Files that an earlier run began and never handed over, oldest first."""
        return sorted(self.work.glob("*" + _PART), key=lambda path: (path.stat().st_mtime_ns, path.name))

    def begin(self, number: int) -> tuple[Path, BinaryIO]:
        """A new file to write to; `number` tells it from others of this run. Unbuffered: what was written is in the file."""
        path = self.work / f"{os.getpid()}-{number}{_PART}"
        return path, path.open("wb", buffering=0)

    def finish(self, part: Path, started_ns: int, facts: Mapping[str, object] | None = None) -> HandedOver:
        """Give a complete file the next name and put it into the directory; `facts` go beside it before it appears, unless
        the disk is full: the file frees the room, its facts do not."""
        sequence = self._sequence + 1
        target = self._directory / capture_name(self._sensor, started_ns, sequence)
        has_facts = facts is not None and self._state({"sensor": self._sensor, "sequence": sequence, **facts}, target)
        part.rename(target)
        self._sequence = sequence
        self._remember()
        return HandedOver(target, has_facts)

    def _state(self, facts: Mapping[str, object], target: Path) -> bool:
        beside = self.work / "facts"
        try:
            beside.write_text(json.dumps(facts) + "\n")
        except OSError as error:
            if not is_no_room(error):
                raise
            return False
        beside.rename(target.with_name(target.name + ".json"))
        return True

    def _remember(self) -> None:
        """Written after the rename: what a crash or a full disk prevents is made good by the names in the directory."""
        try:
            os.pwrite(self._lock, b"%020d\n" % self._sequence, 0)
        except OSError as error:
            if not is_no_room(error):
                raise

    def _last_sequence(self) -> int:
        noted = os.pread(self._lock, 64, 0).strip()
        names = (parse_capture_name(path.name) for path in self._directory.iterdir())
        found = (name.sequence for name in names if name is not None and name.sensor == self._sensor)
        return max(int(noted) if noted.isdigit() else 0, *found, 0)

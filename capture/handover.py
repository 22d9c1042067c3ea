"""Handing captures over: written in a hidden work directory, renamed into the watched one when complete.

The work directory stands inside the watched one (a rename is atomic only within a file system) and is named after the
sensor, so that sensors may share a directory. It also keeps, across restarts, the last sequence number given and how many
packets were dropped for want of room that no note tells of yet.
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
        self.unnoted_drops = 0  # packets that there was no room for since the last note, of this run or an earlier one

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
        self._resume()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._lock)

    @property
    def sensor(self) -> str:
        """Whose captures these are."""
        return self._sensor

    def is_to_pause(self) -> bool:
        """Whether a loader asks for a pause here: the disk is nearly full."""
        return pause_is_asked(self._directory, time.time())

    def drop(self, packets: int) -> None:
        """There was no room for so many: the next note tells of them, in this run or a later one."""
        self.unnoted_drops += packets
        self._remember()

    def leftovers(self) -> list[Path]:
        """Files that an earlier run began and never handed over, oldest first."""
        return sorted(self.work.glob("*" + _PART), key=lambda path: (path.stat().st_mtime_ns, path.name))

    def begin(self, number: int) -> tuple[Path, BinaryIO]:
        """A new file to write to; `number` tells it from others of this run. Unbuffered: what was written is in the file."""
        path = self.work / f"{os.getpid()}-{number}{_PART}"
        return path, path.open("wb", buffering=0)

    def finish(self, part: Path, started_ns: int, facts: Mapping[str, object] | None = None) -> HandedOver:
        """Give a complete file the next name and put it into the directory; `facts` go beside it before it appears, with
        the packets dropped before it, unless the disk is full: the file frees the room, its facts do not."""
        sequence = self._sequence + 1
        target = self._directory / capture_name(self._sensor, started_ns, sequence)
        known = {"sensor": self._sensor, "sequence": sequence, "disk_drops": self.unnoted_drops}
        has_facts = facts is not None and self._state({**known, **facts}, target)
        part.rename(target)
        self._sequence = sequence
        if has_facts:
            self.unnoted_drops = 0
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
        beside.rename(_note_of(target))
        return True

    def _remember(self) -> None:
        """Written after the rename: what a crash or a full disk prevents is made good by the names in the directory."""
        try:
            os.pwrite(self._lock, b"%020d %020d\n" % (self._sequence, self.unnoted_drops), 0)
        except OSError as error:
            if not is_no_room(error):
                raise

    def _resume(self) -> None:
        """Go on where the last run ended. A capture later than what that run remembered was its last, and said what was dropped
        if it has a note."""
        kept = os.pread(self._lock, 64, 0).split()
        numbers = [int(word) for word in kept if word.isdigit()]
        self._sequence, self.unnoted_drops = (*numbers, 0, 0)[:2]
        if not kept:
            self._remember()  # takes the room that it needs while there is some
        for path in self._directory.iterdir():
            name = parse_capture_name(path.name)
            if name is not None and name.sensor == self._sensor and name.sequence > self._sequence:
                self._sequence = name.sequence
                self.unnoted_drops = 0 if _note_of(path).exists() else self.unnoted_drops


def _note_of(capture: Path) -> Path:
    return capture.with_name(capture.name + ".json")

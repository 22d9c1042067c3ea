"""What was put away: an archive and a quarantine have a folder for each sensor, with its captures and notes beside them."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from loader.spool.files import REASON_SUFFIX, SIDECAR_SUFFIX
from schema.capture_names import is_sensor_name


def sensor_folders(place: Path) -> list[Path]:
    """The folders, one for each sensor. Raises `OSError`."""
    return sorted(path for path in place.iterdir() if is_sensor_name(path.name) and path.is_dir())


def put_away(place: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Sensor and entry of each file that is a capture: sensor by sensor, of each in no order, for there may be very many. A
    folder that cannot be listed hides no other. Raises `OSError` where the place itself cannot be."""
    for folder in sensor_folders(place):
        with suppress(OSError):
            yield from ((folder.name, entry) for entry in entries_of(folder) if entry.is_file(follow_symlinks=False))


def entries_of(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in a sensor's folder under a capture's name, in no order. Raises `OSError`."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # it may go meanwhile
        yield from (entry for entry in entries if _is_capture(entry.name))


def _is_capture(name: str) -> bool:
    """Neither hidden nor a note beside one."""
    return not name.startswith(".") and not name.endswith((REASON_SUFFIX, SIDECAR_SUFFIX))

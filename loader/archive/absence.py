"""Sensors of whose captures nothing is below a directory that is said to keep them: a typo, a disk that is not mounted, an
archive that was moved away with its book. Writes nothing."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from loader.archive.finding import CaptureFiles
from loader.archive.kept import KEPT_FOR_MS
from schema.records import STANDALONE_SENSOR, CaptureRecord
from schema.store.reading import StoreReader

_NEWEST = 200  # captures of each sensor that are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentSensor:
    """One sensor."""

    sensor: str
    captures: int  # that were looked for


def absent_sensors(store: StoreReader, directory: Path, sensors: Collection[str], now_ms: int) -> list[AbsentSensor]:
    """Of these sensors (of none: of all), those of whose newest captures no file is there, neither by name nor by content.
    Files that were loaded by hand stay wherever they are: they are missed only where nothing else is there either.

    Raises `StoreError`.
    """
    files = CaptureFiles(directory)
    present = False
    absent = []
    for record in store.sensors():
        if sensors and record.sensor not in sensors:
            continue
        wanted = list(_with_rows(store, record.sensor, store.ledger(record.sensor).position.seq, now_ms))
        if any(map(files.has_named, wanted)) or any(files.of(each) is not None for each in wanted):
            present = True
        elif wanted:
            absent.append(AbsentSensor(sensor=record.sensor, captures=len(wanted)))
    return [each for each in absent if each.sensor != STANDALONE_SENSOR or not present]


def _with_rows(store: StoreReader, sensor: str, last: int, now_ms: int) -> Iterator[CaptureRecord]:
    """The newest captures of a sensor whose rows have not expired."""
    for commit in store.commits(sensor, max(0, last - _NEWEST)):
        record = store.capture(commit.capture_id)
        if record is not None and record.rows_expire_from_ms + KEPT_FOR_MS > now_ms:
            yield record

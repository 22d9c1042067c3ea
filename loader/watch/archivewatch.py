"""Holds the archive of a watched directory against the ledger, now and then, beside all that a watch does."""

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loader.archive.check import ArchiveCheck, ArchiveVerdict
from loader.archive.kept import forget_old
from loader.archive.places import sensor_folders
from loader.settings import LoaderSettings
from loader.spool.files import ARCHIVE, OWN_FOLDER
from loader.watch.schedule import Schedule
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Surroundings
from schema.errors import StoreError
from schema.store.reading import StoreReader

_LOG = logging.getLogger(__name__)


@contextmanager
def archive_watched(
    directory: Path, store: StoreReader, settings: LoaderSettings, telemetry: LoaderTelemetry, world: Surroundings
) -> Iterator[None]:
    """For the length of a block, in a thread of its own: what is read there holds no capture up. One of fellows does it."""
    if not world.fellows.keeps_house:
        yield
        return
    archive = directory / OWN_FOLDER / ARCHIVE
    check = ArchiveCheck(archive=archive, store=store, clock=world.clock, begin=random.random())
    told: set[object] = set()

    def look() -> None:
        try:
            for folder in sensor_folders(archive):
                forget_old(folder, int(world.clock() * 1000))
            verdict = check.step(settings.archive_check_bytes, world.stop.is_set)
        except (OSError, StoreError) as error:  # told of elsewhere; the last verdict stays, with its time
            _LOG.debug("the archive is not checked: %s", error)
            return
        telemetry.archive(verdict)
        _tell(verdict, world, told)

    schedule = Schedule({"archive": (settings.archive_check_s, look)})
    schedule.start()
    try:
        yield
    finally:
        schedule.stop()


def _tell(verdict: ArchiveVerdict, world: Surroundings, told: set[object]) -> None:
    """Each wrong file once, while it is wrong."""
    for wrong in set(verdict.wrong) - told:
        world.tell(f"the archive is not what it should be: {wrong.sensor}/{wrong.name}: {wrong.fault.value}")
    told.clear()
    told.update(verdict.wrong)

"""What stands in quarantine, tried again: what can be loaded now goes back to where its sensor's captures lie."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from loader.archive.disposal import note_reason
from loader.archive.finding import identity_of
from loader.archive.moving import move_capture
from loader.archive.places import entries_of, sensor_folders
from loader.archive.remembered import Remembered
from loader.decode.columns import DecodeOptions
from loader.once import OnceLoader, Request, Surroundings
from loader.outcome import FileOutcome
from loader.reading.capture import CaptureReading
from loader.settings import LoaderSettings
from loader.spool.files import OWN_FOLDER, QUARANTINE, REASON_SUFFIX
from schema.enums import FileState
from schema.errors import CaptureError, LeaseHeldError
from schema.store.writing import Store


@dataclass(slots=True, kw_only=True)
class Retrial:
    """Loads the quarantined files of watched directories, each as the sensor that it is of, and moves them.

    Where a loader holds the sensor (a watch that runs) it is not waited for: the file is read to its end and, if it is a
    capture, moved back for that loader to load.
    """

    store: Store
    settings: LoaderSettings
    network: str
    owner: str
    world: Surroundings
    _remembered: Remembered = field(default_factory=lambda: Remembered((), ()), init=False)
    _known: set[bytes] = field(default_factory=set, init=False)  # contents in quarantine before the first was tried

    def outcomes(self, quarantined: dict[Path, list[Path]]) -> Iterator[FileOutcome]:
        """One outcome a file; `quarantined`: the files (`quarantined_in`), by watched directory."""
        if any(quarantined.values()):
            known = list(self.store.captures(None, "quarantined"))
            self._known = {record.facts.capture_id for record in known}
            self._remembered = Remembered(known, chain.from_iterable(quarantined.values()))
        for directory, paths in quarantined.items():
            by_sensor: dict[str, list[Path]] = {}
            for path in paths:
                by_sensor.setdefault(path.parent.name, []).append(path)
            for sensor, files in by_sensor.items():
                held_by = self._holder(sensor)
                for outcome in _read_all(sensor, files, held_by) if held_by else self._load(sensor, files):
                    self._move(directory, outcome, handed_on=bool(held_by))
                    yield outcome

    def _holder(self, sensor: str) -> str:
        """Who holds the sensor's lease, if not we may have it."""
        until_ms = int((self.world.clock() + self.settings.lease_s) * 1000)
        try:
            self.store.take_sensor(sensor, self.network, self.owner, until_ms).release()
        except LeaseHeldError as held:
            return held.owner
        return ""

    def _load(self, sensor: str, files: list[Path]) -> Iterator[FileOutcome]:
        request = Request(paths=tuple(files), sensor=sensor, network=self.network, owner=self.owner, notes_refusals=True)
        yield from OnceLoader(self.store, self.settings, request, self.world).outcomes()

    def _move(self, directory: Path, outcome: FileOutcome, *, handed_on: bool) -> None:
        """What is answered for, and what another loader is to load, goes back; what is refused has its reason noted anew."""
        path, refused = Path(outcome.file), outcome.state is FileState.QUARANTINED
        if not (refused or handed_on) and outcome.state is FileState.WAITING:
            return
        try:
            if refused:
                note_reason(path, outcome, directory)
            else:
                _move_back(path, directory)
        except OSError as error:
            self.world.tell(f"{path} stays where it is: {error.strerror or error}")
            return
        if not refused or (outcome.capture_id and not handed_on):
            self._dismiss_former(path, outcome.capture_id)

    def _dismiss_former(self, path: Path, now: bytes) -> None:
        """What the file held before it was mended is in quarantine no more. `now`: what it holds, where that is known."""
        if now in self._known:  # as it was: nobody mended it
            return
        for record in self._remembered.of(path):
            self.store.dismiss(record.facts.capture_id)


def quarantined_in(directory: Path) -> list[Path]:
    """The files that a watched directory has in quarantine, in order of sensor and name. Raises `OSError`."""
    quarantine = directory / OWN_FOLDER / QUARANTINE
    if not quarantine.is_dir():
        return []
    folders = [folder for folder in sensor_folders(quarantine) if not folder.is_symlink()]
    entries = [entry for folder in folders for entry in entries_of(folder) if entry.is_file(follow_symlinks=False)]
    return sorted(Path(entry.path) for entry in entries)


def _read_all(sensor: str, files: list[Path], held_by: str) -> Iterator[FileOutcome]:
    for path in files:
        refused = _refusal(path)
        if refused:
            content = identity_of(path) or b""
            yield FileOutcome(file=str(path), state=FileState.QUARANTINED, reason=refused, sensor=sensor, capture_id=content)
        else:
            reason = f"moved back; it is loaded by {held_by}"
            yield FileOutcome(file=str(path), state=FileState.WAITING, reason=reason, sensor=sensor)


def _refusal(path: Path) -> str:
    """Why a file cannot be read to its end as a capture; empty where it can."""
    reading = CaptureReading(path, DecodeOptions(), identify=False)
    try:
        for _ in reading.batches():
            pass
    except CaptureError as error:
        return f"{error.reason}: {error}"
    except OSError as error:
        return f"unreadable: {error.strerror or error}"
    return ""


def _move_back(path: Path, directory: Path) -> None:
    note = path.with_name(path.name + REASON_SUFFIX)
    move_capture(path, directory / path.parent.name)
    note.unlink(missing_ok=True)

"""The state of every file of a watched directory, for `status`: by where it lies, by the store, by its loaders' notes."""

import socket
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from loader.archive.places import put_away
from loader.commit.inputs import loaded_part
from loader.reading.capture import first_part_matches
from loader.settings import LoaderSettings
from loader.spool.files import ARCHIVE, OWN_FOLDER, QUARANTINE, REASON_SUFFIX, captures_in
from loader.spool.strays import strays_in
from loader.watch.note import MOST_NAMED, LoaderNote, notes_in
from loader.watch.states import SeenFile, stays
from pcapline.diagnosis import Finding
from pcapline.text import count_text
from pcapline.wiring import lease_owner
from schema.errors import CaptureError

if TYPE_CHECKING:
    from schema.records import CaptureRecord
    from schema.store.reading import StoreReader

Object = dict[str, Any]


def directory_objects(
    directory: Path, settings: LoaderSettings, reader: "StoreReader | None", stores_own: Collection[Path]
) -> Iterator[Object]:
    """A `loader` for each loader that tells of it, a record for each file that lies there or is in quarantine, for each entry
    that is never loaded where it lies (`passed_over`; a folder stands for what is in it), and one for each sensor's archive.
    Without a store (`reader`) nothing is known to be loaded but by a loader's word; files that it is made of (`stores_own`)
    are left out."""
    notes = list(notes_in(directory, time.time(), lease_owner()))
    yield from map(_loader_object, notes)
    told = {Path(path).resolve(): seen for note in notes for path, seen in note.files.items()}
    nobody = "" if notes else "nobody watches this directory"
    for found, sensor in captures_in(directory, socket.gethostname()):
        path = Path(found)
        if path.resolve() in stores_own:
            continue
        if item := _file_object(path, sensor, told.get(path.resolve()), reader):
            yield _with_reason(item, nobody, settings)
    yield from _passed_over(directory)
    yield from _quarantined(directory / OWN_FOLDER / QUARANTINE)
    yield from _archived(directory / OWN_FOLDER / ARCHIVE)


def spool_findings(directory: Path) -> Iterator[Finding]:
    """What of it waits for somebody, for `doctor`."""
    with suppress(OSError):  # told of the directory itself
        if count := sum(1 for _ in _quarantined(directory / OWN_FOLDER / QUARANTINE)):
            told = f"{count_text(count, 'file')} in quarantine in {directory}"
            yield Finding("warn", told, f"pcapline status {directory} says why, and what to do")
    for disk in {note.disk for note in notes_in(directory, time.time(), lease_owner()) if note.disk}:
        yield Finding(
            "warn",
            f"{disk}: sensors of {directory} are asked to pause",
            f"make room; pcapline status {quote(str(directory))} says how",
        )


def _loader_object(note: LoaderNote) -> Object:
    counts = ", ".join(f"{number:,} {state.replace('_', ' ')}" for state, number in sorted(note.counts.items()))
    reason = counts or "no files"
    if note.disk:
        reason += f"; {note.disk}: sensors are asked to pause"
    noted = {"noted_at_ms": int(note.at * 1000), "asks_for_pause": bool(note.disk)}
    return {"record": "loader", "owner": note.owner, "reason": reason, **noted}


def _with_reason(item: Object, nobody: str, settings: LoaderSettings) -> Object:
    """What no loader gives a reason for. `nobody`: that none watches, where that is so."""
    if item["reason"]:
        return item
    if item["record"] == "loaded":
        return item | {"reason": nobody or stays(settings)}
    size = count_text(item.pop("bytes"), "byte")
    return item | {"reason": f"{size}; {nobody or f'its loader has not named it (it names {MOST_NAMED:,} files)'}"}


def _file_object(path: Path, sensor: str, seen: SeenFile | None, reader: "StoreReader | None") -> Object | None:
    """None for a file that is gone since: it is in one of the other places now. The reason is a loader's, if any."""
    try:
        status = path.stat()
    except OSError:
        return None
    if seen is not None:
        return {"record": seen.state.value, "file": str(path), "sensor": seen.sensor, "reason": seen.reason}
    known = reader.capture_of_origin(f"{status.st_dev}:{status.st_ino}") if reader is not None else None
    if known is not None and known.facts.size_bytes >= status.st_size and _is_content_of(path, known):
        return {"record": "loaded", "file": str(path), "sensor": known.sensor, "reason": ""}
    return {"record": "waiting", "file": str(path), "sensor": sensor, "reason": "", "bytes": status.st_size}


def _is_content_of(path: Path, record: "CaptureRecord") -> bool:
    """An inode is given to another file once its own is gone: only the content tells."""
    try:
        return first_part_matches(path, loaded_part(record))
    except (CaptureError, OSError):
        return False


def _passed_over(directory: Path) -> Iterator[Object]:
    with suppress(OSError):  # the directory went meanwhile
        for path, why in strays_in(directory):
            yield {"record": "passed_over", "file": str(path), "reason": why}


def _quarantined(quarantine: Path) -> Iterator[Object]:
    if quarantine.is_dir():
        for path in sorted(Path(entry.path) for _, entry in put_away(quarantine)):
            whose = {"sensor": path.parent.name, "capture_id": None}  # a store alone knows that one
            yield {"record": "quarantined", "file": str(path), **whose, "reason": _reason_beside(path)}


def _reason_beside(path: Path) -> str:
    try:
        note = path.with_name(path.name + REASON_SUFFIX).read_text("utf-8", "replace")
    except OSError:
        return "nobody noted why"
    return note.partition("\n")[0]


def _archived(archive: Path) -> Iterator[Object]:
    files, octets = Counter[str](), Counter[str]()
    for sensor, entry in put_away(archive) if archive.is_dir() else ():
        with suppress(OSError):  # dropped meanwhile
            octets[sensor] += entry.stat().st_size
            files[sensor] += 1
    for sensor, count in files.items():
        reason, counts = (
            f"{count_text(count, 'file')}, {count_text(octets[sensor], 'byte')}",
            {"files": count, "bytes": octets[sensor]},
        )
        yield {"record": "archived", "file": str(archive / sensor), "sensor": sensor, "reason": reason, **counts}

"""What the store knows of captures in quarantine, for `status`: the content that each file there holds, and the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader.archive.finding import identity_of
from loader.archive.remembered import Remembered
from schema.objects import uuid_text

if TYPE_CHECKING:
    from schema.records import CaptureRecord
    from schema.store.reading import StoreReader

Object = dict[str, Any]


def remembered_objects(reader: "StoreReader") -> list[Object]:
    """What the store tells to be in quarantine, wherever its files are."""
    return [_remembered_object(record) for record in _quarantined(reader)]


def joined_with_store(here: Sequence[Object], directory: Path, reader: "StoreReader") -> list[Object]:
    """What lies in the directory, and what the store alone remembers: what is both is told once. A file in quarantine has the
    `capture_id` of its content, None where the store does not know it, and is `dismissed` where somebody has looked at it."""
    known = _quarantined(reader)
    quarantined = {Path(item["file"]): item for item in here if item["record"] == "quarantined"}
    remembered, told = Remembered(known, quarantined), set()
    for path, item in quarantined.items():
        record = remembered.content_of(path)
        item["capture_id"] = record and uuid_text(record.facts.capture_id)
        told.add(item["capture_id"])
    _tell_dismissed({path: item for path, item in quarantined.items() if item["capture_id"] is None}, reader)
    elsewhere = [item for item in map(_remembered_object, known) if item["capture_id"] not in told]
    for item in elsewhere:
        item["reason"] += f"; no file in quarantine in {directory} is known to hold it"
    return [*elsewhere, *here]


def _tell_dismissed(unknown: dict[Path, Object], reader: "StoreReader") -> None:
    """By the content alone: a name, and an inode, are used again by what nobody has looked at."""
    if not unknown:
        return
    remembered = Remembered(reader.captures(None, "dismissed"), unknown)
    for path, item in unknown.items():
        record = remembered.content_of(path)
        if record is not None and identity_of(path) == record.facts.capture_id:
            item.update(record="dismissed", capture_id=uuid_text(record.facts.capture_id))


def _quarantined(reader: "StoreReader") -> list["CaptureRecord"]:
    return sorted(reader.captures(None, "quarantined"), key=lambda record: (record.sensor, record.facts.file_name))


def _remembered_object(record: "CaptureRecord") -> Object:
    """Its file may lie in another directory, or be gone."""
    return {
        "record": "quarantined",
        "file": record.facts.file_name,
        "sensor": record.sensor,
        "reason": f"{record.reason}: {record.detail}",
        "capture_id": uuid_text(record.facts.capture_id),
    }

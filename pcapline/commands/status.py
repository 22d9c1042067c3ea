"""Store, sensors, newest packets, files that wait or were refused.

pcapline status
pcapline status captures/ --json
"""

import socket
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from schema.errors import SettingsError
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from loader.settings import LoaderSettings
    from schema.store.port import StoreReader

Object = dict[str, Any]
_NEWEST = 100  # the newest packet is looked for in so many of the last captures: late ones come out of order


def arguments(parser: ArgumentParser) -> None:
    """Of which store, and which directory."""
    whose = "a watched directory: its waiting and quarantined files too"
    parser.add_argument("directory", metavar="DIR", nargs="?", type=Path, help=whose)
    add_store_option(parser)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """A line a thing."""
    from loader.settings import LoaderSettings
    from pcapline.wiring import Purpose, opened_store

    settings = settings_of(given.config, {"store.url": given.store})
    with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
        items = [_store_object(reader), *_sensor_objects(reader), *_quarantine_objects(reader)]
        if given.directory is not None:
            here = _directory_objects(given.directory, reader, _stays(settings.of(LoaderSettings)))
            named = {(item["sensor"], Path(item["file"]).name) for item in here if item["record"] == "quarantined"}
            items = [item for item in items if item["record"] != "quarantined" or (item["sensor"], item["file"]) not in named]
            items += here
    if given.as_json:
        from pcapline.output import json_line

        sys.stdout.writelines(json_line(item) + "\n" for item in items)
    else:
        sys.stdout.writelines(_line(item) + "\n" for item in items)
    return 0


def _store_object(reader: "StoreReader") -> Object:
    health = reader.health()
    return {
        "record": "store",
        "kind": health.kind,
        "version": health.version,
        "schema_version": health.schema_version,
        "durable": health.durable,
        "detail": health.detail,
    }


def _sensor_objects(reader: "StoreReader") -> list[Object]:
    return [_sensor_object(reader, record.sensor) for record in sorted(reader.sensors(), key=lambda record: record.sensor)]


def _sensor_object(reader: "StoreReader", sensor: str) -> Object:
    ledger = reader.ledger(sensor)
    newest = reader.commits(sensor, max(0, ledger.position.seq - _NEWEST))
    records = (reader.capture(commit.capture_id) for commit in newest)
    return {
        "record": "sensor",
        "sensor": sensor,
        "network": ledger.network,
        "captures": ledger.totals.get("captures", 0),
        "packets": ledger.totals.get("frames", 0),
        "flows": ledger.totals.get("rows/flows", 0),
        "kernel_drops": ledger.totals.get("kernel_drops", 0),
        "newest_packet_ts_ns": max((record.newest_packet_ns for record in records if record), default=0) or None,
        "last_loaded_at_ms": ledger.last_loaded_at_ms or None,
    }


def _quarantine_objects(reader: "StoreReader") -> list[Object]:
    return [
        {"record": "quarantined", "file": record.facts.file_name, "sensor": record.sensor, "reason": record.reason}
        for record in reader.captures(None, "quarantined")
    ]


def _stays(settings: "LoaderSettings") -> str:
    """Why a loaded file is still there."""
    if settings.after == "keep":
        return "stays where it is (loader.after = keep)"
    done = "archived" if settings.after == "archive" else "deleted"
    return f"is {done} {settings.grace_s} s after its commit (loader.grace_s)"


def _directory_objects(directory: Path, reader: "StoreReader", stays: str) -> list[Object]:
    """Files that wait, those loaded ones that are still here, and what was moved aside with its reason."""
    from loader.spool import OWN_FOLDER, QUARANTINE, REASON_SUFFIX, captures_in

    if not directory.is_dir():
        raise SettingsError(f"{directory} is not a directory; name the one that is watched")
    items = [_file_object(path, sensor, reader, stays) for path, sensor in captures_in(directory, socket.gethostname())]
    for note in sorted((directory / OWN_FOLDER / QUARANTINE).rglob(f"*{REASON_SUFFIX}")):
        reason = note.read_text("utf-8", "replace").partition("\n")[0]
        file = str(note).removesuffix(REASON_SUFFIX)
        items.append({"record": "quarantined", "file": file, "sensor": note.parent.name, "reason": reason})
    return items


def _file_object(path: Path, sensor: str, reader: "StoreReader", stays: str) -> Object:
    try:
        status = path.stat()
    except FileNotFoundError:
        return {"record": "archived", "file": str(path), "sensor": sensor, "reason": "moved away just now"}
    known = reader.capture_of_origin(f"{status.st_dev}:{status.st_ino}")
    if known is None or known.facts.size_bytes < status.st_size:
        return {"record": "waiting", "file": str(path), "sensor": sensor, "reason": f"{status.st_size:,} bytes"}
    return {"record": "loaded", "file": str(path), "sensor": known.sensor, "reason": stays}


def _line(item: Object) -> str:
    from pcapline.text import count_text, printable
    from pcapline.values import time_text

    if item["record"] == "store":
        safe = "" if item["durable"] else "; an acknowledged commit may be lost in a crash, so that input is not deleted"
        return (
            f"store        {item['kind']} {item['version']}, schema {item['schema_version']}, {printable(item['detail'])}{safe}"
        )
    if item["record"] == "sensor":
        newest = item["newest_packet_ts_ns"]
        counts = [
            count_text(item["captures"], "capture"),
            count_text(item["packets"], "packet"),
            count_text(item["flows"], "flow"),
            f"newest packet {time_text(newest) if newest else 'none'}",
        ]
        if item["kernel_drops"]:
            counts.append(f"{item['kernel_drops']:,} dropped by the kernel")
        return f"sensor       {item['sensor']} ({item['network']}): {', '.join(counts)}"
    return f"{item['record']:<11}  {printable(item['file'])}: {printable(item['reason'])}"

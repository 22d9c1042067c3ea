"""Store, sensors, newest packets, the state of every file of a watched directory.

pcapline status
pcapline status captures/ --json
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.remedies import remedies
from pcapline.text import count_text, printable
from pcapline.usage import some_path
from schema.errors import SettingsError, StoreUnavailableError
from schema.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from schema.records import LedgerTotals
    from schema.store.reading import StoreReader

Object = dict[str, Any]
_AWAY = 5  # exit code: the store does not answer
_NEWEST = 100  # the newest packet is looked for in so many of the last captures: late ones come out of order


def arguments(parser: ArgumentParser) -> None:
    """Of which store, and which directory."""
    whose = "a watched directory: the state of every file in it, with the reason"
    parser.add_argument("directory", metavar="DIR", nargs="?", type=some_path, help=whose)
    add_store_option(parser)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """A line a thing. With the store away that is told, beside what the directory says; exit code 5."""
    from pcapline.wiring import Purpose, opened_store, store_kind

    settings = settings_of(given.config, {"store.url": given.store})
    if given.directory is not None and not given.directory.is_dir():
        raise SettingsError(f"{given.directory} is not a directory; name the one that is watched")
    away = False
    try:
        with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
            items = [_store_object(reader), *_sensor_objects(reader)]
            items += _file_objects(given.directory, settings, reader)
    except StoreUnavailableError as error:
        if given.directory is None:
            raise
        away = True
        store = {"record": "store", "kind": store_kind(settings.of(StoreSettings)), "reason": str(error)}
        items = [store, *_file_objects(given.directory, settings, None)]
    if given.as_json:
        from pcapline.output import json_line

        sys.stdout.writelines(json_line(item) + "\n" for item in items)
    else:
        sys.stdout.writelines(_line(item) + "\n" for item in items)
        sys.stdout.flush()
        _write_remedies(items, given.directory, settings)
    return _AWAY if away else 0


def _write_remedies(items: list[Object], directory: Path | None, settings: Settings) -> None:
    from loader.settings import LoaderSettings

    archive_is_dropped = settings.of(LoaderSettings).disk_policy == "drop"
    told = remedies(items, directory, archive_is_dropped=archive_is_dropped)
    sys.stderr.writelines(f"pcapline: {printable(remedy)}\n" for remedy in told)


def _file_objects(directory: Path | None, settings: Settings, reader: "StoreReader | None") -> list[Object]:
    """What the store remembers to be in quarantine, and what lies in the directory."""
    from loader.settings import LoaderSettings
    from pcapline.quarantine_status import joined_with_store, remembered_objects
    from pcapline.spool_status import directory_objects
    from pcapline.wiring import store_files

    if directory is None:
        return remembered_objects(reader) if reader is not None else []
    stores_own = store_files(settings.of(StoreSettings))
    here = list(directory_objects(directory, settings.of(LoaderSettings), reader, stores_own))
    return here if reader is None else joined_with_store(here, directory, reader)


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


def _sensor_objects(reader: "StoreReader") -> Iterator[Object]:
    """Those that loaded something, or are held by who is going to: a name whose files were all loaded before is none."""
    for record in sorted(reader.sensors(), key=lambda record: record.sensor):
        ledger = reader.ledger(record.sensor)
        if ledger.position.seq or record.owner:
            yield _sensor_object(reader, ledger)


def _sensor_object(reader: "StoreReader", ledger: "LedgerTotals") -> Object:
    sensor = ledger.sensor
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


def _line(item: Object) -> str:
    from pcapline.values import time_text

    if item["record"] == "store" and "reason" in item:
        return f"store        {item['kind']}: {printable(item['reason'])}"
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
        return f"sensor       {item['sensor']} (network {item['network']}): {', '.join(counts)}"
    if item["record"] == "loader":
        noted = time_text(item["noted_at_ms"] * 1_000_000)
        return f"loader       {printable(item['owner'])}: {printable(item['reason'])}; noted {noted}"
    of = f" (sensor {item['sensor']}, capture {item['capture_id']})" if item.get("capture_id") else ""
    return f"{item['record']:<11}  {printable(item['file'])}{of}: {printable(item['reason'])}"

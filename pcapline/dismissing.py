"""`store dismiss`: quarantined captures that somebody has looked at. What is said of them ends; no file is touched."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from pcapline.options import settings_of
from pcapline.text import printable
from pcapline.usage import UsageError
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from schema.records import CaptureRecord
    from schema.store.writing import Store

_NOTHING = 6  # exit code: none such is quarantined


def dismiss(given: Namespace) -> int:
    """Those that are named, or all. A line for each that was quarantined; exit code 6 where one was not."""
    if given.source or given.target:
        raise UsageError("dismiss takes --store URL alone")
    if bool(given.captures) == given.all:
        raise UsageError("dismiss takes the ids of quarantined captures (pcapline status shows them), or --all")
    from pcapline.output import json_line
    from pcapline.wiring import Purpose, opened_store
    from schema.objects import uuid_text

    wanted = list(dict.fromkeys(map(_id_of, given.captures)))
    settings = settings_of(given.config, {"store.url": given.store})
    count = 0
    with opened_store(settings.of(StoreSettings), Purpose.REPAIR) as store:
        before = sum(_is_dismissed(store, capture_id) for capture_id in wanted)
        for record in _dismissed(store, wanted):
            count += 1
            name, capture_id = record.facts.file_name, uuid_text(record.facts.capture_id)
            item = {"record": "dismissed", "file": name, "sensor": record.sensor, "capture_id": capture_id}
            line = json_line(item) if given.as_json else f"dismissed  {printable(name)}  {capture_id}"
            sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    sys.stderr.writelines(f"pcapline: {line}\n" for line in _told(count, before, len(wanted)))
    missed = max(0, len(wanted) - count)
    return _NOTHING if missed else 0


def _told(count: int, before: int, wanted: int) -> Iterator[str]:
    """`count` were dismissed, `before` had been, of the `wanted`; 0 of these: all were meant."""
    if count:
        yield "no file was touched: one that lies in quarantine is yours to delete, pcapline status DIR shows it as dismissed"
    elif not wanted:
        yield "the store has nothing in quarantine; a file that pcapline status DIR shows without a capture is yours to delete"
    if before:
        yield f"{before} of {wanted} dismissed before: nothing is left to be done but to delete the file"
    if unknown := max(0, wanted - count - before):
        yield f"{unknown} of {wanted} not quarantined; pcapline status shows what is"


def _is_dismissed(store: "Store", capture_id: bytes) -> bool:
    record = store.capture(capture_id)
    return record is not None and record.state == "dismissed"


def _dismissed(store: "Store", wanted: list[bytes]) -> "Iterator[CaptureRecord]":
    found = map(store.capture, wanted) if wanted else iter(list(store.captures(None, "quarantined")))
    return (record for record in found if record is not None and store.dismiss(record.facts.capture_id))


def _id_of(text: str) -> bytes:
    try:
        return UUID(text).bytes
    except ValueError:
        raise UsageError(f"{printable(text)} is no capture: give its id, 32 hexadecimal digits") from None

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
        for record in _dismissed(store, wanted):
            count += 1
            name, capture_id = record.facts.file_name, uuid_text(record.facts.capture_id)
            item = {"record": "dismissed", "file": name, "sensor": record.sensor, "capture_id": capture_id}
            line = json_line(item) if given.as_json else f"dismissed  {printable(name)}  {capture_id}"
            sys.stdout.write(f"{line}\n")
    if not (count or wanted):
        sys.stderr.write("pcapline: nothing is quarantined\n")
    if missed := max(0, len(wanted) - count):
        sys.stderr.write(f"pcapline: {missed} of {len(wanted)} not quarantined; pcapline status shows what is\n")
    return _NOTHING if missed else 0


def _dismissed(store: "Store", wanted: list[bytes]) -> "Iterator[CaptureRecord]":
    found = map(store.capture, wanted) if wanted else iter(list(store.captures(None, "quarantined")))
    return (record for record in found if record is not None and store.dismiss(record.facts.capture_id))


def _id_of(text: str) -> bytes:
    try:
        return UUID(text).bytes
    except ValueError:
        raise UsageError(f"{printable(text)} is no capture: give its id, 32 hexadecimal digits") from None

"""`pcapline verify`: count the store again, against its ledger and the captures."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pcapline.options import ConfigOption, JsonOption, StoreOption, settings_of
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from exporter.reconciliation import Difference, Reconciliation

_NOTHING = 6  # exit code: no such sensor
_SIDES = {
    "packets": "packets in the files = in flow rows + in none, by reason",
    "rows": "rows in the manifests = rows in the store",
    "totals": "sum of all totals in the ledgers = of all their commits",
    "metrics": "sum of all counters on the page = in the ledgers",
}


def verify(
    store: StoreOption = None,
    sensor: Annotated[list[str] | None, typer.Option("--sensor", metavar="NAME", help="only this sensor; repeatable")] = None,
    scrape: Annotated[
        str | None,
        typer.Option("--scrape", metavar="URL", help="metrics page of an exporter to hold against the ledger as well"),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Check that every packet is accounted for, from the file to the row to the metric; exit code 1 on any difference.

    pcapline verify

    pcapline verify --scrape http://127.0.0.1:10110/metrics --json
    """
    from exporter.reconcile import reconcile
    from exporter.service import fetch
    from pcapline.wiring import Purpose, opened_store

    settings = settings_of(config, {"store.url": store})
    with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
        _refuse_unknown(sensor or (), [record.sensor for record in reader.sensors()])
        page = None if scrape is None else lambda: fetch(scrape)
        verdict = reconcile(reader, int(time.time() * 1000), page, sensor or None)
    if scrape is None and verdict.holds and not verdict.coverage.captures and not as_json:
        sys.stderr.write("pcapline: nothing to verify: no capture is loaded\n")
        return
    write_verdict(verdict, as_json=as_json)
    if scrape is None:
        sys.stderr.write("pcapline: metrics were not checked; --scrape URL holds an exporter's page against the ledger\n")
    raise typer.Exit(0 if verdict.holds else 1)


def _refuse_unknown(wanted: Sequence[str], known: Sequence[str]) -> None:
    """A name that the store does not have would be an identity over nothing, which holds."""
    from pcapline.text import printable

    unknown = [name for name in wanted if name not in known]
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        sys.stderr.write(f"pcapline: no sensor {printable(', '.join(unknown))} in the ledger; it has: {names}\n")
        raise typer.Exit(_NOTHING)


def write_verdict(verdict: "Reconciliation", *, as_json: bool) -> None:
    """One line an identity, then one for each difference."""
    if as_json:
        _write_json(verdict)
        return
    from pcapline.text import count_text, printable

    for identity in verdict.identities:
        sides = f"{identity.left:>14,}  {identity.right:>14,}  difference {identity.difference:,}"
        sys.stdout.write(f"{identity.name:<8}  {sides}  {_SIDES[identity.name]}\n")
    for difference in verdict.differing:
        sys.stdout.write(f"DIFFERS  {printable(_difference_text(difference))}\n")
    unnamed = verdict.differing_count - len(verdict.differing)
    if unnamed:
        sys.stdout.write(f"DIFFERS  and {count_text(unnamed, 'further number')}\n")
    coverage = verdict.coverage
    expired = f", the rows of {coverage.expired:,} have expired" if coverage.expired else ""
    checked = f"{coverage.checked:,} of {count_text(coverage.captures, 'capture')} counted again{expired}"
    sys.stdout.write(f"{checked}: {'every identity holds' if verdict.holds else 'NOT everything adds up'}\n")


def _difference_text(difference: "Difference") -> str:
    from pcapline.text import uuid_text

    where = f"sensor {difference.sensor}: " if difference.sensor else ""
    if difference.capture_id:
        where += f"capture {uuid_text(difference.capture_id)} ({difference.file_name or 'unknown file'}): "
    return f"{difference.identity}: {where}{difference.subject}: {difference.left:,} against {difference.right:,}"


def _write_json(verdict: "Reconciliation") -> None:
    from pcapline.output import json_line
    from pcapline.text import uuid_text

    for identity in verdict.identities:
        item = {"identity": identity.name, "left": identity.left, "right": identity.right}
        sys.stdout.write(json_line({**item, "difference": identity.difference}) + "\n")
    for difference in verdict.differing:
        found = {
            "differs": difference.identity,
            "sensor": difference.sensor,
            "subject": difference.subject,
            "left": difference.left,
            "right": difference.right,
            "capture_id": uuid_text(difference.capture_id) if difference.capture_id else None,
            "file": difference.file_name or None,
        }
        sys.stdout.write(json_line(found) + "\n")

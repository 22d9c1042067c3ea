"""Check that every packet is accounted for, from the file to the row to the metric; exit code 1 on any difference.

pcapline verify --full
pcapline verify --scrape http://127.0.0.1:10110/metrics --json
"""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from schema.errors import PcaplineError
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from exporter.reconciliation import Difference, Reconciliation

_NOTHING = 6  # exit code: no such sensor
_NEWEST = 200  # captures of each sensor that are recounted unless all are asked for
_COME_AGAIN = 5  # exit code: the page cannot be held against this ledger yet
_SIDES = {
    "packets": "packets in the files = in flow rows + in none, by reason",
    "rows": "rows in the manifests = rows in the store",
    "totals": "sum of all totals in the ledgers = of all their commits",
    "metrics": "sum of all counters on the page = in the ledgers",
}


def arguments(parser: ArgumentParser) -> None:
    """Of what, and against what."""
    add_store_option(parser)
    parser.add_argument("--sensor", metavar="NAME", action="append", default=[], help="only this sensor; repeatable")
    parser.add_argument("--full", action="store_true", help=f"recount every capture, not the newest {_NEWEST} of each sensor")
    page = "metrics page of an exporter to hold against the ledger as well"
    parser.add_argument("--scrape", metavar="URL", help=page)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """A line an identity, and one for each difference."""
    from exporter.reconcile import reconcile
    from exporter.rounds import ALL, Newest
    from pcapline.wiring import Purpose, opened_store

    settings = settings_of(given.config, {"store.url": given.store})
    with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
        if not _are_known(given.sensor, [record.sensor for record in reader.sensors()]):
            return _NOTHING
        page = None if given.scrape is None else lambda: _page(given.scrape)
        selection = ALL if given.full else Newest(_NEWEST)
        verdict = reconcile(reader, int(time.time() * 1000), page, given.sensor or None, selection=selection)
    if given.scrape is None and verdict.holds and not verdict.coverage.captures and not given.as_json:
        sys.stderr.write("pcapline: nothing to verify: no capture is loaded\n")
        return 0
    write_verdict(verdict, as_json=given.as_json)
    unchecked = not any(identity.name == "metrics" for identity in verdict.identities)
    if unchecked:
        sys.stderr.write(f"pcapline: metrics were not checked; {_why_unchecked(given)}\n")
    if not verdict.holds:
        return 1
    return _COME_AGAIN if unchecked and given.scrape is not None and not given.sensor else 0


def _page(url: str) -> str:
    """The text of an exporter's page. Raises `PcaplineError` for any other's: nothing on it would differ."""
    from exporter.reconcile import is_exporters
    from exporter.service import fetch

    page = fetch(url)
    if not is_exporters(page):
        raise PcaplineError(f"{url} has no counters of pcapline's exporter: is it the exporter's page?")
    return page


def _why_unchecked(given: Namespace) -> str:
    if given.scrape is None:
        return "--scrape URL holds an exporter's page against the ledger"
    if given.sensor:
        return "the page has sums over all sensors: leave out --sensor"
    return "the page is of before what the ledger still tells, or shows no sensor yet: try again when the exporter is ready"


def _are_known(wanted: Sequence[str], known: Sequence[str]) -> bool:
    """A name that the store does not have would be an identity over nothing, which holds: it is told instead."""
    from pcapline.text import printable

    unknown = [name for name in wanted if name not in known]
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        sys.stderr.write(f"pcapline: no sensor {printable(', '.join(unknown))} in the ledger; it has: {names}\n")
    return not unknown


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
    older = " (--full counts all)" if coverage.checked < coverage.captures else ""
    checked = f"{coverage.checked:,} of {count_text(coverage.captures, 'capture')} counted again{older}{expired}"
    sys.stdout.write(f"{checked}: {'every identity holds' if verdict.holds else 'NOT everything adds up'}\n")


def _difference_text(difference: "Difference") -> str:
    from pcapline.values import uuid_text

    where = f"sensor {difference.sensor}: " if difference.sensor else ""
    if difference.capture_id:
        where += f"capture {uuid_text(difference.capture_id)} ({difference.file_name or 'unknown file'}): "
    return f"{difference.identity}: {where}{difference.subject}: {difference.left:,} against {difference.right:,}"


def _write_json(verdict: "Reconciliation") -> None:
    from pcapline.output import json_line
    from pcapline.values import uuid_text

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

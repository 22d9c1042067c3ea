"""How a check of the identities came out, as lines for people and as objects of the JSON contract."""

import sys
from typing import TYPE_CHECKING

from pcapline.text import count_text, printable

if TYPE_CHECKING:
    from exporter.reconciliation import Difference, Reconciliation

_SIDES = {
    "packets": "packets in the files = in flow rows + in none, by reason",
    "rows": "rows in the manifests = rows in the store",
    "totals": "sum of all totals in the ledgers = of all their commits",
    "metrics": "sum of all counters on the page = in the ledgers",
}


def write_verdict(verdict: "Reconciliation", *, as_json: bool) -> None:
    """The numbers, and in words what they come to."""
    write_identities(verdict, as_json=as_json)
    if not as_json:
        write_conclusion(verdict, holds=verdict.holds)


def write_identities(verdict: "Reconciliation", *, as_json: bool) -> None:
    """One line an identity, then one for each difference."""
    if as_json:
        _write_json(verdict)
        return
    for identity in verdict.identities:
        sides = f"{identity.left:>14,}  {identity.right:>14,}  difference {identity.difference:,}"
        sys.stdout.write(f"{identity.name:<8}  {sides}  {_SIDES[identity.name]}\n")
    for difference in verdict.differing:
        sys.stdout.write(f"DIFFERS  {printable(_difference_text(difference))}\n")
    unnamed = verdict.differing_count - len(verdict.differing)
    if unnamed:
        sys.stdout.write(f"DIFFERS  and {count_text(unnamed, 'further number')}\n")


def write_conclusion(verdict: "Reconciliation", *, holds: bool) -> None:
    """How much was counted again, and whether all that was looked at `holds`."""
    coverage = verdict.coverage
    expired = f", the rows of {coverage.expired:,} have expired" if coverage.expired else ""
    older = " (--full counts all)" if coverage.checked < coverage.captures else ""
    checked = f"{coverage.checked:,} of {count_text(coverage.captures, 'capture')} counted again{older}{expired}"
    sys.stdout.write(f"{checked}: {'every identity holds' if holds else 'NOT everything adds up'}\n")


def _difference_text(difference: "Difference") -> str:
    from schema.objects import uuid_text

    where = f"sensor {difference.sensor}: " if difference.sensor else ""
    if difference.capture_id:
        where += f"capture {uuid_text(difference.capture_id)} ({difference.file_name or 'unknown file'}): "
    return f"{difference.identity}: {where}{difference.subject}: {difference.left:,} against {difference.right:,}"


def _write_json(verdict: "Reconciliation") -> None:
    from pcapline.output import json_line
    from schema.objects import uuid_text

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

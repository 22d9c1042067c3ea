"""Check that every packet is accounted for, from the file to the row to the metric; exit code 1 on any difference.

pcapline verify --full
pcapline verify --archive /srv/captures          (which rows, by decoding the archived files again)
pcapline verify --full --archive /srv/captures --repair
pcapline verify --scrape http://127.0.0.1:10110/metrics --json
"""

import re
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.text import count_text, printable
from pcapline.usage import UsageError, some_path
from schema.errors import PcaplineError, StoreUnavailableError
from schema.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from exporter.reconciliation import Difference, Reconciliation
    from schema.store.reading import StoreReader
    from schema.store.writing import Store

_NOTHING = 6  # exit code: no such sensor
_NEWEST = 200  # captures of each sensor that are recounted unless all are asked for
_WITHOUT_SCHEME = re.compile(r"[\w.-]+:\d+/\S*|\[[\da-fA-F:]+\]:\d+/\S*")
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
    token = "a file with the bearer token that the page is asked for with"
    parser.add_argument("--scrape-token-file", metavar="FILE", type=some_path, help=token)
    authority = "certificates (PEM) that the page's server is checked against"
    parser.add_argument("--scrape-ca-file", metavar="FILE", default="", help=authority)
    kept = "the watched directory, or another that the captures are kept in: tells which rows differ"
    parser.add_argument("--archive", metavar="DIR", type=some_path, help=kept)
    mend = "write rows that are missing or changed again, from the archive, and delete those that are too many"
    parser.add_argument("--repair", action="store_true", help=mend)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """A line an identity, and one for each difference."""
    from pcapline.wiring import Purpose, opened_store

    if given.archive is not None and not given.archive.is_dir():
        raise UsageError(f"--archive {printable(str(given.archive))}: is no directory")
    if given.repair and given.archive is None:
        raise UsageError("--repair needs --archive DIR: rows are made again from the captures")
    if given.scrape is not None:
        _check_address(given.scrape)
    settings = settings_of(given.config, {"store.url": given.store})
    with opened_store(settings.of(StoreSettings), Purpose.REPAIR if given.repair else Purpose.READ) as store:
        if not _are_known(given.sensor, [record.sensor for record in store.sensors()]):
            return _NOTHING
        verdict = _verdict(given, store)
        if given.scrape is None and verdict.holds and not verdict.coverage.captures and not given.as_json:
            sys.stderr.write("pcapline: nothing to verify: no capture is loaded\n")
            return 0
        write_verdict(verdict, as_json=given.as_json)
        differing, repaired = _look_at_rows(given, settings, store, verdict)
        if repaired:
            verdict = _verdict(given, store)
            write_verdict(verdict, as_json=given.as_json)
        wrong = _hold_against_archive(given, store)
    code = _exit_code(given, verdict)
    return 1 if differing or wrong else code


def _check_address(url: str) -> None:
    with suppress(ValueError):
        parts = urlsplit(url)
        if (parts.scheme in ("http", "https") and parts.hostname) or parts.scheme == "file":
            return
    like = f"http://{url}" if _WITHOUT_SCHEME.fullmatch(url) else "an address like http://127.0.0.1:10110/metrics"
    raise UsageError(f"--scrape {url!r} is not the address of a page: give {like}")


def _verdict(given: Namespace, store: "StoreReader") -> "Reconciliation":
    from exporter.reconcile import reconcile
    from exporter.rounds import ALL, Newest

    page = None if given.scrape is None else lambda: _page(given)
    selection = ALL if given.full else Newest(_NEWEST)
    return reconcile(store, int(time.time() * 1000), page, given.sensor or None, selection=selection)


def _exit_code(given: Namespace, verdict: "Reconciliation") -> int:
    unchecked = not any(identity.name == "metrics" for identity in verdict.identities)
    if unchecked:
        sys.stderr.write(f"pcapline: metrics were not checked; {_why_unchecked(given)}\n")
    if not verdict.holds:
        return 1
    return _COME_AGAIN if unchecked and given.scrape is not None and not given.sensor else 0


def _look_at_rows(given: Namespace, settings: Settings, store: "Store", verdict: "Reconciliation") -> tuple[int, int]:
    """Tell which rows differ; in how many captures they do still, and how many rows were put right."""
    every = given.full and given.archive is not None
    if verdict.holds and not every:
        return 0, 0
    from loader.settings import LoaderSettings
    from pcapline.findings import finding_lines, finding_objects
    from pcapline.output import json_line
    from pcapline.rowchecks import RowChecks
    from pcapline.wiring import lease_owner

    checks = RowChecks.of(store, settings.of(LoaderSettings), given.archive, _warn)
    compared = differing = repaired = 0
    for findings in checks.findings(verdict, given.sensor, every=every):
        compared += not findings.inexact
        lines = map(json_line, finding_objects(findings)) if given.as_json else finding_lines(findings)
        sys.stdout.writelines(f"{line}\n" for line in lines)
        rows = checks.repair(findings, lease_owner()) if given.repair and not findings.fine else 0
        if rows:
            repaired += rows
            _warn(f"{count_text(rows, 'row')} of {printable(findings.then.record.facts.file_name)} put right")
        differing += findings.row_count > 0 and not rows
    if every and not given.as_json:
        left_out = f"; {checks.not_compared:,} could not be" if checks.not_compared else ""
        sys.stdout.write(f"{count_text(compared, 'capture')} compared row by row, by decoding its file again{left_out}\n")
    return differing, repaired


def _hold_against_archive(given: Namespace, store: "StoreReader") -> int:
    """Tell whether the archive of a watched directory is what the ledger says; how many files are wrong."""
    from loader.archive.check import ArchiveCheck
    from loader.spool.files import ARCHIVE, OWN_FOLDER
    from pcapline.findings import archive_lines, archive_objects
    from pcapline.output import json_line

    archive = None if given.archive is None else given.archive / OWN_FOLDER / ARCHIVE
    if archive is None or not archive.is_dir():
        return 0
    verdict = ArchiveCheck(archive=archive, store=store, clock=time.time).step(None if given.full else 0)
    lines = map(json_line, archive_objects(verdict)) if given.as_json else archive_lines(verdict)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return verdict.wrong_count


def _warn(message: str) -> None:
    sys.stderr.write(f"pcapline: {message}\n")


def _page(given: Namespace) -> str:
    """The text of an exporter's page. Raises `PcaplineError` for any other's: nothing on it would differ."""
    from exporter.reconcile import is_exporters
    from exporter.service import fetch

    token = given.scrape_token_file.read_text().strip() if given.scrape_token_file else ""
    try:
        page = fetch(given.scrape, token, given.scrape_ca_file)
    except StoreUnavailableError as error:
        raise StoreUnavailableError(f"{error}{_scrape_remedy(given.scrape, error.__cause__)}") from error
    if not is_exporters(page):
        raise PcaplineError(f"{given.scrape} has no counters of pcapline's exporter: is it the exporter's page?")
    return page


def _scrape_remedy(url: str, cause: BaseException | None) -> str:
    """What mends it, where the fault itself tells."""
    import ssl
    from http.client import HTTPException

    if getattr(cause, "code", None) == 401:
        return "; --scrape-token-file FILE has the token that it wants"
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "; --scrape-ca-file FILE has the certificates to check it by"
    if isinstance(reason, ssl.SSLError) and url.startswith("https:"):
        return "; is it http:, not https:?"
    if isinstance(reason, (HTTPException, ConnectionResetError)) and url.startswith("http:"):
        return "; is it https:, not http:?"
    return ""


def _why_unchecked(given: Namespace) -> str:
    if given.scrape is None:
        return "--scrape URL holds an exporter's page against the ledger"
    if given.sensor:
        return "the page has sums over all sensors: leave out --sensor"
    return "the page is of before what the ledger still tells, or shows no sensor yet: try again when the exporter is ready"


def _are_known(wanted: Sequence[str], known: Sequence[str]) -> bool:
    """A name that the store does not have would be an identity over nothing, which holds: it is told instead."""
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

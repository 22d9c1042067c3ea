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
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.text import count_text, printable
from pcapline.usage import UsageError, some_path
from pcapline.verdicts import write_conclusion, write_identities
from schema.errors import PcaplineError, StoreUnavailableError
from schema.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from exporter.reconciliation import Reconciliation
    from schema.store.reading import StoreReader
    from schema.store.writing import Store

_NOTHING = 6  # exit code: no such sensor
_NEWEST = 200  # captures of each sensor that are recounted unless all are asked for
_WITHOUT_SCHEME = re.compile(r"[\w.-]+:\d+/\S*|\[[\da-fA-F:]+\]:\d+/\S*")
_COME_AGAIN = 5  # exit code: the page cannot be held against this ledger yet


class _Rows(NamedTuple):
    """What came of decoding captures again."""

    differing: int = 0  # captures whose rows differ still
    repaired: int = 0  # rows


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
        write_identities(verdict, as_json=given.as_json)
        rows = _look_at_rows(given, settings, store, verdict)
        if rows.repaired:
            verdict = _verdict(given, store)
            write_identities(verdict, as_json=given.as_json)
        wrong = 0 if given.archive is None else _hold_against_archive(given, store)
    holds = verdict.holds and not rows.differing and not wrong
    if not given.as_json:
        write_conclusion(verdict, holds=holds)
    unchecked = _tell_unchecked(given, verdict)
    return unchecked if holds else 1


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


def _tell_unchecked(given: Namespace, verdict: "Reconciliation") -> int:
    """Say what was not looked at; the exit code where what was, holds."""
    left_out = []
    if not given.full or given.archive is None:
        nor_mended = "nor mended, " if given.repair else ""
        left_out.append(f"what is written in rows that count right was not compared, {nor_mended}--full --archive DIR does it")
    metrics = any(identity.name == "metrics" for identity in verdict.identities)
    if not metrics:
        left_out.append(f"metrics were not checked; {_why_unchecked(given)}")
    for each in left_out:
        _warn(printable(each))
    return 0 if metrics or given.scrape is None or given.sensor else _COME_AGAIN


def _look_at_rows(given: Namespace, settings: Settings, store: "Store", verdict: "Reconciliation") -> _Rows:
    """Tell which rows differ."""
    every = given.full and given.archive is not None
    if verdict.holds and not every:
        return _Rows()
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
    return _Rows(differing=differing, repaired=repaired)


def _hold_against_archive(given: Namespace, store: "StoreReader") -> int:
    """Tell whether the archive is what the ledger says; how many files are wrong, and sensors without any."""
    from loader.archive.absence import absent_sensors
    from loader.archive.check import ArchiveCheck
    from loader.spool.files import ARCHIVE, OWN_FOLDER
    from pcapline.findings import absence_lines, absence_objects, archive_lines, archive_objects
    from pcapline.output import json_line

    wrong = 0
    lines: list[str] = []
    archive = given.archive / OWN_FOLDER / ARCHIVE
    if archive.is_dir():
        verdict = ArchiveCheck(archive=archive, store=store, clock=time.time).step(None if given.full else 0)
        lines += map(json_line, archive_objects(verdict)) if given.as_json else archive_lines(verdict)
        wrong = verdict.wrong_count
    absent = absent_sensors(store, given.archive, given.sensor, int(time.time() * 1000))
    lines += map(json_line, absence_objects(absent)) if given.as_json else absence_lines(absent, given.archive)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return wrong + len(absent)


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

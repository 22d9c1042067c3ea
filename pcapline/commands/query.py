"""Flow rows of a destination, newest first; exit code 6 when there are none.

pcapline query 93.184.216.34 --last 1h
pcapline query www.example.com --json --source 10.0.0.7
"""

import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.usage import UsageError, at_least_one
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from schema.store.port import QueryResult

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_NAME = re.compile(r"(?=.*[^\d.])[^\s/:@]{1,255}")  # generous: a name holds what somebody put into DNS
_NOTHING = 6  # exit code: nothing matched


def arguments(parser: ArgumentParser) -> None:
    """Of whom, since when, how many."""
    parser.add_argument("what", metavar="IP|NAME", help="who was called: an address, or a name DNS gave for one")
    parser.add_argument("--source", metavar="IP", type=_address, help="only flows that this client opened")
    recent = "only flows that began so recently: 90s, 15m, 1h, 7d"
    parser.add_argument("--last", metavar="TIME", type=_recent, help=recent)
    parser.add_argument("--limit", metavar="N", type=at_least_one, default=100, help="at most so many rows: %(default)s")
    add_store_option(parser)
    add_json_option(parser)
    statements = "print the statements that find the rows (CQL, or SQL with SQLite) to stderr"
    parser.add_argument("--cql", dest="show_statements", action="store_true", help=statements)
    add_config_option(parser)


class _Recent(NamedTuple):
    """A length of time, and how it was written."""

    ms: int
    text: str


def _recent(text: str) -> _Recent:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is not a length of time: 90s, 15m, 1h, 7d")
    return _Recent(int(found[1]) * _UNIT_MS[found[2]], text)


def _address(text: str) -> bytes:
    from schema.store.lookup import parse_address

    address = parse_address(text)
    if address is None:
        raise ArgumentTypeError(f"{text!r} is not an address")
    return address


def run(given: Namespace) -> int:
    """A line a row."""
    from pcapline.wiring import Purpose, opened_store
    from schema.store.lookup import flows_of
    from schema.store.port import FlowQuery

    since_ms = int(time.time() * 1000) - given.last.ms if given.last else None
    settings = settings_of(given.config, {"store.url": given.store})
    with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
        wanted = FlowQuery(source=given.source, since_ms=since_ms, limit=given.limit)
        results = list(flows_of(reader, given.what, wanted))
        newest = _newest(flows_of(reader, given.what, replace(wanted, since_ms=None, limit=1))) if given.last else None
    if given.show_statements:
        for statement in dict.fromkeys(s for result in results for s in result.statements):
            sys.stderr.write(statement + "\n")
    if _write(results, given.limit, as_json=given.as_json):
        return 0
    _refuse_nonsense(given.what)
    _tell_nothing(given.what, given.last, newest)
    return _NOTHING


def _refuse_nonsense(what: str) -> None:
    """Nothing can be found for what is neither an address nor, by its letters, a name."""
    from schema.store.lookup import parse_address

    if parse_address(what) is None and not _NAME.fullmatch(what):
        hint = "an address (192.0.2.1, 2001:db8::1) or a name (www.example.com), without port, prefix or scheme"
        raise UsageError(f"{what!r} is neither: give {hint}")


def _tell_nothing(what: str, last: _Recent | None, newest: int | None) -> None:
    from pcapline.text import printable
    from pcapline.values import time_text

    since = f" in the last {last.text}" if last else ""
    older = f"; the newest row is of {time_text(newest)}" if newest is not None else ""
    sys.stderr.write(f"pcapline: nothing found for {printable(what)}{since}{older}\n")


def _newest(results: "Iterable[QueryResult]") -> int | None:
    """Time of the newest flow row (Unix ns), whenever it was."""
    from schema.tables import FLOWS

    ms, ns = FLOWS.index("ts"), FLOWS.index("ns")
    times = [(row[ms], row[ns]) for result in results if result.table is FLOWS for row in result.rows]
    return max((t * 1_000_000 + n for t, n in times if isinstance(t, int) and isinstance(n, int)), default=None)


def _write(results: list["QueryResult"], limit: int, *, as_json: bool) -> int:
    from pcapline.objects import row_objects
    from pcapline.output import FLOW_FIELDS, Format, write
    from schema.tables import FLOWS

    flows: list[dict[str, Any]] = []
    for result in results:
        if result.table is FLOWS:
            flows += row_objects(result.table, result.rows)
    flows.sort(key=lambda item: item["ts_ns"], reverse=True)
    return write(flows[:limit], Format.of(as_json=as_json), FLOW_FIELDS)

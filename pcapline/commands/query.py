"""Rows of an address, a name or a client, newest first; exit code 6 when there are none.

pcapline query 93.184.216.34 --last 1h
pcapline query '*.example.com' --json --source 10.0.0.7
pcapline query www.example.com --dns
"""

import re
import shlex
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.usage import UsageError, at_least_one
from schema.errors import StoreUnavailableError
from schema.settings import StoreSettings

if TYPE_CHECKING:
    from pcapline.output import Field
    from pcapline.questions import Question

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_NAME = re.compile(r"(?=.*[^\d.])(\*\.)?([A-Za-z0-9_.\x80-\U0010ffff-]|\\.){1,255}")  # letters, and escapes
_NOTHING = 6  # exit code: nothing matched


def arguments(parser: ArgumentParser) -> None:
    """Of whom, since when, how many."""
    what = "who was called: an address, a name, or '*.example.com' for all names below it; none: all that --source called"
    parser.add_argument("what", metavar="IP|NAME", nargs="?", help=what)
    parser.add_argument(
        "--source", metavar="IP", type=_address, help="only flows that this client opened, answers it was given"
    )
    shown = parser.add_mutually_exclusive_group()
    dns = "what the name's askers were told, failures and the time it took included, instead of flows"
    shown.add_argument("--dns", action="store_true", help=dns)
    names = "names learned for the address, addresses for the name, names below the domain: since when, by what evidence"
    shown.add_argument("--names", action="store_true", help=names)
    recent = "only flows that began so recently, answers so new, names seen since: 90s, 15m, 1h, 7d"
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
    from pcapline.output import Format, write
    from pcapline.questions import Question, View, newest_ns, rows_shown
    from pcapline.wiring import Purpose, opened_store

    view = View.DNS if given.dns else View.NAMES if given.names else View.FLOWS
    question = Question.of(given.what, given.source, view)
    since_ms = int(time.time() * 1000) - given.last.ms if given.last else None
    settings = settings_of(given.config, {"store.url": given.store})
    try:
        with opened_store(settings.of(StoreSettings), Purpose.READ) as reader:
            results = question.ask(reader, since_ms, given.limit + 1)  # one more: whether there are more
            items = rows_shown(view, results, since_ms, given.limit + 1)
            newest = newest_ns(view, question.ask(reader, None, 1)) if given.last and not items else None
    except StoreUnavailableError:
        _refuse_nonsense(given.what)  # which no store would mend
        raise
    if given.show_statements:
        for statement in dict.fromkeys(s for result in results for s in result.statements):
            sys.stderr.write(statement + "\n")
    if write(items[: given.limit], Format.of(as_json=given.as_json), _fields(question)):
        if len(items) > given.limit:
            sys.stderr.write(f"pcapline: these are the newest {given.limit:,}, there are more; --limit N shows more\n")
        return 0
    if newest is None:
        _refuse_nonsense(given.what)
    _tell_nothing(given, newest)
    return _NOTHING


def _fields(question: "Question") -> "Sequence[Field]":
    from pcapline import output
    from pcapline.questions import View

    if question.view is View.FLOWS:
        return output.FLOW_FIELDS
    if question.view is View.DNS:
        return output.DNS_FIELDS
    return output.ADDRESS_FIELDS if question.name is not None else output.NAME_FIELDS


def _refuse_nonsense(what: str | None) -> None:
    """What holds other letters than names do may have been in DNS all the same: it is a mistake where nothing is found, or
    where there is nothing to look in."""
    from schema.store.lookup import parse_address

    if what is not None and parse_address(what) is None and not _NAME.fullmatch(what):
        hint = "an address (192.0.2.1, 2001:db8::1) or a name (www.example.com), without port, prefix or scheme"
        raise UsageError(f"{what!r} is neither: give {hint}")


def _tell_nothing(given: Namespace, newest: int | None) -> None:
    from pcapline.text import printable
    from pcapline.values import time_text
    from schema.addresses import address_text

    source = given.source and address_text(given.source)
    of_what = printable(given.what) if given.what else f"what {source} called"
    if given.what and source:
        of_what += f" called by {source}" if not given.dns else f" asked by {source}"
    since = f" in the last {given.last.text}" if given.last else ""
    older = f"; the newest row is of {time_text(newest)}" if newest is not None else ""
    sys.stderr.write(f"pcapline: nothing found for {of_what}{since}{older}\n")
    if newest is None and given.what:
        _tell_where_names_are(given)


def _tell_where_names_are(given: Namespace) -> None:
    """A name may be in DNS without a flow of its own; or it is not there, or not so: those that are can be listed."""
    from pcapline.program import program
    from pcapline.questions import registered_above

    store = f" --store {shlex.quote(given.store)}" if given.store else ""
    domain = registered_above(given.what)
    others = [view for view in ("--dns", "--names") if not getattr(given, view[2:])] if _is_plain_name(given.what) else []
    if others:
        ways = [f"{program()} query {shlex.quote(given.what)} {view}{store}" for view in others]
        sys.stderr.write(f"pcapline: what DNS had of it: {' or '.join(ways)}\n")
    below = domain and not given.names and domain != given.what
    ways = [f"{program()} query --names {shlex.quote(f'*.{domain}')}{store}"] if below else []
    sys.stderr.write(f"pcapline: names that are there: {' or '.join([*ways, f'{program()} explain FILE'])}\n")


def _is_plain_name(what: str) -> bool:
    from schema.store.lookup import parse_address

    return parse_address(what) is None and not what.startswith("*.")

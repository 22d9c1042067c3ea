"""What `query` is asked: a destination, a name, all names below a domain, a client; and the rows that answer it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from pcapline.usage import UsageError
from schema.errors import SettingsError
from schema.objects import Object, row_objects, stored_flow_objects
from schema.store.lookup import flows_named, names_below, parse_address, parse_name
from schema.store.reading import AnswerQuery, FlowQuery, QueryResult, StoreReader
from schema.tables import FLOWS, IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP

_DICTIONARY = (NAMES_BY_IP, IPS_BY_NAME, NAMES_BY_DOMAIN)
_MS = 1_000_000


class View(StrEnum):
    """Which rows are shown."""

    FLOWS = "flows"
    DNS = "dns"  # answers to a name, and the lack of them
    NAMES = "names"  # the dictionary: names of an address, addresses of a name, names below a domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. Where the rows are of one address or name, that one is set; nothing is: all flows of a client."""

    view: View
    address: bytes | None = None
    name: str | None = None
    below: str | None = None  # names that end so
    domain: str | None = None  # the registered domain of `below`
    source: bytes | None = None

    @classmethod
    def of(cls, what: str | None, source: bytes | None, view: View) -> "Question":
        """The question that these arguments are. Raises UsageError where they are none."""
        _check(what, source, view)
        what = _as_dns_has_it(what)
        if what is None:
            return cls(view=view, source=source)
        if what.startswith("*."):
            below = parse_name(what[2:])
            return cls(view=view, below=below, domain=_registered(below), source=source)
        address = parse_address(what)
        if address is not None and view is View.DNS:
            raise UsageError("--dns: answers are found by the name that was asked for; --names has the names of an address")
        return cls(view=view, address=address, name=None if address is not None else parse_name(what), source=source)

    def ask(self, reader: StoreReader, since_ms: int | None, limit: int) -> list[QueryResult]:
        """What the store says, from its statements to its rows."""
        if self.view is View.FLOWS:
            return self._flows(reader, FlowQuery(source=self.source, since_ms=since_ms, limit=limit))
        if self.view is View.DNS:
            assert self.name is not None
            return [reader.answers(AnswerQuery(name=self.name, client=self.source, since_ms=since_ms, limit=limit))]
        return [self._dictionary(reader)]

    def _flows(self, reader: StoreReader, query: FlowQuery) -> list[QueryResult]:
        if self.domain is not None and self.below is not None:
            names = names_below(reader, self.domain, self.below)
            at = names.table.index("hostname")
            return [names, *flows_named(reader, {str(row[at]) for row in names.rows}, query)]
        if self.name is not None:
            return list(flows_named(reader, [self.name], query))
        return [reader.flows(replace(query, destination=self.address))]

    def _dictionary(self, reader: StoreReader) -> QueryResult:
        if self.domain is not None and self.below is not None:
            return names_below(reader, self.domain, self.below)
        return reader.addresses_of(self.name) if self.name is not None else reader.names_of(self.address or b"")


def rows_shown(view: View, results: Iterable[QueryResult], since_ms: int | None, limit: int) -> list[Object]:
    """The rows that are the answer, newest first, at most so many."""
    if view is View.FLOWS:
        flows = [row for result in results if result.table is FLOWS for row in result.rows]
        return sorted(stored_flow_objects(flows), key=lambda item: -item["ts_ns"])[:limit]
    items = [item for result in results for item in row_objects(result.table, result.rows)]
    if view is View.NAMES:
        items = sorted(
            (item for item in items if int(item["last_seen"]) >= (since_ms or 0)), key=lambda item: -int(item["last_seen"])
        )
    return items[:limit]


def newest_ns(view: View, results: Iterable[QueryResult]) -> int | None:
    """Packet time of the newest row (Unix ns); None where there is none."""
    for item in rows_shown(view, results, None, 1):
        return int(item["last_seen"]) * _MS if view is View.NAMES else int(item["ts_ns"])
    return None


def _check(what: str | None, source: bytes | None, view: View) -> None:
    if what is None and source is None:
        raise UsageError("give an address, a name or --source")
    if what is None and view is not View.FLOWS:
        raise UsageError(f"--{view}: of what? Give a name" + (" or an address" if view is View.NAMES else ""))
    if view is View.NAMES and source is not None:
        raise UsageError("--names: what was seen for an address or a name is kept for all clients together, without --source")
    if what is not None and "*" in what.removeprefix("*."):
        raise UsageError(f"{what!r}: * stands alone before a name, '*.example.com', for all names below it")
    if view is View.DNS and what is not None and what.startswith("*."):
        raise UsageError("--dns: answers are found by one name; --names has the names below a domain")


def _as_dns_has_it(what: str | None) -> str | None:
    if what is None or what.isascii():
        return what
    try:
        from loader.rows.domains import a_labels
    except ImportError as error:
        raise SettingsError(
            f"a name of other letters than ASCII's needs {error.name}: pip install 'pcapline[loader]'"
        ) from error
    below = "*." if what.startswith("*.") else ""
    try:
        return below + a_labels(what.removeprefix("*."))
    except ValueError as error:
        raise UsageError(f"{what!r} is no name ({error}); names are found as DNS has them, too (xn--mnchen-3ya.de)") from error


def registered_above(what: str) -> str | None:
    """The registered domain that a question's name is in; None for an address, or where that cannot be told."""
    if parse_address(what) is not None:
        return None
    try:
        return _registered(parse_name((_as_dns_has_it(what) or "").removeprefix("*.")))
    except (UsageError, SettingsError):
        return None


def _registered(below: str) -> str:
    try:
        from loader.rows.domains import registered_domain
    except ImportError as error:
        raise SettingsError(
            f"names below a domain need the list of public suffixes ({error}): pip install 'pcapline[loader]'"
        ) from error
    domain = registered_domain(below)
    if domain is None:
        hint = "names are found below a registered domain (*.example.co.uk), or below a name in it"
        raise UsageError(f"'*.{below}' is all that stands below a public suffix: {hint}")
    return domain

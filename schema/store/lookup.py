"""Questions that people ask of a store, in terms of what every store answers: flows of an address, of a name, of many names."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from ipaddress import IPv6Address, ip_address

from schema.labels import is_below, labels_of
from schema.store.reading import FlowQuery, QueryResult, StoreReader
from schema.tables import FLOWS, IPS_BY_NAME, NAMES_BY_DOMAIN

_PAGE = 1_000  # flows looked through at a time
_TIME, _HOSTNAME, _ENDPOINT = (FLOWS.index(name) for name in ("ts", "hostname", "endpoint"))


def parse_address(text: str) -> bytes | None:
    """Canonical bytes of an address (an IPv4-mapped IPv6 address is the IPv4 address); None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).packed


def parse_name(text: str) -> str:
    """A name as rows have it, for whoever types it: without case and final dot."""
    labels = labels_of(text.lower())
    while len(labels) > 1 and not labels[-1]:
        labels.pop()
    return ".".join(labels) or text[:1]  # "." is the root


def flow_pages(reader: StoreReader, query: FlowQuery, size: int = _PAGE) -> Iterator[QueryResult]:
    """Every flow row that `query` asks for, however many, newest first, each once; its `limit` is not looked at."""
    length, oldest_rows = size, set[tuple[object, ...]]()
    while True:
        page = reader.flows(replace(query, limit=length))
        yield QueryResult(
            table=page.table, rows=[row for row in page.rows if row not in oldest_rows], statements=page.statements
        )
        if len(page.rows) < length:
            return
        oldest = page.rows[-1][_TIME]
        assert isinstance(oldest, int)
        oldest_rows = {row for row in page.rows if row[_TIME] == oldest}  # the next page begins with them
        length = 2 * length if page.rows[0][_TIME] == oldest else size  # a page of one millisecond leads nowhere
        query = replace(query, until_ms=oldest)


def flows_named(reader: StoreReader, names: Collection[str], query: FlowQuery) -> Iterator[QueryResult]:
    """Where the names were seen, and the flows there that are called so: by the name they have now, or by the one they were
    counted for. `query` bounds them, the newest of each address; its destination is what is looked up here."""
    called: dict[bytes, set[str]] = {}
    for name in names:
        found = reader.addresses_of(name)
        yield found
        for row in found.rows:
            address = row[IPS_BY_NAME.index("ip")]
            assert isinstance(address, bytes)
            called.setdefault(address, set()).add(name)
    for address, those in called.items():
        yield _called(reader, those, replace(query, destination=address))


def names_below(reader: StoreReader, domain: str, suffix: str) -> QueryResult:
    """Names seen below `suffix`, which is `domain` (a registered one) or a name below it."""
    found = reader.names_below(domain)
    at = NAMES_BY_DOMAIN.index("hostname")
    return replace(found, rows=[row for row in found.rows if is_below(str(row[at]), suffix)])


def _called(reader: StoreReader, names: Collection[str], query: FlowQuery) -> QueryResult:
    """Flows that carry one of the names: others may share the address, so that all there are looked through, page by page."""
    kept: list[tuple[object, ...]] = []
    statements: list[str] = []
    for page in flow_pages(reader, query):
        kept += [row for row in page.rows if row[_HOSTNAME] in names or row[_ENDPOINT] in names]
        statements = statements or page.statements
        if len(kept) >= query.limit:
            break
    return QueryResult(table=FLOWS, rows=kept[: query.limit], statements=statements)

"""Questions that people ask of a store, in terms of what every store answers: flows of an address, or of a name."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Address, ip_address

from schema.store.port import FlowQuery, QueryResult, StoreReader

_PAGE = 1_000  # flows of an address looked through at a time


def parse_address(text: str) -> bytes | None:
    """Canonical bytes of an address (an IPv4-mapped IPv6 address is the IPv4 address); None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).packed


def flows_of(reader: StoreReader, what: str, query: FlowQuery) -> Iterator[QueryResult]:
    """Flows to an address; or the addresses that a name was seen at, then the flows there that were opened for that name.

    `query` bounds them; its destination is what is looked up here.
    """
    address = parse_address(what)
    if address is not None:
        yield reader.flows(replace(query, destination=address))
        return
    name = what.lower().rstrip(".")
    found = reader.addresses_of(name)
    yield found
    for row in found.rows:
        destination = row[found.table.index("ip")]
        if isinstance(destination, bytes):
            yield _flows_for_name(reader, name, replace(query, destination=destination))


def _flows_for_name(reader: StoreReader, name: str, query: FlowQuery) -> QueryResult:
    """Flows that carry the name: other names may share the address, so that its flows are looked through page by page."""
    size = _PAGE
    page = reader.flows(replace(query, limit=size))
    time, hostname = page.table.index("ts"), page.table.index("hostname")
    kept: dict[tuple[object, ...], None] = {}
    statements = page.statements
    while page.rows:
        kept.update(dict.fromkeys(row for row in page.rows if row[hostname] == name))
        oldest = page.rows[-1][time]
        if len(kept) >= query.limit or len(page.rows) < size or not isinstance(oldest, int):
            break
        if page.rows[0][time] == oldest:  # a whole page within one millisecond: the next must be larger
            size *= 2
        page = reader.flows(replace(query, until_ms=oldest, limit=size))
    return QueryResult(table=page.table, rows=list(kept)[: query.limit], statements=statements)

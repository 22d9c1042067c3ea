"""Flow rows, and DNS answers: by what they are asked for, page by page."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from exporter.api.answers import DnsAnswers, Flows, Lineage
from exporter.api.dictionary import as_dns_has_it, names_below_domain
from exporter.api.paging import Page, Place, Row, RowOrder, Span, in_order, page_of
from exporter.api.problems import NOT_FOUND, TOO_BROAD, ProblemError, bad_parameter
from exporter.api.questions import AnswersQuestion, FlowsQuestion, RowQuestion
from exporter.api.values import address_of, cursor_place, cursor_text, instant_ns
from exporter.api.world import World
from schema.objects import row_objects, stored_flow_objects
from schema.row_id import parse_row_id
from schema.store.reading import AnswerQuery, FlowQuery, StoreReader
from schema.tables import DNS_ANSWERS, FLOWS, IPS_BY_NAME, NAMES_BY_DOMAIN

# Of a name or a domain: their flows are found address by address.
MOST_NAMES, MOST_ADDRESSES = 1_000, 256
_SMALLEST_FETCH = 64  # twice a page else: the millisecond that a fetch ends in is not told
_FLOWS, _ANSWERS = RowOrder(FLOWS, "destination_ip"), RowOrder(DNS_ANSWERS, "rr_index")
_HOSTNAME, _ENDPOINT = FLOWS.index("hostname"), FLOWS.index("endpoint")


def flows(world: World, asked: FlowsQuestion) -> Flows:
    """Flows to an address, a name, the names below a domain; or of a source."""
    of_whom = [name for name in ("address", "name", "below") if getattr(asked, name) is not None]
    if len(of_whom) > 1 or not (of_whom or asked.source):
        raise bad_parameter((of_whom or ["address"])[-1], "flows of whom?", "give one of address, name, below; or source alone")
    span = _span(asked)
    query = FlowQuery(
        source=address_of("source", asked.source), destination=address_of("address", asked.address), since_ms=span.since_ms
    )
    with world.store() as reader:
        if asked.name is None and asked.below is None:
            page = page_of([_flows_in_order(reader, query, span, asked.limit)], asked.limit, _any)
        else:
            page = _named_page(reader, _names_of(world, reader, asked), query, (span, asked.limit))
    return Flows(flows=list(stored_flow_objects(page.rows)), next=_next(page))


def answers(world: World, asked: AnswersQuestion) -> DnsAnswers:
    """What askers of a name were told."""
    span = _span(asked)
    query = AnswerQuery(
        name=as_dns_has_it(world, "name", asked.name), client=address_of("client", asked.client), since_ms=span.since_ms
    )
    with world.store() as reader:

        def fetch(until_ms: int | None, limit: int) -> Sequence[Row]:
            return reader.answers(replace(query, until_ms=until_ms, limit=limit)).rows

        rows = in_order(_ANSWERS, fetch, span, max(2 * asked.limit, _SMALLEST_FETCH))
        page = page_of([rows], asked.limit, _any)
    return DnsAnswers(answers=list(row_objects(DNS_ANSWERS, page.rows)), next=_next(page))


def lineage(world: World, asked: RowQuestion) -> Lineage:
    """Where a row comes from."""
    try:
        row = parse_row_id(asked.row)
    except ValueError as error:
        raise bad_parameter("row", str(error), "give the `row` of a flow") from error
    with world.store() as reader:
        told = world.helpers.lineage(reader, row)
    if told is None:
        raise ProblemError(NOT_FOUND, f"there is no row {asked.row}", "it may have expired: ask for the flows again")
    return Lineage(**told)


def _named_page(reader: StoreReader, names: set[str], query: FlowQuery, wanted: tuple[Span, int]) -> Page:
    """Flows that carry one of the names, or were counted for it, at all addresses where the names were seen."""
    span, limit = wanted
    addresses: set[bytes] = set()
    for name in sorted(names):
        for row in reader.addresses_of(name).rows:
            address = row[IPS_BY_NAME.index("ip")]
            assert isinstance(address, bytes)
            addresses.add(address)
        if len(addresses) > MOST_ADDRESSES:
            detail = f"these names were seen at more than {MOST_ADDRESSES:,} addresses"
            raise ProblemError(TOO_BROAD, detail, "ask for one of the names, or for one address, at a time")
    # each holds what it fetched: a full page of every address would be half a million rows
    share = -(-limit // max(1, len(addresses)))
    sources = [_flows_in_order(reader, replace(query, destination=address), span, share) for address in sorted(addresses)]
    return page_of(sources, limit, lambda row: row[_HOSTNAME] in names or row[_ENDPOINT] in names)


def _names_of(world: World, reader: StoreReader, asked: FlowsQuestion) -> set[str]:
    if asked.below is None:
        return {as_dns_has_it(world, "name", asked.name or "")}
    found = names_below_domain(world, reader, asked.below)
    at = NAMES_BY_DOMAIN.index("hostname")
    names = {str(row[at]) for row in islice(found, MOST_NAMES + 1)}
    if len(names) > MOST_NAMES:
        detail = f"more than {MOST_NAMES:,} names were seen below {asked.below}"
        raise ProblemError(TOO_BROAD, detail, "give a longer domain, or one name", parameter="below")
    return names


def _flows_in_order(reader: StoreReader, query: FlowQuery, span: Span, limit: int) -> Iterator[tuple[Place, Row]]:
    def fetch(until_ms: int | None, limit: int) -> Sequence[Row]:
        return reader.flows(replace(query, until_ms=until_ms, limit=limit)).rows

    return in_order(_FLOWS, fetch, span, max(2 * limit, _SMALLEST_FETCH))


def _span(asked: FlowsQuestion | AnswersQuestion) -> Span:
    return Span(
        since_ns=instant_ns("since", asked.since),
        until_ns=instant_ns("until", asked.until),
        after=None if asked.cursor is None else cursor_place("cursor", asked.cursor, Place),
    )


def _next(page: Page) -> str | None:
    return None if page.reached is None else cursor_text(page.reached)


def _any(_: Row) -> bool:
    return True

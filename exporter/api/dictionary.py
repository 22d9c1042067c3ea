"""Names of an address, addresses of a name, names below a domain."""

from collections.abc import Iterable

from exporter.api.answers import Names
from exporter.api.problems import bad_parameter
from exporter.api.questions import NamesQuestion
from exporter.api.values import address_of, cursor_place, cursor_text, instant_ns
from exporter.api.world import World
from schema.labels import labels_of
from schema.objects import row_objects
from schema.store.lookup import names_below, parse_name
from schema.store.reading import StoreReader
from schema.tables import IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP, Table

_MS = 1_000_000
_Found = tuple[Table, str, Iterable[tuple[object, ...]]]  # rows, and the column that they are ordered by


def names(world: World, asked: NamesQuestion) -> Names:
    """What the dictionary knows, by name or by address."""
    given = [name for name in ("address", "name", "below") if getattr(asked, name) is not None]
    if len(given) != 1:
        raise bad_parameter((given or ["address"])[-1], "names of what?", "give one of address, name, below")
    since_ms = (instant_ns("since", asked.since) or 0) // _MS
    after = None if asked.cursor is None else cursor_place("cursor", asked.cursor, str)
    with world.store() as reader:
        table, key, rows = _found(world, reader, asked)
        items = sorted(row_objects(table, list(rows)), key=lambda item: str(item[key]))
    # a row that ends, in a store without transactions, may end column by column
    wanted = [item for item in items if (item["last_seen"] or 0) >= since_ms and (after is None or item[key] > after)]
    page = wanted[: asked.limit]
    return Names(names=page, next=cursor_text(page[-1][key]) if len(wanted) > len(page) else None)


def _found(world: World, reader: StoreReader, asked: NamesQuestion) -> _Found:
    address = address_of("address", asked.address)
    if address is not None:
        return NAMES_BY_IP, "hostname", reader.names_of(address).rows
    if asked.name is not None:
        return IPS_BY_NAME, "ip", reader.addresses_of(as_dns_has_it(world, "name", asked.name)).rows
    return NAMES_BY_DOMAIN, "hostname", names_below_domain(world, reader, asked.below or "")


def names_below_domain(world: World, reader: StoreReader, below: str) -> list[tuple[object, ...]]:
    """Rows of the names seen below a domain, which is below a public suffix."""
    suffix = as_dns_has_it(world, "below", below)
    domain = world.helpers.registered_domain(suffix)
    if domain is None:
        remedy = "give a registered domain (example.co.uk), or a name in one"
        raise bad_parameter("below", f"{below!r} is all of it a public suffix", remedy)
    return names_below(reader, domain, suffix).rows


def as_dns_has_it(world: World, parameter: str, name: str) -> str:
    """A name as rows have it."""
    if name != "." and "" in labels_of(name.removesuffix(".")):
        raise bad_parameter(
            parameter, f"{name!r} is no name: nothing stands between two of its dots", "give one like www.example.com"
        )
    try:
        return parse_name(name if name.isascii() else world.helpers.dns_spelling(name))
    except ValueError as error:
        raise bad_parameter(parameter, f"{name!r} is no name: {error}", "give it as DNS has it") from error

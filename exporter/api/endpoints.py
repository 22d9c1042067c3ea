"""Totals by endpoint, as the metrics page counts them."""

from collections.abc import Callable, Iterator
from heapq import nsmallest
from operator import attrgetter
from typing import Any

from exporter.api.answers import Endpoint, Endpoints
from exporter.api.questions import EndpointsQuestion
from exporter.api.values import cursor_place, cursor_text
from exporter.api.world import World
from exporter.snapshot import NetworkMoment
from schema.records import EndpointTotals

_Entry = tuple[str, str, EndpointTotals]  # endpoint, network, totals
_Place = tuple[int, str, str]  # minus the number that is sorted by (0 for names), endpoint, network


def endpoints(world: World, asked: EndpointsQuestion) -> Endpoints:
    """The first of those that match and stand behind the cursor."""
    after = None if asked.cursor is None else cursor_place("cursor", asked.cursor, _Place)
    networks = [moment for moment in world.snapshot.networks.values() if asked.network in (None, moment.network)]
    place, matching = _place_by(asked.sort), 0

    def behind() -> Iterator[tuple[_Place, _Entry]]:
        nonlocal matching
        for entry in _matching(networks, asked.search):
            matching += 1
            if after is None or place(entry) > after:
                yield place(entry), entry

    page = nsmallest(asked.limit + 1, behind())
    return Endpoints(
        endpoints=[_told(entry, world) for _, entry in page[: asked.limit]],
        matching=matching,
        positions={sensor: seq for moment in networks for sensor, seq in moment.positions.items()},
        next=cursor_text(page[asked.limit - 1][0]) if len(page) > asked.limit else None,
    )


def _matching(networks: list[NetworkMoment], search: str | None) -> Iterator[_Entry]:
    text = None if search is None else search.lower()
    for moment in networks:
        for endpoint, totals in moment.endpoints.items():
            if text is None or text in endpoint:
                yield endpoint, moment.network, totals


def _place_by(sort: str) -> Callable[[_Entry], _Place]:
    if sort == "endpoint":
        return lambda entry: (0, entry[0], entry[1])
    number: Callable[[Any], int] = attrgetter(sort)
    return lambda entry: (-number(entry[2]), entry[0], entry[1])


def _told(entry: _Entry, world: World) -> Endpoint:
    endpoint, network, totals = entry
    series = endpoint in world.snapshot.networks[network].series.shown
    return Endpoint(network=network, endpoint=endpoint, series=series, **totals._asdict())

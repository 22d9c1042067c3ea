"""Totals by endpoint, as the metrics page counts them."""

from collections.abc import Iterator
from heapq import nsmallest

from exporter.api.answers import Endpoint, Endpoints
from exporter.api.questions import EndpointsQuestion
from exporter.api.values import cursor_place, cursor_text
from exporter.api.world import World
from exporter.snapshot import NetworkMoment
from schema.records import EndpointTotals

_Place = tuple[int, str, str]  # minus the number that is sorted by (0 for names), endpoint, network
_Placed = tuple[_Place, EndpointTotals]


def endpoints(world: World, asked: EndpointsQuestion) -> Endpoints:
    """The first of those that match and stand behind the cursor."""
    after = None if asked.cursor is None else cursor_place("cursor", asked.cursor, _Place)
    moments = [moment for moment in world.followed().values() if asked.network in (None, moment.network)]
    matching = 0

    def behind() -> Iterator[_Placed]:
        nonlocal matching
        for placed in _matching(moments, asked.sort, asked.search):
            matching += 1
            if after is None or placed[0] > after:
                yield placed

    page = nsmallest(asked.limit + 1, behind())
    return Endpoints(
        endpoints=[_told(placed, world) for placed in page[: asked.limit]],
        matching=matching,
        positions={sensor: seq for moment in moments for sensor, seq in moment.positions.items()},
        next=cursor_text(page[asked.limit - 1][0]) if len(page) > asked.limit else None,
    )


def _matching(moments: list[NetworkMoment], sort: str, search: str | None) -> Iterator[_Placed]:
    """In no order; there may be a million."""
    text = "" if search is None else search.lower()
    number = EndpointTotals._fields.index(sort) if sort in EndpointTotals._fields else None
    for moment in moments:
        network = moment.network
        for endpoint, totals in moment.endpoints.items():
            if text in endpoint:
                yield (0 if number is None else -totals[number], endpoint, network), totals


def _told(placed: _Placed, world: World) -> Endpoint:
    (_, endpoint, network), totals = placed
    series = endpoint in world.snapshot.networks[network].series.shown
    return Endpoint(network=network, endpoint=endpoint, series=series, **totals._asdict())

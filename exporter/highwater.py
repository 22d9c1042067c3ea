"""What counters show at least. Commits that were shown may be lost (a node that acknowledged them was not durable): until their
captures are loaded again, every counter stays where it was. Pure: no store, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.admissions import Series
from exporter.chain import add_counts, add_totals
from exporter.follower import Followed
from exporter.snapshot import NetworkMoment
from schema.records import OTHER_ENDPOINT, CommitDeltas, EndpointTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the ledgers of a network count, summed over its sensors."""

    endpoints: Mapping[str, EndpointTotals]
    totals: Mapping[str, int]
    positions: Mapping[str, int]  # sensor -> seq
    last_loaded_at_ms: int


def counted(ledgers: Iterable[Followed]) -> Counted:
    """The sums of ledgers as far as they were followed."""
    known = sorted((followed.totals for followed in ledgers), key=lambda ledger: len(ledger.endpoints), reverse=True)
    endpoints = dict(known[0].endpoints) if known else {}  # to the most of them the others are added
    totals: dict[str, int] = {}
    for ledger in known:
        add_counts(totals, ledger.totals)
    for ledger in known[1:]:
        add_totals(endpoints, ledger.endpoints)
    return Counted(
        endpoints=endpoints,
        totals=totals,
        positions={ledger.sensor: ledger.position.seq for ledger in known},
        last_loaded_at_ms=max((ledger.last_loaded_at_ms for ledger in known), default=0),
    )


def high_water_of(
    before: CommitDeltas, counted_now: Series, totals_now: Mapping[str, int], shown: NetworkMoment | None
) -> CommitDeltas:
    """The high water of a book that is raised to what is counted now: of each counter that would show less than the high water
    before, or than this exporter showed last."""
    endpoints, totals = dict(before.endpoints), dict(before.totals)
    if shown is not None:
        endpoints |= _values(shown.series)  # at least what the high water was then
        totals |= shown.totals
    values = _values(counted_now)
    return CommitDeltas(
        endpoints={
            endpoint: value
            for endpoint, value in endpoints.items()
            if endpoint in values and values[endpoint] is not value and not values[endpoint].reaches(value)
        },
        totals={name: count for name, count in totals.items() if totals_now.get(name, 0) < count},
    )


def _values(series: Series) -> dict[str, EndpointTotals]:
    return {**series.shown, OTHER_ENDPOINT: series.other}


def with_high_water(totals: Mapping[str, int], high_water: CommitDeltas) -> dict[str, int]:
    """Flat totals, none of them below the high water."""
    return {name: max(totals.get(name, 0), high_water.totals.get(name, 0)) for name in {**totals, **high_water.totals}}

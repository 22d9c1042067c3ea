"""What counters show at least. Commits that were shown may be lost (a node that acknowledged them was not durable): until their
captures are loaded again, every counter stays where it was. Pure: no store, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.admissions import Series, counted_series
from exporter.chain import add_counts, add_totals
from exporter.follower import Followed
from exporter.snapshot import NetworkMoment
from schema.records import OTHER_ENDPOINT, AdmissionBook, CommitDeltas, EndpointTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the ledgers of a network count, summed over its sensors."""

    endpoints: Mapping[str, EndpointTotals]
    totals: Mapping[str, int]
    positions: Mapping[str, int]  # sensor -> seq
    last_loaded_at_ms: int


def counted(ledgers: Iterable[Followed]) -> Counted:
    """The sums of ledgers as far as they were followed."""
    endpoints: dict[str, EndpointTotals] = {}
    totals: dict[str, int] = {}
    known = [followed.totals for followed in ledgers]
    for ledger in known:
        add_totals(endpoints, ledger.endpoints)
        add_counts(totals, ledger.totals)
    return Counted(
        endpoints=endpoints,
        totals=totals,
        positions={ledger.sensor: ledger.position.seq for ledger in known},
        last_loaded_at_ms=max((ledger.last_loaded_at_ms for ledger in known), default=0),
    )


def high_water_of(book: AdmissionBook, now: Counted, shown: NetworkMoment | None) -> CommitDeltas:
    """The high water of a book that is raised to what is counted `now`: of each counter that would show less than the book's
    high water, or than this exporter showed last."""
    endpoints, totals = dict(book.high_water.endpoints), dict(book.high_water.totals)
    if shown is not None:
        endpoints |= _values(shown.series)  # at least what the high water was then
        totals |= shown.totals
    counted_now = _values(counted_series(book, now.endpoints))
    return CommitDeltas(
        endpoints={
            endpoint: value
            for endpoint, value in endpoints.items()
            if endpoint in counted_now and counted_now[endpoint].at_least(value) != counted_now[endpoint]
        },
        totals={name: count for name, count in totals.items() if now.totals.get(name, 0) < count},
    )


def _values(series: Series) -> dict[str, EndpointTotals]:
    return {**series.shown, OTHER_ENDPOINT: series.other}


def with_high_water(totals: Mapping[str, int], high_water: CommitDeltas) -> dict[str, int]:
    """Flat totals, none of them below the high water."""
    return {name: max(totals.get(name, 0), high_water.totals.get(name, 0)) for name in {**totals, **high_water.totals}}

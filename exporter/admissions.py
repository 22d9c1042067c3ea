"""Which endpoints have series of their own, and what every series shows. Pure: no store, no clock.

    series   = last shown before (0 at first) + total - total at admission
    retired  = what evicted series last showed
    `_other` = all totals - all series - retired

An admission or an eviction takes effect at the positions the book stood at *before* the step that brings it: at them it
moves nothing, and whatever grew since is counted where the endpoint is from now on. So no counter ever goes down, and an
endpoint's first commit counts in its own series. What a seal folded of an endpoint is gone from its total: of one that is
admitted nevertheless (the two raced) it is taken off the total at admission too.

While commits that were shown are lost, every counter shows its high water at least.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from schema.records import (
    ADMISSION_OCTETS,
    MAX_CHANGE_OCTETS,
    NO_TOTALS,
    OTHER_ENDPOINT,
    RESERVED_ENDPOINTS,
    Admission,
    AdmissionBook,
    EndpointTotals,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a network shows; `shown` + `other` + `retired` = the ledger's totals, always."""

    shown: Mapping[str, EndpointTotals]  # by admitted endpoint
    other: EndpointTotals
    retired: EndpointTotals

    @property
    def whole(self) -> EndpointTotals:
        """All of it: the ledger's totals over all endpoints."""
        return sum_of([*self.shown.values(), self.other, self.retired])


def sum_of(totals: Iterable[EndpointTotals]) -> EndpointTotals:
    """Sum, counter by counter."""
    columns = list(zip(*totals, strict=True))
    return EndpointTotals(*map(sum, columns)) if columns else NO_TOTALS


def counted_series(book: AdmissionBook, totals: Mapping[str, EndpointTotals]) -> Series:
    """What the book shows of a network's ledger totals by endpoint, read at the book's positions or later, but for its high
    water."""
    shown = {
        endpoint: _value(admission, totals.get(endpoint, NO_TOTALS))
        for endpoint, admission in book.admissions.items()
        if admission.admitted
    }
    retired = sum_of(admission.shown for admission in book.admissions.values() if not admission.admitted)
    other = sum_of(totals.values()).minus(sum_of(shown.values())).minus(retired)
    return Series(shown=shown, other=other, retired=retired)


def over_high_water(counted: Series, book: AdmissionBook) -> Series:
    """What is shown where this is counted."""
    at_least = book.high_water.endpoints
    if not at_least:
        return counted
    return Series(
        shown={endpoint: value.at_least(at_least.get(endpoint, value)) for endpoint, value in counted.shown.items()},
        other=counted.other.at_least(at_least.get(OTHER_ENDPOINT, counted.other)),
        retired=counted.retired,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a network's ledgers changed since the positions of its book."""

    growth: Mapping[str, EndpointTotals]
    folded: Mapping[str, EndpointTotals]  # what seals took from endpoints
    at_ms: int = 0  # load time of the newest commit (Unix ms); 0: the positions were those before the first

    def base(self, totals: Mapping[str, EndpointTotals], endpoint: str) -> EndpointTotals:
        """An endpoint's total at the book's positions, less what was folded of it since."""
        return totals.get(endpoint, NO_TOTALS).minus(self.growth.get(endpoint, NO_TOTALS))

    def before(self, totals: Mapping[str, EndpointTotals], endpoint: str) -> EndpointTotals:
        """An endpoint's total at the book's positions."""
        return self.base(totals, endpoint).plus(self.folded.get(endpoint, NO_TOTALS))


def folded_off(book: AdmissionBook, folded: Mapping[str, EndpointTotals]) -> dict[str, Admission]:
    """Admissions whose total at admission falls by what was folded, so that their series do not move."""
    return {
        endpoint: replace(book.admissions[endpoint], base=book.admissions[endpoint].base.minus(folded[endpoint]))
        for endpoint in folded.keys() & book.admissions.keys()
        if book.admissions[endpoint].admitted
    }


def decide(book: AdmissionBook, totals: Mapping[str, EndpointTotals], change: Change, limit: int) -> dict[str, Admission]:
    """The admissions that change when the book is raised to the positions of `totals`, by what changed since its own.

    An endpoint comes in when it grows while there is room: the largest by flows first, ties by name. Where the limit is below
    what is admitted, the smallest leave. Those beyond what a store takes at once come, or leave, another time.
    """
    admitted = [endpoint for endpoint, admission in book.admissions.items() if admission.admitted]
    candidates = change.growth.keys() - {*RESERVED_ENDPOINTS, *admitted}

    def largest_first(endpoint: str) -> tuple[int, str]:
        return -totals.get(endpoint, NO_TOTALS).flows, endpoint

    room, folded = limit - len(admitted), folded_off(book, change.folded)
    octets = MAX_CHANGE_OCTETS - _octets(book.network, folded)[-1]
    beyond = sorted(admitted, key=largest_first)[limit:] if room < 0 else []
    leaving = _that_fit(octets, book.network, beyond[::-1])
    coming = _that_fit(octets, book.network, sorted(candidates, key=largest_first)[:room]) if room > 0 else []
    evicted = {
        endpoint: replace(
            book.admissions[endpoint],
            admitted=False,
            base=NO_TOTALS,
            shown=_last_value(book, endpoint, change.before(totals, endpoint)),
        )
        for endpoint in leaving
    }
    return (
        folded
        | evicted
        | {
            endpoint: replace(
                book.admissions.get(endpoint) or Admission(admitted=True, base=NO_TOTALS, since_ms=change.at_ms),
                admitted=True,
                base=change.base(totals, endpoint),
            )
            for endpoint in coming
        }
    )


def _octets(network: str, endpoints: Iterable[str]) -> list[int]:
    """What the first of them, from none to all, take of the message that changes a book."""
    each = ADMISSION_OCTETS + len(network.encode())
    return list(accumulate((each + len(endpoint.encode()) for endpoint in endpoints), initial=0))


def _that_fit(octets: int, network: str, endpoints: Sequence[str]) -> Sequence[str]:
    return endpoints[: max(bisect_right(_octets(network, endpoints), octets) - 1, 0)]


def _last_value(book: AdmissionBook, endpoint: str, total: EndpointTotals) -> EndpointTotals:
    value = _value(book.admissions[endpoint], total)
    return value.at_least(book.high_water.endpoints.get(endpoint, value))


def _value(admission: Admission, total: EndpointTotals) -> EndpointTotals:
    if NO_TOTALS == admission.shown == admission.base:  # of most
        return total
    return admission.shown.plus(total.minus(admission.base))

"""Which endpoints have series of their own, and what every series shows. Pure: no store, no clock.

    series   = last shown before (0 at first) + total - total at admission
    retired  = what evicted series last showed
    `_other` = all totals - all series - retired

An admission or an eviction takes effect at the positions the book stood at *before* the step that brings it: at them it
moves nothing, and whatever grew since is counted where the endpoint is from now on. So no counter ever goes down, and an
endpoint's first commit counts in its own series.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schema.records import OTHER_ENDPOINT, Admission, AdmissionBook, EndpointTotals

NOTHING = EndpointTotals()


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
    return EndpointTotals(*map(sum, columns)) if columns else NOTHING


def series(book: AdmissionBook, totals: Mapping[str, EndpointTotals]) -> Series:
    """What the book shows of a network's ledger totals by endpoint, read at the book's positions or later."""
    shown = {
        endpoint: _value(admission, totals.get(endpoint, NOTHING))
        for endpoint, admission in book.admissions.items()
        if admission.admitted
    }
    retired = sum_of(admission.shown for admission in book.admissions.values() if not admission.admitted)
    other = sum_of(totals.values()).minus(sum_of(shown.values())).minus(retired)
    return Series(shown=shown, other=other, retired=retired)


def decide(
    book: AdmissionBook, totals: Mapping[str, EndpointTotals], growth: Mapping[str, EndpointTotals], limit: int
) -> dict[str, Admission]:
    """The admissions that change when the book is raised to the positions of `totals`.

    `growth` is what was added since the book's positions, so that `totals - growth` are the totals there. An endpoint comes
    in when it grows while there is room: the largest by flows first, ties by name. Where the limit is below what is
    admitted, the smallest leave.
    """
    admitted = [endpoint for endpoint, admission in book.admissions.items() if admission.admitted]
    candidates = growth.keys() - {OTHER_ENDPOINT, *admitted}

    def largest_first(endpoint: str) -> tuple[int, str]:
        return -totals.get(endpoint, NOTHING).flows, endpoint

    def total_before(endpoint: str) -> EndpointTotals:
        return totals.get(endpoint, NOTHING).minus(growth.get(endpoint, NOTHING))

    leaving = sorted(admitted, key=largest_first)[limit:]
    coming = sorted(candidates, key=largest_first)[: max(0, limit - len(admitted))]
    evicted = {
        endpoint: Admission(admitted=False, base=NOTHING, shown=_value(book.admissions[endpoint], total_before(endpoint)))
        for endpoint in leaving
    }
    return evicted | {
        endpoint: Admission(admitted=True, base=total_before(endpoint), shown=_last_shown(book, endpoint))
        for endpoint in coming
    }


def _value(admission: Admission, total: EndpointTotals) -> EndpointTotals:
    return admission.shown.plus(total.minus(admission.base))


def _last_shown(book: AdmissionBook, endpoint: str) -> EndpointTotals:
    evicted = book.admissions.get(endpoint)
    return evicted.shown if evicted else NOTHING

"""A ledger of a great many endpoints: captures are committed to it, it is sealed, and captures are committed behind the seal.

`LEDGER_ENDPOINTS` sets how many there are (the rule of the loader lets no more than 350,000 come together); beyond the share of
the test it tells how long commits took before and after, how long the seal, and what memory the process had at most.
"""

import os
import resource
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import count
from statistics import median

import pytest

from schema.records import FOLDED_ENDPOINT, IDLE_TOTAL, EndpointTotals
from schema.store.sealing import Sealing
from schema.store.writing import ClaimRefusal, SensorLease
from tests.schema.store.factory import StoreFactory
from tests.schema.store.samples import Sample, sample, take

ASKED = int(os.environ.get("LEDGER_ENDPOINTS", "0"))
ENDPOINTS = ASKED or 5_000
A_COMMIT = min(50_000, ENDPOINTS // 10)
MEASURED, NAMED = 7, min(1_000, ENDPOINTS // 20)  # commits whose time is told, and the endpoints of each
KEPT = ENDPOINTS // 5
RULE = Sealing(commits=1, endpoints_kept=KEPT)
ONE = EndpointTotals(1, 1, 60, 0, 0)
_serial = count()


def capture(numbers: Iterable[int]) -> Sample:
    endpoints = {f"host-{number}.site.example.com": ONE for number in numbers}
    return replace(sample(f"{next(_serial)}", flows=1), endpoints=endpoints, totals={"captures": 1})


def commit(lease: SensorLease, numbers: Iterable[int]) -> float:
    """Seconds that the commit itself took."""
    of = capture(numbers)
    begun = lease.begin(of.claim())
    assert not isinstance(begun, ClaimRefusal)
    with begun as attempt:
        attempt.write(of.batches())
        began = time.perf_counter()
        attempt.commit(of.commit())
        return time.perf_counter() - began


def commits(lease: SensorLease, first: int) -> str:
    """Median and most of some commits, half of whose endpoints are known; those of each are others."""
    seconds = []
    for nth in range(MEASURED):
        known = range(nth * NAMED // 2, (nth + 1) * NAMED // 2)
        seconds.append(commit(lease, [*known, *range(first + nth * NAMED, first + nth * NAMED + NAMED // 2)]))
    return f"{1000 * median(seconds):.0f} ms, {1000 * max(seconds):.0f} at most"


@pytest.mark.timeout(1_200)
def test_commits_and_a_seal_of_a_ledger_of_many(store_factory: StoreFactory) -> None:
    store = store_factory()
    lease, new = take(store), 10 * ENDPOINTS  # endpoints from there on are new
    told = [f"{ENDPOINTS} endpoints; commits of {NAMED} at first: {commits(lease, new)}"]
    filled = [commit(lease, range(first, first + A_COMMIT)) for first in range(0, ENDPOINTS, A_COMMIT)]
    told.append(f"of {A_COMMIT}: first {filled[0]:.2f}, last {filled[-1]:.2f}, at most {max(filled):.2f} s")
    told.append(f"commits of {NAMED} in the full ledger: {commits(lease, 2 * new)}")
    began = time.perf_counter()
    assert lease.seal_if_due(RULE)
    told.append(f"seal: {time.perf_counter() - began:.1f} s")
    told.append(f"commits behind it: {commits(lease, 3 * new)}")
    told.append(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    committed = len(filled) + 3 * MEASURED
    ledger = store.ledger("edge-1")
    assert ledger.position.seq == committed + 1
    assert ledger.totals["captures"] == committed
    assert sum(totals.flows for totals in ledger.endpoints.values()) == ENDPOINTS + 3 * MEASURED * (NAMED // 2 * 2)
    begun = store.opening("edge-1", 1).endpoints
    assert ledger.totals[IDLE_TOTAL] + len(begun.keys() - {FOLDED_ENDPOINT}) == ENDPOINTS + 2 * MEASURED * (NAMED // 2)
    assert 1 < len(begun) <= KEPT + 1
    if ASKED:
        print("; ".join(told))

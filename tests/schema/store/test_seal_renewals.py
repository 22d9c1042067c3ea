"""A timer renews a lease while its holder seals the ledger: whenever it comes, the lease's end is the one that the holder was
told, in the segment that counts."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from schema.records import EndpointTotals
from schema.store.sealing import Sealing
from schema.store.writing import Store
from tests.faults.moments import statement_label, watch_cassandra
from tests.schema.store.samples import load, now_ms, sample, take

RULE = Sealing(commits=1, segments_told=64)
ONE = EndpointTotals(1, 1, 60, 0, 0)
PASSES_S = 0.1  # where nobody holds it up, a renewal is through by then


class Moment:
    """Acts right before the n-th thing that this thread is going to change in the store."""

    def __init__(self) -> None:
        self.left, self._act, self._thread = 0, lambda: None, threading.get_ident()

    def comes(self, nth: int, act: Callable[[], None]) -> None:
        self.left, self._act = nth, act

    def seen(self, *labels: str) -> None:
        if threading.get_ident() == self._thread and self.left and not {*labels} <= {"", "ROLLBACK"}:
            self.left -= 1
            if not self.left:
                self._act()


@contextmanager
def watched(kind: str, factory: Any) -> Iterator[tuple[Store, Moment]]:
    moment, store = Moment(), factory()

    def trace(_cursor: object, statement: str, _bindings: object) -> bool:
        moment.seen(statement_label(statement))
        return True

    if kind == "sqlite":
        store._database.writer._connection.exec_trace = trace
    else:
        watch_cassandra(store._connection.session, moment.seen)
    with closing(store):
        yield store, moment


@pytest.mark.parametrize("kind", ["sqlite", "cassandra"])
def test_a_renewal_beside_a_seal_holds_behind_it(kind: str, request: pytest.FixtureRequest) -> None:
    with watched(kind, request.getfixturevalue(f"{kind}_store_factory")) as (store, moment), ThreadPoolExecutor(1) as timer:
        lease, renewals = take(store), list[Future[None]]()
        for nth in range(1, 100):
            until_ms = now_ms() + 100_000 * nth

            def renew(until_ms: int = until_ms) -> None:
                renewals.append(timer.submit(lease.renew, until_ms))
                wait(renewals, PASSES_S)

            load(lease, replace(sample(f"{nth}", flows=1), endpoints={"busy": ONE}, totals={"captures": 1}))
            moment.comes(nth, renew)
            assert lease.seal_if_due(RULE)
            if moment.left:
                break
            renewals[-1].result()
            assert [record.lease_until_ms for record in store.sensors()] == [until_ms], nth
    assert len(renewals) >= 9  # fewer would mean that the test sees nothing

"""Whoever seals a ledger's segment dies right before each thing that it does to the store, one after the other: the next
holder goes on with every commit, every refusal and every total; what was loaded stays loaded, and no exporter's counter falls.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.admissions import sum_of
from exporter.book import BookKeeper
from exporter.chain import walk
from exporter.follower import Follower
from schema.records import EndpointTotals, LedgerPosition
from schema.store.sealing import Sealing
from schema.store.sqlite import open_sqlite
from schema.store.writing import ClaimRefusal, SensorLease, Store
from tests.faults.moments import statement_label, watch_cassandra
from tests.schema.store.samples import Sample, abandon, id_of, load, now_ms, owner, sample, take

RULE = Sealing(commits=1, endpoints_kept=2, segments_told=1, segments_kept=1)
ONE = EndpointTotals(1, 1, 60, 0, 0)
FEWEST = {"sqlite": 15, "cassandra": 15}  # things that a seal does to a store: fewer would mean that the test sees nothing


class Death(BaseException):
    """Nothing that was going to be done is done."""


class Countdown:
    """Dies at the n-th thing that changes the store, once it was armed."""

    def __init__(self) -> None:
        self.left = 0

    def seen(self, *labels: str) -> None:
        if not {*labels} <= {"", "ROLLBACK"} and self.left:
            self.left -= 1
            if not self.left:
                raise Death(*labels)


@contextmanager
def mortal_sqlite(path: Path) -> Iterator[tuple[Store, Countdown]]:
    countdown = Countdown()

    def trace(_cursor: object, statement: str, _bindings: object) -> bool:
        countdown.seen(statement_label(statement))
        return True

    with closing(open_sqlite(path)) as store:
        store._database.writer._connection.exec_trace = trace  # type: ignore[attr-defined]
        yield store, countdown


@contextmanager
def mortal_cassandra(open_store: Callable[[], Any]) -> Iterator[tuple[Store, Countdown]]:
    countdown = Countdown()
    with closing(open_store()) as store:
        watch_cassandra(store._connection.session, countdown.seen)
        yield store, countdown


class Stand:
    """One sensor's ledger, whose loaders die."""

    def __init__(self, store: Store) -> None:
        self.store, self.loaded = store, 0
        self.keeper = BookKeeper("office", 1, Follower())
        self.shown: dict[str, EndpointTotals] = {}

    def capture(self, number: int) -> Sample:
        endpoints = {"busy": ONE, f"seen-once-{number}": ONE}
        return replace(sample(f"{number}", flows=1), endpoints=endpoints, totals={"captures": 1}, carried=b"%d" % number)

    def load_one(self, lease: SensorLease) -> None:
        load(lease, self.capture(self.loaded))
        self.loaded += 1

    def refuse_one(self) -> None:
        """The sensor claimed a capture that another one then loads: its ledger refuses it from now on."""
        lease = self.store.take_sensor("edge-1", "office", owner(), now_ms() - 1)
        abandon(lease, sample("refused"))
        load(take(self.store, "edge-2", "elsewhere"), sample("refused"))

    def check(self, lease: SensorLease, start: LedgerPosition) -> None:
        ledger = self.store.ledger("edge-1")
        assert ledger.position == lease.head.position
        assert sum_of(ledger.endpoints.values()).flows == 2 * self.loaded
        assert (ledger.endpoints["busy"].flows, ledger.totals["captures"]) == (self.loaded, self.loaded)
        assert walk(self.store, "edge-1", start, ledger.position) is not None
        assert lease.carried() == b"%d" % (self.loaded - 1)
        for number in {0, self.loaded // 2, max(0, self.loaded - 2), self.loaded - 1}:
            assert self.store.stands(id_of(f"{number}")), number
            assert lease.begin(self.capture(number).claim()) is ClaimRefusal.ALREADY_LOADED
        assert lease.begin(sample("refused").claim()) is ClaimRefusal.ALREADY_LOADED

    def look(self) -> None:
        """As an exporter that runs on, and one that was just started, see it."""
        series = self.keeper.moment(self.store, ["edge-1"]).series
        assert BookKeeper("office", 1, Follower()).moment(self.store, ["edge-1"]).series == series
        assert series.whole.flows == 2 * self.loaded
        for name, value in {**series.shown, "_other": series.other}.items():
            assert min(value.minus(self.shown.get(name, EndpointTotals()))) >= 0, name
            self.shown[name] = value


def die(stand: Stand, mortal: Store, countdown: Countdown, nth: int) -> str:
    """Die at the n-th thing of a seal, and go on; what was not done, or nothing where that is behind the end."""
    death, lease = "", mortal.take_sensor("edge-1", "office", owner(), now_ms() + 1)
    stand.load_one(lease)
    before = lease.head.position
    stand.look()
    countdown.left = nth
    try:
        assert lease.seal_if_due(RULE)
    except Death as error:
        death = str(error)
    countdown.left = 0
    stand.look()
    after = taken(stand.store)
    stand.check(after, before)
    stand.look()
    if after.head.position != before:  # it was sealed; what is left of old segments goes with the next seal
        stand.load_one(after)
    assert after.seal_if_due(RULE)
    stand.check(after, stand.store.seals("edge-1", 0)[0].position)
    stand.look()
    after.release()
    return death


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["sqlite", "cassandra"])
def test_killed_at_each_step_of_a_seal(kind: str, request: pytest.FixtureRequest) -> None:
    factory = request.getfixturevalue(f"{kind}_store_factory")
    stand = Stand(factory())
    stand.refuse_one()
    with mortal_sqlite(factory.path) if kind == "sqlite" else mortal_cassandra(factory) as (store, countdown):
        steps: list[str] = []
        while death := die(stand, store, countdown, len(steps) + 1):
            steps.append(death)
    assert len(steps) >= FEWEST[kind], steps


def taken(store: Store) -> SensorLease:
    """The lease, once that of the dead is over."""
    until = next(record for record in store.sensors() if record.sensor == "edge-1").lease_until_ms
    while now_ms() <= until:
        pass
    return take(store)

"""A seal of many endpoints is made in steps: others write between them, readers see the totals of before or of after it, and a
try that came to nothing is forgotten."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from schema.records import FOLDED_ENDPOINT, IDLE_TOTAL, EndpointTotals
from schema.store.sealing import Sealing
from schema.store.sqlite import open_sqlite
from schema.store.sqlite.store import SqliteStore
from tests.schema.store.samples import load, now_ms, owner, sample, take

ONE = EndpointTotals(1, 1, 60, 0, 0)
IDLE, BUSY = 8_001, 4_001  # endpoints: three steps, and two
RULE = Sealing(commits=2, endpoints_kept=BUSY + 10, segments_told=1, segments_kept=1)
SEALED = {f"busy-{n}": ONE for n in range(BUSY)} | {FOLDED_ENDPOINT: EndpointTotals(*(IDLE * each for each in ONE))}


class Killed(BaseException):
    """In between two steps."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        yield store


def loaded(store: SqliteStore) -> None:
    lease = take(store)
    for kind, count in (("idle", IDLE), ("busy", BUSY)):
        endpoints = dict.fromkeys((f"{kind}-{n}" for n in range(count)), ONE)
        load(lease, replace(sample(kind, flows=1), endpoints=endpoints, totals={"captures": 1}))
    lease.release()


def between_steps(store: SqliteStore, act: Callable[[int], None]) -> list[int]:
    """What is done where a seal gives way; the list says how often it did so far."""
    times = [0]

    def give_way() -> None:
        times[0] += 1
        act(times[0])

    store._database.give_way = give_way  # type: ignore[method-assign]
    return times


def test_others_write_between_the_steps_and_readers_see_one_state_or_the_other(store: SqliteStore, tmp_path: Path) -> None:
    loaded(store)
    before = store.ledger("edge-1").endpoints
    with closing(open_sqlite(tmp_path / "store.db", busy_timeout_s=0)) as other:
        beside = take(other, "edge-2")

        def act(number: int) -> None:
            load(beside, sample(f"beside {number}"))
            assert other.ledger("edge-1").endpoints in (before, SEALED)

        times = between_steps(store, act)
        assert take(store).seal_if_due(RULE)
        assert times[0] >= 8  # one less than steps: 3 folded, 2 taken over, 1 that seals, 3 let go
        assert other.ledger("edge-2").totals["captures"] == times[0]
        assert other.ledger("edge-1").endpoints == SEALED
        assert other.ledger("edge-1").totals == {"captures": 2, IDLE_TOTAL: IDLE}


def test_who_dies_between_two_steps_leaves_what_the_next_holder_forgets_or_finishes(store: SqliteStore, tmp_path: Path) -> None:
    for last in range(1, 100, 2):
        path = tmp_path / f"{last}.db"
        with closing(open_sqlite(path)) as mortal:
            mortal.apply_schema()
            loaded(mortal)

            def die(number: int, last: int = last) -> None:
                if number == last:
                    raise Killed

            between_steps(mortal, die)
            lease = mortal.take_sensor("edge-1", "office", owner(), now_ms() + 60_000)
            try:
                lease.seal_if_due(RULE)
            except Killed:
                lease.release()
            else:
                assert last > 8
                return
        with closing(open_sqlite(path)) as heir:
            assert sum(totals.flows for totals in heir.ledger("edge-1").endpoints.values()) == IDLE + BUSY
            lease = take(heir)
            load(lease, replace(sample("more"), endpoints={"busy-0": ONE}, totals={"captures": 1}))
            assert lease.seal_if_due(replace(RULE, commits=1))
            ledger = heir.ledger("edge-1")
            assert ledger.endpoints == {**SEALED, "busy-0": ONE.plus(ONE)}
            assert ledger.totals == {"captures": 3, IDLE_TOTAL: IDLE}
        assert leftovers(path, ledger.position.segment) == ([], [])


def leftovers(path: Path, segment: int) -> tuple[list[object], list[object]]:
    """Totals of no segment that counts, and statements of no seal."""
    with closing(apsw.Connection(str(path))) as tables:
        totals = tables.execute("SELECT DISTINCT segment FROM ledger_endpoints WHERE segment <> ?", (segment,)).fetchall()
        parts = "SELECT DISTINCT seq FROM ledger_openings WHERE seq NOT IN (SELECT seq FROM ledger_seals)"
        return list(totals), list(tables.execute(parts).fetchall())

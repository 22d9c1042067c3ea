"""A seal of many endpoints is made in steps: others write between them, readers see the totals of before or of after it, and a
try that came to nothing is forgotten."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import apsw
import pytest

from schema.records import FOLDED_ENDPOINT, IDLE_TOTAL, EndpointTotals
from schema.store.sealing import Sealing
from schema.store.sqlite import open_sqlite, seals, steps
from schema.store.sqlite.store import SqliteStore
from tests.schema.store.samples import load, now_ms, owner, sample, take

ONE = EndpointTotals(1, 1, 60, 0, 0)
AT_ONCE = 40
IDLE, BUSY = 2 * AT_ONCE + 1, AT_ONCE + 1  # endpoints: three steps, and two
RULE = Sealing(commits=2, endpoints_kept=BUSY + 10, segments_told=1, segments_kept=1)
SEALED = {f"busy-{n}": ONE for n in range(BUSY)} | {FOLDED_ENDPOINT: EndpointTotals(*(IDLE * each for each in ONE))}


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "_AT_ONCE", AT_ONCE)
    for table in steps._AT_ONCE:
        monkeypatch.setitem(steps._AT_ONCE, table, AT_ONCE if table == "ledger_endpoints" else 1)


class Killed(BaseException):
    """In between two steps."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        yield store


def loaded(store: SqliteStore) -> None:
    lease = take(store)
    for kind, number in (("idle", IDLE), ("busy", BUSY)):
        endpoints = dict.fromkeys((f"{kind}-{n}" for n in range(number)), ONE)
        load(lease, replace(sample(kind, flows=1), endpoints=endpoints, totals={"captures": 1}))
    lease.release()


def dying_at(last: int) -> Callable[[int], None]:
    def die(number: int) -> None:
        if number == last:
            raise Killed

    return die


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
    for last in count(1):
        path = tmp_path / f"{last}.db"
        with closing(open_sqlite(path)) as mortal:
            mortal.apply_schema()
            loaded(mortal)
            lease = mortal.take_sensor("edge-1", "office", owner(), now_ms() - 1)  # nobody waits until it has run out
            between_steps(mortal, dying_at(last))
            try:
                lease.seal_if_due(RULE)
            except Killed:
                pass
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
            assert heir.opening("edge-1", ledger.position.segment).totals == ledger.totals
        assert leftovers(path, ledger.position.segment) == ([], [])


def test_who_dies_letting_go_leaves_a_store_that_is_copied_for_what_is_whole_in_it(tmp_path: Path) -> None:
    rule, wholes = Sealing(commits=2, segments_told=8), []
    for last in count(1):
        with closing(open_sqlite(tmp_path / f"{last}.db")) as mortal:
            mortal.apply_schema()
            lease = take(mortal)
            for number in range(6):
                assert lease.seal_if_due(rule) == (number in (2, 4))
                load(lease, sample(f"{number}"))
            between_steps(mortal, dying_at(last))
            try:
                lease.seal_if_due(replace(rule, segments_told=1))
            except Killed:
                pass
            else:
                break
            wholes.append(whole(mortal))
    assert (wholes[0], wholes[-1], sorted(wholes)) == (0, 2, wholes)


def whole(store: SqliteStore) -> int:
    """The segment from which on a copy holds everything to be there; each step from there on is."""
    (ledger,) = store.copy_source().ledgers()
    begins = {seal.position.segment: seal.position.seq for seal in store.seals("edge-1", 0)}
    commits = [commit.position.seq for commit in store.commits("edge-1", 0, deltas=True) if commit.deltas]
    first = begins[ledger.whole] if ledger.whole else 1
    assert [seq for seq in sorted([*begins.values(), *commits]) if seq >= first] == list(range(first, ledger.position.seq + 1))
    return ledger.whole


def leftovers(path: Path, segment: int) -> tuple[list[object], list[object]]:
    """Totals of no segment that counts, and statements of no seal."""
    with closing(apsw.Connection(str(path))) as tables:
        totals = tables.execute("SELECT DISTINCT segment FROM ledger_endpoints WHERE segment <> ?", (segment,)).fetchall()
        parts = "SELECT DISTINCT seq FROM ledger_openings WHERE seq NOT IN (SELECT seq FROM ledger_seals)"
        return list(totals), list(tables.execute(parts).fetchall())

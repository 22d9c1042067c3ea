"""A ledger's segment is sealed and the next one opens: nothing is lost, counted twice, or forgotten by it."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.errors import LeaseLostError
from schema.records import (
    FOLDED_ENDPOINT,
    IDLE_TOTAL,
    Admission,
    BookChange,
    CommitDeltas,
    EndpointTotals,
    LedgerPosition,
    LedgerTotals,
)
from schema.store.sealing import Sealing
from schema.store.writing import ClaimRefusal, SensorLease, Store
from tests.schema.store.factory import StoreFactory
from tests.schema.store.samples import Sample, id_of, load, now_ms, owner, sample, take

AFTER_ONE = Sealing(commits=1, segments_told=1, segments_kept=1)
ALL_IDLE = replace(AFTER_ONE, endpoints_kept=0)
ONE = EndpointTotals(1, 1, 60, 0, 0)


def counted(name: str, *endpoints: str) -> Sample:
    """A capture whose commit adds one flow to each endpoint."""
    return replace(sample(name, flows=1), endpoints=dict.fromkeys(endpoints, ONE), totals={"captures": 1})


def flows(store: Store, sensor: str = "edge-1") -> dict[str, int]:
    return {name: totals.flows for name, totals in store.ledger(sensor).endpoints.items()}


def seal(lease: SensorLease, rule: Sealing = AFTER_ONE) -> None:
    assert lease.seal_if_due(rule)


def test_segment_is_sealed_behind_so_many_commits(store: Store) -> None:
    lease, rule = take(store), replace(AFTER_ONE, commits=3)
    sealed = []
    for number in range(7):
        load(lease, counted(f"{number}", "a"))
        sealed.append(lease.seal_if_due(rule))
    assert sealed == [False, False, True, False, False, True, False]
    assert lease.head.position == store.ledger("edge-1").position
    assert (lease.head.position.segment, lease.head.position.seq) == (2, 9)
    assert (flows(store), store.ledger("edge-1").totals) == ({"a": 7}, {"captures": 7})
    assert {record.sensor: record.segment for record in store.sensors()} == {"edge-1": 2}


def test_segment_is_sealed_behind_so_many_new_endpoints(store: Store) -> None:
    lease, rule = take(store), Sealing(endpoints=3)
    for endpoints, due in ((("a", "b"), False), (("b", "a"), False), (("c",), True), (("d", "e"), False), (("f", "a"), True)):
        load(lease, counted("".join(endpoints), *endpoints))
        assert lease.seal_if_due(rule) == due
    assert not lease.seal_if_due(replace(rule, commits=0, endpoints=0))  # nothing was committed since


def test_seal_is_a_step_of_the_chain(store: Store) -> None:
    lease = take(store)
    first = load(lease, counted("a", "a", "b"))
    seal(lease)
    second = load(lease, counted("b", "a"))
    (step,) = store.seals("edge-1", 0)
    assert step.position == LedgerPosition(segment=1, seq=2, nonce=step.position.nonce)
    assert step.previous == first.position.nonce
    assert [commit.previous for commit in store.commits("edge-1", 0)] == [b"", step.position.nonce]
    assert [commit.position for commit in store.commits("edge-1", 1)] == [second.position]
    assert [commit.position.seq for commit in store.commits("edge-1", 0, deltas=True) if commit.deltas] == [1, 3]
    assert store.seals("edge-1", 2) == []
    opening = store.opening("edge-1", 1)
    assert (opening.position, opening.endpoints, opening.totals) == (step.position, {"a": ONE, "b": ONE}, {"captures": 1})
    assert store.ledger("edge-1").last_loaded_at_ms > 0


def test_totals_of_a_ledger_without_endpoints_go_on(store: Store) -> None:
    lease = take(store)
    load(lease, counted("1"))
    seal(lease)
    load(lease, counted("2"))
    assert (store.opening("edge-1", 1).totals, store.ledger("edge-1").totals) == ({"captures": 1}, {"captures": 2})


def test_idle_endpoints_are_folded_and_begin_anew(store: Store) -> None:
    lease = take(store)
    load(lease, counted("1", "a", "b", "c"))
    load(lease, counted("2", "c"))
    seal(lease, replace(AFTER_ONE, idle=1))
    assert flows(store) == {"c": 2, FOLDED_ENDPOINT: 2}
    assert store.ledger("edge-1").totals == {"captures": 2, IDLE_TOTAL: 2}
    assert store.seals("edge-1", 0)[0].folded == {"a": ONE, "b": ONE}
    load(lease, counted("3", "a"))
    seal(lease, replace(AFTER_ONE, endpoints_kept=1))
    assert flows(store) == {"a": 1, FOLDED_ENDPOINT: 4}
    assert store.ledger("edge-1").totals == {"captures": 3, IDLE_TOTAL: 3}
    assert store.opening("edge-1", 2).endpoints == store.ledger("edge-1").endpoints


def test_those_with_a_series_stay(store: Store) -> None:
    admitted, evicted = Admission(admitted=True, base=EndpointTotals()), Admission(admitted=False, base=EndpointTotals())
    store.admit("office", 0, BookChange(positions={}, changed={"a": admitted, "b": evicted}))
    store.admit("factory", 0, BookChange(positions={}, changed={"c": admitted}))
    lease = take(store)
    load(lease, counted("1", "a", "b", "c", "_other"))
    seal(lease, ALL_IDLE)
    assert flows(store) == {"a": 1, "_other": 1, FOLDED_ENDPOINT: 2}


def test_lease_and_carried_state_go_on(store_factory: StoreFactory) -> None:
    store = store_factory()
    lease = take(store)
    load(lease, replace(counted("1", "a"), carried=b"open flows"))
    seal(lease)
    assert lease.carried() == b"open flows"
    lease.renew(now_ms() + 90_000)
    lease.release()
    again = take(store_factory())
    assert (again.head, again.carried()) == (lease.head, b"open flows")
    with pytest.raises(LeaseLostError):
        load(lease, counted("2", "a"))
    assert load(again, counted("2", "a")).position.seq == 3


def test_sleeper_neither_seals_nor_commits(store_factory: StoreFactory) -> None:
    sleeper = store_factory().take_sensor("edge-1", "office", owner(), now_ms() + 1)
    load(sleeper, counted("1", "a"))
    lease = store_factory().take_sensor("edge-1", "office", sleeper_of(store_factory), now_ms() + 60_000)
    for _ in range(2):
        with pytest.raises(LeaseLostError):
            sleeper.seal_if_due(AFTER_ONE)
        seal(lease)
        with pytest.raises(LeaseLostError):
            load(sleeper, counted("2", "a"))
        load(lease, counted(f"{lease.head.position.seq}", "a"))
    assert flows(store_factory()) == {"a": 3}


def sleeper_of(store_factory: StoreFactory) -> str:
    """Another owner, once the lease of the one before it has run out."""
    until = store_factory().sensors()[0].lease_until_ms
    while now_ms() <= until:
        pass
    return owner()


def test_loaded_is_loaded_for_ever(store_factory: StoreFactory) -> None:
    store = store_factory()
    lease = take(store)
    for number in range(6):
        load(lease, counted(f"{number}", "a"))
        seal(lease)
    assert [commit.position.segment for commit in store.commits("edge-1", 0)] == [5]
    other = take(store, "edge-2")
    for number in range(6):
        assert store.stands(id_of(f"{number}"))
        assert lease.begin(counted(f"{number}", "a").claim()) is ClaimRefusal.ALREADY_LOADED
        assert other.begin(counted(f"{number}", "a").claim()) is ClaimRefusal.ALREADY_LOADED
    assert store.opening("edge-1", 2).endpoints == {}
    assert store.ledger("edge-1").totals["captures"] == 6


STEPS = st.lists(
    st.one_of(
        st.lists(st.sampled_from("abcdef"), max_size=4, unique=True),
        st.builds(
            Sealing,
            commits=st.integers(1, 3),
            idle=st.integers(0, 4),
            endpoints_kept=st.integers(0, 6),
            segments_told=st.integers(1, 2),
            segments_kept=st.integers(1, 3),
        ),
    ),
    max_size=10,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_sums_do_not_move_and_openings_and_commits_add_up(store: Store, steps: list[list[str] | Sealing]) -> None:
    check_sums(store, steps)


def check_sums(store: Store, steps: list[list[str] | Sealing]) -> None:
    sensor = owner()
    lease, total = take(store, sensor), 0
    for number, step in enumerate(steps):
        if isinstance(step, Sealing):
            lease.seal_if_due(step)
        else:
            load(lease, replace(counted(f"{sensor} {number}", *step)))
            total += len(step)
        ledger = store.ledger(sensor)
        assert ledger.position == lease.head.position
        assert sum(totals.flows for totals in ledger.endpoints.values()) == total
        opening = store.opening(sensor, ledger.position.segment)
        assert added_up(opening, store, sensor) == (ledger.endpoints, ledger.totals)


def added_up(opening: LedgerTotals, store: Store, sensor: str) -> tuple[dict[str, EndpointTotals], Counter[str]]:
    sums, totals = dict(opening.endpoints), Counter(opening.totals)
    for commit in store.commits(sensor, opening.position.seq, deltas=True):
        deltas = commit.deltas or CommitDeltas(endpoints={}, totals={})
        for endpoint, gained in deltas.endpoints.items():
            sums[endpoint] = sums.get(endpoint, EndpointTotals()).plus(gained)
        totals.update(deltas.totals)
    return sums, totals

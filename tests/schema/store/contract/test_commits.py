"""A capture counts from one moment: its commit, its totals and its carried state become visible together or not at all."""

from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.errors import LeaseLostError
from schema.records import CommitDeltas, EndpointTotals, LedgerPosition
from schema.store.writing import Store
from tests.schema.store.factory import StoreFactory
from tests.schema.store.samples import Sample, abandon, id_of, load, now_ms, owner, sample, take

COUNTS = st.builds(EndpointTotals, *[st.integers(0, 2**40)] * 5)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
DELTAS = st.builds(
    lambda endpoints, totals: CommitDeltas(endpoints=endpoints, totals=totals),
    st.dictionaries(NAMES, COUNTS, max_size=4),
    st.dictionaries(NAMES, st.integers(0, 2**40), max_size=4),
)


def counted(deltas: CommitDeltas) -> Sample:
    """A new capture without rows that brings these totals."""
    base = sample(uuid4().hex)
    return Sample(facts=base.facts, rows={}, endpoints=deltas.endpoints, totals=deltas.totals)


def test_nothing_counts_before_the_commit(store_factory: StoreFactory) -> None:
    lease, reader, capture = take(store_factory()), store_factory("reader"), sample("a")
    with lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.write(capture.batches())
        assert reader.ledger("edge-1").position == LedgerPosition()
        assert list(reader.commits("edge-1", 0)) == []
        head = attempt.commit(capture.commit())
    assert reader.ledger("edge-1").position == head.position
    assert [commit.position for commit in reader.commits("edge-1", 0)] == [head.position]


def test_abandoned_attempt_never_counts(store: Store) -> None:
    lease = take(store)
    abandon(lease, sample("a"))
    assert store.ledger("edge-1").totals == {}
    assert lease.head.position == LedgerPosition()
    record = store.capture(id_of("a"))
    assert record is None or record.state == "claimed"


def test_error_in_an_attempt_never_counts(store: Store) -> None:
    lease, capture = take(store), sample("a")
    with pytest.raises(ZeroDivisionError), lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.write(capture.batches())
        raise ZeroDivisionError
    assert store.ledger("edge-1").position.seq == 0
    load(lease, capture)
    assert store.ledger("edge-1").position.seq == 1


def test_commit_as_the_ledger_keeps_it(store: Store) -> None:
    lease = take(store, network="office")
    capture = sample("a", flows=2)
    head = load(lease, capture)
    (commit,) = store.commits("edge-1", 0, deltas=True)
    assert (commit.sensor, commit.position, commit.previous) == ("edge-1", head.position, b"")
    assert (commit.capture_id, commit.frames) == (capture.capture_id, 40)
    assert (commit.flows, commit.flow_packets, commit.flow_bytes) == (2, 10, 4_000)
    assert commit.rows == {"flows": 2, "traffic_by_minute": 1, "dns_answers": 2}
    assert commit.non_flow == {"arp": 4}
    assert commit.deltas == CommitDeltas(endpoints=capture.endpoints, totals=capture.totals)
    totals = store.ledger("edge-1")
    assert (totals.sensor, totals.network, totals.position) == ("edge-1", "office", head.position)
    assert (totals.endpoints, totals.totals) == (capture.endpoints, capture.totals)
    assert totals.last_loaded_at_ms == commit.loaded_at_ms


def test_commits_form_a_chain(store: Store) -> None:
    lease = take(store)
    heads = [load(lease, sample(name)) for name in "abcd"]
    commits = list(store.commits("edge-1", 0))
    assert [commit.position for commit in commits] == [head.position for head in heads]
    assert [commit.position.seq for commit in commits] == [1, 2, 3, 4]
    assert len({commit.position.nonce for commit in commits}) == 4
    assert all(after.previous == before.position.nonce for before, after in pairwise(commits))
    assert [commit.position.seq for commit in store.commits("edge-1", 2)] == [3, 4]
    assert list(store.commits("edge-1", 4)) == []
    assert all(commit.deltas is None for commit in commits)


def test_lease_follows_its_commits(store: Store) -> None:
    lease = take(store)
    head = load(lease, sample("a"))
    assert lease.head == head
    lease.release()
    assert take(store).head == head


def test_sensor_without_a_commit(store: Store) -> None:
    take(store, network="office")
    empty = store.ledger("edge-1")
    assert (empty.network, empty.position, empty.endpoints, empty.totals) == ("office", LedgerPosition(), {}, {})
    assert empty.last_loaded_at_ms == 0
    assert store.ledger("never seen").position == LedgerPosition()
    assert store.opening("edge-1", 0).totals == {}


def test_ledgers_are_apart(store: Store) -> None:
    load(take(store, "edge-1"), sample("a"))
    load(take(store, "edge-2"), sample("b", flows=5))
    assert store.ledger("edge-1").totals["rows/flows"] == 3
    assert store.ledger("edge-2").totals["rows/flows"] == 5
    assert [commit.capture_id for commit in store.commits("edge-2", 0)] == [id_of("b")]


def test_commit_of_a_lost_lease_is_refused(store_factory: StoreFactory) -> None:
    first, store = store_factory(), store_factory()
    sleeper = first.take_sensor("edge-1", "office", owner(), now_ms() - 1)
    load(take(store), sample("a"))
    with pytest.raises(LeaseLostError):
        load(sleeper, sample("b"))
    assert store.ledger("edge-1").position.seq == 1
    record = store.capture(id_of("b"))
    assert record is None or record.state == "claimed"


def test_lost_lease_is_refused_although_nothing_was_committed_since(store_factory: StoreFactory) -> None:
    sleeper = store_factory().take_sensor("edge-1", "office", owner(), now_ms() - 1)
    store = store_factory()
    take(store)
    with pytest.raises(LeaseLostError):
        load(sleeper, sample("b"))
    assert store.ledger("edge-1").position.seq == 0


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DELTAS, min_size=1, max_size=5))
def test_totals_are_the_sum_of_the_deltas(store: Store, added: list[CommitDeltas]) -> None:
    sensor = uuid4().hex
    lease = take(store, sensor)
    for deltas in added:
        load(lease, counted(deltas))
    endpoints: dict[str, EndpointTotals] = {}
    totals: dict[str, int] = {}
    for commit in store.commits(sensor, 0, deltas=True):
        assert commit.deltas is not None
        for endpoint, gained in commit.deltas.endpoints.items():
            endpoints[endpoint] = endpoints.get(endpoint, EndpointTotals()).plus(gained)
        for name, value in commit.deltas.totals.items():
            totals[name] = totals.get(name, 0) + value
    ledger = store.ledger(sensor)
    assert (ledger.endpoints, ledger.totals, ledger.position.seq) == (endpoints, totals, len(added))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), st.binary(max_size=100)), max_size=6))
def test_carried_state_is_that_of_the_newest_commit_that_brought_any(store: Store, carried: list[bytes | None]) -> None:
    sensor = uuid4().hex
    lease = take(store, sensor)
    assert lease.carried() is None
    expected = None
    for state in carried:
        load(lease, sample(uuid4().hex, flows=0, carried=state))
        expected = expected if state is None else state
        assert lease.carried() == expected
    lease.release()
    assert take(store, sensor).carried() == expected


def test_large_carried_state(store_factory: StoreFactory) -> None:
    state = bytes(range(256)) * 12_000
    lease = take(store_factory())
    load(lease, sample("a", carried=state))
    lease.release()
    assert take(store_factory()).carried() == state


def test_carried_state_of_an_abandoned_attempt_is_not_seen(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a", carried=b"one"))
    abandon(lease, sample("b", carried=b"two"))
    assert lease.carried() == b"one"

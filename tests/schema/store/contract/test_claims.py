"""A content is loaded once, whatever its sensor, and everyone can read what became of it."""

import pytest

from schema.errors import LeaseLostError
from schema.store.reading import FlowQuery
from schema.store.writing import ClaimRefusal, Known, Store
from schema.tables import FLOWS
from tests.schema.store.factory import SteppedClock, StoreFactory
from tests.schema.store.samples import SERVER, abandon, facts, id_of, load, now_ms, owner, sample, scanned, take, with_inputs


def test_same_content_is_refused_for_ever(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a"))
    before = scanned(store, FLOWS)
    assert lease.begin(sample("a").claim()) is ClaimRefusal.ALREADY_LOADED
    assert scanned(store, FLOWS) == before
    assert store.ledger("edge-1").position.seq == 1


def test_same_content_from_another_sensor_is_refused(store: Store) -> None:
    load(take(store, "edge-1"), sample("a"))
    other = take(store, "edge-2")
    assert other.begin(sample("a").claim()) is ClaimRefusal.ALREADY_LOADED
    assert store.ledger("edge-2").position.seq == 0
    record = store.capture(id_of("a"))
    assert record is not None
    assert record.sensor == "edge-1"


def test_refusal_leaves_the_lease_at_work(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a"))
    lease.begin(sample("a").claim())
    load(lease, sample("b"))
    assert store.ledger("edge-1").position.seq == 2


def test_record_says_what_was_claimed_and_where_it_was_committed(store: Store) -> None:
    capture = with_inputs(sample("a", file_id="8:42"), decoder="native", prefix="00ff")
    head = load(take(store), capture)
    record = store.capture(capture.capture_id)
    assert record is not None
    assert record.facts == capture.facts
    assert record.inputs == capture.inputs
    assert (record.state, record.reason, record.position) == ("loaded", "", head.position)
    assert record.loaded_at_ms > 0
    assert store.capture(id_of("never seen")) is None
    assert store.capture(b"") is None  # a file without packets has no identity


def test_captures_by_sensor_and_state(store: Store) -> None:
    first, second = take(store, "edge-1"), take(store, "edge-2")
    load(first, sample("a"))
    load(second, sample("b"))
    first.quarantine(facts("c"), "not_a_capture", "no magic", now_ms())

    def ids(sensor: str | None = None, state: str | None = None) -> set[bytes]:
        return {record.facts.capture_id for record in store.captures(sensor, state)}

    assert ids() == {id_of("a"), id_of("b"), id_of("c")}
    assert ids(sensor="edge-1") == {id_of("a"), id_of("c")}
    assert ids(state="loaded") == {id_of("a"), id_of("b")}
    assert ids("edge-1", "quarantined") == {id_of("c")}
    assert ids("edge-2", "quarantined") == set()


def test_newest_committed_capture_of_a_file(store: Store) -> None:
    lease = take(store)
    load(lease, sample("first part", file_id="8:42"))
    load(lease, sample("its tail", file_id="8:42"))
    load(lease, sample("another file", file_id="8:43"))
    lease.quarantine(facts("not loaded", "8:42"), "not_a_capture", "no magic", now_ms())
    record = store.capture_of_origin("8:42")
    assert record is not None
    assert record.facts.capture_id == id_of("its tail")
    assert store.capture_of_origin("8:44") is None


def test_further_origins_lead_to_a_committed_capture(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a", file_id="8:42"))
    lease.note_origin("8:99", id_of("a"), now_ms())
    record = store.capture_of_origin("8:99")
    assert record is not None
    assert record.facts.capture_id == id_of("a")
    abandon(lease, sample("b", file_id="8:100"))
    assert store.capture_of_origin("8:100") is None


def test_what_is_known_before_a_claim(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a", file_id="8:42"))
    abandon(lease, sample("b"))
    loaded = store.capture(id_of("a"))
    assert loaded is not None
    for name in "ab":
        assert lease.look_up(id_of(name), "8:42") == Known(content=store.capture(id_of(name)), of_origin=loaded)
    for nobody_knows in (id_of("c"), b""):
        assert lease.look_up(nobody_knows, "8:44") == Known(content=None, of_origin=None)


def test_what_nobody_had_claimed_may_be_loaded_elsewhere_before_the_claim(store: Store) -> None:
    lease = take(store, "edge-1")
    assert lease.look_up(id_of("a"), "").content is None
    load(take(store, "edge-2"), sample("a"))
    assert lease.begin(sample("a").claim()) is ClaimRefusal.ALREADY_LOADED
    load(lease, sample("b"))


def test_what_is_looked_up_is_not_claimed_after_the_lease_is_lost(store_factory: StoreFactory) -> None:
    sleeper, store, capture = take(store_factory()), store_factory(), sample("a")
    assert sleeper.look_up(capture.capture_id, "").content is None
    sleeper.release()
    successor = take(store)
    abandon(successor, capture)
    with pytest.raises(LeaseLostError):
        sleeper.begin(with_inputs(capture, decoder="old").claim())
    with pytest.raises(LeaseLostError):
        sleeper.look_up(capture.capture_id, "")
    load(successor, capture)
    assert scanned(store, FLOWS) == sorted(capture.rows[FLOWS], key=repr)


def test_who_slept_after_looking_claims_nothing(store_factory: StoreFactory) -> None:
    clock = SteppedClock()
    sleeper, capture = (
        store_factory(clock=clock).take_sensor("edge-1", "office", owner(), int(clock.now * 1000) + 1_000),
        sample("a"),
    )
    assert sleeper.look_up(capture.capture_id, "").content is None
    clock.advance(2)
    store = store_factory(clock=clock)
    successor = take(store)
    with pytest.raises(LeaseLostError):
        sleeper.begin(capture.claim())
    assert store.capture(capture.capture_id) is None
    load(successor, capture)


def test_what_is_committed_stands_in_the_ledger(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a"))
    abandon(lease, sample("b"))
    lease.quarantine(facts("c"), "not_a_capture", "no magic", now_ms())
    assert [store.stands(id_of(name)) for name in ("a", "b", "c", "never seen")] == [True, False, False, False]


def test_file_without_an_inode_has_no_capture(store: Store) -> None:
    load(take(store), sample("a", file_id=""))
    assert store.capture_of_origin("") is None


def test_abandoned_attempt_with_the_same_inputs_is_written_again(store: Store) -> None:
    lease, capture = take(store), sample("a")
    abandon(lease, capture)
    load(lease, capture)
    assert scanned(store, FLOWS) == sorted(capture.rows[FLOWS], key=repr)
    recount = store.recount(capture.capture_id)
    assert recount.found == recount.expected


def test_abandoned_attempt_with_other_inputs_leaves_no_row(store: Store) -> None:
    lease = take(store)
    abandon(lease, with_inputs(sample("a", flows=9), bucket="day"))
    capture = with_inputs(sample("a", flows=2), bucket="hour")
    load(lease, capture)
    assert scanned(store, FLOWS) == sorted(capture.rows[FLOWS], key=repr)
    record = store.capture(capture.capture_id)
    assert record is not None
    assert record.inputs["bucket"] == "hour"


def test_attempt_is_taken_over_by_the_next_loader(store_factory: StoreFactory) -> None:
    sleeper = take(store_factory())
    abandon(sleeper, sample("a", flows=9))
    sleeper.release()
    store = store_factory()
    capture = sample("a", flows=2)
    load(take(store), capture)
    assert scanned(store, FLOWS) == sorted(capture.rows[FLOWS], key=repr)
    with pytest.raises(LeaseLostError):
        load(sleeper, sample("b"))


def test_quarantine_says_why(store: Store) -> None:
    take(store).quarantine(facts("a"), "not_a_capture", "its first bytes are those of no capture", now_ms())
    record = store.capture(id_of("a"))
    assert record is not None
    assert (record.state, record.reason) == ("quarantined", "not_a_capture")
    assert record.detail == "its first bytes are those of no capture"
    assert (record.position, record.loaded_at_ms) == (None, 0)


def test_quarantine_deletes_the_rows_of_an_unfinished_attempt(store: Store) -> None:
    lease = take(store)
    abandon(lease, sample("a"))
    lease.quarantine(facts("a"), "not_a_capture", "cut", now_ms())
    assert scanned(store, FLOWS) == []


def test_quarantined_content_may_be_loaded_later(store: Store) -> None:
    lease = take(store)
    lease.quarantine(facts("a"), "unsupported_link_type", "for now", now_ms())
    load(lease, sample("a"))
    record = store.capture(id_of("a"))
    assert record is not None
    assert (record.state, record.detail) == ("loaded", "")


def test_quarantine_does_not_touch_a_loaded_content(store: Store) -> None:
    lease = take(store)
    load(lease, sample("a"))
    take(store, "edge-2").quarantine(facts("a"), "not_a_capture", "no magic", now_ms())
    record = store.capture(id_of("a"))
    assert record is not None
    assert record.state == "loaded"
    assert len(store.flows(FlowQuery(destination=SERVER)).rows) == 3


def test_what_is_dismissed_is_told_no_more_until_it_comes_again(store: Store) -> None:
    lease = take(store)
    lease.quarantine(facts("a"), "not_a_capture", "no magic", now_ms())
    lease.quarantine(facts("b"), "not_a_capture", "no magic", now_ms())
    assert store.dismiss(id_of("a"))
    assert not store.dismiss(id_of("a"))
    assert {record.facts.capture_id for record in store.captures(None, "quarantined")} == {id_of("b")}
    record = store.capture(id_of("a"))
    assert record is not None
    assert (record.state, record.reason, record.detail) == ("dismissed", "not_a_capture", "no magic")
    lease.quarantine(facts("a"), "not_a_capture", "once more", now_ms())
    assert {record.facts.capture_id for record in store.captures(None, "quarantined")} == {id_of("a"), id_of("b")}


def test_only_what_is_quarantined_is_dismissed(store: Store) -> None:
    lease = take(store)
    load(lease, sample("loaded"))
    abandon(lease, sample("begun"))
    before = [store.capture(id_of(name)) for name in ("loaded", "begun")]
    assert not any(store.dismiss(id_of(name)) for name in ("loaded", "begun", "never seen"))
    assert not store.dismiss(b"")
    assert [store.capture(id_of(name)) for name in ("loaded", "begun")] == before


@pytest.mark.parametrize("sensor", ["edge-1", "edge-2"])
def test_dismissed_content_may_be_loaded_later_by_any_sensor(store: Store, sensor: str) -> None:
    lease = take(store, "edge-1")
    abandon(lease, sample("a", flows=9))
    lease.quarantine(facts("a"), "internal_error", "for now", now_ms())
    assert store.dismiss(id_of("a"))
    load(lease if sensor == "edge-1" else take(store, sensor), sample("a", flows=2))
    record = store.capture(id_of("a"))
    assert record is not None
    assert (record.state, record.sensor) == ("loaded", sensor)
    assert scanned(store, FLOWS) == sorted(sample("a", flows=2).rows[FLOWS], key=repr)

"""The exporter's book: raised by one version at a time, by whoever is first."""

from collections.abc import Mapping
from dataclasses import replace

from schema.records import Admission, AdmissionBook, BookChange, CommitDeltas, EndpointTotals, LedgerPosition
from schema.store.writing import Store
from tests.schema.store.factory import StoreFactory

IN = Admission(admitted=True, base=EndpointTotals(1, 2, 3, 4, 2**60), since_ms=1_780_000_000_000)
OUT = Admission(admitted=False, base=EndpointTotals(), shown=EndpointTotals(5, 4, 3, 2, 1))


def at(seqs: Mapping[str, int]) -> dict[str, LedgerPosition]:
    """Positions, each with a nonce."""
    return {sensor: LedgerPosition(segment=seq // 5, seq=seq, nonce=bytes([seq] * 16)) for sensor, seq in seqs.items()}


def to(seqs: Mapping[str, int], changed: Mapping[str, Admission]) -> BookChange:
    return BookChange(positions=at(seqs), changed=changed)


def test_book_begins_empty(store: Store) -> None:
    assert store.admissions("office") == AdmissionBook(network="office")


def test_raised_book_is_what_everyone_reads(store_factory: StoreFactory) -> None:
    store = store_factory()
    assert store.admit("office", 0, to({"edge-1": 7}, {"www.example.com": IN, "it's": OUT}))
    book = AdmissionBook(
        network="office", version=1, positions=at({"edge-1": 7}), admissions={"www.example.com": IN, "it's": OUT}
    )
    assert store.admissions("office") == book
    assert store_factory("reader").admissions("office") == book


def test_only_what_changed_changes(store: Store) -> None:
    store.admit("office", 0, to({"edge-1": 7}, {"a": IN, "b": IN}))
    assert store.admit("office", 1, to({"edge-1": 9, "edge-2": 1}, {"b": OUT}))
    book = store.admissions("office")
    assert (book.version, book.positions) == (2, at({"edge-1": 9, "edge-2": 1}))
    assert book.admissions == {"a": IN, "b": OUT}


def test_book_may_be_raised_without_a_change(store: Store) -> None:
    assert store.admit("office", 0, to({"edge-1": 1}, {}))
    assert store.admit("office", 1, to({"edge-1": 2}, {}))
    assert store.admissions("office").positions == at({"edge-1": 2})


def test_second_is_refused_and_changes_nothing(store_factory: StoreFactory) -> None:
    first, second = store_factory(), store_factory()
    assert first.admit("office", 0, to({"edge-1": 7}, {"a": IN}))
    assert not second.admit("office", 0, to({"edge-1": 8}, {"b": IN}))
    assert not second.admit("office", 2, to({"edge-1": 8}, {"b": IN}))
    assert second.admissions("office").admissions == {"a": IN}
    assert second.admissions("office").positions == at({"edge-1": 7})
    assert second.admit("office", 1, to({"edge-1": 8}, {"b": IN}))


def test_books_of_networks_are_apart(store: Store) -> None:
    assert store.admit("office", 0, to({"edge-1": 7}, {"a": IN}))
    assert store.admit("factory", 0, to({"edge-2": 1}, {"b": IN}))
    assert store.admissions("factory").admissions == {"b": IN}
    assert store.admissions("office").admissions == {"a": IN}


def test_high_water_stands_until_it_is_raised_without_one(store: Store) -> None:
    high_water = CommitDeltas(
        endpoints={"a": EndpointTotals(5, 4, 3, 2, 2**60), "_other": EndpointTotals(1)}, totals={"frames": 7}
    )
    store.admit("office", 0, replace(to({"edge-1": 7}, {"a": IN}), high_water=high_water))
    assert store.admissions("office").high_water == high_water
    store.admit("office", 1, to({"edge-1": 8}, {}))
    assert store.admissions("office") == AdmissionBook(
        network="office", version=2, positions=at({"edge-1": 8}), admissions={"a": IN}
    )


def test_total_at_admission_may_be_less_than_nothing(store: Store) -> None:
    folded = Admission(admitted=True, base=EndpointTotals(-1, -2, -3, -4, -(2**60)))
    store.admit("office", 0, to({"edge-1": 7}, {"a": folded}))
    assert store.admissions("office").admissions == {"a": folded}

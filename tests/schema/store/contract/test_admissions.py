"""The exporter's book: raised by one version at a time, by whoever is first."""

from schema.records import Admission, AdmissionBook, EndpointTotals
from schema.store.port import Store
from tests.schema.store.factory import StoreFactory

IN = Admission(admitted=True, base=EndpointTotals(1, 2, 3, 4, 2**60))
OUT = Admission(admitted=False, base=EndpointTotals(), shown=EndpointTotals(5, 4, 3, 2, 1))


def test_book_begins_empty(store: Store) -> None:
    assert store.admissions("office") == AdmissionBook(network="office")


def test_raised_book_is_what_everyone_reads(store_factory: StoreFactory) -> None:
    store = store_factory()
    assert store.admit("office", 0, {"edge-1": 7}, {"www.example.com": IN, "it's": OUT})
    book = AdmissionBook(network="office", version=1, positions={"edge-1": 7}, admissions={"www.example.com": IN, "it's": OUT})
    assert store.admissions("office") == book
    assert store_factory("reader").admissions("office") == book


def test_only_what_changed_changes(store: Store) -> None:
    store.admit("office", 0, {"edge-1": 7}, {"a": IN, "b": IN})
    assert store.admit("office", 1, {"edge-1": 9, "edge-2": 1}, {"b": OUT})
    book = store.admissions("office")
    assert (book.version, book.positions) == (2, {"edge-1": 9, "edge-2": 1})
    assert book.admissions == {"a": IN, "b": OUT}


def test_book_may_be_raised_without_a_change(store: Store) -> None:
    assert store.admit("office", 0, {"edge-1": 1}, {})
    assert store.admit("office", 1, {"edge-1": 2}, {})
    assert store.admissions("office").positions == {"edge-1": 2}


def test_second_is_refused_and_changes_nothing(store_factory: StoreFactory) -> None:
    first, second = store_factory(), store_factory()
    assert first.admit("office", 0, {"edge-1": 7}, {"a": IN})
    assert not second.admit("office", 0, {"edge-1": 8}, {"b": IN})
    assert not second.admit("office", 2, {"edge-1": 8}, {"b": IN})
    assert second.admissions("office").admissions == {"a": IN}
    assert second.admissions("office").positions == {"edge-1": 7}
    assert second.admit("office", 1, {"edge-1": 8}, {"b": IN})


def test_books_of_networks_are_apart(store: Store) -> None:
    assert store.admit("office", 0, {"edge-1": 7}, {"a": IN})
    assert store.admit("factory", 0, {"edge-2": 1}, {"b": IN})
    assert store.admissions("factory").admissions == {"b": IN}
    assert store.admissions("office").admissions == {"a": IN}

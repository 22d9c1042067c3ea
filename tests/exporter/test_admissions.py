"""Whatever is committed, admitted and evicted: nothing goes down, and all that is shown adds up to the ledger."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from exporter.admissions import Change, Series, counted_series, decide, over_high_water, sum_of
from exporter.chain import add_totals
from schema.records import (
    ADMISSION_OCTETS,
    MAX_CHANGE_OCTETS,
    NO_TOTALS,
    OTHER_ENDPOINT,
    Admission,
    AdmissionBook,
    EndpointTotals,
)

NAMES = ["a.example", "b.example", "c.example", "d.example", "192.0.2.9", OTHER_ENDPOINT]
counts = st.integers(0, 1 << 40)
deltas = st.dictionaries(
    st.sampled_from(NAMES), st.builds(EndpointTotals, st.integers(1, 1000), counts, counts, counts, counts), max_size=4
)
steps = st.lists(st.tuples(deltas, st.integers(1, 5)), max_size=25)


def grown(growth: Mapping[str, EndpointTotals]) -> Change:
    return Change(growth=growth, folded={})


def raised(book: AdmissionBook, changed: Mapping[str, Admission]) -> AdmissionBook:
    return AdmissionBook(network=book.network, version=book.version + 1, admissions={**book.admissions, **changed})


def shown_by(book: AdmissionBook, totals: Mapping[str, EndpointTotals]) -> Series:
    return over_high_water(counted_series(book, totals), book)


def assert_never_less(before: Series, after: Series) -> None:
    for endpoint in before.shown.keys() & after.shown.keys():
        assert min(after.shown[endpoint].minus(before.shown[endpoint])) >= 0, endpoint
    assert min(after.other.minus(before.other)) >= 0


@given(steps)
def test_series_never_go_down_and_add_up(history: list[tuple[dict[str, EndpointTotals], int]]) -> None:
    book, totals = AdmissionBook(network="lan"), dict[str, EndpointTotals]()
    shown = shown_by(book, totals)
    last_shown = dict[str, EndpointTotals]()
    for growth, limit in history:
        add_totals(totals, growth)
        book = raised(book, decide(book, totals, grown(growth), limit))
        after = shown_by(book, totals)
        assert after.whole == sum_of(totals.values())
        assert_never_less(shown, after)
        assert len(after.shown) <= limit
        assert OTHER_ENDPOINT not in after.shown
        for endpoint, value in after.shown.items():
            assert min(value.minus(last_shown.get(endpoint, NO_TOTALS))) >= 0, "a series came back lower than it left"
        last_shown |= after.shown
        shown = after


@given(deltas, st.integers(1, 5))
def test_the_first_commit_counts_in_its_own_series(first: dict[str, EndpointTotals], limit: int) -> None:
    empty = AdmissionBook(network="lan")
    shown = shown_by(raised(empty, decide(empty, first, grown(first), limit)), first)
    by_size = sorted((name for name in first if name != OTHER_ENDPOINT), key=lambda name: (-first[name].flows, name))
    assert dict(shown.shown) == {name: first[name] for name in by_size[:limit]}


@given(steps, deltas)
def test_admitting_and_evicting_move_nothing(
    history: list[tuple[dict[str, EndpointTotals], int]], more: dict[str, EndpointTotals]
) -> None:
    """At the positions where a change takes effect, every sum is what it was."""
    book, totals = AdmissionBook(network="lan"), dict[str, EndpointTotals]()
    for growth, limit in history:
        add_totals(totals, growth)
        book = raised(book, decide(book, totals, grown(growth), limit))
    after = dict(totals)
    add_totals(after, more)
    for limit in (1, 5):
        changed = raised(book, decide(book, after, grown(more), limit))
        before_change, after_change = shown_by(book, totals), shown_by(changed, totals)
        stayed = before_change.shown.keys() & after_change.shown.keys()
        assert {name: before_change.shown[name] for name in stayed} == {name: after_change.shown[name] for name in stayed}
        assert after_change.other == before_change.other
        assert after_change.whole == before_change.whole


def test_a_lower_limit_evicts_the_fewest_flows_first() -> None:
    totals = {"big": EndpointTotals(9), "small": EndpointTotals(2), "middle": EndpointTotals(5)}
    empty = AdmissionBook(network="lan")
    book = raised(empty, decide(empty, totals, grown(totals), 3))
    changed = decide(book, totals, grown({}), 1)
    assert {name: admission.shown.flows for name, admission in changed.items()} == {"small": 2, "middle": 5}
    assert shown_by(raised(book, changed), totals).retired == EndpointTotals(7)


def test_without_a_change_nothing_is_decided() -> None:
    totals = {"a": EndpointTotals(1), "b": EndpointTotals(1)}
    empty = AdmissionBook(network="lan")
    book = raised(empty, decide(empty, totals, grown(totals), 1))
    assert list(book.admissions) == ["a"]
    assert decide(book, totals, grown({}), 2) == {}


def test_a_change_is_bounded_by_what_a_store_takes_at_once() -> None:
    """The rest comes, or goes, another time; what is shown adds up meanwhile."""
    growth = {f"{n:05}{'x' * 1_000}": EndpointTotals(1 + n) for n in range(9_000)}
    room = MAX_CHANGE_OCTETS // (ADMISSION_OCTETS + len("lan") + 1_005)
    largest_first = list(growth)[::-1]
    none = AdmissionBook(network="lan")
    some = raised(none, decide(none, growth, grown(growth), 9_000))
    assert list(some.admissions) == largest_first[:room]
    all_of_them = raised(some, decide(some, growth, grown(growth), 9_000))
    assert list(all_of_them.admissions) == largest_first
    fewer = raised(all_of_them, decide(all_of_them, growth, grown({}), 1))
    shown = shown_by(fewer, growth)
    assert sorted(shown.shown, reverse=True) == largest_first[:-room]
    assert shown.whole == sum_of(growth.values())
    fewest = raised(fewer, decide(fewer, growth, grown({}), 1))
    assert list(shown_by(fewest, growth).shown) == largest_first[:1]

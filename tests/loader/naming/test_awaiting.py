"""Rows that await a name: from capture to capture, bounded, and named by what comes."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.naming import awaiting
from loader.naming.awaiting import MAX_AWAITING, Awaiting, Waitlist, settle
from loader.naming.cache import NameCache
from loader.naming.choice import NamingRules
from schema.records import FlowKey

from .facts import ALICE, BOB, CDN, WEB, Row, stored
from .test_names import Store, names_of

MS = 1_000_000
RULES = NamingRules()
times = st.integers(-(2**62), 2**62)
addresses = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)
ids = st.binary(min_size=16, max_size=16)
frames = st.integers(1, 2**31 - 1)
keys = st.builds(
    FlowKey,
    addresses,
    st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=16),
    times,
    st.integers(0, 999_999),
    ids,
    frames,
)
entries = st.builds(Awaiting, times, keys, addresses)


@given(st.lists(entries, max_size=5))
def test_what_is_stored_is_what_comes_back(waiting: list[Awaiting]) -> None:
    records = awaiting.decode(b"".join(entry.record() for entry in waiting), len(waiting))
    assert list(map(Awaiting.of, records)) == waiting
    assert [Awaiting.of(record).start_ns for record in sorted(records)] == sorted(entry.start_ns for entry in waiting)


@given(st.lists(entries, min_size=1, max_size=3), st.data())
def test_other_bytes_are_told(waiting: list[Awaiting], data: st.DataObject) -> None:
    encoded = b"".join(entry.record() for entry in waiting)
    for other in (encoded[: data.draw(st.integers(0, len(encoded) - 1))], encoded + b"x"):
        with pytest.raises(ValueError, match="flows that await"):
            awaiting.decode(other, len(waiting))


@given(st.lists(entries, max_size=20), st.lists(entries, max_size=20), times)
def test_those_that_waited_and_the_new_ones_wait_on_in_one_order(
    before: list[Awaiting], new: list[Awaiting], clock_ns: int
) -> None:
    rules = NamingRules(late_ns=2**61)
    waitlist = Waitlist(clock_ns, rules)
    for entry in new:
        waitlist.add(entry)
    waitlist.add_waiting(sorted(entry.record() for entry in before))
    left = [entry.record() for entry in (*before, *new) if abs(entry.start_ns - clock_ns) <= rules.late_ns]
    assert waitlist.records() == sorted(left)


def waits(start_ms: int, client: bytes = ALICE, frame: int = 1) -> Awaiting:
    return Awaiting(start_ms * MS, FlowKey(WEB, "2026-01-01T00", start_ms, 0, bytes(16), frame), client)


def test_a_late_answer_names_the_row_of_its_client() -> None:
    waiting = [waits(1000).record(), waits(1000, BOB, 2).record()]
    repairs, left = settle(waiting, names_of((ALICE, WEB, 2000, 60, "a.example", True)))
    assert [(repair.key.frame, *repair[1:]) for repair in repairs] == [(1, "a.example", "dns_late", False)]
    assert left == waiting[1:]


def settled(store: Store, waiting: list[bytes], row: Row) -> tuple[list[tuple[str, str]], Sequence[bytes]]:
    """By a capture with this answer alone, on what is in the store, where it is afterwards."""
    repairs, left = settle(waiting, names_of(row, stored=store.names(NameCache(100, RULES))))
    store.rows.append(stored(row, bytes([len(store.rows)]) * 16, 1))
    return [(repair.hostname, repair.evidence) for repair in repairs], left


def test_an_answer_that_nobody_asked_for_names_until_one_comes_that_was() -> None:
    store, waiting = Store(), [waits(1000).record()]
    assert settled(store, waiting, (ALICE, WEB, 2000, 60, "forged", False)) == ([("forged", "dns_late")], waiting)
    assert settled(store, waiting, (ALICE, WEB, 2500, 60, "forged", False)) == ([], waiting)
    assert settled(store, waiting, (ALICE, WEB, 3000, 60, "true.example", True)) == ([("true.example", "dns_late")], [])


def test_a_row_that_a_capture_out_of_order_named_waits_no_more() -> None:
    store, waiting = Store(), [waits(1000).record()]
    store.rows.append(stored((ALICE, WEB, 900, 60, "right.example", True), bytes(16), 1))
    assert settled(store, waiting, (ALICE, WEB, 2000, 60, "wrong.example", True)) == ([], [])


def test_what_comes_too_late_or_for_another_address_names_nothing() -> None:
    waiting = [waits(1000).record()]
    answers = names_of((ALICE, WEB, 301_001, 60, "late", True), (ALICE, CDN, 1500, 60, "other", True))
    assert settle(waiting, answers) == ([], waiting)


def test_rows_wait_as_long_as_late_answers_count_by_packet_time() -> None:
    waitlist = Waitlist(1_000_000 * MS, RULES)
    for start_ms in (699_999, 700_000, 1_000_000, 4_000_000_000):
        waitlist.add(waits(start_ms))
    assert [Awaiting.of(record).start_ns // MS for record in waitlist.records()] == [700_000, 1_000_000]
    assert waitlist.given_up == 0


@pytest.mark.parametrize("seed", range(3))
def test_those_that_started_longest_ago_are_given_up_first(seed: int) -> None:
    many = [waits(1000, frame=frame) for frame in range(2 * MAX_AWAITING)] + [waits(2000, frame=9)]
    Random(seed).shuffle(many)
    waitlist = Waitlist(3000 * MS, RULES)
    for entry in many:
        waitlist.add(entry)
    left = list(map(Awaiting.of, waitlist.records()))
    assert (len(left), waitlist.given_up) == (MAX_AWAITING, MAX_AWAITING + 1)
    assert left == [*(waits(1000, frame=frame) for frame in range(MAX_AWAITING + 1, 2 * MAX_AWAITING)), waits(2000, frame=9)]

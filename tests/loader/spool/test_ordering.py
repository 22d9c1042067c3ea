from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loader.spool.ordering import in_order, next_file

GAP_WAIT_S = 10.0
NOW = 1000.0


@dataclass(frozen=True)
class Candidate:
    path: Path
    sequence: int | None = None
    first_ts_ns: int | None = None
    ready_since: float | None = None

    def ready_at(self, _now: float) -> float | None:
        return self.ready_since


READY = st.one_of(st.none(), st.floats(900, NOW))
NUMBERED = st.builds(
    lambda number, ready: Candidate(path=Path(f"n{number:04d}"), sequence=number, ready_since=ready), st.integers(0, 30), READY
)
TIMED = st.builds(
    lambda number, first, ready: Candidate(path=Path(f"t{number}"), first_ts_ns=first, ready_since=ready),
    st.integers(0, 1000),
    st.one_of(st.none(), st.integers(0, 50)),
    READY,
)
FILES = st.lists(st.one_of(NUMBERED, TIMED), max_size=12, unique_by=lambda file: file.path)
EXPECTED = st.one_of(st.none(), st.integers(0, 31))


def ready(number: int, since: float = NOW) -> Candidate:
    return Candidate(path=Path(f"n{number}"), sequence=number, ready_since=since)


@given(FILES, EXPECTED, st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_a_listing(files, expected, random):
    chosen = next_file(in_order(files), expected, NOW, GAP_WAIT_S)
    random.shuffle(files)
    assert next_file(in_order(files), expected, NOW, GAP_WAIT_S) == chosen


@given(FILES, EXPECTED)
def test_only_what_is_ready_is_chosen_and_nothing_ready_waits_longer_than_the_bound(files, expected):
    chosen = next_file(in_order(files), expected, NOW, GAP_WAIT_S)
    since = [file.ready_since for file in files if file.ready_since is not None]
    late = [file for file in files if file.sequence is not None and file.sequence < (expected or 0)]
    if chosen is None:
        assert all(NOW - moment < GAP_WAIT_S for moment in since)
        assert all(file.ready_since is None for file in late)
    else:
        assert chosen.ready_since is not None


@given(FILES, EXPECTED)
def test_no_chosen_file_comes_before_a_ready_one_of_a_lower_number(files, expected):
    chosen = next_file(in_order(files), expected, NOW, GAP_WAIT_S)
    floor = expected or 0
    if chosen is not None and chosen.sequence is not None and chosen.sequence >= floor:
        between = [
            file
            for file in files
            if file.ready_since is not None and file.sequence is not None and floor <= file.sequence < chosen.sequence
        ]
        assert not between


@given(st.lists(st.integers(0, 200), unique=True, max_size=40), st.integers(0, 200))
def test_a_backlog_is_worked_off_in_its_numbers_whatever_is_missing(numbers, begin):
    waiting, expected, order = [ready(number, NOW - GAP_WAIT_S) for number in numbers], begin, []
    while chosen := next_file(in_order(waiting), expected, NOW, GAP_WAIT_S):
        waiting.remove(chosen)
        order.append(chosen.sequence)
        expected = max(expected, chosen.sequence + 1)
    assert not waiting
    assert order == sorted(n for n in numbers if n >= begin) + sorted(n for n in numbers if n < begin)


def test_a_missing_number_is_waited_for_and_then_given_up():
    assert next_file([ready(5)], 4, NOW, GAP_WAIT_S) is None
    assert next_file([ready(5)], 4, NOW + GAP_WAIT_S, GAP_WAIT_S) == ready(5)
    assert next_file([ready(5)], 5, NOW, GAP_WAIT_S) == ready(5)
    assert next_file([ready(5)], None, NOW, GAP_WAIT_S) == ready(5)


def test_a_late_file_waits_for_none():
    assert next_file([ready(3)], 10, NOW, GAP_WAIT_S) == ready(3)
    assert next_file([ready(3), ready(12)], 10, NOW, GAP_WAIT_S) == ready(3)
    assert next_file([ready(3), ready(10)], 10, NOW, GAP_WAIT_S) == ready(10)


def test_an_earlier_file_that_still_grows_is_waited_for_but_not_one_of_unknown_time():
    grows = Candidate(path=Path("a"), first_ts_ns=1)
    complete = Candidate(path=Path("b"), first_ts_ns=2, ready_since=NOW)
    assert next_file(in_order([complete, grows]), None, NOW, GAP_WAIT_S) is None
    assert next_file(in_order([complete, grows]), None, NOW + GAP_WAIT_S, GAP_WAIT_S) == complete
    header_only = Candidate(path=Path("a"))
    assert next_file(in_order([complete, header_only]), None, NOW, GAP_WAIT_S) == complete

"""Sums by key: what went through files is what would have stayed in memory, wherever the cuts fall."""

from collections import Counter
from contextlib import closing
from itertools import islice
from operator import add
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.decode.columns import FlowColumns, MinuteColumns
from loader.rows.sums import Sums
from loader.rows.tallies import EndpointTally, MinuteTally, _Ranking
from schema.bucketpolicy import BucketPolicy
from schema.records import ENDPOINT_OCTETS, MAX_COMMIT_ENDPOINTS, MAX_COMMIT_OCTETS, OTHER_ENDPOINT, EndpointTotals

SENSOR = "edge-1"
BESIDE_NAME = ENDPOINT_OCTETS + len(SENSOR)
BOUNDS = st.tuples(st.integers(2, 8), st.integers(0, 8 * (BESIDE_NAME + 6)))  # endpoints, octets
KEYS = st.tuples(st.binary(max_size=2), st.integers(0, 3))


def summed(batches: list[list[tuple[bytes, int]]], limit: int) -> list[tuple[tuple[bytes, int], int]]:
    held: Counter[tuple[bytes, int]] = Counter()
    with closing(Sums(held, add, limit)) as sums:
        for batch in batches:
            held.update(batch)
            sums.relieve()
        once = list(sums)
        assert list(sums) == once, "as often as asked"
    return once


@given(st.lists(st.lists(KEYS, max_size=6), max_size=60), st.integers(0, 12))
def test_files_change_no_sum(batches: list[list[tuple[bytes, int]]], limit: int) -> None:
    """60 runs of a handful: runs of runs too."""
    once = summed(batches, limit)
    assert len(once) == len(dict(once)), "each key once"
    assert dict(once) == Counter(key for batch in batches for key in batch)


@pytest.mark.parametrize("limit", [0, 700, 5_000])
def test_many_keys_come_in_order(limit: int) -> None:
    batches = [
        [((n * 7919 % 20_011).to_bytes(2, "big"), n % 2) for n in range(start, start + 500)] for start in range(0, 40_000, 500)
    ]
    once = summed(batches, limit)
    assert once == sorted(Counter(key for batch in batches for key in batch).items())


def test_who_stops_halfway_is_in_nobodys_way() -> None:
    held: Counter[int] = Counter()
    with closing(Sums(held, add, 10)) as sums:
        for start in range(0, 9_000, 30):
            held.update(range(start, start + 60))
            sums.relieve()
        begun = iter(sums)
        assert list(islice(begun, 3)) == [(0, 1), (1, 1), (2, 1)]
        assert len(list(sums)) == 9_030
        assert len(list(begun)) == 9_027


FLOWS = st.lists(
    st.tuples(
        st.sampled_from([b"\x0a\0\0\1", b"\x0a\0\0\2", bytes(16)]),
        st.sampled_from("abcd"),
        st.integers(0, 3),
        st.integers(0, 9),
    ),
    max_size=5,
)


@given(st.lists(FLOWS, max_size=12), st.integers(0, 6))
def test_files_change_no_minute_and_no_endpoint(parts: list[list[tuple[bytes, str, int, int]]], limit: int) -> None:
    def tallied(limit: int) -> tuple[set[tuple[object, ...]], dict[str, EndpointTotals]]:
        with closing(MinuteTally(limit)) as minutes, closing(EndpointTally(SENSOR, limit)) as endpoints:
            for part in parts:
                count = len(part)
                flows = FlowColumns(
                    destination_ip=[address for address, *_ in part],
                    frame=range(count),
                    first_ts_ns=[minute * 60_000_000_000 for _, _, minute, _ in part],
                    **{name: [size for *_, size in part] for name in ("packets", "bytes", "packets_rev", "bytes_rev")},
                )
                of = MinuteColumns(range(count), [minute for _, _, minute, _ in part], *[[size for *_, size in part]] * 4)
                names = [name for _, name, *_ in part]
                minutes.count(names, flows, of)
                endpoints.count(names, flows)
            rows = [row for batch in minutes.rows("edge", BucketPolicy("hour")) for row in batch.rows()]
            assert len(rows) == len(set(rows))
            return set(rows), endpoints.deltas()[0]

    assert tallied(limit) == tallied(1_000)


def test_the_ranking_is_that_of_all_wherever_it_was_cut() -> None:
    """As few are kept meanwhile as may be; the rest of the rest is what is left of all."""
    count = 2 * MAX_COMMIT_ENDPOINTS + 17
    gained = {f"host-{n * 7919 % count:06}.example": [1 + n % 5, n, 2 * n, 3, n % 7] for n in range(count)}
    ranking = _Ranking(SENSOR)
    for endpoint, counts in gained.items():
        ranking.add(endpoint, counts)
    deltas, folded = ranking.result()
    ranked = sorted(gained, key=lambda endpoint: (-gained[endpoint][0], endpoint))
    kept, rest = ranked[: MAX_COMMIT_ENDPOINTS - 1], ranked[MAX_COMMIT_ENDPOINTS - 1 :]
    assert folded == len(rest)
    assert deltas.pop(OTHER_ENDPOINT) == EndpointTotals(*(sum(gained[endpoint][n] for endpoint in rest) for n in range(5)))
    assert deltas == {endpoint: EndpointTotals(*gained[endpoint]) for endpoint in kept}


@given(st.dictionaries(st.text("ab", min_size=1, max_size=12), st.integers(1, 9), max_size=24), st.randoms(), BOUNDS)
def test_what_is_ranked_does_not_depend_on_the_order(gained: dict[str, int], order: Random, most: tuple[int, int]) -> None:
    def ranked(endpoints: list[str]) -> tuple[dict[str, EndpointTotals], int]:
        ranking = _Ranking(SENSOR, *most)
        for endpoint in endpoints:
            ranking.add(endpoint, [gained[endpoint], 1, 2, 3, 4])
        return ranking.result()

    endpoints = sorted(gained, key=lambda endpoint: (-gained[endpoint], endpoint))
    shuffled = order.sample(endpoints, len(endpoints))
    deltas, folded = ranked(endpoints)
    assert ranked(shuffled) == (deltas, folded)
    told = [endpoint for endpoint in deltas if endpoint != OTHER_ENDPOINT]
    assert told == endpoints[: len(told)]
    assert len(deltas) <= most[0] and sum(BESIDE_NAME + len(endpoint) for endpoint in told) <= most[1]
    assert folded == len(endpoints) - len(told)


def test_endpoints_that_just_fit_are_all_told() -> None:
    ranking = _Ranking(SENSOR)
    for n in range(MAX_COMMIT_ENDPOINTS):
        ranking.add(f"{n}.example", [1, 1, 1, 0, 0])
    deltas, folded = ranking.result()
    assert (len(deltas), folded) == (MAX_COMMIT_ENDPOINTS, 0)
    assert OTHER_ENDPOINT not in deltas


@pytest.mark.parametrize(("sensor", "name"), [(SENSOR, "x" * 1_000), ("s" * 64, "x" * 20), (SENSOR, "\u00e9" * 100)])
def test_endpoints_are_bounded_by_what_they_take_of_a_message(sensor: str, name: str) -> None:
    ranking, many = _Ranking(sensor), MAX_COMMIT_ENDPOINTS - 1
    names = [f"{name}{n:05}" for n in range(many)]
    for n, endpoint in enumerate(names):
        ranking.add(endpoint, [many - n, 1, 1, 0, 0])
    deltas, folded = ranking.result()
    room = MAX_COMMIT_OCTETS // (ENDPOINT_OCTETS + len(sensor.encode()) + len(name.encode()) + 5)
    assert room < many
    assert list(deltas) == [*names[:room], OTHER_ENDPOINT]
    assert folded == many - room

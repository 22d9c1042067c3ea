"""What is let go of a client's facts, and that no flow of later would have needed it."""

from array import array
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loader.naming.choice import NamingRules
from loader.naming.facts import Fact, Told
from loader.naming.facttable import FactTable, addresses_of
from loader.naming.needed import needed

from .facts import ALICE, BOB, CDN, WEB

RULES = NamingRules(grace_ns=3, late_ns=6)
told = st.builds(
    lambda at, capture, frame, name, ttl, asked: Told(at, capture, frame, name, at + ttl, asked),
    st.integers(0, 20),
    st.sampled_from([b"1", b"2"]),
    st.integers(1, 3),
    st.sampled_from("ab"),
    st.integers(0, 15),
    st.booleans(),
)
facts = st.lists(
    st.builds(Fact, st.sampled_from([ALICE, BOB]), st.sampled_from([WEB, CDN]), told),
    max_size=24,
    unique_by=lambda fact: (fact.client, fact.address, fact.told[:4]),
)


def named(kept: list[Fact], start: int) -> list[object]:
    """All that can be asked of a table about flows that start then."""
    table = FactTable(RULES)
    assert not table.add(kept)
    ends = [(client, address) for client in (ALICE, BOB) for address in (WEB, CDN)]
    clients, addresses = (addresses_of([end[at] for end in ends]) for at in (0, 1))
    starts = array("Q", [start] * len(ends))
    codes = table.look(clients, addresses, starts)
    conflicts = [bytes(table.compare(clients, addresses, starts, [said] * len(ends))) for said in "abc"]
    # a late answer is kept with a row that awaits a better one: it is the very same
    late = [table.found(code) for code, name in zip(codes, table.names(codes), strict=True) if name and name.fact]
    return [[name and name[:2] for name in table.names(codes)], conflicts, late]


@given(facts, st.integers(0, 25), st.integers(0, 20))
def test_flows_from_the_horizon_on_are_named_as_by_all_facts(all_of_them: list[Fact], horizon: int, later: int) -> None:
    kept = list(needed(all_of_them, horizon))
    assert set(kept) <= set(all_of_them)
    assert named(kept, horizon + later) == named(all_of_them, horizon + later)


@given(facts, facts, st.integers(0, 25), st.integers(0, 20), st.randoms(use_true_random=False))
def test_parts_that_were_sifted_before_give_what_the_whole_gives(
    one: list[Fact], other: list[Fact], horizon: int, earlier: int, random: Random
) -> None:
    whole = list(dict.fromkeys([*one, *other]))
    parts = [*needed(one, max(0, horizon - earlier)), *needed(other, horizon)]
    random.shuffle(parts)
    assert set(needed(parts, horizon)) == set(needed(whole, horizon))


def test_a_name_that_is_told_again_and_again_is_kept_once() -> None:
    minutes = [Fact(ALICE, WEB, Told(60 * at, b"1", 1, "www.example.com", 60 * at + 90, asked=True)) for at in range(10_000)]
    assert list(needed(minutes, 60 * 9_998)) == minutes[9_998:]
    assert list(needed(minutes, 0)) == minutes


def test_of_a_pair_the_oldest_comes_first_and_the_newest_stays() -> None:
    renamed = [Fact(ALICE, WEB, Told(at, b"1", 1, name, at + 90, asked=False)) for at, name in enumerate("abab")]
    assert list(needed(reversed(renamed), 100)) == renamed[2:]

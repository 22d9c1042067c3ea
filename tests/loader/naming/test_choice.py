"""The choice among facts: every rule of it, and what it does not depend on."""

from array import array
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.naming.choice import LATER, UNNAMED, Found, Name, NamingRules, better, choose, named
from loader.naming.facts import Fact, Told
from loader.naming.facttable import TOLD_OTHERS, FactTable, addresses_of

from .facts import ALICE, BOB, CDN, WEB, best

RULES = NamingRules(grace_ns=3, late_ns=6)
told = st.builds(
    Told,
    st.integers(0, 20),
    st.sampled_from([b"1", b"2"]),
    st.integers(1, 3),
    st.sampled_from("abc"),
    st.integers(0, 15),
    st.booleans(),
).map(lambda fact: fact._replace(valid_to_ns=fact.valid_from_ns + fact.valid_to_ns))
told_lists = st.lists(told, max_size=12, unique_by=lambda fact: fact[:4])


ENDS = addresses_of([ALICE]), addresses_of([WEB])


def table_of(own: list[Told]) -> FactTable:
    table = FactTable(RULES)
    assert not table.add(Fact(ALICE, WEB, told) for told in own)
    return table


def found(own: list[Told], at: int) -> Found | None:
    table = table_of(own)
    (code,) = table.look(*ENDS, array("Q", [at]))
    return table.found(code) if code else None


def name_of(found: Found | None) -> Name | None:
    return found and named(found.how, found.told.hostname, found.told)


def chosen(own: list[Told], at: int, listed: str | None = None) -> tuple[str | None, str]:
    table = table_of(own)
    (name,) = table.names(table.look(*ENDS, array("Q", [at])))
    return choose(name, listed, None)[:2]


def either(one: Found | None, other: Found | None) -> Found | None:
    return better(one, other) if one and other else one or other


@given(told_lists, st.integers(0, 40), st.sampled_from([None, "listed"]))
def test_it_is_the_one_that_the_rules_name(own: list[Told], at: int, listed: str | None) -> None:
    assert chosen(own, at, listed) == best(own, at, RULES, listed, [])


@given(st.lists(told, max_size=60, unique_by=lambda fact: fact[:4]), st.lists(told_lists, max_size=3))
def test_however_many_facts_there_are_and_whenever_they_were_put_in(own: list[Told], more: list[list[Told]]) -> None:
    table, known = table_of(own), list(own)
    for part in more:
        newest = max((fact.valid_from_ns for fact in known), default=0)
        later = [Told(fact[0] + newest + 1, *fact[1:4], fact[4] + newest + 9, fact[5]) for fact in part]
        assert not table.add(Fact(ALICE, WEB, fact) for fact in later)
        known += later
    for at in range(0, 120, 3):
        (name,) = table.names(table.look(*ENDS, array("Q", [at])))
        assert choose(name, None, None)[:2] == best(known, at, RULES, None, [])


@given(told_lists, told_lists, told_lists, st.sampled_from([0, 300]))
def test_what_one_client_was_told_is_taken_out_and_put_in_anew(
    own: list[Told], anew: list[Told], others: list[Told], more: int
) -> None:
    table, bob = table_of(own), addresses_of([BOB])
    table.add([Fact(BOB, WEB, told) for told in others])
    table.add([Fact(CDN, bytes([10, 1, *divmod(n, 256)]), Told(1, bytes(16), 1, "x", 9, asked=True)) for n in range(more)])
    assert sorted(fact.told for fact in table.take([CDN, ALICE]) if fact[:2] == (ALICE, WEB)) == sorted(own)
    assert not list(table.take([ALICE]))
    assert not table.add(Fact(ALICE, WEB, told) for told in anew)
    for at in range(0, 40, 3):
        for client, known in ((ENDS[0], anew), (bob, others)):
            (name,) = table.names(table.look(client, ENDS[1], array("Q", [at])))
            assert choose(name, None, None)[:2] == best(known, at, RULES, None, [])
            then = [fact.hostname for fact in known if fact.valid_from_ns <= at]
            for said in "abc":
                (told,) = table.compare(client, ENDS[1], array("Q", [at]), [said])
                assert told == (0 if not then else 2 if said in then else 1)


@given(told_lists, told_lists, st.integers(0, 40))
def test_parts_of_the_facts_give_what_the_whole_gives(one: list[Told], other: list[Told], at: int) -> None:
    assert either(found(one, at), found(other, at)) == found(one + other, at)


@given(told_lists, st.randoms(use_true_random=False), st.integers(0, 40))
def test_the_order_of_arrival_decides_nothing(own: list[Told], random: Random, at: int) -> None:
    assert chosen(random.sample(own, len(own)), at) == chosen(own, at)


@given(told_lists, st.integers(0, 40), st.integers(0, 12))
def test_what_an_earlier_choice_left_out_is_not_missed(own: list[Told], at: int, cut: int) -> None:
    """A row that awaits a name carries its one late answer on: with it, later answers choose as all of them would."""
    earlier, later = sorted(own)[:cut], sorted(own)[cut:]
    first, all_of_them = choose(name_of(found(earlier, at)), None, None), chosen(own, at)
    if first.awaits and all_of_them[1] in ("dns", "dns_late"):
        carried = Found(LATER, first.fact) if first.fact and first.evidence == "dns_late" else None
        assert choose(name_of(either(found(later, at), carried)), None, None)[:2] == all_of_them


def fact(at: int, name: str, ttl: int = 10, *, asked: bool = True) -> Told:
    return Told(at, b"1", at, name, at + ttl, asked)


@pytest.mark.parametrize(
    ("own", "at", "expected"),
    [
        ([fact(5, "a")], 5, ("a", "dns")),
        ([fact(5, "a")], 18, ("a", "dns")),  # in its grace
        ([fact(5, "a")], 19, ("a", "dns_stale")),
        ([fact(5, "a", 0)], 5, ("a", "dns")),  # TTL 0: for this one use
        ([fact(5, "a")], 4, ("a", "dns_late")),
        ([fact(15, "a")], 8, (None, "none")),  # too late
        ([fact(1, "old", 30), fact(5, "new", 1)], 7, ("new", "dns")),
        ([fact(1, "old", 30), fact(5, "new", 1)], 20, ("old", "dns")),  # what holds goes before what is newer
        ([fact(5, "near"), fact(6, "far")], 4, ("near", "dns_late")),
        ([fact(1, "true"), fact(2, "forged", asked=False)], 3, ("true", "dns")),
        ([fact(2, "forged", asked=False)], 3, ("forged", "dns")),  # nothing better was seen: a tap of one direction
        ([fact(5, "forged", asked=False), fact(6, "true")], 4, ("true", "dns_late")),
        ([fact(1, "true", 1), fact(2, "forged", 1, asked=False)], 30, ("true", "dns_stale")),
    ],
)
def test_one_rule_at_a_time(own: list[Told], at: int, expected: tuple[str | None, str]) -> None:
    assert chosen(own, at) == expected


def test_evidence_stands_in_its_order() -> None:
    own = name_of(found([fact(0, "mine", 1)], 30))
    assert choose(own, "listed", "theirs") == Name("listed", "inventory")
    assert choose(own, None, "theirs")[:2] == ("mine", "dns_stale")
    assert choose(None, None, "theirs") == Name("theirs", "dns_other_client")
    assert choose(None, "listed", "theirs") == Name("listed", "inventory")
    assert choose(None, None, None) is UNNAMED


@given(told_lists.filter(bool), st.integers(0, 40), st.sampled_from("abcd"))
def test_a_name_that_the_client_was_not_told_is_in_conflict(own: list[Told], at: int, name: str) -> None:
    names = {fact.hostname for fact in own if fact.valid_from_ns <= at}
    (compared,) = table_of(own).compare(*ENDS, array("Q", [at]), [name])
    assert (compared == TOLD_OTHERS) is (bool(names) and name not in names)

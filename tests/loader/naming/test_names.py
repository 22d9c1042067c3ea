"""Names of a capture's flows: who was told what, before when; and memory never differs from the store."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.naming.cache import NameCache
from loader.naming.choice import Name, NamingRules
from loader.naming.early import EarlyFacts
from loader.naming.learned import LearnedNames
from loader.naming.listed import NO_INVENTORY, Inventory, Prefix
from loader.naming.names import CaptureNames, StoredNames
from loader.naming.pairs import MOST_ASKED_AGAIN, Span, told_of
from schema.records import NameTold
from schema.sharedroom import SharedRoom
from schema.store.reading import MOST_TOLD

from .facts import ALICE, BOB, CDN, MDNS, WEB, Row, answers, dns, flow, is_nobody, stored

SECOND = 1_000
RULES = NamingRules()
CAPTURE = bytes([255]) * 16


class Store:
    """What a store would answer: every committed row, as of now."""

    def __init__(self) -> None:
        self.rows: list[NameTold] = []
        self.asked: list[bytes] = []
        self.told: list[bytes] = []  # clients that were asked for
        self.pairs: list[tuple[bytes, bytes]] = []  # and clients with addresses

    def tell(self, clients: Collection[bytes]) -> list[NameTold]:
        self.told += clients
        rows = [row for row in self.rows if row.client_ip in clients]
        return sorted(rows, key=lambda row: (row.client_ip, row.address, row.valid_from_ns))

    def tell_of(self, pairs: Mapping[tuple[bytes, bytes], int]) -> list[NameTold]:
        """Of each pair the newest."""
        self.pairs += pairs
        rows = [row for row in self.rows if row.valid_from_ns <= pairs.get((row.client_ip, row.address), -1)]
        rows.sort(key=lambda row: (row.valid_from_ns, row.capture_id, row.frame, row.hostname), reverse=True)
        return [row for pair in pairs for row in [row for row in rows if (row.client_ip, row.address) == pair][:MOST_TOLD]]

    def tell_at(self, addresses: Mapping[bytes, int]) -> list[NameTold]:
        self.asked += addresses
        rows = [row for row in self.rows if row.valid_from_ns <= addresses.get(row.address, -1)]
        rows.sort(key=lambda row: (row.valid_from_ns, row.capture_id, row.frame, row.hostname), reverse=True)
        rows = [row for address in addresses for row in [row for row in rows if row.address == address][:MOST_TOLD]]
        return sorted(rows, key=lambda row: row.address)

    def names(self, cache: NameCache, most_asked: int = 10) -> StoredNames:
        return StoredNames(
            cache=cache, tell=self.tell, tell_at=self.tell_at, tell_of=self.tell_of, is_shared=is_nobody, most_asked=most_asked
        )


def learned_of(*rows: Row, capture_id: bytes = CAPTURE) -> LearnedNames:
    learned = LearnedNames(1000, RULES)
    learned.learn(dns(*rows))
    learned.settle(capture_id)
    return learned


def names_of(*rows: Row, stored: StoredNames | None = None, inventory: Inventory = NO_INVENTORY) -> CaptureNames:
    """Of a capture with these answers."""
    return CaptureNames(learned_of(*rows), RULES, stored, inventory)


def fully_named(names: CaptureNames, client: bytes, address: bytes, at_ms: int, said: str | None = None) -> Name:
    flows = flow(client, address, at_ms, said)
    names.look(flows)
    names.ask_others()
    found = names.names(flows)[0]
    return found if found.evidence == "dns_late" else found._replace(fact=None)


def name(names: CaptureNames, client: bytes, address: bytes, at_ms: int, said: str | None = None) -> tuple[str | None, str]:
    return fully_named(names, client, address, at_ms, said)[:2]


def test_two_clients_of_one_address_each_get_the_name_they_asked_for() -> None:
    names = names_of((ALICE, WEB, 0, 60, "a.example", True), (BOB, WEB, 1, 60, "b.example", True))
    assert name(names, ALICE, WEB, 10) == ("a.example", "dns")
    assert name(names, BOB, WEB, 10) == ("b.example", "dns")


def test_addresses_match_exactly() -> None:
    names = names_of((ALICE, bytes([1, 1, 1, 1]), 0, 60, "one.example", True))
    assert name(names, ALICE, bytes([1, 1, 121, 1]), 10) == (None, "none")


def test_what_a_group_was_told_everybody_was_told() -> None:
    row, store = (MDNS, WEB, 0, 60, "printer.local", False), Store()
    assert name(names_of(row), ALICE, WEB, 10) == ("printer.local", "dns")
    store.rows.append(stored(row, bytes(16), 1))
    assert name(names_of(stored=store.names(NameCache(100, RULES))), BOB, WEB, 10) == ("printer.local", "dns")


@pytest.mark.parametrize("earlier", [False, True])
def test_what_others_were_told_names_what_nothing_else_does(earlier: bool) -> None:
    """Whether they were told in this capture or in an earlier one."""
    row, store = (BOB, WEB, 5, 60, "b.example", True), Store()
    if earlier:
        store.rows.append(stored(row, bytes(16), 1))
    names = names_of(*([] if earlier else [row]), stored=store.names(NameCache(100, RULES)))
    assert name(names, ALICE, WEB, 10) == ("b.example", "dns_other_client")
    assert name(names, ALICE, WEB, 4) == (None, "none")
    assert name(names, ALICE, WEB, 10, "said.example") == ("said.example", "sni")


def test_the_inventory_names_what_dns_does_not() -> None:
    names = names_of((ALICE, CDN, 0, 1, "cdn.example", True), inventory=Inventory({Prefix(CDN, 32): "printer"}))
    assert name(names, ALICE, CDN, 10) == ("cdn.example", "dns")
    assert name(names, ALICE, CDN, 90 * SECOND) == ("printer", "inventory")
    assert name(names, BOB, CDN, 10) == ("printer", "inventory")


def test_destinations_beyond_the_bound_are_not_asked_about_and_counted() -> None:
    store = Store()
    store.rows += [stored((BOB, address, 0, 60, "b.example", True), bytes(16), 1) for address in (WEB, CDN)]
    names = names_of(stored=store.names(NameCache(100, RULES), most_asked=1))
    both = [flow(ALICE, address, 5) for address in (CDN, WEB)]
    for flows in both:
        names.look(flows)
    names.ask_others()
    assert (store.asked, names.others_not_asked) == ([WEB], 1)
    assert [names.names(flows)[0].hostname for flows in both] == [None, "b.example"]


@pytest.mark.parametrize(("told", "missed"), [(MOST_TOLD, 0), (3 * MOST_TOLD + 1, 0), (17 * MOST_TOLD, 1)])
def test_however_often_an_address_was_told_its_first_flow_is_named_as_its_last(told: int, missed: int) -> None:
    store = Store()
    store.rows += [stored((BOB, WEB, 10 * at, 60, f"{at}.example", True), bytes(16), 1) for at in range(told)]
    names = names_of(stored=store.names(NameCache(100, RULES)))
    starts = [5, 10 * (told // 2) + 5, 10 * told]
    for start in starts:
        names.look(flow(ALICE, WEB, start))
    names.ask_others()
    found = [names.names(flow(ALICE, WEB, start))[0].hostname for start in starts]
    assert found == [None if missed else "0.example", f"{told // 2}.example", f"{told - 1}.example"]
    assert names.others_not_asked == missed


def test_the_same_answer_twice_at_one_time_is_one_fact() -> None:
    told = LearnedNames(1000, RULES).learn(answers((ALICE, WEB, 5, 60, "x.example"), (ALICE, WEB, 5, 60, "x.example")))
    assert [fact.told.frame for fact in told] == [1]


def test_answers_beyond_the_bound_are_counted() -> None:
    learned = LearnedNames(1, RULES)
    learned.learn(answers((ALICE, WEB, 5, 60, "x.example"), (BOB, WEB, 5, 60, "x.example")))
    assert (len(learned), learned.refused) == (1, 1)


def test_long_names_take_the_room_of_several() -> None:
    told = [(ALICE, WEB, at, 60, name, True) for at, name in enumerate(["short.example", 1000 * "x", "other.example"])]
    learned = LearnedNames(16, RULES)
    assert [fact.told.frame for fact in learned.learn(dns(*told))] == [1, 3]
    assert learned.refused == 1
    store, cache = Store(), NameCache(100, RULES)
    store.rows += [stored(row, bytes(16), 1) for row in told]
    cache.fetch([ALICE], store.tell, is_nobody)
    assert len(cache) == 1 + 1 + 16 + 1


def test_what_the_cache_drops_is_counted() -> None:
    store, cache = Store(), NameCache(5, RULES)
    store.rows += [stored((bytes([10, 0, 0, client]), WEB, 0, 60, "x", True), bytes(16), 1) for client in range(10)]
    for client in range(10):
        cache.fetch([bytes([10, 0, 0, client])], store.tell, is_nobody)
        assert len(cache) <= 6, "what is asked for at once may exceed it"
    assert cache.evicted + sum(map(len, cache.tables)) == 10


def test_what_a_client_was_told_out_of_order_is_read_anew_and_nothing_else_is() -> None:
    """One wrong date, in the year 2100, and a capture that comes late."""
    store, cache = Store(), NameCache(100, RULES)
    for number, (address, at_ms) in enumerate([(WEB, 4_102_444_800_000), (WEB, 1000), (CDN, 1000), (WEB, 2000), (CDN, 500)]):
        learned = learned_of((ALICE, address, at_ms, 60, f"{number}.example", True), capture_id=bytes([number]) * 16)
        names = CaptureNames(learned, RULES, store.names(cache))
        told = name(names, BOB, WEB, 3000), name(names, ALICE, address, at_ms)
        assert told[1] == (f"{number}.example", "dns")
        store.rows += [stored((ALICE, address, at_ms, 60, f"{number}.example", True), bytes([number]) * 16, 1)]
        cache.commit(learned.table)
    cache.fetch([ALICE, BOB], store.tell, is_nobody)
    assert (store.told.count(BOB), store.told.count(MDNS)) == (1, 1)
    assert store.told.count(ALICE) == 4


def test_of_two_answers_at_one_time_the_same_one_counts_from_memory_and_from_the_store() -> None:
    store, cache = Store(), NameCache(100, RULES)
    for number in (9, 5):  # the ids of captures are hashes: the later one's may be the smaller
        told, capture_id = (ALICE, WEB, 1000, 60, f"{number}.example", True), bytes([number]) * 16
        name(names_of(stored=store.names(cache)), ALICE, WEB, 1000)
        store.rows.append(stored(told, capture_id, 1))
        cache.commit(learned_of(told, capture_id=capture_id).table)
    kept, fresh = (name(names_of(stored=store.names(c)), ALICE, WEB, 1000) for c in (cache, NameCache(100, RULES)))
    assert kept == fresh == ("9.example", "dns")


def test_clients_that_are_asked_for_stay_when_the_cache_turns_and_the_groups_always_do() -> None:
    store, cache = Store(), NameCache(100, RULES)
    store.rows += [stored((client, WEB, 0, 60, "x", True), bytes(16), 1) for client in (ALICE, MDNS)]
    for other in range(500):
        cache.fetch([ALICE, MDNS, other.to_bytes(4, "big")], store.tell, is_nobody)
        assert len(cache) <= 100
    assert (store.told.count(ALICE), store.told.count(MDNS)) == (1, 1)
    store.rows += [stored((ALICE, WEB, n, 60, "x", True), bytes(16), 1) for n in range(200)]
    cache.clear()
    for other in range(500):
        cache.fetch([ALICE, MDNS, other.to_bytes(4, "big")], store.tell, is_nobody)
    assert store.told.count(MDNS) == 3, "once more behind a client that was told too much, and no more"


def test_a_client_that_was_forgotten_is_not_taken_for_known_when_the_cache_turns() -> None:
    store, cache = Store(), NameCache(20, RULES)
    store.rows += [stored((ALICE, WEB, at, 60, "x", True), bytes(16), 1) for at in range(5)]
    others = [n.to_bytes(4, "big") for n in range(16)]
    for _ in range(3):  # it turns, and the client is asked for in the older half
        cache.fetch([ALICE, *others[:5]], store.tell, is_nobody)
    cache.commit(learned_of((ALICE, WEB, 0, 60, "late", True), capture_id=bytes(16)).table)
    cache.fetch(others, store.tell, is_nobody)
    cache.fetch([ALICE], store.tell, is_nobody)
    assert store.told.count(ALICE) == 2


def test_a_client_that_was_told_too_much_is_asked_about_pair_by_pair() -> None:
    """Its names are what they would be in a cache with room for it."""
    store, cache = Store(), NameCache(400, RULES)
    store.rows += [stored((ALICE, bytes([198, 51, 100, n]), 0, 60, f"{n}.example", True), bytes(16), 1) for n in range(150)]
    store.rows += [stored((ALICE, WEB, at, 60, f"{at}.example", True), bytes(16), 1) for at in (100, 200, 900)]
    store.rows.append(stored((BOB, WEB, 0, 60, "bob.example", True), bytes(16), 1))
    for at_ms in (50, 150, 950):
        told = [name(names_of(stored=store.names(c)), ALICE, WEB, at_ms) for c in (cache, NameCache(4000, RULES))]
        assert told[0] == told[1] != (None, "none")
    assert (cache.crowded, store.told.count(ALICE)) == ({ALICE}, 1 + 3)
    assert store.pairs == [(ALICE, WEB)]
    assert sum(map(len, cache.tables)) == 3, "no more of it is held than was asked for"
    assert name(names_of(stored=store.names(cache)), BOB, WEB, 100) == ("bob.example", "dns")


def test_a_client_whose_facts_are_shared_out_is_not_read_whole() -> None:
    """It is asked about pair by pair; unless it is here, as one that was read before the rule came."""
    store, caches = Store(), (NameCache(400, RULES), NameCache(400, RULES))
    store.rows += [stored((client, WEB, 0, 60, f"{client[-1]}.example", True), bytes(16), 1) for client in (ALICE, BOB)]
    caches[0].fetch([ALICE], store.tell, is_nobody)
    for cache, shared in ((caches[0], set()), (caches[1], {ALICE})):
        store.told.clear()
        stored_names = replace(store.names(cache), is_shared={ALICE}.__contains__)
        assert name(names_of(stored=stored_names), ALICE, WEB, 50) == (f"{ALICE[-1]}.example", "dns")
        assert name(names_of(stored=stored_names), BOB, WEB, 50) == (f"{BOB[-1]}.example", "dns")
        assert (cache.crowded, ALICE in store.told, len(cache.tables[0])) == (shared, False, 2)


def test_of_a_client_that_was_told_too_much_no_more_is_read() -> None:
    cache = NameCache(400, RULES)
    read: list[bytes] = []

    def tell(clients: Collection[bytes]) -> Iterator[NameTold]:
        for client, number in product(clients, range(10_000)):
            if client == BOB or number == 0:
                read.append(client)
                yield stored((client, WEB, number, 60, "x", True), bytes(16), 1)

    cache.fetch([ALICE, BOB, MDNS], tell, is_nobody)
    assert cache.crowded == {BOB}
    assert (read.count(ALICE), read.count(BOB), read.count(MDNS)) == (1, 101, 1)
    assert sum(map(len, cache.tables)) == 2


def test_a_group_that_was_told_too_much_is_asked_about_too() -> None:
    store, cache = Store(), NameCache(400, RULES)
    store.rows += [stored((MDNS, bytes([10, 1, 0, n]), 0, 60, f"{n}.local", False), bytes(16), 1) for n in range(150)]
    assert name(names_of(stored=store.names(cache)), BOB, bytes([10, 1, 0, 7]), 100) == ("7.local", "dns")
    assert (cache.crowded, store.pairs) == ({MDNS}, [(MDNS, bytes([10, 1, 0, 7]))] * len(store.pairs))


def test_what_a_crowded_client_is_told_further_is_not_asked_for_again() -> None:
    store, cache = Store(), NameCache(400, RULES)
    store.rows += [stored((ALICE, bytes([198, 51, 100, n]), 0, 60, f"{n}.example", True), bytes(16), 1) for n in range(150)]
    assert name(names_of(stored=store.names(cache)), ALICE, WEB, 1) == (None, "none")
    cache.commit(learned_of((ALICE, WEB, 5, 60, "www.example", True), (ALICE, CDN, 5, 60, "cdn.example", True)).table)
    assert name(names_of(stored=store.names(cache)), ALICE, WEB, 10) == ("www.example", "dns")
    assert store.pairs == [(ALICE, WEB)]
    cache.commit(learned_of((ALICE, WEB, 3, 60, "late.example", True), capture_id=bytes(16)).table)  # out of order
    assert name(names_of(stored=store.names(cache)), ALICE, WEB, 10) == (None, "none"), "it is asked for anew"
    assert store.pairs == [(ALICE, WEB)] * 2


def test_pairs_that_there_is_no_room_for_are_counted_and_asked_for_another_time() -> None:
    store, cache = Store(), NameCache(100, RULES)
    ends = [(ALICE, bytes([10, 9, part, n])) for part in range(2) for n in range(100)]
    assert cache.fetch_pairs(ends, store.tell_of) == 200 - 128
    cache.fetch([BOB], store.tell, is_nobody)
    assert cache.fetch_pairs(ends[128:], store.tell_of) == 0
    assert set(store.pairs) == set(ends)


def test_a_name_that_is_told_each_minute_for_a_week_takes_little_room_and_is_read_once() -> None:
    store, cache = Store(), NameCache(2_000, RULES)
    minutes = range(7 * 24 * 60)
    for minute in minutes:
        at_ms = minute * 60 * SECOND
        told = (ALICE, WEB, at_ms, 60, "www.example", True)
        cache.begin(at_ms * 1_000_000)
        assert name(names_of(told, stored=store.names(cache)), ALICE, WEB, at_ms + 1) == ("www.example", "dns")
        cache.commit(learned_of(told, capture_id=minute.to_bytes(16, "big")).table)
    assert (store.told.count(ALICE), store.pairs, cache.evicted) == (1, [], 0)
    assert len(cache) < 2_000


def test_a_flow_that_started_long_before_its_capture_is_named_by_what_was_told_then() -> None:
    store, cache = Store(), NameCache(1_000, RULES, reach_ns=10 * SECOND * 1_000_000)
    told = [(ALICE, WEB, at * SECOND, 1, f"{at}.example", True) for at in range(100)]
    told += [(MDNS, CDN, 3 * SECOND, 1, "printer.local", False)]
    store.rows += [stored(row, bytes(16), 1) for row in told]
    cache.begin(99 * SECOND * 1_000_000)
    assert name(names_of(stored=store.names(cache)), ALICE, WEB, 95_500) == ("95.example", "dns")
    assert store.pairs == []
    assert name(names_of(stored=store.names(cache)), ALICE, WEB, 7_500) == ("7.example", "dns")
    assert name(names_of(stored=store.names(cache)), BOB, CDN, 3_500) == ("printer.local", "dns")


def test_a_sensor_whose_time_went_back_begins_anew_and_one_late_capture_does_not() -> None:
    store, cache = Store(), NameCache(100, RULES, reach_ns=0)
    for began_s, horizon_s in [(100, 100), (50, 100), (110, 110), (60, 110), (61, 61), (62, 62), (200, 200)]:
        cache.begin(began_s * SECOND * 1_000_000)
        assert cache.horizon_ns == horizon_s * SECOND * 1_000_000
        cache.fetch([ALICE], store.tell, is_nobody)
    assert store.told.count(ALICE) == 2


@pytest.mark.parametrize("reach_s", [0, 10_000])
@pytest.mark.parametrize(("told", "missed"), [(MOST_TOLD, 0), (3 * MOST_TOLD + 1, 0), (17 * MOST_TOLD, 1)])
def test_however_often_a_crowded_client_was_told_since_its_first_flow_is_named_as_its_last(
    told: int, missed: int, reach_s: int
) -> None:
    """Whether its capture began long after it, or not."""
    store, cache = Store(), NameCache(400, RULES, reach_ns=reach_s * 10**9)
    store.rows += [stored((ALICE, bytes([198, 51, 100, n]), 0, 60, f"{n}.example", True), bytes(16), 1) for n in range(150)]
    store.rows += [stored((ALICE, WEB, at * SECOND, 1, f"{at}.example", True), bytes(16), 1) for at in range(told)]
    cache.begin(told * 10**9)
    names = names_of(stored=store.names(cache))
    found = [name(names, ALICE, WEB, start)[0] for start in (5, told // 2 * SECOND + 5, told * SECOND)]
    assert found[1:] == [f"{told // 2}.example", f"{told - 1}.example"]
    is_cut = bool(missed and reach_s)  # one that started so long ago is asked about alone
    assert (found[0] != "0.example", names.pairs_not_asked > 0) == (is_cut, is_cut)


def test_a_pair_is_read_on_no_further_than_its_first_flow() -> None:
    store = Store()
    store.rows += [stored((ALICE, WEB, at, 1, "www.example", True), bytes(16), 1) for at in range(30 * MOST_TOLD)]
    for first_ms, asked in [(30 * MOST_TOLD, 1), (29 * MOST_TOLD, 2), (27 * MOST_TOLD + 9, 4), (0, 1 + MOST_ASKED_AGAIN)]:
        store.pairs.clear()
        (told,) = told_of({(ALICE, WEB): Span(first_ms * 10**6, 10**18)}, store.tell_of)
        assert (len(store.pairs), told.is_cut) == (asked, first_ms == 0)


def test_names_told_at_one_time_are_all_read_where_they_do_not_fit_into_a_page() -> None:
    store = Store()
    store.rows += [stored((ALICE, WEB, at // 3, 600, f"{at % 3}.{at // 3}", True), bytes(16), 1) for at in range(2 * MOST_TOLD)]
    (told,) = told_of({(ALICE, WEB): Span(0, 10**18)}, store.tell_of)
    assert len(told.facts) == 2 * MOST_TOLD


def test_clients_of_the_same_flows_leave_room_for_the_pairs_of_crowded_ones() -> None:
    """However many sensors there are: each has a small part of the memory."""
    store, room = Store(), SharedRoom(4_000)
    caches = [NameCache(4_000, RULES, room) for _ in range(10)]
    clients = [bytes([10, 7, 0, n]) for n in range(40)]
    store.rows += [
        stored((client, bytes([10, 1, 0, n]), 0, 60, "x", True), bytes(16), 1) for client in clients for n in range(20)
    ]
    store.rows += [stored((ALICE, bytes([198, 51, n // 256, n % 256]), 0, 60, f"{n}", True), bytes(16), 1) for n in range(500)]
    caches[0].fetch([ALICE, *clients], store.tell, is_nobody)
    assert caches[0].crowded == {ALICE}
    assert caches[0].fetch_pairs([(ALICE, bytes([198, 51, 0, 7]))], store.tell_of) == 0
    assert store.pairs


def test_a_group_of_which_not_all_can_stay_is_read_again_when_the_cache_turns() -> None:
    store, room = Store(), SharedRoom(40_000)
    cache = NameCache(40_000, RULES, room)
    devices = [bytes([10, 1, n // 256, n % 256]) for n in range(9_000)]
    store.rows += [stored((MDNS, device, 0, 60, f"{n}.local", False), bytes(16), 1) for n, device in enumerate(devices)]
    others = [NameCache(40_000, RULES, room)]  # now nine thousand are more than a quarter of a part
    for _ in range(3):
        cache.fetch([MDNS, *(bytes([10, 2, n // 256, n % 256]) for n in range(11_000))], store.tell, is_nobody)
        assert name(names_of(stored=store.names(cache)), BOB, devices[-1], 10) == ("8999.local", "dns")
    assert others


def test_what_there_is_no_room_for_is_counted() -> None:
    store = Store()
    store.rows += [stored((ALICE, bytes([10, 9, 0, n]), 0, 60, f"{n}.example", True), bytes(16), 1) for n in range(100)]
    flows, early = [(ALICE, bytes([10, 9, 0, n]), 5 * 10**9) for n in range(100)], EarlyFacts(RULES)
    table, left_out = early.fetch(flows, (), store.tell_of, 10)
    assert (len(table), left_out) == (64, 36)
    assert early.fetch(flows, (), store.tell_of, 10)[1] == 0, "what is held takes no room of it"


def test_a_flow_that_goes_on_for_hours_costs_no_further_read() -> None:
    store, cache = Store(), NameCache(1_000, RULES, reach_ns=10 * 10**9)
    store.rows += [stored((ALICE, WEB, at * SECOND, 60, f"{at % 7}.example", True), bytes(16), 1) for at in range(1_000)]
    asked = []
    for hour in range(1, 100):
        cache.begin(hour * 3_600 * 10**9)
        names = names_of((ALICE, WEB, hour * 3_600 * SECOND, 60, "www.example", True), stored=store.names(cache))
        assert name(names, ALICE, WEB, 500_000) == (f"{500 % 7}.example", "dns")
        cache.commit(names.let_go())
        asked.append(len(store.pairs))
    assert set(asked) == {asked[0]} != {0}
    late = (ALICE, WEB, 500 * SECOND - 1, 3_600, "late.example", True)
    store.rows.append(stored(late, bytes(16), 1))
    assert name(names_of(stored=store.names(cache)), ALICE, WEB, 499_999) == ("late.example", "dns")
    cache.commit(learned_of(late, capture_id=bytes(16)).table)
    store.rows.append(stored((ALICE, WEB, 500 * SECOND, 3_600, "later.example", True), bytes([1]) * 16, 1))
    assert name(names_of(stored=store.names(cache)), ALICE, WEB, 500_000) == ("later.example", "dns"), "it is asked for anew"


def test_early_flows_take_a_part_of_the_room_and_no_more() -> None:
    store, cache = Store(), NameCache(400, RULES, reach_ns=0)
    cache.begin(10**12)
    for number in range(1_000):
        assert name(names_of(stored=store.names(cache)), ALICE, number.to_bytes(4, "big"), 5) == (None, "none")
        assert len(cache) <= 400


rows = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB, MDNS]),
        st.sampled_from([WEB, CDN]),
        st.integers(0, 500) | st.sampled_from([100, 200]),
        st.integers(0, 1),
        st.sampled_from(["a", "b"]),
        st.booleans(),
    ),
    max_size=12,
)
asked = st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.sampled_from([WEB, CDN]), st.integers(0, 900)), max_size=4)


@given(rows, rows, asked)
def test_what_is_told_of_other_addresses_and_to_other_clients_changes_nothing(
    told: list[Row], more: list[Row], flows: list[tuple[bytes, bytes, int]]
) -> None:
    for client, address, at_ms in flows:
        elsewhere = [row for row in more if row[1] != address]
        to_others = [row for row in more if row[1] == address and row[0] not in (client, MDNS)]
        alone = name(names_of(*told), client, address, at_ms)
        assert name(names_of(*told, *elsewhere), client, address, at_ms) == alone
        if alone[1] not in ("none", "dns_other_client"):
            assert name(names_of(*told, *to_others), client, address, at_ms) == alone


@given(
    st.lists(st.tuples(st.integers(0, 900), rows, asked), max_size=4),
    st.sampled_from([1, 3, 6, 12, 100]),
    st.sampled_from([0, 50, 400]),
)
def test_a_restart_between_any_captures_changes_no_name(
    captures: list[tuple[int, list[Row], list[tuple[bytes, bytes, int]]]], limit: int, reach_ms: int
) -> None:
    """One loader keeps its small cache over all captures, another starts anew before each, a third has it all: the same
    names, wherever a capture begins."""
    store, kept = Store(), NameCache(limit, RULES, reach_ns=reach_ms * 1_000_000)
    for number, (began_ms, told, flows) in enumerate(captures):
        kept.begin(began_ms * 1_000_000)
        capture_id = bytes([number * 97 % 256]) * 16
        learned = learned_of(*told, capture_id=capture_id)
        for client, address, at_ms in flows:
            for said in (None, "a"):
                goes_on, restarted, whole = (
                    fully_named(CaptureNames(learned, RULES, store.names(cache)), client, address, at_ms, said)
                    for cache in (kept, NameCache(limit, RULES), NameCache(100_000, RULES))
                )
                assert goes_on == restarted == whole
        store.rows += [
            NameTold(
                client_ip=client,
                address=address,
                valid_from_ns=then.valid_from_ns,
                hostname=then.hostname,
                capture_id=then.capture_id,
                valid_to_ns=then.valid_to_ns,
                frame=then.frame,
                asked=then.asked,
            )
            for client, address, then in learned.table.facts()
        ]
        kept.commit(learned.table)

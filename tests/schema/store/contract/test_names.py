"""What clients were told: by client and by address, as of the ledger's head, in one order in every store."""

from itertools import groupby, product

from schema.bucketpolicy import ADDRESSES_SCOPE, CLIENTS_SCOPE, SHARED, BucketPolicy, BucketRule
from schema.records import NameTold
from schema.store.reading import MOST_TOLD, ToldQuery
from schema.store.writing import Store
from schema.tables import NAMES_BY_ADDRESS, NAMES_BY_CLIENT
from tests.schema.store.samples import CLIENT, SERVER, T0_MS, Rows, abandon, id_of, load, name_row, take, told, with_rows

NO_RULES = BucketPolicy.of_rules([])
T0_NS = T0_MS * 1_000_000
OTHER = bytes([192, 0, 2, 9])
LATER_NS = T0_NS + 999_999  # of the sample's rows


def at_row(capture: str, seq: int, **values: object) -> tuple[object, ...]:
    return name_row(id_of(capture), seq, NAMES_BY_ADDRESS, **values)


def pair_of(fact: NameTold) -> tuple[bytes, bytes]:
    return fact.client_ip, fact.address


def shown(names: list[NameTold]) -> list[tuple[int, str]]:
    return [(name.valid_from_ns - T0_NS, name.hostname) for name in names]


def test_names_told_are_those_of_committed_versions(store: Store) -> None:
    lease = take(store)
    load(lease, with_rows({NAMES_BY_CLIENT: [name_row(id_of("a"), 1, hostname="one")]}, "a"))
    abandon(lease, with_rows({NAMES_BY_CLIENT: [name_row(id_of("b"), 2, hostname="two")]}, "b"))
    assert list(lease.names_told([CLIENT])) == [told(id_of("a"), "one")]
    load(lease, with_rows({NAMES_BY_CLIENT: [name_row(id_of("b"), 2, hostname="two")]}, "b"))
    by_name = sorted(lease.names_told([CLIENT]), key=lambda name: name.hostname)
    assert by_name == [told(id_of("a"), "one"), told(id_of("b"), "two")]


def test_nothing_is_told_before_the_first_commit(store: Store) -> None:
    lease = take(store)
    abandon(lease, with_rows({NAMES_BY_CLIENT: [name_row(id_of("a"), 1)], NAMES_BY_ADDRESS: [at_row("a", 1)]}, "a"))
    assert list(lease.names_told([CLIENT])) == []
    assert lease.names_told_at({SERVER: LATER_NS}, NO_RULES) == []
    assert lease.names_told_of({(CLIENT, SERVER): LATER_NS}, NO_RULES) == []


def test_names_told_are_those_of_the_sensor_and_the_clients(store: Store) -> None:
    lease = take(store)
    rows = [
        name_row(id_of("a"), 1),
        name_row(id_of("a"), 1, client_ip=OTHER),
        name_row(id_of("a"), 1, sensor="edge-2"),
    ]
    load(lease, with_rows({NAMES_BY_CLIENT: rows}, "a"))
    assert list(lease.names_told([CLIENT])) == [told(id_of("a"), "www.example.com")]
    assert {name.client_ip for name in lease.names_told([CLIENT, OTHER, SERVER])} == {CLIENT, OTHER}
    assert list(lease.names_told([])) == []


def test_two_captures_that_hold_one_answer_keep_a_row_each(store: Store) -> None:
    lease = take(store)
    load(lease, with_rows({NAMES_BY_CLIENT: [name_row(id_of("a"), 1)]}, "a"))
    load(lease, with_rows({NAMES_BY_CLIENT: [name_row(id_of("b"), 2)]}, "b"))
    assert len(list(lease.names_told([CLIENT]))) == 2


def test_two_answers_of_one_millisecond_keep_a_row_each_and_their_nanoseconds(store: Store) -> None:
    lease = take(store)
    rows = [name_row(id_of("a"), 1, ns=ns, asked=asked) for ns, asked in ((1, False), (2, True))]
    load(lease, with_rows({NAMES_BY_CLIENT: rows}, "a"))
    found = sorted(lease.names_told([CLIENT]), key=lambda name: name.valid_from_ns)
    assert [(name.valid_from_ns, name.valid_to_ns, name.asked) for name in found] == [
        (T0_NS + 1, T0_NS + 60_000_000_001, False),
        (T0_NS + 2, T0_NS + 60_000_000_002, True),
    ]


def test_names_told_come_client_by_client_and_of_an_address_the_oldest_first(store: Store) -> None:
    """More than a page of them; what equal times decide is the same in every store, and nothing is read before it is taken."""
    lease = take(store)
    ends = list(product((CLIENT, OTHER), (SERVER, OTHER)))
    captures = sorted("ab", key=id_of)
    for seq, capture in enumerate(captures, 1):
        rows = [
            name_row(
                id_of(capture), seq, client_ip=client, address=address, valid_from=T0_MS + n, hostname=name, frame=7 + n % 2
            )
            for (client, address), n, name in product(ends, range(100), ("a", "B", "ü"))
        ]
        load(lease, with_rows({NAMES_BY_CLIENT: rows}, capture))
    told = list(lease.names_told([OTHER, b"\x7f\0\0\1", CLIENT]))
    by_pair = {pair: list(facts) for pair, facts in groupby(told, key=lambda fact: (fact.client_ip, fact.address))}
    assert [client for client, _ in by_pair] == [OTHER, OTHER, CLIENT, CLIENT]
    assert set(by_pair) == set(ends)
    for facts in by_pair.values():
        order = [(fact.valid_from_ns, fact.capture_id, fact.frame, fact.hostname) for fact in facts]
        assert order == sorted(order)
        assert len(set(order)) == len(order) == 600
    assert next(lease.names_told([CLIENT, OTHER])).client_ip == CLIENT  # whoever wants no more may stop


def test_names_of_an_address_until_a_time_to_the_nanosecond(store: Store) -> None:
    lease = take(store)
    rows = [at_row("a", 1, valid_from=T0_MS + ms, ns=ns, hostname=f"{ms}.{ns}") for ms in (0, 1, 2) for ns in (5, 6)]
    load(lease, with_rows({NAMES_BY_ADDRESS: rows}, "a"))
    assert shown(lease.names_told_at({SERVER: T0_NS + 1_000_005}, NO_RULES)) == [(1_000_005, "1.5"), (6, "0.6"), (5, "0.5")]
    assert shown(lease.names_told_at({SERVER: T0_NS + 4}, NO_RULES)) == []
    assert [name.hostname for name in lease.names_told_at({SERVER: LATER_NS + 9_000_000}, NO_RULES)] == [
        "2.6",
        "2.5",
        "1.6",
        "1.5",
        "0.6",
        "0.5",
    ]


def test_names_of_several_addresses_each_until_its_own_time(store: Store) -> None:
    lease = take(store)
    rows = [
        at_row("a", 1),
        at_row("a", 1, address=OTHER),
        at_row("a", 1, address=OTHER, valid_from=T0_MS - 1, hostname="before"),
        at_row("a", 1, sensor="edge-2", hostname="of another sensor"),
        at_row("a", 1, client_ip=OTHER),
    ]
    load(lease, with_rows({NAMES_BY_ADDRESS: rows}, "a"))
    found = lease.names_told_at({OTHER: T0_NS, SERVER: LATER_NS, b"\x7f\0\0\1": LATER_NS}, NO_RULES)
    assert [(name.address, name.client_ip, name.hostname) for name in found] == [
        (OTHER, CLIENT, "before"),
        (SERVER, OTHER, "www.example.com"),  # both clients were told at one time: the greater address comes first
        (SERVER, CLIENT, "www.example.com"),
    ]
    assert lease.names_told_at({}, NO_RULES) == []


def test_names_of_one_time_stand_in_one_order(store: Store) -> None:
    """Later captures, then later frames, then greater names: whatever order a store has its keys in."""
    lease = take(store)
    names = ["a", "B", "ü.example", "a.b"]
    captures = sorted((f"{n}" for n in range(4)), key=id_of)
    for seq, capture in enumerate(captures, 1):
        rows = [at_row(capture, seq, hostname=f"{name}{frame}", frame=frame) for name, frame in product(names, (9, 10))]
        load(lease, with_rows({NAMES_BY_ADDRESS: rows}, capture))
    found = lease.names_told_at({SERVER: LATER_NS}, NO_RULES)
    order = [(name.capture_id, name.frame, name.hostname) for name in found]
    assert len(order) == 4 * 8
    assert order == sorted(order, reverse=True)


def test_names_of_an_address_are_those_of_committed_versions(store: Store) -> None:
    lease = take(store)
    load(lease, with_rows({NAMES_BY_ADDRESS: [at_row("a", 1, hostname="one")]}, "a"))
    abandon(lease, with_rows({NAMES_BY_ADDRESS: [at_row("b", 2, hostname="two")]}, "b"))
    load(lease, with_rows({}, "c"))
    assert [name.hostname for name in lease.names_told_at({SERVER: LATER_NS}, NO_RULES)] == ["one"]


def test_names_of_an_address_are_bounded_after_what_does_not_count(store: Store) -> None:
    """Newer rows of an attempt that died, and many of one time at the bound: the newest in order stay."""
    lease = take(store)
    of_one_time = [at_row("a", 1, hostname=f"{n:03}", frame=1 + n % 7) for n in range(MOST_TOLD + 40)]
    newer = [at_row("a", 1, valid_from=T0_MS + 1 + n, hostname="newer") for n in range(3)]
    dead = [at_row("b", 2, valid_from=T0_MS + 10 + n, hostname="dead") for n in range(3 * MOST_TOLD)]
    load(lease, with_rows({NAMES_BY_ADDRESS: of_one_time + newer}, "a"))
    abandon(lease, with_rows({NAMES_BY_ADDRESS: dead}, "b"))
    load(lease, with_rows({}, "c"))
    found = [
        (name.valid_from_ns, name.frame, name.hostname) for name in lease.names_told_at({SERVER: LATER_NS + 10**12}, NO_RULES)
    ]
    expected = sorted(((LATER_NS, 1 + n % 7, f"{n:03}") for n in range(MOST_TOLD + 40)), reverse=True)
    expected = [(LATER_NS + n * 1_000_000, 1, "newer") for n in (3, 2, 1)] + expected
    assert found == expected[:MOST_TOLD]


def test_what_was_told_of_an_address_is_told_to_readers(store: Store) -> None:
    lease = take(store)
    rows = [
        *({"ns": ns, "client_ip": client} for ns, client in ((5, CLIENT), (6, OTHER), (7, OTHER))),
        {"ns": 5, "address": OTHER},
        {"ns": 5, "sensor": "edge-2"},
    ]
    in_both = {table: [name_row(id_of("a"), 1, table, **row) for row in rows] for table in (NAMES_BY_ADDRESS, NAMES_BY_CLIENT)}
    load(lease, with_rows(in_both, "a"))
    older = {table: [name_row(id_of("b"), 2, table, valid_from=T0_MS - 1)] for table in in_both}
    abandon(lease, with_rows(older, "b"))
    load(lease, with_rows(older, "b"))

    def found(limit: int, client: bytes | None = None) -> list[tuple[int, bytes, int]]:
        told = store.told(ToldQuery(sensor="edge-1", address=SERVER, until_ns=T0_NS + 6, client=client, limit=limit))
        return [(name.valid_from_ns - T0_NS, name.client_ip, seq) for name, seq in told]

    assert found(9) == [(6, OTHER, 1), (5, CLIENT, 1), (-1, CLIENT, 2)]
    assert found(2) == [(6, OTHER, 1)]  # what is after the time, in its millisecond, is one of the two
    assert found(9, CLIENT) == [(5, CLIENT, 1), (-1, CLIENT, 2)]
    assert found(1, CLIENT) == [(5, CLIENT, 1)]


def test_names_told_of_a_pair_are_the_newest_of_that_client_and_address(store: Store) -> None:
    lease = take(store)
    rows = [
        name_row(id_of("a"), 1, ns=5, hostname="old"),
        name_row(id_of("a"), 1, ns=6, hostname="new"),
        name_row(id_of("a"), 1, ns=7, hostname="later"),
        name_row(id_of("a"), 1, ns=5, hostname="another's", client_ip=OTHER),
        name_row(id_of("a"), 1, ns=5, hostname="elsewhere", address=OTHER),
    ]
    load(lease, with_rows({NAMES_BY_CLIENT: rows}, "a"))
    abandon(lease, with_rows({NAMES_BY_CLIENT: [name_row(id_of("b"), 2, ns=6, hostname="unborn")]}, "b"))
    found = lease.names_told_of({(CLIENT, SERVER): T0_NS + 6, (OTHER, SERVER): T0_NS + 6, (OTHER, OTHER): T0_NS}, NO_RULES)
    assert [(name.client_ip, name.hostname) for name in found] == [(CLIENT, "new"), (CLIENT, "old"), (OTHER, "another's")]
    assert lease.names_told_of({}, NO_RULES) == []


def test_names_told_of_a_pair_are_bounded(store: Store) -> None:
    lease = take(store)
    rows = [name_row(id_of("a"), 1, ns=n, hostname=f"{n}.example") for n in range(2 * MOST_TOLD + 50)]
    load(lease, with_rows({NAMES_BY_CLIENT: rows}, "a"))
    found = lease.names_told_of({(CLIENT, SERVER): T0_NS + MOST_TOLD}, NO_RULES)
    assert shown(found) == [(n, f"{n}.example") for n in range(MOST_TOLD, 0, -1)]


def test_names_are_found_wherever_they_were_put(store: Store) -> None:
    """Before rules, by them, and by loaders that did not know them yet: as one partition would have them."""
    rules = [
        BucketRule.of(CLIENTS_SCOPE, CLIENT, T0_MS + 3_000, SHARED),
        BucketRule.of(ADDRESSES_SCOPE, SERVER, T0_MS + 2_000, SHARED),
    ]
    for version, rule in enumerate(rules, 1):
        assert store.add_bucket_rule(version, rule)
    knows, knew = BucketPolicy.of_rules(store.bucket_rules()), BucketPolicy.of_rules([])
    ends = list(product((CLIENT, OTHER), (SERVER, OTHER)))
    rows: Rows = {NAMES_BY_CLIENT: [], NAMES_BY_ADDRESS: []}
    for n, (client, address) in product(range(900), ends):
        ms, policy = T0_MS + 70 * n, knew if n % 50 == 0 else knows
        (of_client,), (of_address,) = policy.client_shares([client], [address], [ms]), policy.address_shares([address], [ms])
        values = {"client_ip": client, "address": address, "valid_from": ms, "hostname": f"{n}.example"}
        rows[NAMES_BY_CLIENT].append(name_row(id_of("a"), 1, share=of_client, **values))
        rows[NAMES_BY_ADDRESS].append(name_row(id_of("a"), 1, NAMES_BY_ADDRESS, share=of_address, **values))
    assert {row[2] for row in rows[NAMES_BY_ADDRESS] if row[1] == SERVER} == set(range(17))
    assert len({row[2] for row in rows[NAMES_BY_CLIENT] if row[1] == CLIENT}) == 3
    assert {row[2] for row in rows[NAMES_BY_ADDRESS] if row[1] == OTHER} == {0}
    lease = take(store)
    load(lease, with_rows(rows, "a"))
    for until in (65_000, 15_000, 1_000):
        newest = [f"{n}.example" for n in range(899, -1, -1) if 70 * n <= until]
        of_pairs = lease.names_told_of(dict.fromkeys(ends, T0_NS + until * 1_000_000 + 999_999), knows)
        by_pair = {pair: [fact.hostname for fact in facts] for pair, facts in groupby(of_pairs, key=pair_of)}
        assert by_pair == dict.fromkeys(ends, newest[:MOST_TOLD])
        anyones = lease.names_told_at(dict.fromkeys((OTHER, SERVER), T0_NS + until * 1_000_000 + 999_999), knows)
        by_address = {of: [fact.hostname for fact in facts] for of, facts in groupby(anyones, key=lambda told: told.address)}
        twice = [name for name in newest for _ in range(2)][:MOST_TOLD]
        assert by_address == dict.fromkeys((OTHER, SERVER), twice)
        for client in (CLIENT, None):
            query = ToldQuery(
                sensor="edge-1", address=SERVER, until_ns=T0_NS + until * 1_000_000 + 999_999, client=client, limit=30
            )
            expected = newest[:30] if client else twice[:30]
            assert [fact.hostname for fact, _ in store.told(query)] == expected
    assert {fact.client_ip for fact in lease.names_told([OTHER])} == {OTHER}

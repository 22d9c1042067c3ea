"""Names: who was told what, before when; and memory never differs from the store."""

from collections.abc import Collection
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loader.decode.columns import DnsColumns
from loader.names import UNNAMED, CaptureNames, LearnedNames, Name, NameCache, Told, choose, put_in_order
from schema.records import NameTold

ALICE, BOB, WEB, CDN = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02", b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02"


def answers(*rows: tuple[bytes, bytes, int, int, str]) -> DnsColumns:
    """(client, address, time in ms, TTL in s, name) as the decoder gives them."""
    n = range(len(rows))
    return DnsColumns(
        frame=[i + 1 for i in n],
        ts_ns=[row[2] * 1_000_000 for row in rows],
        client_ip=[row[0] for row in rows],
        client_port=[53000 for _ in n],
        resolver_ip=[BOB for _ in n],
        transport=["udp" for _ in n],
        kind=["dns" for _ in n],
        txid=[1 for _ in n],
        rcode=[0 for _ in n],
        qname=[row[4] for row in rows],
        qtype=[1 for _ in n],
        section=["answer" for _ in n],
        rr_index=[0 for _ in n],
        rr_name=[row[4] for row in rows],
        rr_type=["A" for _ in n],
        rr_ttl=[row[3] for row in rows],
        address=[row[1] for row in rows],
        rdata=[None for _ in n],
        names=[row[4] for row in rows],
        latency_us=[1 for _ in n],
    )


MS = 1_000_000


def names_of(*rows: tuple[bytes, bytes, int, int, str]) -> CaptureNames:
    learned = LearnedNames.empty(1000)
    learned.learn(answers(*rows))
    return CaptureNames(learned, None, None)


def test_two_clients_of_one_address_each_get_the_name_they_asked_for() -> None:
    names = names_of((ALICE, CDN, 0, 60, "a.example"), (BOB, CDN, 1, 60, "b.example"))
    assert names.name_of(ALICE, CDN, 10 * MS) == Name("a.example", "dns")
    assert names.name_of(BOB, CDN, 10 * MS) == Name("b.example", "dns")


def test_an_answer_after_the_flow_started_does_not_name_it() -> None:
    assert names_of((ALICE, WEB, 100, 60, "late.example")).name_of(ALICE, WEB, 99 * MS) == UNNAMED


def test_addresses_match_exactly() -> None:
    names = names_of((ALICE, bytes([1, 1, 1, 1]), 0, 60, "one.example"))
    assert names.name_of(ALICE, bytes([1, 1, 121, 1]), 10 * MS) == UNNAMED


def test_past_its_ttl_a_name_is_marked_and_not_hidden() -> None:
    names = names_of((ALICE, WEB, 0, 60, "old.example"))
    assert names.name_of(ALICE, WEB, 60_000 * MS) == Name("old.example", "dns")
    assert names.name_of(ALICE, WEB, 60_001 * MS) == Name("old.example", "dns_stale")


def test_an_answer_whose_ttl_runs_beats_a_newer_one_that_ran_out() -> None:
    names = names_of((ALICE, WEB, 0, 3600, "long.example"), (ALICE, WEB, 1000, 1, "short.example"))
    assert names.name_of(ALICE, WEB, 1500 * MS) == Name("short.example", "dns")
    assert names.name_of(ALICE, WEB, 9000 * MS) == Name("long.example", "dns")


def test_the_same_answer_twice_at_one_time_is_one_row() -> None:
    learned = LearnedNames.empty(1000)
    told = learned.learn(answers((ALICE, WEB, 5, 60, "x.example"), (ALICE, WEB, 5, 60, "x.example")))
    assert [answer[-2:] for answer in told] == [(1, True)]


def test_answers_beyond_the_bound_are_counted() -> None:
    learned = LearnedNames.empty(1)
    learned.learn(answers((ALICE, WEB, 5, 60, "x.example"), (BOB, WEB, 5, 60, "x.example")))
    assert (len(learned.keys), learned.refused) == (1, 1)


told_lists = st.lists(
    st.builds(Told, st.integers(0, 20), st.integers(1, 5), st.sampled_from("abc"), st.integers(0, 30), st.just(b"")),
    min_size=1,
)


@given(told_lists, st.randoms(use_true_random=False), st.integers(0, 25))
def test_the_order_of_arrival_decides_nothing(told: list[Told], random: Random, start: int) -> None:
    in_order: list[Told] = []
    shuffled = random.sample(told, len(told))
    for answer in shuffled:
        put_in_order(in_order, answer)
    assert in_order == sorted(told)
    names = {answer: (answer.valid_from_ns <= start, start <= answer.valid_to_ns, answer) for answer in told}
    best = max(told, key=names.__getitem__)
    expected = Name(best.hostname, "dns" if names[best][1] else "dns_stale") if names[best][0] else UNNAMED
    assert choose(in_order, start) == expected


rows = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB]),
        st.sampled_from([WEB, CDN]),
        st.integers(0, 50),
        st.integers(0, 1),
        st.sampled_from(["a", "b"]),
    ),
    max_size=12,
)


class Stored:
    """What a store would answer: every committed row, as of now."""

    def __init__(self) -> None:
        self.rows: list[NameTold] = []

    def tell(self, clients: Collection[bytes]) -> list[NameTold]:
        return [row for row in self.rows if row.client_ip in clients]


@given(st.lists(rows, max_size=4), st.integers(1, 6), st.data())
def test_a_restart_between_any_captures_changes_no_name(captures: list, limit: int, data: st.DataObject) -> None:
    """One loader keeps its small cache over all captures, another starts anew before each: the same names."""
    stored, kept = Stored(), NameCache(limit)
    for number, dns in enumerate(captures):
        learned = LearnedNames.empty(1000)
        fresh = learned.learn(answers(*dns))
        for client in data.draw(st.lists(st.sampled_from([ALICE, BOB]), max_size=3)):
            for address in (WEB, CDN):
                start = data.draw(st.integers(0, 2000)) * MS
                with_cache = CaptureNames(learned, kept, stored.tell)
                restarted = CaptureNames(learned, NameCache(limit), stored.tell)
                for names in (with_cache, restarted):
                    names.prepare([client])
                assert with_cache.name_of(client, address, start) == restarted.name_of(client, address, start)
        capture_id = bytes([number]) * 16
        stored.rows += [
            NameTold(
                client_ip=client,
                address=address,
                valid_from_ns=valid_from,
                hostname=hostname,
                capture_id=capture_id,
                valid_to_ns=valid_to,
                frame=frame,
                asked=asked,
            )
            for client, address, valid_from, hostname, valid_to, frame, asked in fresh
        ]
        kept.commit(learned, capture_id)

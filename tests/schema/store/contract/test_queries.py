"""People find rows newest first: flows by either end, answers by their name, names by their domain."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from schema.buckets import day_of
from schema.store.lookup import flow_pages, flows_named, names_below
from schema.store.reading import AnswerQuery, FlowQuery
from schema.store.writing import Store
from schema.tables import ANSWER_BUCKETS, DNS_ANSWERS, FLOW_BUCKETS, FLOWS, IPS_BY_NAME, NAMES_BY_DOMAIN, Table
from tests.schema.store.samples import CLIENT, SERVER, T0_MS, answer_row, flow_row, id_of, load, sample, take, with_rows

HOUR_MS = 3_600_000
OTHER = bytes([192, 0, 2, 9])


def flows_of_thirty_hours(store: Store) -> list[tuple[object, ...]]:
    """Flow rows to two servers from two clients, through thirty hours, newest first."""
    capture_id = id_of("a")
    rows = [
        flow_row(capture_id, frame, ts=T0_MS + hour * HOUR_MS, ns=frame, destination_ip=server, source_ip=client)
        for frame, (hour, server, client) in enumerate(
            (hour, server, client) for hour in range(30) for server in (SERVER, OTHER) for client in (CLIENT, OTHER)
        )
    ]
    load(take(store), with_rows({FLOWS: rows, **_buckets(rows)}, "a"))
    return rows[::-1]


def _buckets(rows: list[tuple[object, ...]]) -> dict[Table, list[tuple[object, ...]]]:
    return {FLOW_BUCKETS: _days(rows)}


def test_flows_of_a_destination_newest_first(store: Store) -> None:
    rows = flows_of_thirty_hours(store)
    to_server = [row for row in rows if row[0] == SERVER]
    found = store.flows(FlowQuery(destination=SERVER, limit=1_000))
    assert found.table is FLOWS
    assert found.rows == to_server
    assert store.flows(FlowQuery(destination=SERVER, limit=3)).rows == to_server[:3]
    assert store.flows(FlowQuery(destination=b"\x7f\0\0\1")).rows == []


def test_flows_of_a_source_newest_first(store: Store) -> None:
    rows = flows_of_thirty_hours(store)
    assert store.flows(FlowQuery(source=CLIENT, limit=1_000)).rows == [r for r in rows if r[6] == CLIENT]
    assert store.flows(FlowQuery(source=CLIENT, limit=2)).rows == [r for r in rows if r[6] == CLIENT][:2]


def test_flows_between_two_addresses(store: Store) -> None:
    rows = flows_of_thirty_hours(store)
    both = [row for row in rows if (row[0], row[6]) == (OTHER, CLIENT)]
    assert store.flows(FlowQuery(destination=OTHER, source=CLIENT, limit=1_000)).rows == both


@pytest.mark.parametrize(("since", "until"), [(3, 5), (3, None), (None, 5), (26, 29), (40, 50)])
def test_flows_of_a_time_range_with_both_ends(store: Store, since: int | None, until: int | None) -> None:
    rows = flows_of_thirty_hours(store)
    first, last = T0_MS + (since or 0) * HOUR_MS, T0_MS + (29 if until is None else until) * HOUR_MS
    expected = [row for row in rows if row[0] == SERVER and first <= int(str(row[2])) <= last]
    query = FlowQuery(
        destination=SERVER,
        since_ms=None if since is None else first,
        until_ms=None if until is None else last,
        limit=1_000,
    )
    assert store.flows(query).rows == expected


def test_queries_say_what_a_person_would_type(store: Store) -> None:
    flows_of_thirty_hours(store)
    statements = store.flows(FlowQuery(destination=SERVER, limit=7)).statements
    assert statements
    assert all("10.0.0.5" in statement and statement.endswith(";") for statement in statements)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_every_flow_of_two_addresses_page_by_page(store: Store, size: int) -> None:
    """Each row once, newest first, also where more of them share a millisecond than a page has rows."""
    rows = flows_of_thirty_hours(store)
    crowd = [flow_row(id_of("b"), frame, ts=T0_MS + 5 * HOUR_MS, ns=frame) for frame in range(1, 20)]
    load(take(store, "edge-2"), with_rows({FLOWS: crowd, **_buckets(crowd)}, "b"))
    between = [row for row in rows + crowd if (row[0], row[6]) == (SERVER, CLIENT)]
    first, last = T0_MS + 2 * HOUR_MS, T0_MS + 27 * HOUR_MS
    expected = sorted((row for row in between if first <= int(str(row[2])) <= last), key=lambda row: row[2:4], reverse=True)
    query = FlowQuery(destination=SERVER, source=CLIENT, since_ms=first, until_ms=last, limit=1)
    pages = list(flow_pages(store, query, size))
    assert [row for page in pages for row in page.rows] == expected
    assert len(expected) == 26 + 19


def test_a_name_finds_the_flows_that_were_counted_for_it_and_those_that_were_named_so_late(store: Store) -> None:
    rows = [
        flow_row(id_of("a"), 1, endpoint="www.example.com", hostname="other.example"),
        flow_row(id_of("a"), 2, endpoint="10.0.0.5", hostname="www.example.com"),
        flow_row(id_of("a"), 3, endpoint="other.example", hostname="other.example"),
        flow_row(id_of("a"), 4, endpoint="10.0.0.5", hostname=None),
    ]
    listed = [("www.example.com", SERVER, "edge-1", "dns", T0_MS, T0_MS)]
    load(take(store), with_rows({FLOWS: rows, IPS_BY_NAME: listed, **_buckets(rows)}, "a"))
    found = [row for result in flows_named(store, ["www.example.com"], FlowQuery()) for row in result.rows[:9]]
    assert found == [*listed, rows[1], rows[0]]


def test_names_below_a_domain(store: Store) -> None:
    names = ["example.com", "www.example.com", "a.www.example.com", "awww.example.com", r"a\.www.example.com"]
    rows = [("example.com", name, "edge-1", "dns", T0_MS, T0_MS) for name in names]
    load(take(store), with_rows({NAMES_BY_DOMAIN: [*rows, ("example.net", "www.example.net", "edge-1", "dns", T0_MS, T0_MS)]}))
    assert {row[1] for row in store.names_below("example.com").rows} == set(names)
    assert {row[1] for row in names_below(store, "example.com", "example.com").rows} == set(names[1:])
    assert {row[1] for row in names_below(store, "example.com", "www.example.com").rows} == {"a.www.example.com"}
    assert store.names_below("com").rows == []


def answers_of_two_days(store: Store) -> list[tuple[object, ...]]:
    """Answers to two clients through two days, newest first: two records, none, refusals, silence."""
    kinds = (
        {"rr_index": 0},
        {"rr_index": 1},
        {"rr_index": -1, "rcode": 3},
        {"rr_index": -1, "rcode": None, "latency_us": None},
    )
    rows = [
        answer_row(
            id_of("a"), 1 + hour * 3 + max(0, n - 1), ts=T0_MS + hour * HOUR_MS, ns=n and n - 1, **values, client_ip=client
        )
        for hour in range(48)
        for client in ((CLIENT, OTHER)[hour % 2],)
        for n, values in enumerate(kinds)
    ]
    other = [answer_row(id_of("a"), 900, qname="other.example.com")]
    load(take(store), with_rows({DNS_ANSWERS: rows + other, ANSWER_BUCKETS: _days([*rows, *other])}, "a"))
    return sorted(rows, key=lambda row: (-int(str(row[2])), -int(str(row[3])), row[6]))


def test_answers_of_a_name_newest_first_failures_and_all(store: Store) -> None:
    rows = answers_of_two_days(store)
    found = store.answers(AnswerQuery(name="www.example.com", limit=1_000))
    assert found.table is DNS_ANSWERS
    assert found.rows == rows
    assert store.answers(AnswerQuery(name="www.example.com", limit=3)).rows == rows[:3]
    assert store.answers(AnswerQuery(name="nobody.example.com")).rows == []


def test_answers_that_one_client_was_given_in_a_time_range(store: Store) -> None:
    rows = answers_of_two_days(store)
    first, last = T0_MS + 20 * HOUR_MS, T0_MS + 30 * HOUR_MS
    query = AnswerQuery(name="www.example.com", client=CLIENT, since_ms=first, until_ms=last, limit=1_000)
    at = DNS_ANSWERS.index("client_ip")
    assert store.answers(query).rows == [row for row in rows if first <= int(str(row[2])) <= last and row[at] == CLIENT]
    of_everybody = store.answers(replace(query, client=None, limit=5)).rows
    assert of_everybody == [row for row in rows if first <= int(str(row[2])) <= last][:5]


def _days(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted({(row[0], day_of(int(str(row[2]))), row[1]) for row in rows}, key=repr)


def test_rows_of_one_capture_at_an_address_and_of_a_name(store: Store) -> None:
    lease, other = take(store), bytes([192, 0, 2, 9])
    at_both = [
        flow_row(id_of("a"), frame, destination_ip=at, ts=T0_MS + hour * HOUR_MS)
        for frame, at, hour in ((1, SERVER, 0), (2, SERVER, 5), (3, other, 0))
    ]
    load(
        lease,
        with_rows({FLOWS: at_both, DNS_ANSWERS: [answer_row(id_of("a"), 4), answer_row(id_of("a"), 5, qname="it's")]}, "a"),
    )
    load(lease, sample("b"))
    assert sorted(store.rows_of(FLOWS, id_of("a"), SERVER), key=repr) == sorted(at_both[:2], key=repr)
    assert list(store.rows_of(FLOWS, id_of("a"), CLIENT)) == []
    assert list(store.rows_of(FLOWS, id_of("never"), SERVER)) == []
    assert list(store.rows_of(DNS_ANSWERS, id_of("a"), "it's")) == [answer_row(id_of("a"), 5, qname="it's")]

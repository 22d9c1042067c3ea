"""Rows: whatever the flows, every packet is in its flow row, in its minute and in its endpoint's total, once."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.decode.columns import DecodedBatch, DnsColumns, FlowColumns, MinuteColumns
from loader.naming.choice import NamingRules
from loader.naming.learned import LearnedNames
from loader.naming.names import CaptureNames
from loader.rows import tallies
from loader.rows.building import RowBuilder, RowContext
from loader.rows.identity import endpoint_of, flow_ids
from schema.bucketpolicy import BucketPolicy
from schema.records import MAX_COMMIT_ENDPOINTS, OTHER_ENDPOINT
from schema.tables import (
    ANSWER_BUCKETS,
    FLOW_BUCKETS,
    FLOWS,
    IPS_BY_NAME,
    NAMES_BY_DOMAIN,
    NAMES_BY_IP,
    TRAFFIC_BY_MINUTE,
    RowBatch,
)
from tests.loader.naming.facts import answers

CLIENT = b"\x0a\x00\x00\x01"
MINUTE_NS = 60_000_000_000
CONTEXT = RowContext(sensor="edge-1", seq=1, policy=BucketPolicy("hour"), carries=True)


RULES = NamingRules()


def builder() -> RowBuilder:
    return RowBuilder(CONTEXT, CaptureNames(LearnedNames(100, RULES), RULES), 1000)


def rows_of(*batches: DecodedBatch) -> list[RowBatch]:
    """All rows of one capture."""
    made = builder()
    return [rows for batch in batches for rows in made.build(batch)] + list(made.finish(bytes(16)))


def flow_batch(flows: list[tuple[int, int, list[tuple[int, int, int, int, int]]]], first_frame: int = 1) -> DecodedBatch:
    """Flows as (destination's last byte, first minute, [(minute offset, packets, bytes, packets_rev, bytes_rev)])."""
    n = range(len(flows))
    sums = [[sum(column) for column in zip(*[part[1:] for part in parts], strict=True)] for _, _, parts in flows]
    starts = [(minute + min(part[0] for part in parts)) * MINUTE_NS for _, minute, parts in flows]
    pieces = [(i, flows[i][1] + offset, *counts) for i in n for offset, *counts in flows[i][2]]
    columns = list(zip(*pieces, strict=True)) or [()] * 6
    return DecodedBatch(
        flows=FlowColumns(
            source_ip=[CLIENT for _ in n],
            destination_ip=[bytes([192, 0, 2, flow[0]]) for flow in flows],
            source_port=[40000 + i for i in n],
            destination_port=[443 for _ in n],
            protocol=[6 for _ in n],
            frame=[first_frame + i for i in n],
            first_ts_ns=starts,
            last_ts_ns=[start + 5_000_000 for start in starts],
            chain_ts_ns=starts,
            packets=[s[0] for s in sums],
            bytes=[s[1] for s in sums],
            packets_rev=[s[2] for s in sums],
            bytes_rev=[s[3] for s in sums],
            tcp_flags=[0 for _ in n],
            end_reason=[4 for _ in n],
            initiator=[1 for _ in n],
            tunnel=[0 for _ in n],
            said_name=[None for _ in n],
            said_by=[None for _ in n],
            alpn=[None for _ in n],
        ),
        minutes=MinuteColumns(*columns),
    )


def saying(name: str | None, by: str | None, alpn: str | None = None) -> FlowColumns:
    """One flow of the client to 192.0.2.1 that began 100 ms into minute 29,000,000."""
    flows = flow_batch([(1, 29_000_000, [(0, 1, 60, 0, 0)])]).flows
    flows.chain_ts_ns = [29_000_000 * MINUTE_NS + 100_000_000]
    flows.said_name, flows.said_by, flows.alpn = [name], [by], [alpn]
    return flows


def told(name: str, ms: int) -> DnsColumns:
    """192.0.2.1 was the answer for a name, so many milliseconds into that minute."""
    return answers((CLIENT, bytes([192, 0, 2, 1]), 29_000_000 * 60_000 + ms, 60, name))


parts = st.lists(st.tuples(*[st.integers(0, 3)] * 5), min_size=1, max_size=4)
flow_lists = st.lists(st.tuples(st.integers(1, 4), st.integers(29_000_000, 29_001_500), parts), max_size=6)


def summed(batches: list[RowBatch], key: tuple[str, ...]) -> Counter[tuple[object, ...]]:
    """packets + 1000 * bytes + ... would hide: the four counters apart, by key."""
    totals: Counter[tuple[object, ...]] = Counter()
    for batch in batches:
        keys = list(zip(*[batch.column(name) for name in key], strict=True))
        for counter in ("packets", "bytes", "packets_rev", "bytes_rev"):
            for k, value in zip(keys, batch.column(counter), strict=True):
                totals[(*k, counter)] += value  # type: ignore[operator]
    return +totals


@given(st.lists(flow_lists, max_size=3))
def test_flows_minutes_and_endpoints_hold_the_same_packets(batches: list[list]) -> None:
    rows, frame = builder(), 1
    for batch in batches:
        assert not list(rows.build(flow_batch(batch, frame))), "flows wait for the capture's end"
        frame += len(batch)
    made = list(rows.finish(bytes(16)))
    flows = [batch for batch in made if batch.table == FLOWS]
    minutes = [batch for batch in made if batch.table == TRAFFIC_BY_MINUTE]
    assert summed(flows, ("destination_ip", "endpoint")) == summed(minutes, ("destination_ip", "endpoint"))
    deltas, _ = rows.endpoint_deltas()
    assert sum(delta.flows for delta in deltas.values()) == sum(map(len, flows)) == frame - 1
    assert sum(sum(batch.column("flows")) for batch in minutes) == frame - 1  # type: ignore[arg-type]
    by_endpoint = summed(flows, ("endpoint",))
    for endpoint, delta in deltas.items():
        assert delta[1:] == tuple(by_endpoint[(endpoint, c)] for c in ("packets", "bytes", "packets_rev", "bytes_rev"))
    keys = [key for batch in minutes for key in zip(*batch.columns[:5], strict=True)]
    assert len(keys) == len(set(keys)), "one row a destination, minute and endpoint"


def test_endpoints_beyond_a_commits_bound_are_folded_and_counted() -> None:
    rows = builder()
    many = MAX_COMMIT_ENDPOINTS + 3
    flows = flow_batch([(1, 29_000_000, [(0, 1, 60, 0, 0)])]).flows
    columns = {name: list(values) * many for name, values in flows.as_dict().items()}
    columns["destination_ip"] = [(0x0B000000 + i).to_bytes(4, "big") for i in range(many)]
    list(rows.build(DecodedBatch(flows=FlowColumns(**columns))))
    list(rows.finish(bytes(16)))
    deltas, folded = rows.endpoint_deltas()
    assert len(deltas) == MAX_COMMIT_ENDPOINTS
    assert sum(delta.flows for delta in deltas.values()) == many
    assert deltas[OTHER_ENDPOINT].flows == 4 == folded


@pytest.mark.parametrize(
    ("dns", "conflict"),
    [(None, False), (("cdn.example", 50), True), (("www.example", 50), False), (("cdn.example", 150), False)],
)
def test_the_name_in_the_flow_itself_comes_first(dns: tuple[str, int] | None, conflict: bool) -> None:
    """It is in conflict with what DNS gave this client for this address before, where that is other names only."""
    batch = DecodedBatch(flows=saying("www.example", "sni", "h2"))
    if dns:
        batch.dns = told(*dns)
    (flows,) = [rows for rows in rows_of(batch) if rows.table == FLOWS]
    shown = [flows.column(name)[0] for name in ("hostname", "endpoint", "name_evidence", "name_conflict", "alpn")]
    assert shown == ["www.example", "www.example", "sni", conflict, "h2"]


def test_an_answer_behind_the_flow_in_the_same_capture_names_it_and_its_endpoint() -> None:
    batches = (DecodedBatch(flows=saying(None, None)), DecodedBatch(dns=told("www.example", 150)))
    (flows,) = [rows for rows in rows_of(*batches) if rows.table == FLOWS]
    assert [flows.column(name)[0] for name in ("endpoint", "name_evidence")] == ["www.example", "dns_late"]


def test_a_flow_that_says_no_name_has_that_of_dns() -> None:
    batch = DecodedBatch(flows=saying(None, None, "h3"), dns=told("www.example", 50))
    (flows,) = [rows for rows in rows_of(batch) if rows.table == FLOWS]
    shown = [flows.column(name)[0] for name in ("hostname", "name_evidence", "name_conflict", "alpn")]
    assert shown == ["www.example", "dns", False, "h3"]


def test_the_dictionaries_know_a_name_by_its_best_evidence() -> None:
    batches = [DecodedBatch(dns=told("www.example", 50)), DecodedBatch(dns=told("other.example", 50))]
    made = rows_of(*batches, DecodedBatch(flows=saying("www.example", "quic")))
    seen = {batch.table: sorted(batch.rows(), key=repr) for batch in made}
    minute = 29_000_000 * 60_000
    assert [(row[1], *row[3:]) for row in seen[NAMES_BY_IP]] == [
        ("other.example", "dns", minute + 50, minute + 50),
        ("www.example", "quic", minute, minute + 50),
    ]
    assert [row[0] for row in seen[IPS_BY_NAME]] == ["other.example", "www.example"]
    assert [row[:2] for row in seen[NAMES_BY_DOMAIN]] == [("other.example", "other.example"), ("www.example", "www.example")]


def test_a_name_that_reads_like_the_rest_is_escaped() -> None:
    assert endpoint_of("_other", b"\xc0\x00\x02\x01") == "\\095other"
    assert endpoint_of("_folded", b"\xc0\x00\x02\x01") == "\\095folded"
    assert endpoint_of(None, b"\xc0\x00\x02\x01") == "192.0.2.1"


def test_a_chain_keeps_its_id_whichever_end_is_called_its_source() -> None:
    flows = flow_batch([(1, 29_000_000, [(0, 1, 60, 0, 0)])]).flows
    turned = flows.with_changes(
        source_ip=flows.destination_ip,
        destination_ip=flows.source_ip,
        source_port=flows.destination_port,
        destination_port=flows.source_port,
    )
    assert flow_ids("edge-1", flows) == flow_ids("edge-1", turned)
    assert flow_ids("edge-2", flows) != flow_ids("edge-1", flows)


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_however_few_partitions_are_kept_in_memory_all_are_listed(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(tallies, "MAX_BUCKETS", most)
    flows = [flow_batch([(n % 5, 29_000_000 + 60 * n, [(0, 1, 60, 0, 0)])], n + 1) for n in range(9)]
    asked = [DecodedBatch(dns=told(f"{n % 7}.example", 50)) for n in range(9)]
    made = [(batch.table, row) for batch in rows_of(*flows, *asked) for row in batch.rows()]
    assert len({row[0] for table, row in made if table == ANSWER_BUCKETS}) == 7
    where = [FLOWS.index(name) for name in FLOWS.partition]
    listed = {(row[0], row[2]) for table, row in made if table == FLOW_BUCKETS}
    assert listed == {tuple(row[i] for i in where) for table, row in made if table == FLOWS}

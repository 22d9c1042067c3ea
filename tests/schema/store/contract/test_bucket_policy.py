"""The list of rules grows by one at a time, whoever is first; rows are found in order across what it changed."""

import pytest

from schema.addresses import address_text
from schema.bucketpolicy import DNS_SCOPE, FLOWS_SCOPE, BucketPolicy, BucketRule
from schema.buckets import day_of
from schema.store.reading import FlowQuery
from schema.store.writing import Store
from schema.tables import FLOW_BUCKETS, FLOWS
from tests.schema.store.factory import StoreFactory
from tests.schema.store.samples import SERVER, T0_MS, flow_row, id_of, load, take, with_rows

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
FIRST = BucketRule(FLOWS_SCOPE, "10.0.0.5", T0_MS, "10min")
SECOND = BucketRule(DNS_SCOPE, "it's.example", T0_MS + HOUR_MS, "min")


def test_rules_are_added_once_a_version(store_factory: StoreFactory) -> None:
    one, other = store_factory(), store_factory()
    assert one.bucket_rules() == []
    assert one.add_bucket_rule(1, FIRST)
    assert not other.add_bucket_rule(1, SECOND)
    assert other.add_bucket_rule(1, FIRST)  # as good as its own
    assert other.add_bucket_rule(2, SECOND)
    assert not one.add_bucket_rule(2, FIRST)
    assert one.bucket_rules() == other.bucket_rules() == store_factory("reader").bucket_rules() == [FIRST, SECOND]


@pytest.mark.parametrize("base", ["day", "hour"])
def test_flows_are_found_newest_first_across_a_split(store: Store, base: str) -> None:
    """A day whose partitions are of a day or an hour, of ten minutes and of one; some rows came before the rules were known."""
    start = T0_MS - T0_MS % HOUR_MS
    subject = address_text(SERVER)
    rules = [
        BucketRule(FLOWS_SCOPE, subject, start + 130 * MINUTE_MS, "10min"),
        BucketRule(FLOWS_SCOPE, subject, start + 185 * MINUTE_MS, "min"),
    ]
    policies = [BucketPolicy(base, rules[:version]) for version in (2, 2, 2, 1, 0)]
    rows = []
    for frame in range(600):
        ts = start + frame * 25_000
        (bucket,) = policies[frame % 5].column(FLOWS_SCOPE, [SERVER], [ts])
        rows.append(flow_row(id_of("a"), frame, ts=ts, ns=frame, bucket=bucket))
    listed = sorted({(SERVER, day_of(int(str(row[2]))), row[1]) for row in rows}, key=repr)
    assert len({len(str(row[2])) for row in listed}) == 2
    load(take(store), with_rows({FLOWS: rows, FLOW_BUCKETS: listed}, "a"))
    newest_first = rows[::-1]
    assert store.flows(FlowQuery(destination=SERVER, limit=1_000)).rows == newest_first
    for limit in (1, 7, 150):
        assert store.flows(FlowQuery(destination=SERVER, limit=limit)).rows == newest_first[:limit]
    since, until = start + 120 * MINUTE_MS, start + 190 * MINUTE_MS
    found = store.flows(FlowQuery(destination=SERVER, since_ms=since, until_ms=until, limit=1_000))
    assert found.rows == [row for row in newest_first if since <= int(str(row[2])) <= until]

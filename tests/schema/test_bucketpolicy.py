"""Which bucket a row is in: by its subject, its packet time and the policy, whatever the order of rules and rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.addresses import address_text
from schema.bucketpolicy import (
    ADDRESSES_SCOPE,
    CLIENTS_SCOPE,
    DNS_SCOPE,
    FLOWS_SCOPE,
    SHARED,
    TRAFFIC_SCOPE,
    BucketPolicy,
    BucketRule,
)
from schema.buckets import GRANULARITIES, bucket_of, bucket_span
from schema.coded import CodedColumn
from schema.shares import WHOLE

T0_MS = 1_795_000_000_000
HOT, COLD = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])

lengths = st.sampled_from(list(GRANULARITIES))
times = st.integers(T0_MS - 3 * 86_400_000, T0_MS + 3 * 86_400_000)
rules_of_hot = st.lists(st.builds(BucketRule, st.just(FLOWS_SCOPE), st.just(address_text(HOT)), times, lengths), max_size=6)


@given(lengths, rules_of_hot, st.lists(st.tuples(st.sampled_from([HOT, COLD]), times), max_size=20))
def test_a_row_has_the_shortest_partition_that_holds_at_its_time(
    base: str, rules: list[BucketRule], rows: list[tuple[bytes, int]]
) -> None:
    policy = BucketPolicy(base, rules)
    subjects, ms = [subject for subject, _ in rows], [ts for _, ts in rows]
    expected = []
    for subject, ts in rows:
        holding = [rule.granularity for rule in rules if subject == HOT and rule.valid_from_ms <= ts]
        expected.append(bucket_of(ts, min([base, *holding], key=GRANULARITIES.__getitem__)))
    coded = CodedColumn.of([int(subject == COLD) for subject in subjects], [HOT, COLD])
    for column in (policy.column(FLOWS_SCOPE, subjects, ms), policy.column(FLOWS_SCOPE, coded, ms)):
        assert list(column) == expected
        assert len(set(column.parts()[1])) == len(column.parts()[1])
    assert list(BucketPolicy(base, rules[::-1] * 2).column(FLOWS_SCOPE, subjects, ms)) == expected
    assert list(policy.column(DNS_SCOPE, [address_text(subject) for subject in subjects], ms)) == [
        bucket_of(ts, base) for ts in ms
    ]


@given(lengths, lengths, times)
def test_minutes_have_days_whatever_the_setting_unless_a_rule_of_theirs_holds(base: str, shorter: str, ts: int) -> None:
    rules = [BucketRule.of(scope, HOT, ts, shorter) for scope in (FLOWS_SCOPE, TRAFFIC_SCOPE)]
    assert rules[1].key == HOT
    for policy, held in ((BucketPolicy(base, rules[:1]), "day"), (BucketPolicy(base, rules), shorter)):
        buckets = list(policy.column(TRAFFIC_SCOPE, [HOT, COLD, HOT], [ts, ts, ts - 1]))
        assert buckets == [bucket_of(ts, held), bucket_of(ts, "day"), bucket_of(ts - 1, "day")]
        assert policy.granularity(TRAFFIC_SCOPE, HOT, ts) == held
        assert policy.is_shortened_by(BucketRule.of(TRAFFIC_SCOPE, HOT, ts, "min")) == (held != "min")


@given(times, st.lists(times, max_size=3))
def test_what_is_shared_out_is_found(ts: int, begins: list[int]) -> None:
    """From the earliest rule of its own on; and wherever it is, and whatever rules come, it is looked for there."""
    told = BucketPolicy("hour", [BucketRule.of(CLIENTS_SCOPE, HOT, begin, SHARED) for begin in begins])
    named = BucketPolicy("hour", [BucketRule.of(ADDRESSES_SCOPE, HOT, begin, SHARED) for begin in begins])
    shares = (list(told.client_shares([HOT, COLD], [COLD, HOT], [ts, ts])), list(named.address_shares([HOT, COLD], [ts, ts])))
    is_shared = any(begin <= ts for begin in begins)
    assert [[share != WHOLE for share in each] for each in shares] == [[is_shared, False]] * 2
    assert shares[0][0] in told.shares_of_pair(HOT, COLD)
    assert shares[1][0] in named.shares_of_address(HOT)
    assert told.shares_of_pair(COLD, HOT) == named.shares_of_address(COLD) == (WHOLE,)
    assert (told.is_shared(HOT), told.is_shared(COLD), named.is_shared(HOT)) == (bool(begins), False, False)
    rule = BucketRule.of(CLIENTS_SCOPE, HOT, ts, SHARED)
    assert told.is_shortened_by(rule) == all(ts < begin for begin in begins)
    assert list(told.column(FLOWS_SCOPE, [HOT], [ts])) == [bucket_of(ts, "hour")]


@given(times, lengths)
def test_a_bucket_has_no_rows_out_of_its_span(ts: int, length: str) -> None:
    start, end = bucket_span(bucket_of(ts, length))
    assert start <= ts < end
    assert end - start in (GRANULARITIES[length] * 1000, GRANULARITIES["10min"] * 1000)


@given(rules_of_hot, st.data())
def test_what_is_recorded_is_the_policy_of_then(rules: list[BucketRule], data: st.DataObject) -> None:
    then = BucketPolicy("hour", rules[: data.draw(st.integers(0, len(rules)))])
    assert BucketPolicy.recorded(then.spelled, rules).rules == then.rules


@pytest.mark.parametrize("spelled", ["", "hour", "hour@", "hour@x", "week@0", "hour@-1", "hour@1"])
def test_what_is_no_policy_of_this_store_is_refused(spelled: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|bucket_policy"):
        BucketPolicy.recorded(spelled, [])

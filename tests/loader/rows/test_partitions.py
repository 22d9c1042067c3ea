"""Partitions that grow too large: seen from counts, split in both stores, and made again as they were."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from loader.archive.finding import CaptureFiles
from loader.commit.pipeline import SensorLoader
from loader.commit.sensornames import no_inventory
from loader.commit.shared import Shared
from loader.review.again import Decoding
from loader.review.openflows import OpenFlowsAgain
from loader.review.recheck import examine
from loader.review.then import Then
from loader.rows import partitions
from loader.rows.partitions import MOST_BYTES, ROW_BYTES, Partitions, PartitionTally
from loader.settings import LoaderSettings
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
from schema.buckets import bucket_of, bucket_span
from schema.enums import FileState
from schema.records import DEFAULT_NETWORK, PartitionCounts
from schema.shares import share_of_address
from schema.store.reading import AnswerQuery, FlowQuery
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import BY_NAME, DNS_ANSWERS, FLOWS, NAMES_BY_ADDRESS, NAMES_BY_CLIENT, TRAFFIC_BY_MINUTE
from tests.e2e.loading import load_all
from tests.loader.commit.test_pipeline import cut

SENSOR, PARTS = "edge-1", 6
SETTINGS = LoaderSettings()
HOST = bytes([10, 0, 0, 5])
T0_MS = 1_795_000_000_000
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
START_MS = T0_MS - T0_MS % HOUR_MS
A_DESTINATION, A_BUCKET, A_TIME = FLOWS.index("destination_ip"), FLOWS.index("bucket"), FLOWS.index("ts")


def counts(rows: int, bucket: str, subject: bytes | str = HOST) -> list[PartitionCounts]:
    table = "flows" if isinstance(subject, bytes) else "dns_answers"
    return [PartitionCounts(table=table, partitions=((subject, bucket),), rows=(rows,))]


# what is found, from counts alone


@pytest.mark.parametrize(
    ("rows", "granularity", "valid_from"),
    [(50_000, "min", 8), (5_000, None, 0), (2_000, None, 0)],
    ids=["too fast", "nothing is known yet", "slow"],
)
def test_one_capture_of_ten_seconds(rows: int, granularity: str | None, valid_from: int) -> None:
    first = START_MS + 7 * MINUTE_MS
    found = list(PartitionTally().add(counts(rows, bucket_of(first)), first, first + 10_000))
    expected = BucketRule(FLOWS_SCOPE, "10.0.0.5", START_MS + valid_from * MINUTE_MS, granularity) if granularity else None
    assert found == ([expected] if expected else [])


def test_a_steady_rate_gets_the_longest_that_it_fits_into() -> None:
    """150 rows a second of forty sensors: ten minutes are 90,000 rows, of which no loader may bring more than 104,166."""
    tally = PartitionTally()
    found = [
        rule
        for minute in range(12)
        for _ in range(40)
        for first in [START_MS + minute * MINUTE_MS]
        for rule in tally.add(counts(225, bucket_of(first), "busy.example"), first, first + MINUTE_MS)
    ]
    assert found[0] == BucketRule(DNS_SCOPE, "busy.example", START_MS + 10 * MINUTE_MS, "10min")
    assert {rule.granularity for rule in found} == {"10min"}


def test_what_comes_to_an_end_is_not_split() -> None:
    """So many rows at the end of an hour that there is no time for too many more; and nothing is shorter than a minute."""
    first = START_MS + HOUR_MS - 10_000
    assert not list(PartitionTally().add(counts(60_000, bucket_of(first)), first, first + 9_999))
    odd_minute = START_MS + 7 * MINUTE_MS
    assert not list(PartitionTally().add(counts(9_000_000, bucket_of(odd_minute, "min")), odd_minute, odd_minute + 30_000))


def test_packet_times_that_jump_move_nothing_out_of_the_partition() -> None:
    found = list(PartitionTally().add(counts(400_000, bucket_of(START_MS)), 0, 4_102_444_800_000))
    assert all(START_MS < rule.valid_from_ms <= START_MS + HOUR_MS for rule in found)


def test_counting_is_bounded_and_keeps_what_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_MOST_COUNTED", 10)
    tally = PartitionTally()
    for minute in range(500):
        first, scanned = START_MS + minute * 1_000, bytes([10, 1, minute >> 8, minute & 255])
        list(tally.add([*counts(1, bucket_of(first), scanned), *counts(100, bucket_of(first))], first, first + 1_000))
    assert tally.largest == {"flows": 50_000}
    assert 480 <= tally.forgotten <= 500


def test_of_a_scan_the_largest_partitions_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_MOST_OF_A_PART", 3)
    bucket = bucket_of(START_MS)
    keys = tuple((bytes([10, 0, 0, n]), bucket) for n in range(100))
    tally = PartitionTally()
    own = [PartitionCounts(table="flows", partitions=keys, rows=(*range(1, 100), 60_000))]
    assert [rule.subject for rule in tally.add(own, START_MS, START_MS + 1_000)] == ["10.0.0.99"]
    assert tally.forgotten == 97


Stored = dict[str, Counter[tuple[bytes, str]]]  # rows by table, and by partition in it


def stored_after(loaders: list[Partitions], minutes: range, rows: Callable[[int], dict[str, dict[bytes, int]]]) -> Stored:
    """What there is after these minutes of a day of a hundred sensors, shared out among loaders; `rows`: what each of them
    brings in a minute, by table and address."""
    stored: Stored = {}
    sensors = 100 // len(loaders)
    for minute in minutes:
        first = START_MS + minute * MINUTE_MS
        brought = rows(minute)
        for loader in loaders:
            own = []
            for table, by_address in brought.items():
                addresses, values = list(by_address), tuple(by_address.values())
                scope = FLOWS_SCOPE if table == FLOWS.name else TRAFFIC_SCOPE
                keys = tuple(zip(addresses, loader.policy().column(scope, addresses, [first] * len(addresses)), strict=True))
                own.append(PartitionCounts(table=table, partitions=keys, rows=values))
                counted = stored.setdefault(table, Counter())
                counted.update({key: count * sensors for key, count in zip(keys, values, strict=True)})
            for _ in range(sensors):
                loader.committed(own, first * 10**6, (first + MINUTE_MS - 1) * 10**6)
    return stored


def flows_of_a_sensor(minute: int) -> dict[str, dict[bytes, int]]:
    """10,000 rows a second of all sensors, and more at times."""
    rates: dict[bytes, Callable[[int], int]] = {  # rows a second, of all sensors together
        bytes([10, 0, 0, 1]): lambda minute: 4_800,
        bytes([10, 0, 0, 2]): lambda minute: 1_000 if minute % 120 < 60 else 100,
        bytes([10, 0, 0, 3]): lambda minute: 150,
        bytes([10, 0, 0, 4]): lambda minute: 4_800 if minute == 827 or minute > 1_200 else 30,
        bytes([10, 0, 0, 6]): lambda minute: 10,
        bytes([10, 0, 0, 7]): lambda minute: 4_200,
    }
    return {FLOWS.name: {address: rate(minute) * 60 // 100 for address, rate in rates.items()}}


def minutes_of_a_sensor(minute: int) -> dict[str, dict[bytes, int]]:
    """A capture every ten seconds, one of them in two minutes: seven rows for an endpoint that each of them meets."""
    endpoints = {
        bytes([10, 0, 0, 1]): 1,
        bytes([10, 0, 0, 2]): 2,
        bytes([10, 0, 0, 3]): 40 if minute > 600 else 1,  # what delivers for many names, at times
        bytes([10, 0, 0, 4]): 300,
    }
    now_and_then = {bytes([10, 0, 0, 6]): 1}
    return {TRAFFIC_BY_MINUTE.name: {address: 7 * count for address, count in endpoints.items()} | now_and_then}


@pytest.mark.parametrize(("loaders", "minutes"), [(1, range(1_440)), (4, range(780, 1_260))], ids=["a day", "four loaders"])
def test_no_partition_of_a_day_is_over_its_bound(tmp_path: Path, loaders: int, minutes: range) -> None:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        (stored,) = stored_after([Partitions(store, "hour") for _ in range(loaders)], minutes, flows_of_a_sensor).values()
        rules = store.bucket_rules()
    assert sum(stored.values()) > len(minutes) * 60 * 9_000
    assert max(stored.values()) * ROW_BYTES[FLOWS.name] <= MOST_BYTES
    assert {address for address, bucket in stored if len(bucket) == 13} == {bytes([10, 0, 0, n]) for n in (1, 2, 3, 4, 6, 7)}
    assert {rule.subject for rule in rules} >= {"10.0.0.1", "10.0.0.2", "10.0.0.4"}
    assert "10.0.0.6" not in {rule.subject for rule in rules}
    assert len(rules) <= 12
    print(f"{sum(stored.values())} rows, {len(stored)} partitions, the largest {max(stored.values())}, {len(rules)} rules")


@pytest.mark.parametrize(("loaders", "minutes"), [(1, range(1_440)), (4, range(1_440))], ids=["one loader", "four loaders"])
def test_no_partition_of_a_days_minutes_is_over_its_bound(tmp_path: Path, loaders: int, minutes: range) -> None:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        (stored,) = stored_after([Partitions(store, "hour") for _ in range(loaders)], minutes, minutes_of_a_sensor).values()
        rules = store.bucket_rules()
    of_address = Counter[bytes]()
    for (address, _), rows in stored.items():
        of_address[address] += rows
    assert of_address[bytes([10, 0, 0, 1])] * ROW_BYTES[TRAFFIC_BY_MINUTE.name] > MOST_BYTES, "a day would have been too much"
    assert max(stored.values()) * ROW_BYTES[TRAFFIC_BY_MINUTE.name] <= MOST_BYTES
    assert {rule.subject for rule in rules} == {f"10.0.0.{n}" for n in (1, 2, 3, 4)}
    assert {bucket for address, bucket in stored if address == bytes([10, 0, 0, 6])} == {
        bucket_of(START_MS, "day"),
        bucket_of(START_MS + 86_399_999, "day"),
    }
    assert len(rules) <= 8
    print(f"{sum(stored.values())} rows, {len(stored)} partitions, the largest {max(stored.values())}, {len(rules)} rules")


ANSWERED = {bytes([10, 0, 0, 53]): 300, bytes([10, 0, 0, 54]): 30, bytes([10, 0, 0, 9]): 0.5}  # answers a second, or in 16


@pytest.mark.parametrize(("name", "shares"), [("names_by_client", 256), ("names_by_address", 16)])
def test_no_partition_of_what_clients_were_told_is_over_its_bound(tmp_path: Path, name: str, shares: int) -> None:
    """Two resolvers and a client behind one sensor, a capture in twenty minutes, for the days that rows are kept; an address
    has a sixteenth of what a client has."""
    minutes, row_bytes = range(0, BY_NAME[name].ttl_seconds // 60, 20), ROW_BYTES[name]
    stored: Counter[tuple[object, ...]] = Counter()
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        loader = Partitions(store, "hour")
        for minute in minutes:
            first, own = START_MS + minute * MINUTE_MS, Counter[tuple[object, ...]]()
            for subject, rate in ANSWERED.items():
                for share in shares_of(loader.policy(), name, subject, first):
                    own["edge", subject, share] += int(1_200 * rate / 256)
            counts = PartitionCounts(table=name, partitions=tuple(own), rows=tuple(own.values()))
            loader.committed([counts], first * 10**6, (first + 20 * MINUTE_MS - 1) * 10**6)
            stored.update(own)
        rules = store.bucket_rules()
    assert {(rule.subject, rule.granularity) for rule in rules} == {("10.0.0.53", SHARED), ("10.0.0.54", SHARED)}
    assert len(minutes) * shares * (1_200 * 30 // 256) * row_bytes > MOST_BYTES, "in one it would have been too much"
    assert max(stored.values()) * row_bytes <= MOST_BYTES
    assert loader.largest()[name] * row_bytes <= MOST_BYTES
    assert len(stored) == 3 + 2 * shares
    print(f"{sum(stored.values())} rows, {len(stored)} partitions, the largest {max(stored.values())}, {len(rules)} rules")


def shares_of(policy: BucketPolicy, name: str, subject: bytes, first_ms: int) -> Iterator[int]:
    """Of facts one to each share there is, or as many to the whole."""
    if name == "names_by_address":
        yield from policy.address_shares([subject] * 16, [first_ms + second * 1_000 for second in range(16)])
        return
    addresses = {share_of_address(of): of for of in map(int.to_bytes, range(2_560), repeat(4))}
    assert len(addresses) == 256
    yield from policy.client_shares([subject] * 256, list(addresses.values()), [first_ms] * 256)


# in both stores


@pytest.fixture(params=["sqlite", "cassandra"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "cassandra":
            yield request.getfixturevalue("cassandra_store_factory")()
        else:
            store = stack.enter_context(closing(open_sqlite(tmp_path / "store.db")))
            store.apply_schema()
            yield store


@pytest.fixture
def captures(tmp_path: Path) -> list[Path]:
    """Half an hour, to few servers."""
    frames = generate(TrafficPlan(seed=23, packets=1_200, packets_per_second=0.6, clients=3, servers=2))
    return cut(list(frames), PARTS, tmp_path)


@pytest.fixture
def calm(tmp_path: Path, captures: list[Path]) -> list[tuple[object, ...]]:
    """The rows of flows without any split, but for their buckets."""
    with closing(open_sqlite(tmp_path / "calm.db")) as store:
        store.apply_schema()
        load_all(store, captures, SENSOR, SETTINGS)
        assert store.bucket_rules() == []
        return without_buckets(store)


def without_buckets(store: Store) -> list[tuple[object, ...]]:
    rows = [tuple(value for at, value in enumerate(row) if at != A_BUCKET) for row in store.scan(FLOWS)]
    return sorted(rows, key=repr)


def assert_made_again(store: Store, directory: Path) -> None:
    """Every capture gives the rows that are there, by what its inputs recorded, and they are where the policy says."""
    files = CaptureFiles(directory)
    open_flows = OpenFlowsAgain(store, SETTINGS, files)
    decoding = Decoding(store=store, settings=SETTINGS, inventory=no_inventory, open_flows=open_flows)
    records = {record.facts.capture_id: record for record in store.captures()}
    for commit in store.commits(SENSOR, 0, deltas=True):
        then = Then(record=records[commit.capture_id], commit=commit)
        found = examine(decoding, files.of(then.record), then, int(time.time() * 1000))
        assert (found.inexact, list(found.rows)) == ("", [])
        policy = BucketPolicy.recorded(then.inputs["bucket_policy"], store.bucket_rules())
        for row in store.scan(FLOWS):
            if row[FLOWS.index("capture_id")] == commit.capture_id:
                subject, ts = row[A_DESTINATION], row[A_TIME]
                assert isinstance(subject, bytes) and isinstance(ts, int)
                assert [row[A_BUCKET]] == list(policy.column(FLOWS_SCOPE, [subject], [ts]))
        for client, share, address, told_ms, *rest in (row[1:] for row in store.scan(NAMES_BY_CLIENT)):
            if commit.capture_id in rest:
                assert [share] == list(policy.client_shares([client], [address], [told_ms]))  # type: ignore[list-item]
        for address, share, told_ms, *rest in (row[1:] for row in store.scan(NAMES_BY_ADDRESS)):
            if commit.capture_id in rest:
                assert [share] == list(policy.address_shares([address], [told_ms]))  # type: ignore[list-item]
        for destination, bucket, minute, *rest in store.scan(TRAFFIC_BY_MINUTE):
            if commit.capture_id in rest:
                assert isinstance(destination, bytes) and isinstance(minute, int)
                assert [bucket] == list(policy.column(TRAFFIC_SCOPE, [destination], [minute]))


def test_a_hot_destination_is_split(
    store: Store,
    captures: list[Path],
    calm: list[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partitions, "SPLIT_BYTES", 40 * ROW_BYTES[FLOWS.name])
    monkeypatch.setitem(ROW_BYTES, TRAFFIC_BY_MINUTE.name, 2 * ROW_BYTES[FLOWS.name])  # few rows, so that an hour is too long
    load_all(store, captures, SENSOR, SETTINGS)
    rules = store.bucket_rules()
    assert {rule.scope for rule in rules} == {FLOWS_SCOPE, DNS_SCOPE, TRAFFIC_SCOPE, CLIENTS_SCOPE, ADDRESSES_SCOPE}
    assert without_buckets(store) == calm
    policies = {record.inputs["bucket_policy"] for record in store.captures()}
    assert "hour@0" in policies
    assert len(policies) > 1
    assert_made_again(store, captures[0].parent)
    hot = next(rule.key for rule in rules if rule.scope == FLOWS_SCOPE)
    assert isinstance(hot, bytes)
    there = [row for row in store.scan(FLOWS) if row[A_DESTINATION] == hot]
    assert len({len(str(row[A_BUCKET])) for row in there}) == 2
    found = store.flows(FlowQuery(destination=hot, limit=10_000)).rows
    assert sorted(found, key=repr) == sorted(there, key=repr)
    assert [row[2:4] for row in found] == sorted((row[2:4] for row in there), reverse=True)
    name = next(rule.subject for rule in rules if rule.scope == DNS_SCOPE)
    answers = [row for row in store.scan(DNS_ANSWERS) if row[0] == name]
    assert len({len(str(row[1])) for row in answers}) == 2
    told = store.answers(AnswerQuery(name=name, limit=10_000)).rows
    assert [row[2:4] for row in told] == sorted((row[2:4] for row in answers), reverse=True)
    for table in (NAMES_BY_CLIENT, NAMES_BY_ADDRESS):
        assert len({row[2] for row in store.scan(table)}) > 2, "some are shared out, some are not"
    busy = {rule.key for rule in rules if rule.scope == TRAFFIC_SCOPE}
    lengths = {(address, len(str(bucket))) for address, bucket, *_ in store.scan(TRAFFIC_BY_MINUTE)}
    assert set() < {address for address, length in lengths if length > len("2026-11-18")} <= busy


class CrashError(Exception):
    """A process ends."""


def crash_before_commit(store: Store, capture: Path, calls: int | None = None) -> int:
    """Load a capture up to its commit, or wholly where the number of times that the clock is asked is not known."""
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        if asked == calls:
            raise CrashError
        return time.time()

    owner = f"{os.uname().nodename}:{os.getpid()}:test"
    lease = store.take_sensor(SENSOR, DEFAULT_NETWORK, owner, int((time.time() + 30) * 1000))
    try:
        SensorLoader(store, lease, SETTINGS, clock, Shared.of(store, SETTINGS, print)).load(capture)
    except CrashError:
        assert calls is not None
    finally:
        lease.release()
    return asked - 1  # once it is committed the clock is asked how long that took


@pytest.mark.parametrize("knows", [False, True], ids=["with the policy of then", "with a rule more"])
def test_a_retry_after_a_split(store: Store, captures: list[Path], tmp_path: Path, *, knows: bool) -> None:
    """With the inputs of then it writes the same rows; with others those of then are gone."""
    with closing(open_sqlite(tmp_path / "twin.db")) as twin:
        twin.apply_schema()
        calls = crash_before_commit(twin, captures[0])
        calm, rows = without_buckets(twin), list(twin.scan(FLOWS))
    then = Partitions(store, SETTINGS.bucket)
    assert then.policy().spelled == "hour@0"
    crash_before_commit(store, captures[0], calls)
    assert {record.state for record in store.captures()} <= {"claimed"}  # in SQLite nothing is left of it
    busiest, _ = Counter(row[A_DESTINATION] for row in rows).most_common(1)[0]
    assert isinstance(busiest, bytes)
    times = sorted(int(str(row[A_TIME])) for row in rows if row[A_DESTINATION] == busiest)
    assert store.add_bucket_rule(1, BucketRule(FLOWS_SCOPE, address_text(busiest), times[len(times) // 2], "min"))
    owner = f"{os.uname().nodename}:{os.getpid()}:retry"
    lease = store.take_sensor(SENSOR, DEFAULT_NETWORK, owner, int((time.time() + 30) * 1000))
    shared = Shared.of(store, SETTINGS, print)
    loader = SensorLoader(store, lease, SETTINGS, time.time, shared if knows else replace(shared, partitions=then))
    assert loader.load(captures[0]).state is FileState.LOADED
    lease.release()
    assert [record.inputs["bucket_policy"] for record in store.captures()] == ["hour@1" if knows else "hour@0"]
    assert without_buckets(store) == calm
    assert_made_again(store, tmp_path)
    lengths = {bucket_span(str(row[A_BUCKET]))[1] - bucket_span(str(row[A_BUCKET]))[0] for row in store.scan(FLOWS)}
    assert (HOUR_MS in lengths, len(lengths) > 1) == (True, knows)


def test_two_loaders_that_split_at_once(store: Store) -> None:
    """Whoever is second finds what there is, and adds what is still missing."""
    one, other = Partitions(store, "hour"), Partitions(store, "hour")
    first = START_MS + 7 * MINUTE_MS
    hot = counts(50_000, bucket_of(first))
    hotter = counts(50_000, bucket_of(first), bytes([10, 0, 0, 9]))
    assert one.policy().version == other.policy().version == 0
    one.committed(hot, first * 10**6, (first + 10_000) * 10**6)
    other.committed(hot, first * 10**6, (first + 10_000) * 10**6)
    other.committed(hotter, first * 10**6, (first + 20_000) * 10**6)
    one.committed(hotter, first * 10**6, (first + 30_000) * 10**6)
    one.committed(hotter, first * 10**6, (first + 30_000) * 10**6)
    assert [rule.subject for rule in store.bucket_rules()] == ["10.0.0.5", "10.0.0.9"]
    assert one.policy().rules == other.policy().rules == tuple(store.bucket_rules())

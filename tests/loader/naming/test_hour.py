"""One hour in 360 captures: in order, with a restart after each, with another loader after each, in one piece, and shuffled."""

from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.reading.capture import first_packet_time
from loader.settings import LoaderSettings
from schema.bucketpolicy import ADDRESSES_SCOPE, CLIENTS_SCOPE, SHARED, BucketRule
from schema.enums import FileState
from schema.records import DEFAULT_NETWORK
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import FLOWS, NAMES_BY_ADDRESS, NAMES_BY_CLIENT, TRAFFIC_BY_MINUTE
from tests.e2e.loading import Contents, assert_balance, contents, totals
from tests.loader.naming.hour import CAPTURES, Frames, an_hour, cut
from tests.loader.naming.judge import Judge
from tests.loader.naming.judging import judged, stored_facts
from tests.loader.naming.tshark_view import View, view_of
from tests.schema.store.factory import SteppedClock
from tests.servers import require_tshark

SENSOR = "edge"
COUNTERS = ("packets", "bytes", "packets_rev", "bytes_rev")
SAID = ("sni", "quic", "http")
Row = dict[str, Any]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return an_hour()


@pytest.fixture(scope="module")
def captures(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return cut(frames, tmp_path_factory.mktemp("hour") / "cut")


class Loaded:
    """A store behind one way of loading."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, SteppedClock()
        self._store: Store | None = None

    def load(self, captures: Sequence[Path], *, restarts: bool = False, owners: Sequence[str] = ("one:1:a",)) -> "Loaded":
        """With `restarts` the store is opened anew for each capture; `owners` take turns."""
        loader, outcomes = None, []
        for n, capture in enumerate(captures):
            if loader is None:
                lease = self.store.take_sensor(
                    SENSOR, DEFAULT_NETWORK, owners[n % len(owners)], int((self.clock() + 60) * 1000)
                )
                settings = LoaderSettings()
                loader = SensorLoader(self.store, lease, settings, self.clock, Shared.of(self.store, settings, print))
            outcomes.append(loader.load(capture))
            if restarts or len(owners) > 1:
                loader.lease.release()
                loader = None
            if restarts:
                self.close()
        if loader is not None:
            loader.lease.release()
        assert {outcome.state for outcome in outcomes} == {FileState.LOADED}
        assert_balance(outcomes)
        return self

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = open_sqlite(self.path, self.clock)
            self._store.apply_schema()
        return self._store

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = None

    def contents(self) -> Contents:
        return contents(self.store)

    def flows(self) -> list[Row]:
        return [dict(zip(FLOWS.names, row, strict=True)) for row in self.store.scan(FLOWS)]


@pytest.fixture(scope="module")
def in_order(captures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    loaded = Loaded(tmp_path_factory.mktemp("in-order") / "store.db")
    yield loaded.load(captures)
    loaded.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Loaded]:
    loaded = Loaded(tmp_path / "store.db")
    yield loaded
    loaded.close()


def assert_equal(one: Loaded, two: Loaded) -> None:
    left, right = one.contents(), two.contents()
    for table in left:
        assert left[table] == right[table], table
    assert totals(one.store, SENSOR) == totals(two.store, SENSOR)


def test_a_restart_after_each_changes_no_row(in_order: Loaded, other: Loaded, captures: list[Path]) -> None:
    assert len(captures) == CAPTURES
    assert_equal(in_order, other.load(captures, restarts=True))


def test_another_loader_after_each_changes_no_row(in_order: Loaded, other: Loaded, captures: list[Path]) -> None:
    assert_equal(in_order, other.load(captures, owners=("one.example:1:a", "two.example:2:b", "three.example:3:c")))


def test_what_is_shared_out_names_as_if_it_were_not(in_order: Loaded, other: Loaded, captures: list[Path]) -> None:
    """From the middle of the hour on, of every third client and address."""
    told = list(in_order.store.scan(NAMES_BY_CLIENT))
    times = sorted({int(str(row[NAMES_BY_CLIENT.index("valid_from")])) for row in told})
    half = times[len(times) // 2]
    for column, scope in (("client_ip", CLIENTS_SCOPE), ("address", ADDRESSES_SCOPE)):
        for subject in sorted({bytes(row[NAMES_BY_CLIENT.index(column)]) for row in told})[::3]:  # type: ignore[arg-type]
            rule = BucketRule.of(scope, subject, half, SHARED)
            assert other.store.add_bucket_rule(len(other.store.bucket_rules()) + 1, rule)
    other.load(captures)
    for table in (NAMES_BY_CLIENT, NAMES_BY_ADDRESS):
        at = table.index("share")
        assert len({row[at] for row in other.store.scan(table)}) > 10
        one, two = ([(*row[:at], *row[at + 1 :]) for row in loaded.store.scan(table)] for loaded in (in_order, other))
        assert sorted(one, key=repr) == sorted(two, key=repr)
    assert sorted(other.store.scan(FLOWS), key=repr) == sorted(in_order.store.scan(FLOWS), key=repr)
    assert totals(other.store, SENSOR) == totals(in_order.store, SENSOR)


def test_names_wanted_repair_and_each_kind_of_evidence_occurs(in_order: Loaded) -> None:
    """That the hour is hard enough to show anything."""
    evidence = Counter(row["name_evidence"] for row in in_order.flows())
    assert evidence.keys() >= {"sni", "dns", "dns_late", "dns_stale", "dns_other_client", "none"}
    assert in_order.store.ledger(SENSOR).totals["names_repaired"] > 100


def test_in_one_piece_sums_names_and_chains_are_the_same(
    in_order: Loaded, other: Loaded, frames: Frames, tmp_path: Path
) -> None:
    whole = other.load(cut(frames, tmp_path / "whole", 1))
    assert minute_sums(whole) == minute_sums(in_order)
    assert chains(whole) == chains(in_order)


def minute_sums(loaded: Loaded) -> Counter[tuple[object, ...]]:
    sums: Counter[tuple[object, ...]] = Counter()
    for row in loaded.contents()[TRAFFIC_BY_MINUTE.name]:
        named = dict(zip(TRAFFIC_BY_MINUTE.names, row, strict=True))
        for counter in COUNTERS:
            sums[named["destination_ip"], named["minute"], counter] += int(str(named[counter]))
    return +sums


def chains(loaded: Loaded) -> dict[bytes, set[tuple[object, ...]]]:
    """By flow id: whom it called and by what name, on what evidence."""
    found: dict[bytes, set[tuple[object, ...]]] = {}
    for row in loaded.flows():
        called = (row["destination_ip"], row["hostname"], row["name_evidence"], row["name_conflict"])
        found.setdefault(row["flow_id"], set()).add(called)
    return found


@pytest.fixture(scope="module")
def view(frames: Frames, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, View]:
    require_tshark()
    (path,) = cut(frames, tmp_path_factory.mktemp("hour") / "whole", 1)
    return path, view_of(path)


def test_in_one_piece_names_are_those_that_the_judge_gives(view: tuple[Path, View], other: Loaded) -> None:
    other.load([view[0]])
    (record,) = other.store.captures(SENSOR)
    found = judged(other.store, {record.facts.capture_id.hex(): view[1]})
    assert found.differences == []


def test_shuffled_what_is_promised_holds(in_order: Loaded, other: Loaded, captures: list[Path]) -> None:
    shuffled = Random(3).sample(captures, len(captures))
    other.load(shuffled)
    assert pair_sums(other) == pair_sums(in_order)
    ledger = other.store.ledger(SENSOR).totals
    assert ledger["out_of_order"] == late_ones(shuffled)
    assert ledger["frames"] == in_order.store.ledger(SENSOR).totals["frames"]
    assert misnamed(other) == []
    ordered = {beginning(row): row for row in in_order.flows() if not row["chain_age_ns"]}
    for row in other.flows():
        alike = ordered.get(beginning(row))
        if alike is not None and row["name_evidence"] not in SAID and alike["name_evidence"] not in SAID:
            assert (row["hostname"], row["name_evidence"]) == (alike["hostname"], alike["name_evidence"])


def pair_sums(loaded: Loaded) -> dict[frozenset[bytes], tuple[int, int]]:
    """Packets and octets, both ways, by who talked."""
    sums: dict[frozenset[bytes], tuple[int, int]] = {}
    for row in loaded.flows():
        pair = frozenset((row["source_ip"], row["destination_ip"]))
        packets, octets = sums.get(pair, (0, 0))
        sums[pair] = (packets + row["packets"] + row["packets_rev"], octets + row["bytes"] + row["bytes_rev"])
    return sums


def late_ones(captures: Sequence[Path]) -> int:
    """Captures that begin before one that was loaded earlier."""
    newest = late = 0
    for capture in captures:
        first = first_packet_time(capture) or 0
        late += first < newest
        newest = max(newest, first)
    return late


def beginning(row: Row) -> tuple[object, ...]:
    """What says that two rows begin with the same packet and call the same host."""
    ends = ("source_ip", "source_port", "destination_ip", "destination_port", "protocol")
    return row["ts"], row["ns"], *(row[name] for name in ends)


def misnamed(loaded: Loaded) -> list[Row]:
    """Rows whose flow says nothing, and whose name is not what the judge gives for the time that they began."""
    settings = LoaderSettings()
    judge = Judge(stored_facts(loaded.store), settings.name_grace_s, settings.name_late_s)
    wrong = []
    for row in loaded.flows():
        start = row["ts"] * 1_000_000 + row["ns"] - row["chain_age_ns"]
        name = judge.name(ip_address(row["source_ip"]), ip_address(row["destination_ip"]), start)
        if row["name_evidence"] not in SAID and (row["hostname"], row["name_evidence"]) != name[:2]:
            wrong.append({"judged": name, **row})
    return wrong

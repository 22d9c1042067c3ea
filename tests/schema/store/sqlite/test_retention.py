"""Rows go when their lifetime is over, counted from the load, in steps that are as small as asked."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import DNS_ANSWERS, FLOW_BUCKETS, FLOWS, IPS_BY_NAME, NAMES_BY_IP, TABLES
from tests.schema.store.factory import SteppedClock
from tests.schema.store.samples import T0_MS, Sample, flow_row, id_of, load, sample, scanned, take, with_inputs

DAY_MS = 86_400_000
LOADED_MS = 1_800_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_sqlite(tmp_path / "store.db")) as opened:
        opened.apply_schema()
        yield opened


def loaded_at(capture: Sample, when_ms: int) -> Sample:
    return with_inputs(capture, rows_from_ms=str(when_ms))


def test_nothing_goes_before_its_time(store: Store) -> None:
    load(take(store), loaded_at(sample("a"), LOADED_MS))
    assert store.expire(LOADED_MS + 7 * DAY_MS - 1, 1_000) == 0
    assert len(scanned(store, FLOWS)) == 3


def test_each_table_has_its_own_lifetime(store: Store) -> None:
    load(take(store), loaded_at(sample("a"), LOADED_MS))
    assert store.expire(LOADED_MS + 7 * DAY_MS, 1_000) == 3
    assert scanned(store, FLOWS) == []
    assert len(scanned(store, FLOW_BUCKETS)) == 1
    assert store.expire(LOADED_MS + 8 * DAY_MS, 1_000) == 1
    assert scanned(store, FLOW_BUCKETS) == []
    assert len(scanned(store, DNS_ANSWERS)) == 2
    assert store.expire(LOADED_MS + 90 * DAY_MS, 1_000) == 8
    assert [table.name for table in TABLES if scanned(store, table)] == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_steps_are_bounded_and_go_on(store: Store, limit: int) -> None:
    rows = [flow_row(id_of("a"), n, ts=T0_MS + n, destination_ip=bytes([10, 0, 0, n % 5])) for n in range(23)]
    base = sample("a")
    lease = take(store)
    load(lease, loaded_at(Sample(facts=base.facts, rows={FLOWS: rows}, endpoints={}, totals={}), LOADED_MS))
    load(lease, loaded_at(sample("later"), LOADED_MS + DAY_MS))
    steps = []
    while step := store.expire(LOADED_MS + 7 * DAY_MS, limit):
        steps.append(step)
    assert sum(steps) == 23
    assert max(steps) <= limit
    assert {row[4] for row in scanned(store, FLOWS)} == {id_of("later")}


def test_dictionary_rows_live_from_their_newest_load(store: Store) -> None:
    lease = take(store)
    load(lease, loaded_at(sample("a"), LOADED_MS))
    load(lease, loaded_at(sample("b"), LOADED_MS + DAY_MS))
    store.expire(LOADED_MS + 90 * DAY_MS, 1_000)
    assert (len(scanned(store, NAMES_BY_IP)), len(scanned(store, IPS_BY_NAME))) == (1, 1)
    store.expire(LOADED_MS + 91 * DAY_MS, 1_000)
    assert (len(scanned(store, NAMES_BY_IP)), len(scanned(store, IPS_BY_NAME))) == (0, 0)


def test_what_counts_does_not_expire(store: Store) -> None:
    load(take(store), loaded_at(sample("a"), LOADED_MS))
    before = store.ledger("edge-1")
    store.expire(LOADED_MS + 1_000 * DAY_MS, 1_000)
    assert store.ledger("edge-1") == before
    record = store.capture(id_of("a"))
    assert record is not None
    assert record.state == "loaded"


def test_recount_while_rows_are_being_deleted(tmp_path: Path) -> None:
    clock = SteppedClock()
    with closing(open_sqlite(tmp_path / "store.db", clock)) as store:
        store.apply_schema()
        load(take(store), sample("a"))
        clock.advance(7 * 86_400 + 60)
        assert store.expire(int(clock.now * 1000), 1) == 1
        recount = store.recount(id_of("a"))
    assert recount.found == recount.expected == {"traffic_by_minute": 1, "dns_answers": 2}


def test_manifest_goes_with_the_last_row(tmp_path: Path) -> None:
    with closing(open_sqlite(tmp_path / "store.db")) as store:
        store.apply_schema()
        load(take(store), loaded_at(sample("a"), LOADED_MS))
        store.expire(LOADED_MS + 90 * DAY_MS, 1_000)
        assert store.expire(LOADED_MS + 90 * DAY_MS, 1_000) == 0
    with closing(apsw.Connection(str(tmp_path / "store.db"))) as connection:
        for table in ("manifests", "own_rows"):
            assert connection.execute(f"SELECT count(*) FROM {table}").get == 0

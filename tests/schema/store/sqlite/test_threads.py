"""One store for several threads of one process: readers go on, writers wait, a lease is kept while its attempt is open."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from schema.records import Admission, BookChange, EndpointTotals
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import FLOWS
from tests.schema.store.samples import id_of, load, now_ms, sample, scanned, take

IN = Admission(admitted=True, base=EndpointTotals())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_sqlite(tmp_path / "store.db")) as opened:
        opened.apply_schema()
        yield opened


def test_readers_go_on_beside_an_open_attempt(store: Store) -> None:
    lease, capture = take(store), sample("a")
    with ThreadPoolExecutor(4) as threads, lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
        attempt.write(capture.batches())
        seen = threads.map(lambda _: (store.ledger("edge-1").position.seq, len(scanned(store, FLOWS))), range(20))
        assert set(seen) == {(0, 0)}
        threads.submit(lease.renew, now_ms() + 90_000).result()
        attempt.commit(capture.commit())
    assert len(scanned(store, FLOWS)) == 3


def test_writer_of_another_thread_is_not_undone_by_an_abandoned_attempt(store: Store) -> None:
    lease, capture = take(store), sample("a")
    with ThreadPoolExecutor(1) as thread:
        with lease.begin(capture.claim()) as attempt:  # type: ignore[union-attr]
            attempt.write(capture.batches())
            admitted = thread.submit(store.admit, "office", 0, BookChange(positions={}, changed={"a": IN}))
        assert admitted.result(30)
    assert store.admissions("office").version == 1
    assert store.capture(id_of("a")) is None


def test_leases_of_several_threads_take_turns(store: Store) -> None:
    def load_ten(sensor: str) -> None:
        lease = take(store, sensor)
        for n in range(10):
            load(lease, sample(f"{sensor} {n}"))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(load_ten, ["edge-1", "edge-2", "edge-3"]))
    assert [store.ledger(f"edge-{n}").totals["captures"] for n in (1, 2, 3)] == [10, 10, 10]


def test_a_lease_is_kept_by_one_thread_while_another_loads(store: Store) -> None:
    lease, done = take(store), Event()

    def keep() -> int:
        kept = 0
        while not done.is_set():
            lease.renew(now_ms() + 90_000)
            kept += 1
        return kept

    with ThreadPoolExecutor(1) as thread:
        keeping = thread.submit(keep)
        try:
            for n in range(100):
                load(lease, sample(f"a{n}"))
        finally:
            done.set()
        assert keeping.result(30) > 0
    assert store.ledger("edge-1").totals["captures"] == 100

"""A share that moves on: in time every capture with rows is recounted, and what differed is looked at until it holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from exporter.collection import Collection
from exporter.reconcile import reconcile
from exporter.reconciliation import Reach
from exporter.rounds import Rounds
from exporter.settings import ExporterSettings
from schema.store.reading import Recount, StoreReader
from schema.store.sealing import Sealing
from schema.store.writing import Store
from tests.exporter.captures import NOW_MS, Capture, lease_of, load, store_at

DAY_MS = 86_400_000
CAPTURES, SHARE, PERIOD_S = 25, 3, 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with store_at(path) as store:
        lease = lease_of(store, "edge-1")
        for number in range(CAPTURES):
            load(lease, capture(number))
        yield store


def capture(number: int, loaded_at_ms: int = NOW_MS) -> Capture:
    return Capture(name=f"c{number}", flows=[(f"host-{number}.example", (1, 60, 0, 0))], loaded_at_ms=loaded_at_ms)


def change(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    assert connection.changes() == 1
    connection.close()


def check(store: Store, rounds: Rounds, number: int) -> int:
    """The difference of `rows` at the check with this number."""
    verdict = reconcile(store, NOW_MS + number * PERIOD_S * 1000, selection=rounds)
    return {identity.name: identity.difference for identity in verdict.identities}["rows"]


@pytest.mark.parametrize("started", range(0, 23, 4))
def test_every_capture_has_its_turn(store: Store, path: Path, started: int) -> None:
    change(path, "DELETE FROM flows WHERE endpoint = 'host-11.example'")
    rounds = Rounds(SHARE, PERIOD_S)
    found = [check(store, rounds, started + number) for number in range(9)]
    assert 1 in found
    assert rounds.reach() == Reach(alive=CAPTURES, covered=CAPTURES, since_ms=NOW_MS + (started + 1) * PERIOD_S * 1000)


def test_a_check_recounts_the_newest_and_so_many_others(store: Store) -> None:
    verdict = reconcile(store, NOW_MS, selection=Rounds(SHARE, PERIOD_S))
    assert (verdict.coverage.captures, verdict.coverage.checked) == (CAPTURES, 2 * SHARE)


def test_a_period_that_is_changed_while_it_runs_holds_for_sensors_that_come_later(store: Store) -> None:
    recounts = Recounts(store)
    collection = Collection(lambda: recounts, exporter_settings(PERIOD_S), "sqlite", lambda: NOW_MS / 1000)
    collection.take(exporter_settings(7.0))
    collection.check(None)
    another = Recounts(store)
    reconcile(another, NOW_MS, selection=Rounds(SHARE, 7.0))
    assert recounts.asked == another.asked
    begun_as_before = Recounts(store)
    reconcile(begun_as_before, NOW_MS, selection=Rounds(SHARE, PERIOD_S))
    assert recounts.asked != begun_as_before.asked


def exporter_settings(reconcile_s: float) -> ExporterSettings:
    return ExporterSettings(reconcile_s=reconcile_s, reconcile_captures=SHARE)


class Recounts:
    """A reader that remembers which captures were recounted."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader, self.asked = reader, list[bytes]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def recount(self, capture_id: bytes) -> Recount:
        self.asked.append(capture_id)
        return self._reader.recount(capture_id)


def test_what_differs_is_told_in_every_check_until_it_is_mended(store: Store, path: Path) -> None:
    change(path, "UPDATE flows SET capture_id = zeroblob(16) WHERE endpoint = 'host-4.example'")
    rounds = Rounds(SHARE, PERIOD_S)
    found = [check(store, rounds, number) for number in range(20)]
    assert found == sorted(found)
    assert found[-1] == 1
    change(path, f"UPDATE flows SET capture_id = x'{capture(4).capture_id.hex()}' WHERE endpoint = 'host-4.example'")
    assert check(store, rounds, 20) == 0


def test_restarts_do_not_keep_it_at_the_beginning(store: Store) -> None:
    ledger = store.ledger("edge-1")
    seen: set[int] = set()
    for number in range(12):
        commits = Rounds(SHARE, PERIOD_S).of(store, ledger, NOW_MS + number * PERIOD_S * 1000)
        seen.update(commit.position.seq for commit in commits)
    assert seen == set(range(1, CAPTURES + 1))


def test_what_has_expired_has_no_turn(path: Path) -> None:
    with store_at(path) as store:
        lease = lease_of(store, "edge-1")
        for number in range(CAPTURES):
            load(lease, capture(number, NOW_MS - (31 * DAY_MS if number < 15 else 0)))
        rounds = Rounds(SHARE, PERIOD_S)
        for number in range(4):
            check(store, rounds, number)
        assert rounds.reach() == Reach(alive=10, covered=10, since_ms=rounds.reach().since_ms)
        assert rounds.reach().since_ms > 0


def test_a_ledger_that_grows_is_followed(store: Store) -> None:
    rounds, lease = Rounds(SHARE, PERIOD_S), lease_of(store, "edge-1")
    for number in range(12):
        check(store, rounds, number)
        load(lease, capture(CAPTURES + number))
    check(store, rounds, 12)
    assert rounds.reach().alive == rounds.reach().covered == CAPTURES + 12


def test_captures_whose_commits_are_gone_are_not_counted_as_recounted(store: Store, path: Path) -> None:
    forget(path, 10)
    rounds = Rounds(SHARE, PERIOD_S)
    for number in range(6):
        check(store, rounds, number)
    reach = rounds.reach()
    assert (reach.alive, reach.covered) == (CAPTURES - 10, CAPTURES - 10)
    assert reach.since_ms > 0
    forget(path, CAPTURES)
    check(store, rounds, 7)
    assert (rounds.reach().alive, rounds.reach().covered) == (0, 0)


def forget(path: Path, seq: int) -> None:
    """Let go of the commits up to this one, as a store does with old segments."""
    connection = apsw.Connection(str(path))
    connection.execute("DELETE FROM ledger_commits WHERE seq <= ?", (seq,))
    assert connection.changes() > 0
    connection.close()


def test_seals_are_no_captures(store: Store) -> None:
    lease, rounds = lease_of(store, "edge-1"), Rounds(SHARE, PERIOD_S)
    for number in range(4):
        assert lease.seal_if_due(Sealing(commits=1))
        load(lease, capture(CAPTURES + number))
    for number in range(12):
        check(store, rounds, number)
    assert rounds.reach().alive == rounds.reach().covered == CAPTURES + 4
    assert rounds.reach().since_ms > 0

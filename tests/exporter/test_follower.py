"""A follower knows the ledger's totals whatever it missed, and says when it cannot know what came in between."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from exporter.book import BookKeeper
from exporter.follower import Followed, Follower
from schema.errors import StoreUnavailableError
from schema.records import EndpointTotals, LedgerPosition, LedgerTotals
from schema.store.reading import StoreReader
from schema.store.sealing import Sealing
from schema.store.writing import SensorLease, Store
from tests.exporter.captures import Capture, lease_of, load, store_at

ONE = EndpointTotals(1, 1, 60, 0, 0)
START = LedgerPosition()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_at(tmp_path / "store.db") as store:
        yield store


def commit(lease: SensorLease, *endpoints: str) -> None:
    for endpoint in endpoints:
        load(lease, Capture(name=f"{endpoint} {lease.head.position.seq}", flows=[(endpoint, (1, 60, 0, 0))]))


def at(store: Store, seq: int) -> LedgerPosition:
    """The position that a commit made."""
    return next((commit.position for commit in store.commits("edge-1", seq - 1)), LedgerPosition())


def lose(tmp_path: Path, seq: int) -> None:
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("DELETE FROM ledger_commits WHERE seq = ?", (seq,))
    connection.close()


def grown(followed: Followed) -> set[str] | None:
    return None if followed.growth is None else set(followed.growth.endpoints)


def test_growth_is_told_from_any_position(store: Store) -> None:
    lease, follower = lease_of(store, "edge-1"), Follower()
    commit(lease, "a", "b", "c")
    told = [grown(follower.follow(store, "edge-1", since)) for since in (START, at(store, 2), at(store, 1), at(store, 3))]
    assert told == [{"a", "b", "c"}, {"c"}, {"b", "c"}, set()]
    commit(lease, "d")
    followed = follower.follow(store, "edge-1", at(store, 3))
    assert grown(followed) == {"d"}
    assert followed.totals == store.ledger("edge-1")


def test_a_broken_chain_is_read_anew(store: Store, tmp_path: Path) -> None:
    lease, follower = lease_of(store, "edge-1"), Follower()
    commit(lease, "a")
    follower.follow(store, "edge-1", START)
    commit(lease, "b", "c")
    lose(tmp_path, 2)
    followed = follower.follow(store, "edge-1", at(store, 1))
    assert dict(followed.totals.endpoints) == {"a": ONE, "b": ONE, "c": ONE}
    assert followed.growth is None


def test_without_the_commits_in_between_nobody_is_admitted_until_the_next(store: Store, tmp_path: Path) -> None:
    lease = lease_of(store, "edge-1")
    commit(lease, "a")
    BookKeeper("lan", 9, Follower()).moment(store, ["edge-1"])
    commit(lease, "b", "b")
    lose(tmp_path, 2)
    restarted = BookKeeper("lan", 9, Follower())
    moment = restarted.moment(store, ["edge-1"])
    assert dict(moment.series.shown) == {"a": ONE}
    assert moment.series.other == ONE.plus(ONE)
    commit(lease, "b")
    moment = restarted.moment(store, ["edge-1"])
    assert dict(moment.series.shown) == {"a": ONE, "b": ONE}
    assert moment.series.other == ONE.plus(ONE)


class Moving:
    """A reader whose ledger moves on right behind each time that it was read."""

    def __init__(self, reader: StoreReader, meanwhile: Callable[[], object]) -> None:
        self._reader, self._meanwhile = reader, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def ledger(self, sensor: str) -> LedgerTotals:
        totals = self._reader.ledger(sensor)
        self._meanwhile()
        return totals


def test_a_seal_behind_the_totals_is_passed_once(store: Store, tmp_path: Path) -> None:
    lease, rule = lease_of(store, "edge-1"), Sealing(commits=1, idle=0, endpoints_kept=0)
    commit(lease, "a", "b", "c")
    since = at(store, 1)
    lose(tmp_path, 2)
    follower = Follower()
    first = follower.follow(Moving(store, lambda: lease.seal_if_due(rule)), "edge-1", since)  # type: ignore[arg-type]
    assert (first.growth, first.folded) == (None, {})
    commit(lease, "d")
    second = follower.follow(store, "edge-1", first.totals.position)
    assert set(second.folded) == {"a", "b", "c"}


def test_what_is_known_outlives_a_store_that_is_away(store: Store, tmp_path: Path) -> None:
    follower = Follower()
    commit(lease_of(store, "edge-1"), "a")
    known = follower.follow(store, "edge-1", START).totals
    (tmp_path / "store.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreUnavailableError):
        follower.follow(store, "edge-1", at(store, 1))
    last = follower.last_good("edge-1", known.position)
    assert last is not None
    assert last.totals == known
    assert follower.last_good("edge-2", START) is None
    (tmp_path / "away.db").rename(tmp_path / "store.db")

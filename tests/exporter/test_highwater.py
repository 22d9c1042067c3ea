"""A node acknowledged commits and lost them: what was shown of them stays, and is not counted twice when they come again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from exporter.book import BookKeeper, NotYetError
from exporter.follower import Follower
from exporter.snapshot import NetworkMoment
from schema.records import NOTHING_COUNTED, BookChange, EndpointTotals
from schema.store.writing import Store
from tests.exporter.captures import Capture, lease_of, load, store_at

ONE = EndpointTotals(1, 1, 60, 0, 0)
A, B, C = (Capture(name=name, flows=[(f"{name}.example", (1, 60, 0, 0))]) for name in "abc")


class Node:
    """A store as an exporter saw it with the captures A and B, and as it comes back: with A alone."""

    def __init__(self, path: Path) -> None:
        self.path, follower = path, Follower()
        self.keeper = BookKeeper("lan", 9, follower)
        with store_at(path / "store.db") as store:
            lease = lease_of(store, "edge-1")
            load(lease, A)
            self.keeper.moment(store, ["edge-1"])
            with closing(apsw.Connection(str(path / "store.db"))) as connection:
                connection.execute("VACUUM INTO ?", (str(path / "synced.db"),))
            load(lease, B)
            self.before = self.keeper.moment(store, ["edge-1"])
            self.book = store.admissions("lan")
        for knows in (self.keeper, follower):  # as an exporter does when its store goes away
            knows.forget()

    def come_back(self, *, book_is_lost: bool) -> Iterator[Store]:
        with store_at(self.path / "synced.db") as store:
            if not book_is_lost:
                assert store.admit("lan", 1, BookChange(positions=self.book.positions, changed=self.book.admissions))
            yield store


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture(params=[True, False], ids=["the book is lost too", "the book is kept"])
def store(request: pytest.FixtureRequest, node: Node) -> Iterator[Store]:
    yield from node.come_back(book_is_lost=request.param)


def shown(moment: NetworkMoment) -> dict[str, int]:
    return {endpoint: totals.flows for endpoint, totals in moment.series.shown.items()}


def refreshed(keeper: BookKeeper, store: Store, last: NetworkMoment) -> NetworkMoment:
    try:
        return keeper.moment(store, ["edge-1"])
    except NotYetError:  # what was shown stays
        return last


def test_nothing_falls_and_nothing_counts_twice(node: Node, store: Store) -> None:
    lease, moment = lease_of(store, "edge-1"), refreshed(node.keeper, store, node.before)
    load(lease, C)  # takes the number of the commit that was lost
    for _ in range(2):
        moment = refreshed(node.keeper, store, moment)
        assert shown(moment)["a.example"] == 1
        assert shown(moment).get("b.example", 1) == 1  # where the book is lost too, the series is away for a while
        assert moment.totals["captures"] == 2
        assert min(moment.series.other) >= 0
    restarted = BookKeeper("lan", 9, Follower())
    assert restarted.moment(store, ["edge-1"]).series == moment.series
    load(lease, B)
    last = [keeper.moment(store, ["edge-1"]) for keeper in (node.keeper, restarted)]
    assert last[0].series == last[1].series
    assert last[0].series.whole == EndpointTotals(3, 3, 180, 0, 0)
    assert shown(last[0])["b.example"] == 1
    assert last[0].totals["captures"] == 3
    assert store.admissions("lan").high_water == NOTHING_COUNTED


def test_the_high_water_is_everybodys(node: Node) -> None:
    for store in node.come_back(book_is_lost=False):
        load(lease_of(store, "edge-1"), C)
        assert shown(node.keeper.moment(store, ["edge-1"])) == {"a.example": 1, "b.example": 1}
        assert store.admissions("lan").high_water.endpoints == {"b.example": ONE}
        restarted = BookKeeper("lan", 9, Follower()).moment(store, ["edge-1"])
        assert shown(restarted) == {"a.example": 1, "b.example": 1}


def test_a_store_that_was_emptied_begins_anew(node: Node, tmp_path: Path) -> None:
    with store_at(tmp_path / "new.db") as store:
        load(lease_of(store, "edge-1"), C)
        moment = node.keeper.moment(store, ["edge-1"])
        assert (shown(moment), moment.totals["captures"]) == ({"c.example": 1}, 1)
        assert store.admissions("lan").high_water == NOTHING_COUNTED


def test_a_position_that_was_lost_is_not_followed_from(node: Node, store: Store) -> None:
    load(lease_of(store, "edge-1"), C)
    since = node.book.positions["edge-1"]
    assert store.ledger("edge-1").position.seq == since.seq
    followed = Follower().follow(store, "edge-1", since)
    assert followed.growth is None

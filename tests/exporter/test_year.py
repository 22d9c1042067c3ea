"""A ledger that takes one capture after the other for a year: what it holds stays flat, and an exporter follows it exactly.

`LEDGER_YEAR_COMMITS` sets how many captures (a year of them, one each 10 seconds, is 3,153,600); beyond the test's own share it
is told how long a commit, a look of the exporter and a read of the whole ledger took at first, half way and at last.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import apsw

from exporter.book import BookKeeper
from exporter.follower import Follower
from schema.records import FOLDED_ENDPOINT, IDLE_TOTAL
from schema.store.sealing import Sealing
from schema.store.writing import Store
from tests.exporter.captures import Capture, clock, lease_of, load, store_at
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

SQLITE_SHARE, CASSANDRA_SHARE = 480, 144
COMMITS = int(os.environ.get("LEDGER_YEAR_COMMITS", 0))
RULE = Sealing(commits=20, idle=100, endpoints_kept=80, segments_told=2, segments_kept=4)
ENDPOINTS = RULE.endpoints_kept + 2 * RULE.commits + 10
# Of six segments at most (one is open, and its seal is behind the others): what none of these tables may exceed.
MOST_IN_SQLITE = {
    "ledger_commits": 5 * RULE.commits,
    "commit_deltas": 3 * RULE.commits,
    "ledger_endpoints": ENDPOINTS,
    "ledger_totals": 10,
    "ledger_seals": 3,
    "ledger_openings": 9,  # of each seal the flat totals, what it kept and what it folded
}
# There each segment that is not thinned out yet has totals of its own.
MOST_IN_CASSANDRA = {
    "ledger": 6 * (RULE.commits + 2) + 3 * (ENDPOINTS + 10),
    "commit_deltas": 3 * RULE.commits,
    "ledger_openings": 3 * 4,
}


@dataclass
class Seconds:
    """What was done, and how long it took each time."""

    spent: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.spent[what].append(time.perf_counter() - began)

    def told(self) -> str:
        """Medians of the first tenth, the middle one and the last."""
        lines = []
        for what, each in self.spent.items():
            tenth, middle = max(1, len(each) // 10), len(each) // 2
            parts = (each[:tenth], each[middle : middle + tenth], each[-tenth:])
            first, half, last = (1000 * median(part) for part in parts)
            lines.append(f"{what}: {first:.2f} ms at first, {half:.2f} half way, {last:.2f} at last")
        return "; ".join(lines)


def capture(number: int) -> Capture:
    """One endpoint of seven that come back all the time, and one that never does."""
    return Capture(name=f"{number}", flows=[(f"busy-{number % 7}", (1, 60, 0, 0)), (f"once-{number}", (1, 60, 0, 0))])


def a_year(store: Store, commits: int, most: dict[str, int], held: Callable[[str], int]) -> None:
    """So many commits; `most` rows may be `held` of each table."""
    lease, keeper, seconds = lease_of(store, "edge-1"), BookKeeper("lan", 5, Follower()), Seconds()
    for number in range(commits):
        with seconds.of("commit"):
            load(lease, capture(number))
            lease.seal_if_due(RULE)
        if number % 16 == 0:
            with seconds.of("look"):
                moment = keeper.moment(store, ["edge-1"])
            assert moment.series.whole.flows == 2 * (number + 1)
            assert moment.series.shown["busy-0"].flows == number // 7 + 1
        if number % 64 == 63:
            with seconds.of("ledger"):
                store.ledger("edge-1")
            assert {table: rows for table in most if (rows := held(table)) > most[table]} == {}
    ledger = store.ledger("edge-1")
    assert (ledger.totals["captures"], ledger.totals[IDLE_TOTAL]) == (commits, ledger.endpoints[FOLDED_ENDPOINT].flows)
    assert sum(totals.flows for totals in ledger.endpoints.values()) == 2 * commits
    assert ledger.position.segment == commits // RULE.commits
    if COMMITS:
        print(f"{commits} commits; {seconds.told()}")


def test_a_year(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store, closing(apsw.Connection(str(tmp_path / "store.db"))) as tables:

        def held(table: str) -> int:
            ((rows,),) = tables.execute(f"SELECT count(*) FROM {table}").fetchall()
            assert isinstance(rows, int)
            return rows

        a_year(store, COMMITS or SQLITE_SHARE, MOST_IN_SQLITE, held)


def test_a_year_in_cassandra(cassandra_store_factory: CassandraFactory, cassandra_keyspace: Keyspace) -> None:
    def held(table: str) -> int:
        return int(cassandra_keyspace.execute(f"SELECT count(*) AS rows FROM pcapline.{table}")[0].rows)

    a_year(cassandra_store_factory(clock=clock), COMMITS or CASSANDRA_SHARE, MOST_IN_CASSANDRA, held)

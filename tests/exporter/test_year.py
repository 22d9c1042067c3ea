"""A ledger that takes one capture after the other for a year: what it holds stays flat, and an exporter follows it exactly.

`LEDGER_YEAR_COMMITS` sets how many captures (a year of them, one each 10 seconds, is 3,153,600); beyond the test's own share it
is told how long the first and the last of them took.
"""

import os
import time
from contextlib import closing
from pathlib import Path

import apsw

from exporter.book import BookKeeper
from exporter.follower import Follower
from schema.records import FOLDED_ENDPOINT, IDLE_TOTAL
from schema.store.sealing import Sealing
from tests.exporter.captures import Capture, lease_of, load, store_at

SHARE = 480
COMMITS = int(os.environ.get("LEDGER_YEAR_COMMITS", SHARE))
RULE = Sealing(commits=20, idle=100, endpoints_kept=80, segments_told=2, segments_kept=4)
# Of six segments at most (one is open, and its seal is behind the others): what none of these tables may exceed.
MOST = {
    "ledger_commits": 5 * RULE.commits,
    "commit_deltas": 3 * RULE.commits,
    "ledger_endpoints": RULE.endpoints_kept + 2 * RULE.commits + 10,
    "ledger_totals": 10,
    "ledger_seals": 3,
    "ledger_openings": 6,
}


def capture(number: int) -> Capture:
    """One endpoint of seven that come back all the time, and one that never does."""
    return Capture(name=f"{number}", flows=[(f"busy-{number % 7}", (1, 60, 0, 0)), (f"once-{number}", (1, 60, 0, 0))])


def test_a_year(tmp_path: Path) -> None:
    seconds: list[float] = []
    with store_at(tmp_path / "store.db") as store, closing(apsw.Connection(str(tmp_path / "store.db"))) as tables:
        lease, keeper = lease_of(store, "edge-1"), BookKeeper("lan", 5, Follower())
        for number in range(COMMITS):
            began = time.perf_counter()
            load(lease, capture(number))
            lease.seal_if_due(RULE)
            seconds.append(time.perf_counter() - began)
            if number % 16 == 0:
                moment = keeper.moment(store, ["edge-1"])
                assert moment.series.whole.flows == 2 * (number + 1)
                assert moment.series.shown["busy-0"].flows == number // 7 + 1
            if number % 64 == 63:
                for table, most in MOST.items():
                    ((held,),) = tables.execute(f"SELECT count(*) FROM {table}").fetchall()
                    assert isinstance(held, int)
                    assert held <= most, table
        ledger = store.ledger("edge-1")
    assert (ledger.totals["captures"], ledger.totals[IDLE_TOTAL]) == (COMMITS, ledger.endpoints[FOLDED_ENDPOINT].flows)
    assert sum(totals.flows for totals in ledger.endpoints.values()) == 2 * COMMITS
    assert ledger.position.segment == COMMITS // RULE.commits
    if COMMITS > SHARE:
        tenth = COMMITS // 10
        first, last = (sorted(part)[tenth // 2] for part in (seconds[:tenth], seconds[-tenth:]))
        print(f"{COMMITS} commits: {1000 * first:.2f} ms at first, {1000 * last:.2f} ms at last (medians of a tenth)")

"""A store becomes what another is, whichever of the two it is; killed anywhere it goes on; nobody loads in half of one."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest

from schema.bucketpolicy import BucketRule
from schema.errors import LeaseHeldError, LeaseLostError, StoreMovedError
from schema.records import Admission, BookChange, EndpointTotals
from schema.store.comparing import differences
from schema.store.copier import CAPTURES, Copier, Ends, Moment
from schema.store.notes import CopyState
from schema.store.sqlite import open_sqlite
from schema.store.writing import ClaimRefusal, Store
from schema.tables import DNS_ANSWERS, FLOWS, NAMES_BY_IP, TABLES, batches_of
from tests.schema.store.copies import ENDPOINT, SEALING, all_of, differing, fill
from tests.schema.store.factory import SteppedClock, StoreFactory
from tests.schema.store.samples import T0_MS, abandon, flow_row, id_of, load, now_ms, owner, sample, scanned, take
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

EMBEDDED = ("sqlite", "other")
PAIRS = [EMBEDDED, ("sqlite", "cassandra"), ("cassandra", "sqlite")]
embedded = pytest.mark.parametrize("pair", [EMBEDDED], ids="-to-".join, indirect=True)  # what no adapter has a part in


@dataclass(frozen=True)
class Pair:
    """The store that is copied and the one that is made; each call opens it anew."""

    source: Callable[[], Store]
    target: Callable[[], Store]

    def copier(self, tell: Callable[[Moment], None] = lambda _: None) -> Copier:
        ends = Ends(source=self.source(), target=self.target(), source_name="a store", target_name="another store")
        return Copier(ends=ends, clock=time.time, owner=owner(), tell=tell)

    def copy(self) -> Copier:
        copier = self.copier()
        copier.copy()
        copier.finish()
        return copier


@pytest.fixture(params=PAIRS, ids="-to-".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    def factory(kind: str) -> StoreFactory:
        if kind == "other":
            with closing(open_sqlite(tmp_path / "other.db")) as store:
                store.apply_schema()
            return lambda role="loader", clock=time.time: open_sqlite(tmp_path / "other.db", clock)  # type: ignore[return-value]
        made: StoreFactory = request.getfixturevalue(f"{kind}_store_factory")
        return made

    source, target = map(factory, request.param)
    return Pair(source, target)


@pytest.fixture
def other_keyspace_store_factory(cassandra_keyspace: Keyspace) -> Iterator[CassandraFactory]:
    """Of the same node."""
    with closing(Keyspace(cassandra_keyspace.port, "copy")) as keyspace:
        with ExitStack() as stack:
            yield CassandraFactory(keyspace.port, keyspace.name, stack)
        keyspace.drop()


class Killed(BaseException):
    """As by SIGKILL: nothing is tidied up."""


def killed_behind(pages: int) -> Callable[[Moment], None]:
    """Behind the last of so many pages, which is written and not noted."""
    left = count(pages - 1, -1)

    def tell(_: Moment) -> None:
        if not next(left):
            raise Killed

    return tell


@embedded
def test_copy_is_what_it_is_a_copy_of(pair: Pair) -> None:
    source = pair.source()
    fill(source)
    before = all_of(source)
    copier = pair.copy()
    assert differing(before, all_of(pair.target())) == {}
    assert differing(before, all_of(pair.source())) == {}
    assert copier.copied[CAPTURES] == 14
    assert copier.copied[FLOWS.name] == len(before["rows"][FLOWS.name])


def test_killed_behind_any_page_it_goes_on(pair: Pair) -> None:
    fill(pair.source())
    before = all_of(pair.source())
    runs = 0
    for _ in count():
        runs += 1
        try:
            state = pair.copier(killed_behind(4)).copy()
        except Killed:
            with pytest.raises(StoreMovedError, match="half a copy of a store"):
                pair.target().sensors()
            continue
        assert state is CopyState.COPIED
        break
    assert runs > 5
    pair.copier().finish()
    assert differing(before, all_of(pair.target())) == {}


@pytest.mark.parametrize("pair", [("cassandra", "other_keyspace")], ids="-to-".join, indirect=True)
def test_keyspace_becomes_another_and_is_loaded_there(pair: Pair) -> None:
    fill(pair.source())
    before = all_of(pair.source())
    with pytest.raises(Killed):
        pair.copier(killed_behind(9)).copy()
    pair.copy()
    source, target = pair.source(), pair.target()
    assert differing(before, all_of(target)) == {}
    assert list(differences(source, target, now_ms(), str)) == []
    load(take(target, "edge-1", "office"), sample("new"))
    with pytest.raises(StoreMovedError, match="was moved to another store"):
        take(source, "edge-1")


def test_loading_goes_on_in_the_copy_and_not_in_the_source(pair: Pair) -> None:
    source = pair.source()
    fill(source)
    pair.copy()
    target = pair.target()
    lease = take(target, "edge-1", "office")
    assert lease.carried() == b"state 8" * 9
    assert lease.begin(sample("edge-1 4").claim()) is ClaimRefusal.ALREADY_LOADED  # its segment is thinned out
    assert lease.begin(sample("edge-1 0").claim()) is ClaimRefusal.ALREADY_LOADED  # dropped
    assert lease.begin(sample("edge-2 0").claim()) is ClaimRefusal.ALREADY_LOADED  # another sensor's
    before = target.ledger("edge-1")
    load(lease, sample("new"))
    assert lease.seal_if_due(replace(SEALING, commits=1))
    load(lease, sample("newer"))
    after = target.ledger("edge-1")
    assert after.totals["captures"] == before.totals["captures"] + 2
    assert [commit.capture_id for commit in target.commits("edge-1", before.position.seq)] == [id_of("new"), id_of("newer")]
    for sensor in ("edge-1", "never seen"):
        for opened in (source, pair.source()):
            with pytest.raises(StoreMovedError, match="was moved to another store"):
                take(opened, sensor)


@embedded
def test_nobody_may_load_in_a_copy_that_is_not_compared(pair: Pair) -> None:
    fill(pair.source())
    pair.copier().copy()
    with pytest.raises(StoreMovedError, match="a copy of a store that is not done"):
        take(pair.target())
    assert pair.target().sensors()
    with pytest.raises(StoreMovedError, match="is being copied to another store"):
        take(pair.source())


@embedded
def test_held_sensor_refuses_the_copy_and_stays_held(pair: Pair) -> None:
    source = pair.source()
    fill(source)
    lease = take(source, "edge-2", "home")
    with pytest.raises(LeaseHeldError, match=r"edge-2 is being loaded by loader\.example"):
        pair.copier().copy()
    load(lease, sample("meanwhile"))
    take(source, "edge-1").release()
    lease.release()
    pair.copy()
    assert differing(all_of(source), all_of(pair.target())) == {}


@embedded
def test_sleeping_loader_cannot_commit_any_more(pair: Pair) -> None:
    source = pair.source()
    fill(source)
    asleep = source.take_sensor("edge-1", "office", owner(), now_ms() - 1)
    pair.copy()
    with pytest.raises(Exception, match="another loader took sensor edge-1 over"):
        load(asleep, sample("late"))


@pytest.mark.parametrize("pair", [EMBEDDED, ("cassandra", "sqlite")], ids="-to-".join, indirect=True)
def test_what_does_not_count_is_left_out(pair: Pair) -> None:
    source = pair.source()
    fill(source)
    before = all_of(source)
    lease = take(source, "edge-1", "office")
    abandon(lease, sample("unfinished", endpoint="nowhere.example"))
    lease.release()
    copier = pair.copy()
    target = pair.target()
    assert target.capture(id_of("unfinished")) is None
    assert "nowhere.example" not in {row[FLOWS.index("endpoint")] for row in target.scan(FLOWS)}
    assert differing({**before, "rows": {}}, {**all_of(target), "rows": {}}) == {}
    load(take(target, "edge-1", "office"), sample("unfinished"))
    left_out = {name: number for name, number in copier.left_out.items() if number}
    assert set(left_out) <= {CAPTURES, *(table.name for table in TABLES)} - {NAMES_BY_IP.name}


@embedded
def test_target_that_is_not_empty_is_refused(pair: Pair) -> None:
    fill(pair.source())
    take(pair.target()).release()
    with pytest.raises(StoreMovedError, match="another store is neither empty nor half a copy of a store"):
        pair.copier().copy()
    take(pair.source()).release()  # nothing is marked


@embedded
def test_half_a_copy_of_what_loads_again_is_refused(pair: Pair) -> None:
    fill(pair.source())

    with pytest.raises(Killed):
        pair.copier(killed_behind(1)).copy()
    source = pair.source()
    source.change_note("moved", source.notes()["moved"], None)
    load(take(source), sample("since"))
    with pytest.raises(StoreMovedError, match="neither empty nor half a copy"):
        pair.copier().copy()


@embedded
def test_copy_that_is_done_is_done_again_at_once(pair: Pair) -> None:
    fill(pair.source())
    pair.copy()
    load(take(pair.target()), sample("since"))
    before = all_of(pair.target())
    again = pair.copier()
    assert again.copy() is CopyState.DONE
    again.finish()
    assert not again.copied
    assert differing(before, all_of(pair.target())) == {}


@embedded
def test_store_is_copied_to_one_place(pair: Pair, tmp_path: Path) -> None:
    fill(pair.source())
    pair.copy()
    with closing(open_sqlite(tmp_path / "third.db")) as third:
        third.apply_schema()
        ends = Ends(source=pair.source(), target=third, source_name="a store", target_name="a third store")
        with pytest.raises(StoreMovedError, match="a store is copied to another store"):
            Copier(ends=ends, clock=time.time, owner=owner()).copy()


def test_exporter_of_the_source_may_be_behind_it(pair: Pair) -> None:
    source = pair.source()
    fill(source)
    pair.copier().copy()
    at = {"edge-1": source.ledger("edge-1").position}
    left = Admission(admitted=False, base=EndpointTotals(), shown=EndpointTotals(9, 9, 9, 9, 9))
    assert source.admit("office", 2, BookChange(positions=at, changed={ENDPOINT: left, "0.example": left}))
    pair.copy()
    target = pair.target()
    assert source.admissions("office") == target.admissions("office")
    assert target.admit("office", 3, BookChange(positions=at))
    assert list(differences(source, target, now_ms(), str)) == []


@embedded
def test_two_copiers_of_one_copy_end_as_one(pair: Pair) -> None:
    fill(pair.source())
    pages = count()

    def tell(_: Moment) -> None:
        if next(pages) == 3:
            pair.copier().copy()

    with pytest.raises(LeaseLostError, match="another process copies to another store"):
        pair.copier(tell).copy()
    pair.copy()
    assert differing(all_of(pair.source()), all_of(pair.target())) == {}


@embedded
def test_empty_store_is_copied(pair: Pair) -> None:
    pair.copy()
    assert pair.target().sensors() == []
    take(pair.target()).release()


def test_rows_whose_time_is_over_are_left_out(tmp_path: Path) -> None:
    clock = SteppedClock()
    pair = Pair(*(store_at(tmp_path / name, clock) for name in ("one.db", "two.db")))
    fill(pair.source())
    clock.advance(8.5 * 86_400)  # flows are over, their buckets too, answers are not
    copier = pair.copier()
    copier.clock = clock
    copier.copy()
    copier.finish()
    source, target = pair.source(), pair.target()
    assert source.expire(int(clock() * 1000), 1_000_000) == sum(copier.left_out.values())
    assert differing(all_of(source), all_of(target)) == {}
    assert (scanned(target, FLOWS), len(scanned(target, DNS_ANSWERS))) == ([], copier.copied[DNS_ANSWERS.name])
    clock.advance(100 * 86_400)
    for store in (source, target):
        store.expire(int(clock() * 1000), 1_000_000)
        assert not any(scanned(store, table) for table in TABLES)
        assert not list(store.partitions(id_of("edge-1 3")))


def store_at(path: Path, clock: SteppedClock) -> Callable[[], Store]:
    store = open_sqlite(path, clock)
    store.apply_schema()
    return lambda: store


def test_difference_is_found(tmp_path: Path) -> None:
    pair = Pair(*(store_at(tmp_path / name, SteppedClock()) for name in ("one.db", "two.db")))
    source, target = pair.source(), pair.target()
    fill(source)
    pair.copy()
    looked_at: list[str] = []
    assert list(differences(source, target, now_ms(), looked_at.append)) == []
    assert FLOWS.name in looked_at
    lease = take(target, "edge-1")
    changed = flow_row(id_of("edge-1 8"), 1, ts=T0_MS + 8, packets=4)
    with lease.rewrite(id_of("edge-1 8")) as rewriting:
        rewriting.write(batches_of(FLOWS, [changed]))
    assert list(differences(source, target, now_ms(), looked_at.append)) == [
        "flows: 33 rows and 33 rows, or other values in them"
    ]
    load(lease, sample("since"))
    assert target.add_bucket_rule(3, BucketRule("flows", "10.0.0.6", T0_MS, "10min"))
    assert source.admit("home", 0, BookChange(positions={}))
    assert [text.partition(":")[0] for text in differences(source, target, now_ms(), looked_at.append)] == [
        "bucket_policy",
        "sensor edge-1",
        "sensor edge-1",
        "network home",
        "flows",
        "traffic_by_minute",
        "dns_answers",
    ]


def test_ledger_says_what_counts(cassandra_store_factory: CassandraFactory, tmp_path: Path) -> None:
    source, target = cassandra_store_factory(), store_at(tmp_path / "two.db", SteppedClock())()
    pair = Pair(lambda: source, lambda: target)
    lease = take(source)
    for name in ("marked", "without a mark", "lost"):
        load(lease, sample(name))
    connection = source._connection  # type: ignore[attr-defined]
    unmark = "UPDATE pcapline.captures SET state = 'claimed', segment = null, seq = null WHERE capture_id = ? IF EXISTS"
    connection.read(unmark, (id_of("without a mark"),))
    lose = "DELETE FROM pcapline.ledger WHERE sensor = ? AND segment = 0 AND kind = 'capture' AND seq = 0 AND key = ? IF EXISTS"
    connection.read(lose, ("edge-1", id_of("lost").hex()))
    lease.release()
    pair.copy()
    states = {record.facts.file_name: record.state for record in target.captures()}
    assert states == {"marked.pcap": "loaded", "without a mark.pcap": "loaded"}
    assert {row[FLOWS.index("capture_id")] for row in target.scan(FLOWS)} == {id_of("marked"), id_of("without a mark")}
    assert target.capture(id_of("without a mark")).position.seq == 2  # type: ignore[union-attr]

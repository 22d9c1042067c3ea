"""Captures that go on from one another: their rows are made again through the chain, or it is said where that ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from loader.archive.finding import CaptureFiles
from loader.commit.inputs import BEGINNING_EVERY, keeps_beginning
from loader.review.openflows import OpenFlowsAgain
from pcapline.rowchecks import RowChecks
from schema.records import CaptureRecord
from schema.store.reading import StoreReader
from schema.store.sqlite import open_sqlite
from schema.store.writing import SensorLease, Store
from schema.tables import FLOWS
from tests.e2e.loading import contents, load_all
from tests.loader.commit.test_pipeline import cut
from tests.loader.review.desk import OWNER, SETTINGS, Desk, damage, faults

FRAMES = list(generate(TrafficPlan(seed=30, packets=1_200, packets_per_second=60.0, clients=8, servers=40)))
CHAIN = tuple(range(6))


@pytest.fixture
def chain(desk: Desk) -> Desk:
    """Six captures with flows open from each to the next, the second of them out of order: it came last but one."""
    cut(FRAMES, 6, desk.directory)
    return desk.load("edge", (0, 2, 3, 4, 1, 5))


def test_rows_in_the_midst_of_a_chain_are_named_and_put_right(chain: Desk) -> None:
    before = contents(chain.store)
    assert sum(row[FLOWS.index("chain_age_ns")] != 0 for row in chain.store.scan(FLOWS)) >= 10
    for part in CHAIN:
        assert faults(chain.examined(part)) == []
    for part in (3, 5):
        expected = damage(chain, part)
        found = chain.examined(part)
        assert {(table, key): (fault, columns) for fault, table, key, columns in faults(found)} == expected
        assert chain.repaired(found) == len(expected)
        assert contents(chain.store) == before


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Path.unlink, "its file is not at hand"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), "its file is not at hand"),
    ],
)
def test_a_chain_that_is_broken_is_told_with_the_place(chain: Desk, spoil: Callable[[Path], object], said: str) -> None:
    spoil(chain.directory / "part-002.pcap")
    lost = chain.row(FLOWS, 5)
    chain.delete(FLOWS, 5, lost)
    found = chain.examined(5)
    assert "the open flows that it goes on from are lost with part-002.pcap, 3 captures before it: " in found.inexact
    assert said in found.inexact
    decoding = chain.decoding()
    told = [chain.examined(part, decoding=decoding).inexact for part in (3, 4, 5)]
    assert [text.partition(" before it")[0].rpartition(", ")[2] for text in told] == ["1 capture", "2 captures", "3 captures"]
    (partition,) = found.partitions
    assert (partition.table, partition.partition, partition.found - partition.expected) == (FLOWS, lost[:2], -1)


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_a_capture_that_was_decoded_otherwise_ends_the_chain(chain: Desk) -> None:
    lost = chain.row(FLOWS, 4)
    chain.delete(FLOWS, 4, lost)
    for inputs, said in (
        ({"decoder": "native-0"}, "part-002.pcap, 2 captures before it: decoder was 'native-0'"),
        ({"carried": "00" * 16}, "part-002.pcap, 2 captures before it: it goes on from other open flows"),
        ({"carried": ""}, "part-002.pcap, 2 captures before it: its inputs do not tell which open flows it goes on from"),
        ({"prefix": "00"}, "part-002.pcap, 2 captures before it: it is what a file grew by"),
    ):
        otherwise = chain.decoding(Otherwise(chain.store, "part-002.pcap", inputs))
        assert said in chain.examined(4, decoding=otherwise).inexact


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_each_file_of_a_chain_is_decoded_once_by_who_goes_through_it(chain: Desk) -> None:
    """What one capture left is remembered for the one behind it: the files before are needed no more."""
    decoding = chain.decoding()
    for part in (0, 2, 3):
        assert faults(chain.examined(part, decoding=decoding)) == []
    for part in (0, 2, 3):
        (chain.directory / f"part-{part:03d}.pcap").unlink()
    assert faults(chain.examined(4, decoding=decoding)) == []
    assert chain.examined(4).inexact


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_a_capture_out_of_order_does_not_make_what_the_others_left_forgotten(chain: Desk) -> None:
    decoding = chain.decoding()
    lost = chain.row(FLOWS, 5)
    chain.delete(FLOWS, 5, lost)
    found = [chain.examined(part, decoding=decoding) for part in (0, 2, 3, 4, 1, 5)][-1]
    for part in range(5):
        (chain.directory / f"part-{part:03d}.pcap").unlink()
    assert chain.repaired(found, decoding=decoding) == 1
    assert chain.row(FLOWS, 5) == lost


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_the_way_back_is_gone_before_the_lease_is_taken(chain: Desk) -> None:
    """However long it is: a lease would run out, and its sensor wait."""
    lost = chain.row(FLOWS, 4)
    chain.delete(FLOWS, 4, lost)
    found, told = chain.examined(4), list[str]()
    before = [chain.directory / f"part-{part:03d}.pcap" for part in (0, 2, 3)]
    checks = RowChecks.of(GoneUnderTheLease(chain.store, before), SETTINGS, chain.directory, told.append)
    assert (checks.repair(found, OWNER), told) == (1, [])
    assert chain.row(FLOWS, 4) == lost
    assert not any(path.exists() for path in before)


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_no_further_back_is_looked_than_the_bound(chain: Desk) -> None:
    def found(furthest_back: int) -> str:
        files = CaptureFiles(chain.directory)
        open_flows = OpenFlowsAgain(chain.store, SETTINGS, files, furthest_back)
        return chain.examined(5, decoding=replace(chain.decoding(), open_flows=open_flows)).inexact

    assert found(5) == ""  # the first of the sensor is the fifth commit before it
    assert "what none of the 3 captures before it began with is known (up to 4 commits are looked through)" in found(4)


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_each_file_of_a_chain_is_decoded_with_its_own_settings(desk: Desk) -> None:
    cut(FRAMES, 6, desk.directory)
    desk.sensor = "edge"
    for part in range(6):
        settings = replace(SETTINGS, idle_timeout_s=1 if part == 2 else SETTINGS.idle_timeout_s)
        load_all(desk.store, [desk.directory / f"part-{part:03d}.pcap"], desk.sensor, settings)
    expected = damage(desk, 4)
    found = desk.examined(4)
    assert {(table, key): (fault, columns) for fault, table, key, columns in faults(found)} == expected
    assert desk.repaired(found) == len(expected)
    assert faults(desk.examined(4)) == []


def kept_in(commits: int, late: int) -> list[int]:
    """Which of so many commits keep what they began from; one of them came out of order and moved the state."""
    kept, state = [], 0
    for seq in range(1, commits + 1):
        if seq != late and keeps_beginning(seq - 1, state):
            kept.append(seq)
        state = seq
    return kept


def test_the_first_that_moves_the_state_keeps_what_it_began_from_unless_it_came_out_of_order() -> None:
    border = BEGINNING_EVERY
    assert kept_in(3 * border, 0) == kept_in(3 * border, border - 1) == [border, 2 * border, 3 * border]
    assert kept_in(3 * border, border) == [2 * border, 3 * border]
    assert kept_in(3 * border, border + 1) == [border, 2 * border, 3 * border]


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_none_is_kept_where_one_out_of_order_came_first_at_the_border(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loader.commit.inputs.BEGINNING_EVERY", 3)
    cut(FRAMES, 6, desk.directory)
    desk.load("edge", (0, 2, 1, 3, 4, 5))
    assert desk.then(3).inputs["state"].startswith("3:"), "the late one moved the state: rows of it wait"
    assert [part for part in CHAIN if desk.store.began_from(desk.then(part).commit.capture_id)] == [5]
    assert all(faults(desk.examined(part)) == [] for part in CHAIN)


@pytest.fixture
def long_chain(tmp_path: Path) -> Desk:
    """Captures enough for some manifests to have what they went on from."""
    parts = BEGINNING_EVERY + 12
    frames = list(generate(TrafficPlan(seed=31, packets=4 * parts, packets_per_second=20.0, clients=3, servers=3)))
    cut(frames, parts, tmp_path)
    store = open_sqlite(tmp_path / "store.db")
    store.apply_schema()
    return Desk(store, tmp_path, settings=SETTINGS).load("edge", tuple(range(parts)))


def test_what_one_capture_in_so_many_went_on_from_is_kept_with_its_manifest(long_chain: Desk) -> None:
    store = long_chain.store
    kept = [part for part in range(BEGINNING_EVERY + 12) if store.began_from(long_chain.then(part).commit.capture_id)]
    assert kept == [BEGINNING_EVERY - 1]
    for part in range(kept[0]):  # an archive that reaches back no further
        (long_chain.directory / f"part-{part:03d}.pcap").unlink()
    last = kept[0] + 9
    lost = long_chain.row(FLOWS, last)
    long_chain.delete(FLOWS, last, lost)
    found = long_chain.examined(last)
    assert [key for _, _, key, _ in faults(found)] == [lost[: len(FLOWS.key)]]
    assert long_chain.repaired(found) == 1
    assert long_chain.row(FLOWS, last) == lost
    assert (
        "its file is not at hand"
        in long_chain.examined(kept[0] + 1, decoding=long_chain.decoding(Forgetful(long_chain.store))).inexact
    )
    long_chain.store.close()


class _Reader:
    """A store, but for what is defined below."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class Forgetful(_Reader):
    """Its manifests are gone."""

    def began_from(self, capture_id: bytes) -> bytes:
        return b""


class GoneUnderTheLease(_Reader):
    """Whoever takes the lease finds these files no more."""

    def __init__(self, store: Store, paths: list[Path]) -> None:
        super().__init__(store)
        self._writing, self._paths = store, paths

    def take_sensor(self, sensor: str, network: str, owner: str, until_ms: int) -> SensorLease:
        for path in self._paths:
            path.unlink()
        return self._writing.take_sensor(sensor, network, owner, until_ms)


class Otherwise(_Reader):
    """One capture has other inputs in it."""

    def __init__(self, store: StoreReader, file_name: str, inputs: dict[str, str]) -> None:
        super().__init__(store)
        self._file_name, self._inputs = file_name, inputs

    def capture(self, capture_id: bytes) -> CaptureRecord | None:
        record = self._store.capture(capture_id)
        if record is None or record.facts.file_name != self._file_name:
            return record
        return replace(record, inputs={**record.inputs, **self._inputs})

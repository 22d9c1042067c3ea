"""Captures that go on from one another: their rows are made again through the chain, or it is said where that ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from loader.commit.inputs import BEGINNING_EVERY
from loader.review.openflows import FURTHEST_BACK
from schema.records import CaptureRecord
from schema.store.reading import StoreReader
from schema.store.sqlite import open_sqlite
from schema.tables import FLOWS
from tests.e2e.loading import contents
from tests.loader.commit.test_pipeline import cut
from tests.loader.review.desk import SETTINGS, Desk, damage, faults

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
        ({"carried": ""}, "its inputs do not tell which open flows it goes on from"),
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
    assert FURTHEST_BACK > BEGINNING_EVERY
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

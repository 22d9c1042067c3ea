"""One capture after the other into a real store: what is carried, what a restart changes (nothing), files that grow."""

import gzip
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.outcome import FileOutcome
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.records import DEFAULT_NETWORK
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import FLOWS, NAMES_BY_CLIENT, TRAFFIC_BY_MINUTE
from tests.e2e.loading import Contents, assert_balance, contents, totals

Frames = list[tuple[int, bytes]]
SETTINGS = LoaderSettings()


@pytest.fixture(scope="module")
def frames() -> Frames:
    return list(generate(TrafficPlan(seed=11, packets=4000, packets_per_second=50.0, clients=8, servers=30)))


def pcap(frames: Frames, *, header: bool = True) -> bytes:
    records = [struct.pack("<IIII", ts // 10**9, ts % 10**9, len(frame), len(frame)) + frame for ts, frame in frames]
    return (struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1) if header else b"") + b"".join(records)


def cut(frames: Frames, parts: int, directory: Path) -> list[Path]:
    size = -(-len(frames) // parts)
    paths = []
    for number in range(parts):
        paths.append(directory / f"part-{number:03d}.pcap")
        paths[-1].write_bytes(pcap(frames[number * size : (number + 1) * size]))
    return paths


@pytest.fixture
def new_store(tmp_path: Path) -> Callable[[], Store]:
    made: list[Store] = []

    def make() -> Store:
        store = open_sqlite(tmp_path / f"store-{len(made)}.db")
        store.apply_schema()
        made.append(store)
        return store

    return make


def loader_of(
    store: Store, sensor: str = "edge-1", settings: LoaderSettings = SETTINGS, clock: Callable[[], float] = time.time
) -> SensorLoader:
    owner = f"{os.uname().nodename}:{os.getpid()}:{sensor}"
    lease = store.take_sensor(sensor, DEFAULT_NETWORK, owner, int((time.time() + 60) * 1000))
    return SensorLoader(store, lease, settings, clock, Shared.of(store, settings, print))


def load_in_order(store: Store, paths: Sequence[Path], *, restart: bool = False) -> list[FileOutcome]:
    loader, outcomes = loader_of(store), []
    for number, path in enumerate(paths):
        if restart and number:
            loader.lease.release()
            loader = loader_of(store)
        outcomes.append(loader.load(path))
    loader.lease.release()
    assert_balance(outcomes)
    return outcomes


def by_destination_and_minute(rows: Contents) -> Counter[tuple[object, ...]]:
    sums: Counter[tuple[object, ...]] = Counter()
    for row in rows[TRAFFIC_BY_MINUTE.name]:
        named = dict(zip(TRAFFIC_BY_MINUTE.names, row, strict=True))
        for counter in ("packets", "bytes", "packets_rev", "bytes_rev"):
            sums[(named["destination_ip"], named["minute"], named["endpoint"], counter)] += int(str(named[counter]))
    return +sums


def names_by_chain(rows: Contents) -> dict[object, set[tuple[object, ...]]]:
    chains: dict[object, set[tuple[object, ...]]] = {}
    wanted = [FLOWS.index(name) for name in ("destination_ip", "hostname", "name_evidence")]
    for row in rows[FLOWS.name]:
        chains.setdefault(row[FLOWS.index("flow_id")], set()).add(tuple(row[i] for i in wanted))
    return chains


def test_a_restart_after_each_capture_changes_no_row(frames: Frames, tmp_path: Path, new_store: Callable[[], Store]) -> None:
    paths, calm, restarted = cut(frames, 25, tmp_path), new_store(), new_store()
    load_in_order(calm, paths)
    load_in_order(restarted, paths, restart=True)
    assert contents(calm) == contents(restarted)
    assert totals(calm, "edge-1") == totals(restarted, "edge-1")


def test_cut_into_captures_the_sums_names_and_chains_are_those_of_one_piece(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    whole, parts = new_store(), new_store()
    load_in_order(whole, cut(frames, 1, tmp_path))
    load_in_order(parts, cut(frames, 25, tmp_path))
    assert by_destination_and_minute(contents(whole)) == by_destination_and_minute(contents(parts))
    assert names_by_chain(contents(whole)) == names_by_chain(contents(parts))
    assert all(len(names) == 1 for names in names_by_chain(contents(parts)).values())


def test_a_capture_out_of_order_is_counted_and_moves_no_state(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    paths, store = cut(frames, 3, tmp_path), new_store()
    load_in_order(store, [paths[0], paths[2], paths[1]])
    assert totals(store, "edge-1")[1]["out_of_order"] == 1
    flow_packets = sum(totals.packets + totals.packets_rev for totals in store.ledger("edge-1").endpoints.values())
    assert flow_packets == store.ledger("edge-1").totals["flow_packets"]


def test_a_file_that_grows_has_its_tail_loaded_and_nothing_twice(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    path, store, grown = tmp_path / "growing.pcap", new_store(), pcap(frames)
    loader, states = loader_of(store), []
    for size in (len(grown) // 3, len(grown) // 3 + 5, len(grown) // 2, len(grown)):
        with path.open("ab") as file:
            file.write(grown[path.stat().st_size : size])
        states.append(loader.load(path).state)
    assert states == [FileState.LOADED, FileState.ALREADY_LOADED, FileState.LOADED, FileState.LOADED]
    assert store.ledger("edge-1").totals["frames"] == len(frames)
    assert loader.load(path).state is FileState.ALREADY_LOADED


def test_a_file_that_grew_and_its_copies_are_one_content(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    path, copy, store, grown = tmp_path / "growing.pcap", tmp_path / "copy.pcap", new_store(), pcap(frames)
    third = len(pcap(frames[: len(frames) // 3]))
    path.write_bytes(grown[:third])
    copy.write_bytes(grown[:third])
    loader = loader_of(store)
    assert [loader.load(file).state for file in (path, copy)] == [FileState.LOADED, FileState.ALREADY_LOADED]
    with copy.open("ab") as file:
        file.write(grown[third:])
    assert loader.load(copy).state is FileState.LOADED  # its tail
    path.write_bytes(grown)
    zipped = tmp_path / "whole.pcap.gz"
    zipped.write_bytes(gzip.compress(grown))
    assert [loader.load(file).state for file in (path, zipped)] == [FileState.ALREADY_LOADED] * 2
    assert store.ledger("edge-1").totals["frames"] == len(frames)


def test_tails_of_a_growing_file_are_in_order_and_go_on_with_its_flows(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    path, grown, in_tails, in_parts = tmp_path / "growing.pcap", pcap(frames), new_store(), new_store()
    loader, size = loader_of(in_tails), -(-len(frames) // 4)
    for part in range(1, 5):
        path.write_bytes(pcap(frames[: part * size]))
        assert loader.load(path).state is FileState.LOADED
    load_in_order(in_parts, cut(frames, 4, tmp_path))
    assert grown == path.read_bytes()
    assert by_destination_and_minute(contents(in_tails)) == by_destination_and_minute(contents(in_parts))
    assert names_by_chain(contents(in_tails)) == names_by_chain(contents(in_parts))
    assert "out_of_order" not in in_tails.ledger("edge-1").totals


def test_a_first_packet_dated_2100_makes_no_later_capture_late(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    store, paths = new_store(), cut(frames, 3, tmp_path)
    paths[0].write_bytes(pcap([(4_102_444_800 * 10**9, frames[0][1]), *frames[1 : len(frames) // 3]]))
    load_in_order(store, paths)
    assert "out_of_order" not in store.ledger("edge-1").totals


def test_a_file_whose_every_record_is_spoilt_is_quarantined(tmp_path: Path, new_store: Callable[[], Store]) -> None:
    path, store = tmp_path / "spoilt.pcap", new_store()
    path.write_bytes(pcap([]) + b"\xff" * 4000)
    outcome = loader_of(store).load(path)
    assert (outcome.state, outcome.reason.partition(":")[0]) == (FileState.QUARANTINED, "corrupt_record")


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", ["claimed", "written"])
def test_an_attempt_that_dies_leaves_nothing_and_its_retry_the_same_rows(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    paths, calm, killed = cut(frames, 4, tmp_path), new_store(), new_store()
    load_in_order(calm, paths)
    for path in paths:
        loader = loader_of(killed)

        def die(attempt: object, staged: object, capture_id: bytes) -> None:
            if step == "written":
                for batch in staged.batches(capture_id):  # type: ignore[attr-defined]
                    attempt.write([batch])  # type: ignore[attr-defined]
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(loader, "_write", die)
            loader.load(path)
        loader.lease.release()
        loader = loader_of(killed)
        assert loader.load(path).state is FileState.LOADED
        loader.lease.release()
    assert contents(killed) == contents(calm)


def test_large_captures_wait_in_a_file_and_give_the_same_rows(
    frames: Frames, tmp_path: Path, new_store: Callable[[], Store]
) -> None:
    path, memory, spilled = cut(frames, 1, tmp_path)[0], new_store(), new_store()
    loader_of(memory).load(path)
    loader_of(spilled, settings=LoaderSettings(staging_rows=50)).load(path)
    assert contents(memory) == contents(spilled)


def test_a_standalone_file_carries_nothing(frames: Frames, tmp_path: Path, new_store: Callable[[], Store]) -> None:
    store = new_store()
    lease = store.take_sensor("standalone", DEFAULT_NETWORK, f"here:{os.getpid()}:x", int((time.time() + 60) * 1000))
    loader = SensorLoader(store, lease, SETTINGS, time.time, Shared.of(store, SETTINGS, print))
    for path in cut(frames, 3, tmp_path):
        loader.load(path)
    assert lease.carried() is None
    assert contents(store)[NAMES_BY_CLIENT.name] == []


def test_a_clock_that_is_set_back_meanwhile_does_not_change_how_long_the_store_took(
    frames: Frames, new_store: Callable[[], Store], tmp_path: Path
) -> None:
    loader = loader_of(new_store(), clock=count(time.time(), -0.01).__next__)
    loader.monotonic = count(5.0, 2.5).__next__
    (path,) = cut(frames, 1, tmp_path)
    assert loader.load(path).write_s == 2.5

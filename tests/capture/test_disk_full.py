"""A disk that fills up while a sensor writes: a file system of 128 KiB, made and removed by the test."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from capture.events import SensorEvent, SensorEventKind
from capture.handover import HandOver
from capture.pcap import file_header, record
from capture.rotation import Piece
from capture.tcpdump import Statistics
from capture.writing import CaptureWriter, Journal, recover
from schema.pause import ask_for_pause, end_pause
from tests.capture.wire import beside, packets_in
from tests.servers import require

RECORD = record(1, bytes(1_000))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    require(os.geteuid() == 0, "mounting needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tmp_path)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    require(mounted.returncode == 0, f"no file system can be mounted here: {mounted.stderr}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_what_a_full_disk_loses_is_counted_and_the_rest_is_whole(small_disk: Path) -> None:
    events: list[SensorEvent] = []
    with HandOver(small_disk, "probe") as handover:
        writer = CaptureWriter(handover, Journal(events.append))
        for _ in range(50):
            writer.write(file_header(), Piece(5 * RECORD, 5, 1, False))
        writer.close(Statistics(dropped=7))
        for path in small_disk.glob("*.pcap"):  # whoever loads captures makes room
            kept = packets_in(path)
            path.unlink()
        writer.write(file_header(), Piece(RECORD, 1, 1, False))
        writer.close(Statistics(dropped=9))
        assert "everything" in writer.end()
    (path,) = small_disk.glob("*.pcap")
    assert packets_in(path) == 1
    counts = events[-1].counts
    assert 0 < kept < 250 and kept + counts.disk_drops == 250
    assert counts.kernel_drops == 9 and counts.packets == kept + 1
    facts = [beside(path.with_name(path.name.removesuffix(".json"))) for path in sorted(small_disk.glob("*.json"))]
    assert sum(fact["kernel_drops"] for fact in facts) == 9
    assert sum(fact["disk_drops"] for fact in facts) == counts.disk_drops
    kinds = [event.kind for event in events]
    assert SensorEventKind.DISK_FULL in kinds and SensorEventKind.DISK_FREE in kinds


def test_a_file_cut_anywhere_is_recovered_to_its_last_whole_record(tmp_path: Path) -> None:
    whole = file_header() + 3 * record(1, b"frame")
    for length in range(len(whole) + 1):
        directory = tmp_path / str(length)
        with HandOver(directory, "probe") as handover:
            _, file = handover.begin(1)
            file.write(whole[:length])
            file.close()
            recover(handover, Journal(lambda _: None))
            assert handover.leftovers() == []
        expected = max(0, (length - 24) // 21)
        assert [packets_in(path) for path in directory.glob("*.pcap")] == ([expected] if expected else [])


def test_while_the_loader_asks_for_a_pause_packets_are_dropped_and_counted(tmp_path: Path) -> None:
    events: list[SensorEvent] = []
    with HandOver(tmp_path, "probe") as handover:
        writer = CaptureWriter(handover, Journal(events.append))
        writer.write(file_header(), Piece(RECORD, 1, 1, False))
        ask_for_pause(tmp_path)
        writer.write(file_header(), Piece(3 * RECORD, 3, 2, False))
        writer.close(Statistics())
        writer.write(file_header(), Piece(RECORD, 1, 3, False))
        writer.close(Statistics())
        end_pause(tmp_path)
        writer.write(file_header(), Piece(2 * RECORD, 2, 4, False))
        writer.close(Statistics())
    first, second = sorted(tmp_path.glob("*.pcap"))
    assert (packets_in(first), packets_in(second)) == (1, 2)
    assert (beside(first)["disk_drops"], beside(second)["disk_drops"]) == (3, 1)
    kinds = [event.kind for event in events]
    assert kinds.count(SensorEventKind.DISK_FULL) == kinds.count(SensorEventKind.DISK_FREE) == 1
    assert kinds.index(SensorEventKind.DISK_FREE) == len(kinds) - 1
    assert events[-1].counts.disk_drops == 4


@pytest.mark.parametrize(("has_note", "owed"), [(True, 0), (False, 3)])
def test_a_sensor_killed_behind_its_rename_counts_drops_once(tmp_path: Path, has_note: bool, owed: int) -> None:
    with HandOver(tmp_path, "probe") as handover:
        handover.drop(3)
        remembered = (handover.work / "sequence").read_bytes()
        part, file = handover.begin(1)
        file.write(file_header() + RECORD)
        file.close()
        handover.finish(part, 1, {"packets": 1} if has_note else None)
    (handover.work / "sequence").write_bytes(remembered)  # as it was when the capture got its name
    with HandOver(tmp_path, "probe") as handover:
        assert handover.unnoted_drops == owed
        part, file = handover.begin(2)
        file.close()
        assert beside(handover.finish(part, 2, {}).path) == {"sensor": "probe", "sequence": 2, "disk_drops": owed}
    with HandOver(tmp_path, "probe") as handover:
        assert handover.unnoted_drops == 0


def test_what_an_earlier_run_left_says_what_it_dropped(tmp_path: Path) -> None:
    with HandOver(tmp_path, "probe") as handover:
        _, file = handover.begin(1)
        file.write(file_header() + RECORD)
        file.close()
        handover.drop(5)
    with HandOver(tmp_path, "probe") as handover:
        recover(handover, Journal(lambda _: None))
        assert handover.unnoted_drops == 0
    (note,) = tmp_path.glob("*.json")
    assert beside(note.with_suffix(""))["disk_drops"] == 5

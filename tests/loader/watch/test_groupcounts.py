"""Several processes count; one page tells of all of them, and no count is lost with a process."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from loader.watch.groupcounts import FOLDS, GroupCounts
from tests.pcapline.command import clean_environment
from tests.servers import require

LOADER = """
import os, signal, sys
from pathlib import Path
from loader.watch.groupcounts import share_counts
number = int(sys.argv[2])
share_counts(Path(sys.argv[1]), number)
from loader.outcome import FileOutcome
from loader.watch.telemetry import LoaderTelemetry, Pending
from schema.enums import FileState
telemetry = LoaderTelemetry("sqlite", "1.2")
loaded = FileOutcome(file="a", state=FileState.LOADED, sensor="edge", packets=7, rows={"flows": 3}, write_s=0.03)
telemetry.answered(loaded, 0.2)
telemetry.waits([Pending(sensor="office", files=4, oldest=100.0 * number)] if number else [])
telemetry.leases(["edge"] if number else [])
telemetry.store_answers(number != 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def count(directory: Path, number: int) -> None:
    done = subprocess.run([sys.executable, "-c", LOADER, directory, str(number)], env=clean_environment(), check=False)
    assert done.returncode == -signal.SIGKILL


def page(counts: GroupCounts) -> list[str]:
    return counts.expose("")[0].decode().splitlines()


def test_what_all_of_them_counted_is_added_up_and_outlives_them(tmp_path: Path) -> None:
    counts = GroupCounts(tmp_path, 2)
    for number in (0, 1, 1):  # the second was killed, and its successor goes on
        count(tmp_path, number)
        counts.started(number)
    lines = page(counts)
    for line in (
        'pcapline_loader_files_total{sensor="edge",state="loaded"} 3.0',
        'pcapline_loader_packets_total{sensor="edge"} 21.0',
        "pcapline_capture_load_seconds_count 3.0",
        'pcapline_write_duration_seconds_bucket{le="0.05",store="sqlite"} 3.0',
        'pcapline_captures_pending{sensor="office"} 4.0',
        "pcapline_captures_oldest_pending_timestamp_seconds 100.0",
        'pcapline_lease_held{sensor="edge"} 1.0',
        'pcapline_loader_info{version="1.2"} 1.0',
        'pcapline_loader_worker_up{worker="1"} 1.0',
    ):
        assert line in lines, line
    assert counts.ready() is None


def test_what_a_loader_saw_ends_with_it_and_what_it_counted_does_not(tmp_path: Path) -> None:
    counts = GroupCounts(tmp_path, 2)
    for number in (0, 1):
        count(tmp_path, number)
        counts.started(number)
    counts.ended(1, "killed")
    lines = page(counts)
    assert 'pcapline_loader_files_total{sensor="edge",state="loaded"} 2.0' in lines
    assert not any(line.startswith("pcapline_lease_held{") for line in lines)
    assert 'pcapline_loader_worker_ends_total{how="killed"} 1.0' in lines
    assert 'pcapline_loader_worker_up{worker="1"} 0.0' in lines
    assert "do not run: 1" in (counts.ready() or "")


def test_one_store_that_does_not_answer_is_enough_not_to_be_ready(tmp_path: Path) -> None:
    counts = GroupCounts(tmp_path, 3)
    for number in range(3):
        count(tmp_path, number)
        counts.started(number)
    assert 'pcapline_loader_store_up{store="sqlite"} 0.0' in page(counts)
    assert "captures wait" in (counts.ready() or "")


def test_there_is_a_rule_for_every_gauge(tmp_path: Path) -> None:
    count(tmp_path, 0)
    counts = GroupCounts(tmp_path, 1)
    gauges = {line.split()[2] for line in page(counts) if line.startswith("# TYPE pcapline_") and line.endswith(" gauge")}
    assert gauges - {"pcapline_loader_worker_up"} <= FOLDS.keys()


def test_promtool_finds_nothing_to_say(tmp_path: Path) -> None:
    require(shutil.which("promtool") is not None, "promtool is not installed")
    count(tmp_path, 0)
    exposition = GroupCounts(tmp_path, 1).expose("")[0]
    answer = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"", b"")


def test_counts_are_kept_in_few_files_however_often_loaders_begin_again(tmp_path: Path) -> None:
    for _ in range(3):
        count(tmp_path, 0)
    assert len(list(tmp_path.iterdir())) == 3

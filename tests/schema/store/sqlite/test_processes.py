"""Several processes on one file: writers take turns, and one that is killed leaves whole captures only."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import FLOWS
from tests.schema.store.samples import id_of, load, sample, scanned, take

LOADER = Path(__file__).with_name("loader_process.py")
ROOT = Path(__file__).resolve().parents[4]


def loader(path: Path, sensor: str, captures: int) -> subprocess.Popen[str]:
    """A process that loads so many captures, and says a line after each commit."""
    command = [sys.executable, str(LOADER), str(path), sensor, str(captures)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)})


def test_writers_of_a_new_file_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    loaders = [loader(path, sensor, 15) for sensor in ("edge-1", "edge-2", "edge-3")]
    assert [process.wait(60) for process in loaders] == [0, 0, 0]
    with closing(open_sqlite(path, read_only=True)) as store:
        assert [store.ledger(record.sensor).position.seq for record in store.sensors()] == [15, 15, 15]
        assert len(scanned(store, FLOWS)) == 3 * 15 * 200


def check_whole(store: Store, acknowledged: int) -> int:
    """Committed captures have all their rows, others none; what was acknowledged is there."""
    commits = list(store.commits("edge-1", 0))
    assert len(commits) >= acknowledged
    assert sum(commit.rows["flows"] for commit in commits) == len(scanned(store, FLOWS))
    assert all(recount.found == recount.expected for recount in (store.recount(c.capture_id) for c in commits))
    assert store.ledger("edge-1").totals.get("captures", 0) == len(commits)
    return len(commits)


def test_killed_loader_leaves_whole_captures(tmp_path: Path) -> None:
    path, moments = tmp_path / "store.db", Random(7)
    with closing(open_sqlite(path)) as store:
        store.apply_schema()
        total = 0
        for _ in range(6):
            process = loader(path, "edge-1", 10_000)
            assert process.stdout is not None
            said = sum(1 for _ in zip(range(moments.randint(1, 4)), process.stdout, strict=False))
            process.send_signal(signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
            process.stdout.close()
            total = check_whole(store, total + said)


def test_lease_of_a_killed_loader_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    process = loader(path, "edge-1", 10_000)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait(30)
    process.stdout.close()
    again = loader(path, "edge-1", 1)
    assert again.wait(30) == 0


def test_reader_sees_one_state_while_others_write(tmp_path: Path) -> None:
    with closing(open_sqlite(tmp_path / "store.db")) as writer:
        writer.apply_schema()
        lease = take(writer)
        load(lease, sample("a"))
        with closing(open_sqlite(tmp_path / "store.db", read_only=True)) as reader:
            rows = reader.scan(FLOWS)
            first = next(rows)
            load(lease, sample("b"))
            assert {row[4] for row in [first, *rows]} == {id_of("a")}
            assert {row[4] for row in reader.scan(FLOWS)} == {id_of("a"), id_of("b")}

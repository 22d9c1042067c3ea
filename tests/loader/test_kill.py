"""SIGKILL at random moments: after the last restart every table a user reads is that of a load that nobody disturbed.

`KILL_TEST_KILLS` and `KILL_TEST_CAPTURES` set how often and over how many captures, `KILL_TEST_SEED` the moments.
"""

import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from capture.demo import Rotation, write_captures
from capture.traffic import TrafficPlan
from loader.spool import sidecar_of
from pcapline.wiring import Purpose, open_store
from schema.capture_names import parse_capture_name
from schema.enums import FileState
from schema.settings import StoreSettings
from schema.store.port import Store
from tests.e2e.loading import contents, load_all
from tests.servers.cassandra.keyspace import Keyspace
from tests.servers.cassandra.session import shared_port

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("KILL_TEST_KILLS", "5"))
CAPTURES = int(os.environ.get("KILL_TEST_CAPTURES", "20"))
SEED = int(os.environ.get("KILL_TEST_SEED", "6"))
PACKETS_EACH = 100
BATCH = max(1, CAPTURES // KILLS)  # so many more files lie there at each start
LATER_S = 0.03  # a kill comes up to so long after a verdict: in any step of the next load
PATIENCE_S = 60 + CAPTURES
SETTINGS = "[loader]\ngrace_s = 0\nrescan_s = 0.2\n"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'killed.db'}"


@pytest.fixture
def cassandra_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    base = tmp_path_factory.getbasetemp()
    keyspace = Keyspace(shared_port(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base))
    keyspace.empty()
    yield f"cassandra://127.0.0.1:{keyspace.port}/{keyspace.name}"
    keyspace.close()


def opened(url: str) -> Store:
    store = open_store(StoreSettings(url=url), Purpose.LOAD)
    store.apply_schema()
    return store


def hand_over(files: list[Path], spool: Path) -> None:
    """As a sensor does: by renaming, what it noted first."""
    for file in files:
        for path in (sidecar_of(file), file):
            if path.exists():
                path.rename(spool / path.name)


def start(url: str, spool: Path) -> subprocess.Popen[bytes]:
    """The real command, its verdicts on a pipe."""
    config = spool.parent / "pcapline.toml"
    config.write_text(SETTINGS)
    command = [sys.executable, "-m", "pcapline", "watch", str(spool), "--store", url, "--config", str(config)]
    command += ["--sensor", "edge", "--web.listen-address", "127.0.0.1:0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def kill_after(watch: subprocess.Popen[bytes], verdicts: int, later_s: float) -> bytes:
    """SIGKILL once so many verdicts were told, and a moment later; what the process had said."""
    assert watch.stdout is not None
    end, told = time.monotonic() + PATIENCE_S, b""
    while told.count(b".pcap") < verdicts or b"watching" not in told:
        assert time.monotonic() < end, told
        if select.select([watch.stdout], [], [], 0.2)[0]:
            told += os.read(watch.stdout.fileno(), 65_536)
        assert watch.poll() is None, told
    time.sleep(later_s)  # the moment is what is tested
    watch.kill()
    return told + watch.communicate()[0]


def finish(watch: subprocess.Popen[bytes], spool: Path) -> None:
    """Wait until every file is archived, then stop in good order."""
    assert watch.stdout is not None
    end, told = time.monotonic() + PATIENCE_S, b""
    while list(spool.glob("*.pcap")):
        assert time.monotonic() < end and watch.poll() is None, told[-2000:]
        if select.select([watch.stdout], [], [], 0.2)[0]:
            told += os.read(watch.stdout.fileno(), 65_536)
    watch.send_signal(signal.SIGTERM)
    watch.communicate(timeout=PATIENCE_S)
    assert watch.returncode == 128 + signal.SIGTERM


@pytest.mark.timeout(10 * (PATIENCE_S + 10 * KILLS))
@pytest.mark.parametrize("kind", ["sqlite", "cassandra"])
def test_killed_again_and_again_the_rows_are_those_of_a_calm_load(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(f"{kind}_url")
    opened(url).close()
    made, spool = tmp_path / "made", tmp_path / "spool"
    made.mkdir()
    spool.mkdir()
    plan = TrafficPlan(seed=SEED, packets=CAPTURES * PACKETS_EACH)
    truth = write_captures(plan, made, Rotation(packets=PACKETS_EACH), "edge")
    files = sorted(made.glob("*.pcap"))
    calm = opened(f"sqlite:{tmp_path / 'calm.db'}")
    with closing(calm):
        outcomes = load_all(calm, files, "edge")
        assert {outcome.state for outcome in outcomes} == {FileState.LOADED}
        expected, calm_ledger = contents(calm), calm.ledger("edge")

    moments, behind = random.Random(SEED), list(files)
    for _ in range(KILLS):
        hand_over(behind[:BATCH], spool)
        del behind[:BATCH]
        kill_after(start(url, spool), moments.randint(0, BATCH), moments.random() * LATER_S)
    hand_over(behind, spool)
    finish(start(url, spool), spool)

    with closing(opened(url)) as store:
        found = contents(store)
        for table, rows in expected.items():
            assert found[table] == rows, table
        ledger = store.ledger("edge")
        assert dict(ledger.endpoints) == dict(calm_ledger.endpoints)
        assert dict(ledger.totals) == dict(calm_ledger.totals)
        assert ledger.totals["frames"] == CAPTURES * PACKETS_EACH == sum(capture.packets for capture in truth.captures)
        records = list(store.captures("edge"))
        assert len(records) == len(files)
        for record in records:
            recount = store.recount(record.facts.capture_id)
            assert record.state == FileState.LOADED
            assert dict(recount.found) == dict(recount.expected)
    archived = sorted((spool / ".pcapline" / "archive" / "edge").glob("*.pcap"))
    assert [parse_capture_name(path.name) for path in archived] == [parse_capture_name(path.name) for path in files]

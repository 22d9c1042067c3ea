"""A real tcpdump goes on capturing while the store is killed, frozen, refusing, overloaded, or changed under the loader.

Each fault lasts a moment; `FAULTS_AWAY_S` makes it so many seconds (600 is the long form), and then what the loader is behind
is caught up with before the next one; `FAULTS_ONLY` names one of them. Nothing is timed by assertion: what was seen is printed
(`pytest -s`).
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster

from exporter.scrape import samples
from exporter.service import fetch
from pcapline.wiring import Purpose, open_store
from schema.settings import StoreSettings
from tests.capture.wire import PORT, Sensor, beside, wire
from tests.faults.memory import Memory
from tests.faults.scene import Watch, waiting
from tests.pcapline.command import pcapline
from tests.servers.cassandra.node import SUPERUSER, CassandraNode
from tests.servers.prometheus import until

AWAY_S = float(os.environ.get("FAULTS_AWAY_S", "0"))
ONLY = os.environ.get("FAULTS_ONLY", "")
A_MOMENT_S, ROTATE_S = 2.5, 2.0  # at least one capture comes
PER_SECOND, PORTS = 5_000, 100  # packets; flows of each capture
MOST_BYTES = 256 * 2**20  # of the loader's memory
REFUSALS = "pcapline_write_refusals_total"
SLOW_MACHINE_S = 900  # for what takes seconds where nothing else runs
LOADER, PASSWORD = "loader", "loads"
ASKS_FOR_NAMES = {
    "authenticator": "PasswordAuthenticator",
    "authorizer": "CassandraAuthorizer",
    "role_manager": "CassandraRoleManager",
}
FULL_AT_1_GIB = {"data_disk_usage_percentage_fail_threshold": "90", "data_disk_usage_max_disk_size": "1GiB"}
FEW_STATEMENTS = {"prepared_statements_cache_size": "1MiB"}
OVERLOADED = {"native_transport_rate_limiting_enabled": "true", "native_transport_max_requests_per_second": "50"}
AT_EASE = {"native_transport_rate_limiting_enabled": "false"}
LOOKS_OFTEN = ("-Dcassandra.disk_usage.monitor_interval_ms=500",)


@dataclass
class Operator:
    """Who runs the node: its superuser."""

    node: CassandraNode
    keyspace: str

    def run(self, *statements: str) -> list[Any]:
        """Each on a connection of its own time; rows of the last."""
        asks = PlainTextAuthProvider(*SUPERUSER)
        cluster = Cluster(["127.0.0.1"], port=self.node.port, protocol_version=5, auth_provider=asks)
        try:
            session = cluster.connect()
            return [list(session.execute(statement, timeout=60)) for statement in statements][-1]
        finally:
            cluster.shutdown()

    def evict_statements(self) -> None:
        """Prepare others until there is no room for those of the loader."""
        asks = PlainTextAuthProvider(*SUPERUSER)
        cluster = Cluster(["127.0.0.1"], port=self.node.port, protocol_version=5, auth_provider=asks)
        try:
            session = cluster.connect()
            for n in range(600):
                session.prepare(f"SELECT * FROM {self.keyspace}.flows WHERE destination_ip = ? AND bucket = ? LIMIT {n + 1}")
            found = session.execute(
                "SELECT value FROM system_views.cql_metrics WHERE name = 'prepared_statements_evicted'"
            ).one()
            assert found is not None and found.value > 100
        finally:
            cluster.shutdown()


@dataclass
class Story:
    """One capture that never stops, and what happens to the store meanwhile."""

    node: CassandraNode
    operator: Operator
    watch: Watch
    memory: Memory
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def fault(self, name: str, begins: Callable[[], object], ends: Callable[[], object] = lambda: None) -> None:
        """The store is so for a while, and the sensor goes on."""
        self.memory.during = name
        began = time.monotonic()
        begins()
        self.stays()
        ends()
        loaded = self.watch.loaded()
        figures = {"away for s": round(time.monotonic() - began, 1)}
        if AWAY_S:
            figures |= self.caught_up(name)
        self.watch.until(lambda: self.watch.loaded() > loaded, f"it loads again, having been {name}", SLOW_MACHINE_S)
        self.figures[name] = figures | {"loader MiB": self.memory.most[name] >> 20}

    def stays(self) -> None:
        """Time goes by."""
        time.sleep(AWAY_S or A_MOMENT_S)

    def caught_up(self, name: str) -> dict[str, float]:
        """How long that takes, and how many times as fast as the sensor the loader is meanwhile."""
        began, before = time.monotonic(), self.watch.metric("pcapline_loader_packets_total")
        behind = len(waiting(self.watch.spool))
        patience_s = SLOW_MACHINE_S + 10 * AWAY_S
        self.watch.until(lambda: len(waiting(self.watch.spool)) <= 2, f"it catches up after {name}", patience_s)
        seconds = time.monotonic() - began
        packets = self.watch.metric("pcapline_loader_packets_total") - before
        times = packets / seconds / PER_SECOND
        return {"files behind": behind, "caught up after s": round(seconds, 1), "times real time": round(times, 1)}

    def refusals(self) -> dict[str, int]:
        """Requests that were not acknowledged, by what became of them."""
        found = (sample for sample in samples(fetch(self.watch.page)) if sample.name == REFUSALS)
        return {sample.labels["outcome"]: int(sample.value) for sample in found}

    def frozen(self) -> None:
        self.fault("frozen", self.node.freeze, self.node.thaw)

    def refusing(self) -> None:
        ballast = self.node.directory / "data" / "data" / "ballast"  # of no size but the one it says

        def begin() -> None:
            with ballast.open("wb") as file:
                file.truncate(2**30)
            self.watch.until(lambda: self.refusals().get("full", 0) > 0, "a write is refused", SLOW_MACHINE_S)

        self.fault("refusing", begin, ballast.unlink)

    def altered(self) -> None:
        self.fault("altered", lambda: self.operator.run(f"ALTER TABLE {self.operator.keyspace}.flows ADD note text"))

    def evicted(self) -> None:
        self.fault("evicted", self.operator.evict_statements)

    def killed_and_overloaded(self) -> None:
        """It comes back to more requests than it takes, and is killed again."""

        def begin() -> None:
            self.node.kill()
            self.stays()
            self.node.configure(OVERLOADED)
            self.node.start()

        def end() -> None:
            self.node.kill()
            self.node.configure(AT_EASE)
            self.node.start()

        self.fault("killed, then overloaded", begin, end)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[CassandraNode]:
    settings = {**ASKS_FOR_NAMES, **FULL_AT_1_GIB, **FEW_STATEMENTS}
    node = CassandraNode(tmp_path / "node", settings=settings, java=LOOKS_OFTEN)
    node.start()
    yield node
    node.kill()


def prepared_store(node: CassandraNode, tmp_path: Path) -> tuple[str, str, Operator]:
    """Address, settings and operator of a keyspace with a loader that is no superuser: a node refuses those nothing."""
    url, operator = f"cassandra://127.0.0.1:{node.port}/live", Operator(node, "live")
    for name, word in (("super", SUPERUSER[1]), (LOADER, PASSWORD)):
        (tmp_path / name).write_text(word)
    config = tmp_path / "operator.toml"
    config.write_text(f'[store]\nusername = "{SUPERUSER[0]}"\npassword_file = "{tmp_path / "super"}"\n')
    applied = pcapline("schema", "apply", "--store", url, "--config", config, cwd=tmp_path)
    assert applied.returncode == 0, applied.stderr
    operator.run(
        f"CREATE ROLE {LOADER} WITH PASSWORD = '{PASSWORD}' AND LOGIN = true",
        *(f"GRANT {right} ON KEYSPACE live TO {LOADER}" for right in ("SELECT", "MODIFY")),
        f"GRANT SELECT ON KEYSPACE system_views TO {LOADER}",
    )
    return url, f'[store]\nusername = "{LOADER}"\npassword_file = "{tmp_path / LOADER}"\n', operator


@pytest.mark.timeout(8 * SLOW_MACHINE_S + 80 * AWAY_S)
def test_nothing_is_lost_while_the_store_is_away(node: CassandraNode, tmp_path: Path) -> None:
    url, access, operator = prepared_store(node, tmp_path)
    spool, settings = tmp_path / "spool", f"{access}[loader]\ngrace_s = 0\nrescan_s = 0.5\n"
    captures = spool / "probe"
    captures.mkdir(parents=True)
    with wire() as cable, closing(Watch(spool, url, settings)) as watch, ExitStack() as ending:
        sensor = Sensor.start(cable, captures, ROTATE_S, f"udp portrange {PORT}-{PORT + PORTS - 1}")
        ending.callback(sensor.close)
        until(lambda: sensor.told("started") > 0 or sensor.process.poll() is not None, "the sensor started", SLOW_MACHINE_S)
        sending = subprocess.Popen(cable.sender(2**31, PER_SECOND, PORTS), stdout=subprocess.PIPE)
        ending.callback(sending.kill)
        watch.until(lambda: watch.loaded() > 1, "it loads", SLOW_MACHINE_S)
        story = Story(node, operator, watch, Memory(watch.process.pid))
        with story.memory.watched():
            for fault in (story.refusing, story.frozen, story.altered, story.evicted, story.killed_and_overloaded):
                if ONLY in fault.__name__:
                    fault()
            sending.terminate()
            sent = int(sending.communicate(timeout=SLOW_MACHINE_S)[0])
            sensor.process.terminate()
            assert sensor.process.wait(SLOW_MACHINE_S) == 0
            watch.until_idle(SLOW_MACHINE_S + 10 * AWAY_S)
        refusals = story.refusals()
    archived = sorted((spool / ".pcapline" / "archive" / "probe").glob("*.pcap"))
    dropped = sum(beside(path).get("kernel_drops", 0) for path in archived if path.with_name(path.name + ".json").exists())
    access_to = StoreSettings(url=url, username=LOADER, password_file=str(tmp_path / LOADER))
    with closing(open_store(access_to, Purpose.READ)) as store:
        totals = store.ledger("probe").totals
        lost = sent - dropped - totals["frames"]
        counts = {"sent": sent, "dropped by the kernel, counted": dropped, "lost": lost, "captures": len(archived)}
        print(json.dumps(counts | {"refused": refusals} | story.figures, indent=1))
        assert lost == 0
        assert totals["captures"] == len(archived)
    settings_file, patience_s = tmp_path / "watch.toml", SLOW_MACHINE_S + AWAY_S
    recounted = pcapline("verify", "--full", "--store", url, "--config", settings_file, cwd=tmp_path, patience_s=patience_s)
    assert recounted.returncode == 0, recounted.stdout + recounted.stderr
    assert refusals.get("poison", 0) == 0
    assert max(story.memory.most.values()) < MOST_BYTES

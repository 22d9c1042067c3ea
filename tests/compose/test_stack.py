"""The whole stack as a user starts it: healthy when a packet is counted, asked in the three ways, stopped and started again.

It takes ten minutes and gigabytes, and starts an engine where none answers: it runs where PCAPLINE_STACK=1 asks for it
(`make test-stack`).
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from capture.demo import Rotation, write_captures
from capture.traffic import TrafficPlan
from tests.compose.standins import provide
from tests.servers import free_port
from tests.servers.compose import FOLDER, ROOT, build_compose, compose_command, configuration, require_compose
from tests.servers.docker import Engine, engine
from tests.servers.prometheus import until

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("PCAPLINE_STACK") != "1",
        reason="takes ten minutes: `make test-stack` asks for it",
    ),
    pytest.mark.timeout(3600),
]
WRITES = "sum by (server_address) (rate(pcapline_endpoint_writes_total[1m])) > 0"
PROBED = "prometheus.pcapline.internal"


def documented() -> list[str]:
    """What the pages have people type after `docker compose exec`."""
    pages = ("how-to/run-the-stack.md", "runbooks.md", "tutorials/first-run-compose.md")
    text = "".join((ROOT / "docs" / page).read_text() for page in pages)
    return re.findall(r"docker compose exec ((?:[^`\n]|\n {4})+)", text)


class Stack:
    """One project of Compose, its ports chosen among the free ones."""

    def __init__(self, docker: Engine, without: set[str]) -> None:
        self.docker, self._without = docker, without
        self._ports = {name: free_port() for name in ("CQL", "EXPORTER", "PROMETHEUS", "GRAFANA")}
        ports = {f"PCAPLINE_{name}_PORT": str(port) for name, port in self._ports.items()}
        # what is captured is what the probe sends: this machine's own traffic is nobody's business here
        chosen = {"PCAPLINE_INTERFACE": "lo", "PCAPLINE_FILTER": "host 192.0.2.1", "PCAPLINE_BRIDGE": f"pcl{os.getpid()}"}
        self._environment = docker.environment | ports | chosen
        self._command = [*require_compose(), "-p", f"pcapline-test-{os.getpid()}", "--profile", "demo"]

    def compose(self, *arguments: str, expect: int | None = 0) -> str:
        """Output of `docker compose ARGUMENTS`."""
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=FOLDER,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert expect in (None, done.returncode), (
            f"{arguments}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout + done.stderr

    def up(self, *services: str) -> None:
        """Until everything is healthy."""
        scale = [word for name in self._without if not services for word in ("--scale", f"{name}=0")]
        self.compose("up", "--wait", "--wait-timeout", "900", "--pull", "never", "--no-build", *scale, *services)

    def states(self) -> dict[str, str]:
        """Service -> its health, or how it ended."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return {item["Service"]: item["Health"] or f"{item['State']} {item['ExitCode']}" for item in found}

    def ask(self, expression: str) -> dict[str, float]:
        """An instant query to Prometheus: host -> value."""
        form = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports['PROMETHEUS']}/api/v1/query?{form}", timeout=20) as answer:
            found = json.load(answer)["data"]["result"]
        return {series["metric"].get("server_address", ""): float(series["value"][1]) for series in found}

    def counters(self) -> dict[str, str]:
        """Every endpoint counter on the exporter's page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports['EXPORTER']}/metrics", timeout=20) as page:
            lines = page.read().decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line.startswith("pcapline_endpoint_"))

    def kill(self, service: str) -> None:
        """Take the process's life; `docker compose kill` would count as a stop that is meant to last."""
        pid = self.docker.run("inspect", "--format", "{{.State.Pid}}", self.compose("ps", "-q", service).strip())
        os.kill(int(pid), signal.SIGKILL)


@contextmanager
def running(docker: Engine) -> Iterator[Stack]:
    services: dict[str, Any] = configuration("demo")["services"]
    stack = Stack(docker, provide(docker, services))
    try:
        stack.up()
        yield stack
    except AssertionError:
        print(stack.compose("ps", "--all", expect=None), stack.compose("logs", "--tail", "30", expect=None))
        raise
    finally:
        stack.compose("down", "--volumes", "--timeout", "20", expect=None)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    if compose_command() is None and shutil.which("go"):
        build_compose()
    require_compose()
    with engine() as docker, running(docker) as started:
        yield started


def test_everything_is_healthy(stack: Stack) -> None:
    states = stack.states()
    assert {states.pop(name) for name in ("secrets", "roles", "schema")} == {"exited 0"}
    assert set(states.values()) == {"healthy"}, states


def test_a_captured_packet_is_a_counter(stack: Stack) -> None:
    until(lambda: PROBED in stack.ask(WRITES), "the probe's packets have a rate", 120)
    until(lambda: len(stack.ask(WRITES)) > 3, "made-up hosts have rates", 120)


def test_rows_are_read_with_cqlsh_and_nothing_else_is_allowed(stack: Stack) -> None:
    def cqlsh(statement: str, *login: str, expect: int = 0) -> str:
        return stack.compose("exec", "-T", "cassandra", "cqlsh", *login, "-e", statement, expect=expect)

    assert "(5 rows)" in cqlsh("SELECT hostname, ip FROM pcapline.ips_by_name LIMIT 5")
    assert "Unauthorized" in cqlsh("DROP TABLE pcapline.flows", expect=2)
    assert "Unauthorized" in cqlsh("DELETE FROM pcapline.ips_by_name WHERE hostname = 'x'", expect=2)
    cqlsh("SELECT * FROM system.local", "-u", "cassandra", "-p", "cassandra", expect=1)


@pytest.mark.parametrize("command", documented())
def test_commands_of_the_pages_work(stack: Stack, command: str) -> None:
    service, *words = shlex.split(command)
    if service not in stack.states():
        pytest.skip(f"{service} is not here: its image is not to be had")
    stack.compose("exec", "-T", service, *words)


def test_a_capture_from_elsewhere_is_loaded(stack: Stack, tmp_path: Path) -> None:
    write_captures(TrafficPlan(seed=7, packets=500), tmp_path, Rotation(packets=500), sensor="elsewhere")
    next(tmp_path.glob("*.pcap")).rename(tmp_path / "holiday.pcap")
    stack.compose("exec", "-T", "loader", "mkdir", "-p", "/captures/holiday")
    stack.compose("cp", str(tmp_path / "holiday.pcap"), "loader:/captures/holiday/")
    status = ["exec", "-T", "loader", "python", "-m", "pcapline", "status"]
    until(lambda: "holiday (network default): 1 capture, 500 packets" in stack.compose(*status), "it is loaded", 60)


def test_every_identity_holds(stack: Stack) -> None:
    verify = ["python", "-m", "pcapline", "verify", "--scrape", "http://exporter:10110/metrics"]
    assert "every identity holds" in stack.compose("exec", "-T", "loader", *verify)


def test_tcpdump_alone_may_capture(stack: Stack) -> None:
    show = "grep -lx tcpdump /proc/[0-9]*/comm | head -1 | xargs dirname | xargs -I@ grep -E '^(Uid|CapEff)' @/status"
    found = stack.compose("exec", "-T", "probe-sensor", "bash", "-c", show).split()
    assert found[found.index("Uid:") + 1] == "10001"
    assert int(found[found.index("CapEff:") + 1], 16) == 1 << 13  # CAP_NET_RAW
    own = stack.compose("exec", "-T", "probe-sensor", "grep", "CapEff", "/proc/1/status").split()
    assert int(own[1], 16) == 0
    stack.compose("exec", "-T", "probe-sensor", "touch", "/etc/x", expect=1)


@pytest.mark.parametrize("service", ["loader", "exporter", "cassandra", "prometheus", "probe-sensor"])
def test_what_is_killed_recovers_alone(stack: Stack, service: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may kill a container's process")
    stack.kill(service)
    until(lambda: stack.states().get(service) != "healthy", f"{service} is seen to be gone", 60)
    until(lambda: set(stack.states().values()) <= {"healthy", "exited 0"}, "all is healthy again", 300)
    test_every_identity_holds(stack)


def test_down_and_up_keeps_every_number(stack: Stack) -> None:
    """Sources first; then what they sent is counted, and nothing moves any more."""
    stack.compose("stop", "demo", "probe", "probe-sensor", "sensor")
    seen: list[dict[str, str]] = [{}, {}]

    def still() -> bool:
        time.sleep(12)  # two refreshes of the exporter
        seen[:] = [seen[1], stack.counters()]
        return seen[0] == seen[1] and not stack.ask("sum(pcapline_captures_pending) > 0")

    until(still, "everything is counted", 180)
    before = stack.counters()
    stack.compose("down", "--timeout", "30")
    stack.up("exporter")
    until(lambda: stack.counters() == before, "the numbers are as they were", 60)
    stack.up()
    test_everything_is_healthy(stack)
    assert all(
        float(value) >= float(before[name]) for name, value in stack.counters().items() if name in before and "_total" in name
    )

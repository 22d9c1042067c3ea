"""A real Prometheus and promtool, from Debian's package."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, require

_CONFIGURATION = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: pcapline
    static_configs: [{{targets: {targets}}}]
"""


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for a condition; fails with `what` when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)


def promtool_lint(text: str) -> str:
    """What `promtool check metrics` says of an exposition: "" when it is clean."""
    require(shutil.which("promtool") is not None, "promtool is missing: apt-get install prometheus")
    checked = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    said = (checked.stdout + checked.stderr).decode().strip()
    return said if said or checked.returncode == 0 else f"exit {checked.returncode}"


class Prometheus:
    """A running server, asked through its HTTP API."""

    def __init__(self, address: str) -> None:
        self._address = address

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        """An instant query: labels (without job and instance, sorted) -> value."""
        form = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://{self._address}/api/v1/query?{form}", timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return {_labels(series["metric"]): float(series["value"][1]) for series in found}

    def range(self, selector: str) -> dict[tuple[tuple[str, str], ...], list[float]]:
        """Every sample that was ever scraped, in time order."""
        form = urllib.parse.urlencode({"query": f"{selector}[1h]"})
        with urllib.request.urlopen(f"http://{self._address}/api/v1/query?{form}", timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return {_labels(series["metric"]): [float(value) for _, value in series["values"]] for series in found}

    def targets(self) -> list[str]:
        """Addresses of the pages that are scraped."""
        with urllib.request.urlopen(f"http://{self._address}/api/v1/targets", timeout=10) as answer:
            return [str(target["scrapeUrl"]) for target in json.load(answer)["data"]["activeTargets"]]

    def rule_errors(self) -> list[str]:
        """What rules could not be evaluated for."""
        with urllib.request.urlopen(f"http://{self._address}/api/v1/rules", timeout=10) as answer:
            groups = json.load(answer)["data"]["groups"]
        return [f"{rule['name']}: {rule['lastError']}" for group in groups for rule in group["rules"] if rule.get("lastError")]

    def is_ready(self) -> bool:
        """Whether it answers yet."""
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def prometheus(directory: Path, *targets: str, rules: Path | None = None) -> Iterator[Prometheus]:
    """A Prometheus that scrapes each HOST:PORT five times a second and evaluates a folder's rules, until the context ends."""
    require(shutil.which("prometheus") is not None, "prometheus is missing: apt-get install prometheus")
    configuration = directory / "prometheus.yml"
    configuration.write_text(
        _CONFIGURATION.format(targets=json.dumps(targets), rules=json.dumps([f"{rules}/*.yml"] if rules else []))
    )
    address = f"127.0.0.1:{free_port()}"
    arguments = [f"--config.file={configuration}", f"--storage.tsdb.path={directory / 'data'}"]
    with (directory / "prometheus.log").open("w") as log:
        server = subprocess.Popen(
            ["prometheus", *arguments, f"--web.listen-address={address}"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            client = Prometheus(address)
            until(lambda: client.is_ready() or server.poll() is not None, "prometheus is ready")
            assert server.poll() is None, (directory / "prometheus.log").read_text()
            yield client
        finally:
            server.terminate()
            server.wait(30)


def _labels(metric: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in metric.items() if name not in ("job", "instance")))

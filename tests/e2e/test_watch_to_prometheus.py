"""The whole path as processes: `watch` loads while captures land, `exporter` shows, Prometheus scrapes, `verify` agrees."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capture.demo import Rotation, write_captures
from capture.traffic import TrafficPlan
from exporter.service import fetch
from tests.pcapline.command import clean_environment, command_line, objects, pcapline
from tests.servers import free_port
from tests.servers.prometheus import Prometheus, prometheus, promtool_lint, until

QUICK = {"PCAPLINE_EXPORTER__REFRESH_S": "0.2"}


@contextmanager
def running(*arguments: str | Path, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs until the block ends, and then stops in good order."""
    with (cwd / f"{arguments[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            command_line(*arguments), cwd=cwd, env=clean_environment(QUICK), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def land(files: list[Path], captures: Path) -> None:
    """Complete captures come into the watched directory, as a sensor hands them over."""
    for path in files:
        path.rename(captures / "edge-1" / path.name)


def writes(server: Prometheus) -> float:
    return sum(server.query("sum(pcapline_endpoint_writes_total)").values())


def identities(cwd: Path, page: str) -> dict[str, dict[str, int]]:
    found = objects(pcapline("verify", "--scrape", page, "--json", cwd=cwd))
    return {item["identity"]: item for item in found if "identity" in item}


def test_what_is_watched_is_scraped_and_nothing_goes_down(tmp_path: Path) -> None:
    captures, made = tmp_path / "captures", tmp_path / "made"
    (captures / "edge-1").mkdir(parents=True)
    plan = TrafficPlan(seed=5, packets=6000, clients=10, servers=40)
    truth = write_captures(plan, made, Rotation(packets=300), sensor="edge-1")
    files = sorted(made.glob("*.pcap"))
    address, loader_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
    page = f"http://{address}/metrics"
    watching = running("watch", captures, "--web.listen-address", loader_address, cwd=tmp_path)
    with watching, prometheus(tmp_path, address) as server:
        until((tmp_path / "pcapline.db").exists, "the store is made")
        with running("exporter", "--web.listen-address", address, cwd=tmp_path):
            land(files[:5], captures)
            until(lambda: writes(server) > 0, "writes are scraped")
            land(files[5:10], captures)
            until(lambda: any(server.query("rate(pcapline_endpoint_writes_total[1m]) > 0").values()), "there is a rate")
        with running("exporter", "--web.listen-address", address, cwd=tmp_path):
            land(files[10:], captures)
            rows = sum(len(capture.flows) for capture in truth.captures)
            until(lambda: writes(server) == rows, f"all {rows} rows are scraped")
            found = identities(tmp_path, page)
            assert {name: item["difference"] for name, item in found.items()} == dict.fromkeys(
                ("packets", "rows", "totals", "metrics"), 0
            )
            assert found["packets"]["left"] == 6000
            assert promtool_lint(fetch(page)) == ""
            for labels, values in server.range('{__name__=~"pcapline_.+_total",__name__!~"pcapline_web_.+"}').items():
                assert values == sorted(values), labels

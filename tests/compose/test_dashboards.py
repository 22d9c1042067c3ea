"""The dashboards: the files are what the code makes, Grafana can show them, and every query answers from real metrics."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from capture.events import SensorEventKind
from capture.telemetry import SensorTelemetry
from capture.writing import Journal
from compose.grafana.__main__ import FOLDER, texts
from compose.grafana.boards import DASHBOARDS
from pcapline.http import HttpFace
from pcapline.http.beside import serving
from tests.pcapline.command import clean_environment, command_line
from tests.servers.prometheus import Prometheus, prometheus, until

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "compose" / "prometheus" / "rules"
KINDS = {"timeseries", "stat", "table"}
UNITS = {"short", "s", "wps", "pps", "rps", "Bps", "percentunit", "bytes"}
# Grafana's own variables, as a person who looks at a quarter of an hour has them.
GIVEN = {"$__rate_interval": "1m", "$__range": "15m", "$network": ".*", "$server_address": ".*", "$sensor": ".*"}

Json = dict[str, Any]


def dashboards() -> list[Json]:
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def expressions() -> list[tuple[str, str]]:
    """Every query, with where it stands."""
    return [
        (f"{board['uid']}: {panel['title']} {target['refId']}", target["expr"])
        for board in dashboards()
        for panel in board["panels"]
        for target in panel["targets"]
    ]


def as_asked(expression: str) -> str:
    for name, value in GIVEN.items():
        expression = expression.replace(name, value)
    return expression


def test_the_files_are_what_the_code_makes() -> None:
    found = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert found == texts(), "python -m compose.grafana writes them anew"


def test_ids_are_unique_and_fit() -> None:
    uids = [board["uid"] for board in dashboards()]
    assert len(set(uids)) == len(uids) == len(DASHBOARDS)
    assert all(re.fullmatch(r"[a-z-]{1,40}", uid) for uid in uids)
    assert len({board["title"] for board in dashboards()}) == len(uids)


@pytest.mark.parametrize("board", dashboards(), ids=lambda board: board["uid"])
def test_grafana_can_show_it(board: Json) -> None:
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time", "refresh"} <= board.keys()
    variables = board["templating"]["list"]
    assert variables[0] | {"name": "datasource", "type": "datasource", "query": "prometheus"} == variables[0]
    known = {variable["name"] for variable in variables}
    taken: set[tuple[int, int]] = set()
    for number, panel in enumerate(board["panels"], start=1):
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert panel["id"] == number
        assert panel["type"] in KINDS and panel["title"] and panel["description"].endswith(".")
        assert place["x"] + place["w"] <= 24 and not cells & taken
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
        taken |= cells
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(set(references)) == len(references)
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert target["instant"] is not target["range"]
            used = {name for name in re.findall(r"\$(\w+)", target["expr"]) if not name.startswith("__")}
            assert used <= known, used


def test_what_is_seen_first() -> None:
    panels = json.loads((FOLDER / "overview.json").read_text())["panels"]
    assert "pcapline_endpoint_writes_total" in panels[0]["targets"][0]["expr"]
    assert any('server_address="_other"' in target["expr"] for target in panels[0]["targets"])
    first_stat = next(panel for panel in panels if panel["type"] == "stat")
    assert first_stat["targets"][0]["expr"] == "sum(abs(pcapline_unreconciled))"


@contextmanager
def demo(directory: Path) -> Iterator[list[str]]:
    """Made-up traffic, loader and exporter as a process; gives HOST:PORT of both metrics pages."""
    with (directory / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            command_line("demo", "--out", directory / "demo", "--rate", "400"),
            cwd=directory,
            env=clean_environment({}),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "metrics" in line)
            yield re.findall(r"http://([\d.:]+)/metrics", line)
        finally:
            process.terminate()
            process.communicate(timeout=60)


@contextmanager
def sensor() -> Iterator[str]:
    """HOST:PORT of a sensor's metrics page. What it has counted is made up: capturing needs root."""
    journal, addresses = Journal(lambda _: None), []
    journal.handed_over(SensorEventKind.HANDED_OVER, "", Path("a.pcap"), 640, packets=9, kernel_drops=1)
    telemetry = SensorTelemetry(journal, "edge", "0")
    face = HttpFace(name="pcapline sensor", version="0", metrics=telemetry.expose, ready=telemetry.ready)
    with serving("127.0.0.1:0", face, Event(), addresses.append):
        yield re.findall(r"http://([\d.:]+)/metrics", addresses[0])[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Has scraped a sensor, a real exporter and a real loader, one of whose captures was refused; with the stack's rules."""
    directory = tmp_path_factory.mktemp("dashboards")
    with demo(directory) as targets, sensor() as edge, prometheus(directory, *targets, edge, rules=RULES) as running:
        (directory / "demo" / "captures" / "note.pcap").write_text("this is no capture, though it is called one")
        until(lambda: asked(running, "sum(pcapline_captures_quarantined)") > 0, "the refused capture is shown", 60)
        until(lambda: asked(running, "min(rate(pcapline_ledger_position[1m]))") > 0, "captures are committed", 60)
        until(lambda: bool(running.query("network:pcapline_endpoint_writes:rate5m > 0")), "writes are recorded", 60)
        yield running


def asked(running: Prometheus, expression: str) -> float:
    return next(iter(running.query(expression).values()), 0.0)


def test_every_query_answers(server: Prometheus) -> None:
    silent = [where for where, expression in expressions() if not server.query(as_asked(expression))]
    assert silent == []


def test_every_choice_has_values(server: Prometheus) -> None:
    """`label_values(SELECTOR, LABEL)` is Grafana's own; what it asks Prometheus is the series of the selector."""
    for board in dashboards():
        for variable in board["templating"]["list"][1:]:
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
            found = server.query(f"count by ({label}) ({as_asked(selector)})")
            assert all(dict(labels).get(label) for labels in found) and found, variable["definition"]


def test_every_metric_of_the_rules_exists(server: Prometheus) -> None:
    """An alert on a name that nobody exposes never fires. A family without series is on the page too, by its TYPE."""
    exposed = set()
    for target in server.targets():
        with urllib.request.urlopen(target, timeout=10) as page:
            exposed |= set(re.findall(r"^# TYPE (\w+) ", page.read().decode(), re.MULTILINE))
    rules = (RULES / "pcapline.yml").read_text()
    recorded = set(re.findall(r"record: (\S+)", rules))
    used = set(re.findall(r"\bpcapline_\w+", re.sub(r"\w+:pcapline_\w+:\w+", "", rules)))
    assert used and used <= exposed | recorded, used - exposed


def test_the_rules_are_evaluated_without_error(server: Prometheus) -> None:
    assert server.rule_errors() == []

"""Prometheus' configuration and rules, as promtool sees them; each alert tested both ways, each with a runbook."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import require

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "compose" / "prometheus" / "prometheus.yml"
RULES = ROOT / "compose" / "prometheus" / "rules" / "pcapline.yml"
TESTS = sorted((Path(__file__).parent / "rules").glob("*.test.yml"))
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())


def promtool(*arguments: object) -> None:
    require(shutil.which("promtool") is not None, "promtool is missing: apt-get install prometheus")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid() -> None:
    promtool("check", "config", CONFIGURATION)


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", RULES)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_rules_do_what_they_say(file: Path) -> None:
    promtool("test", "rules", file)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire(alert: str) -> None:
    text = "".join(file.read_text() for file in TESTS)
    assert re.search(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels", text)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_runbook(alert: str) -> None:
    rule = RULES.read_text().split(f"- alert: {alert}\n")[1].split("- alert:")[0]
    page, _, anchor = re.search(r"runbook_url: (\S+)", rule)[1].partition("#")  # type: ignore[index]
    headings = re.findall(r"^## (\w+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert alert in headings and anchor == alert.lower()


def test_no_runbook_is_left_over() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)

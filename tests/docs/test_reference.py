"""docs/reference: the pages that are written from the code are as they would be written now, and leave nothing out."""

import re
from pathlib import Path

import pytest

from scripts.reference import FOLDER, PAGES

ROOT = Path(__file__).resolve().parents[2]
DECLARED = {"exporter": 10, "loader/watch/telemetry.py": 10, "capture/telemetry.py": 8}  # where, and more names than


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_the_code_is(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "write it anew: .venv/bin/python -m scripts.reference"


@pytest.mark.parametrize(("place", "least"), DECLARED.items())
def test_every_metric_that_is_named_in_the_code_has_a_line(place: str, least: int) -> None:
    files = (ROOT / place).glob("*.py") if (ROOT / place).is_dir() else [ROOT / place]
    named = {name for file in files for name in re.findall(r'"(pcapline_[a-z_]*[a-z])"', file.read_text())}
    assert len(named) > least
    lines = re.findall(r"^\| `(\w+)`", (FOLDER / "metrics.md").read_text(), re.MULTILINE)
    assert {name for name in named if not {name, f"{name}_total", f"{name}_info"} & set(lines)} == set()


def test_a_metric_stands_there_once() -> None:
    lines = re.findall(r"^\| `(pcapline_\w+)`", (FOLDER / "metrics.md").read_text(), re.MULTILINE)
    assert len(lines) == len(set(lines))

"""docs/reliability.md: each row names a test that exists, and rows stand by area."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TEST = re.compile(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`")


def rows() -> list[list[str]]:
    """Cells of the table's rows, without its head."""
    lines = (ROOT / "docs" / "reliability.md").read_text().splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_each_fault_names_a_test_that_exists() -> None:
    for area, fault, seen, tests in rows():
        assert area and fault and seen
        named = _TEST.findall(tests)
        assert named, f"{fault}: no test is named"
        for path, function in named:
            assert (ROOT / path).exists(), f"{fault}: {path}"
            assert not function or f"def {function}(" in (ROOT / path).read_text(), f"{fault}: {path}::{function}"


def test_rows_stand_by_area() -> None:
    areas = [area for area, *_ in rows()]
    assert areas == sorted(areas)

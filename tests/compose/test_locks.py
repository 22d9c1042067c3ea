"""What the images are given: everything that their part of pcapline needs, in the versions that the tests run with."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"stack": ("loader", "exporter", "cassandra"), "sensor": ("web",)}  # lock -> the extras in it


def pins(name: str) -> dict[str, set[str]]:
    """Distribution -> versions; a lock has several where Python's version decides."""
    found: dict[str, set[str]] = {}
    for distribution, version in re.findall(
        r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / f"{name}.lock").read_text(), re.MULTILINE
    ):
        found.setdefault(distribution, set()).add(version)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_every_dependency_is_locked(part: str) -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(line for extra in PARTS[part] for line in project["optional-dependencies"][extra])]
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in wanted}  # type: ignore[index]
    assert names <= pins(part).keys(), "scripts/lock renews the locks"


@pytest.mark.parametrize("part", PARTS)
def test_versions_are_those_of_the_tests(part: str) -> None:
    tested = pins("all")
    assert {name: versions for name, versions in pins(part).items() if versions != tested.get(name)} == {}, (
        "scripts/lock renews the locks"
    )

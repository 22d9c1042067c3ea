"""Rooms, direction and doors: import-linter's contracts hold, and they catch what they are there for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("pcapline", "capture", "loader", "exporter", "schema")

TRESPASSES = [
    ("exporter", "loader.rows.building"),
    ("loader", "capture"),
    ("schema", "loader"),
    ("loader/decode", "socket"),
    ("loader/decode", "schema.tables"),
    ("loader", "schema.store.sqlite"),
    ("capture", "apsw"),
    ("exporter", "rich"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_import_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said of a tree in which all trespasses are made at once."""
    tree = tmp_path_factory.mktemp("trespasses")
    for room in ROOMS:
        shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    shutil.copy(ROOT / ".importlinter", tree)
    for number, (folder, imported) in enumerate(TRESPASSES):
        (tree / folder / f"trespass_{number}.py").write_text(f"import {imported}\n")
    done = lint(tree)
    assert done.returncode == 1, done.stdout + done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("number", range(len(TRESPASSES)), ids=[" imports ".join(each) for each in TRESPASSES])
def test_a_trespass_is_reported(reported: str, number: int) -> None:
    folder, imported = TRESPASSES[number]
    assert f"{folder.replace('/', '.')}.trespass_{number} -> {imported} (l.1)" in reported

"""Rooms, direction and doors: import-linter's contracts hold, and they catch what they are there for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("pcapline", "capture", "loader", "exporter", "schema")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_import_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "statement"),
    [
        ("exporter/trespass.py", "import loader.rows.building"),
        ("loader/trespass.py", "import capture"),
        ("schema/trespass.py", "import loader"),
        ("loader/decode/trespass.py", "import socket"),
        ("loader/decode/trespass.py", "import schema.tables"),
        ("loader/trespass.py", "import schema.store.sqlite"),
        ("capture/trespass.py", "import apsw"),
        ("exporter/trespass.py", "import rich"),
    ],
)
def test_a_trespass_is_reported(tmp_path: Path, file: str, statement: str) -> None:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("*.so", "*.c", "__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / file).write_text(statement + "\n")
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "trespass" in done.stdout

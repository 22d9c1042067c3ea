"""tshark asked once: the same answer to the same words with the same input, and whatever is not that goes to the real one."""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from tests.servers.tshark import asked_once

REAL = """#!/bin/sh
echo "$*" >>{calls}
cat
case "$*" in *fail*) exit 3 ;; esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the real one was asked, a line a call."""
    real, calls = tmp_path / "real" / "tshark", tmp_path / "calls"
    real.parent.mkdir()
    real.write_text(REAL.format(calls=calls))
    real.chmod(0o755)
    monkeypatch.setenv("PATH", f"{real.parent}{os.pathsep}{os.environ['PATH']}")
    return calls


def ask(text: str, *words: str) -> tuple[int, str]:
    with TemporaryFile() as stdin:
        stdin.write(text.encode())
        stdin.seek(0)
        done = subprocess.run(["tshark", *words], stdin=stdin, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_the_same_is_asked_once(calls: Path, tmp_path: Path) -> None:
    with asked_once(tmp_path):
        answers = [ask(text, "-n", "-r", "-", word) for word in ("a", "b c") for text in ("one\n", "two\n", "one\n")]
    assert answers == [(0, "one\n"), (0, "two\n"), (0, "one\n")] * 2
    assert calls.read_text().splitlines() == ["-n -r - a", "-n -r - a", "-n -r - b c", "-n -r - b c"]


def test_what_failed_or_reads_a_file_is_asked_again(calls: Path, tmp_path: Path) -> None:
    with asked_once(tmp_path):
        assert [ask("x", "-r", "-", "fail") for _ in range(2)] == [(3, "x")] * 2
        assert [ask("", "-r", "a file") for _ in range(2)] == [(0, "")] * 2
    assert ask("x", "-r", "-", "afterwards") == (0, "x")
    assert len(calls.read_text().splitlines()) == 5

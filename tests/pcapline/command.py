"""Runs the real command as its users do: a process of its own, in a directory of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without settings of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PCAPLINE_")}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(extra or {})


def command_line(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "pcapline", *map(str, arguments)]


def pcapline(
    *arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None, patience_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command_line(*arguments), cwd=cwd, env=clean_environment(environ), capture_output=True, text=True, timeout=patience_s
    )


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The JSON lines on stdout."""
    return list(_objects(done.stdout))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        yield json.loads(line)

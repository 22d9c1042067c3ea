"""Docker Compose: the plugin, a program of its own, or the one that `python -m tests.servers.compose` builds into the cache."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "compose"
_VERSION = "2.40.3"
_MODULE = "github.com/docker/compose/v2/cmd"
_HOW = "python -m tests.servers.compose builds one (needs Go)"


def cached() -> Path:
    """Where a program that was built here is kept."""
    return Path(os.environ.get("PCAPLINE_CACHE", Path.home() / ".cache" / "pcapline")) / f"docker-compose-{_VERSION}"


@cache
def compose_command() -> tuple[str, ...] | None:
    """What runs Docker Compose v2; None: nothing here does."""
    for command in (("docker", "compose"), ("docker-compose",), (str(cached()),)):
        if shutil.which(command[0]) and _is_v2(command):
            return command
    return None


def require_compose() -> tuple[str, ...]:
    """The command; skips where there is none, in CI too: no package registry has it as a program."""
    command = compose_command()
    if command is None:
        pytest.skip(f"Docker Compose v2 is missing: {_HOW}")
    return command


def configuration(*profiles: str) -> dict[str, Any]:
    """The compose file as Compose understands it, nothing set in the environment. Needs no engine."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PCAPLINE_")}
    done = subprocess.run(
        [*require_compose(), *chosen, "config", "--format", "json"], cwd=FOLDER, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def _is_v2(command: tuple[str, ...]) -> bool:
    try:
        done = subprocess.run([*command, "version"], capture_output=True, text=True, timeout=30)
    except OSError:
        return False
    return done.returncode == 0 and "Docker Compose version" in done.stdout and " 1." not in done.stdout


def build_compose() -> None:
    """From the Go module, into the cache: a few minutes of CPU. Skips where this Go is too old."""
    with TemporaryDirectory() as directory:
        (Path(directory) / "tools.go").write_text(f'//go:build tools\n\npackage tools\n\nimport _ "{_MODULE}"\n')
        for command in (
            ["go", "mod", "init", "local/compose"],
            ["go", "get", f"{_MODULE}@v{_VERSION}"],
            ["go", "mod", "tidy"],
            ["go", "build", "-o", "docker-compose", _MODULE],
        ):
            done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"Docker Compose cannot be built here: {done.stderr[-1000:]}")
        cached().parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(directory) / "docker-compose", cached())
    compose_command.cache_clear()


if __name__ == "__main__":
    sys.exit(None if compose_command() else build_compose())

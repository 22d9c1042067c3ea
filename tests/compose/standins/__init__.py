"""The images of the stack: from the registry, or made here under the official names, so that the compose file stays."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.servers.cassandra.node import LOGBACK, fetched_jars, java_options
from tests.servers.compose import ROOT
from tests.servers.docker import Engine

BASE = "python:3.13-slim"
_HERE = Path(__file__).parent
_TRUST = Path("/etc/ssl/certs/ca-certificates.crt")
# How this machine reaches its package registries: the images are built by the same way.
_PIP = ("PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT")


def provide(engine: Engine, services: dict[str, dict[str, Any]]) -> set[str]:
    """Have the images of these services (name -> its configuration); gives those services whose image is not to be had."""
    if not _have(engine, BASE):
        _make_base(engine)
    absent = set()
    for name, service in services.items():
        image = service["image"]
        if "build" in service:
            target = service["build"]["target"]
            _build(engine, ROOT, image, "--file", ROOT / "compose" / "Dockerfile", "--target", target)
        elif not _have(engine, image):
            make = {"cassandra": _make_cassandra, "prom/prometheus": _make_prometheus}.get(image.partition(":")[0])
            if make is None:
                absent.add(name)
            else:
                make(engine, image)
    return absent


def _have(engine: Engine, image: str) -> bool:
    return engine.succeeds("image", "inspect", image) or engine.succeeds("pull", "--quiet", image)


def _build(engine: Engine, context: Path, image: str, *arguments: str | Path) -> None:
    engine.run("build", "--quiet", "--network", "host", "--tag", image, *arguments, context)


def _make_base(engine: Engine) -> None:
    """Debian 12 with its own Python, from the mirror that this machine uses."""
    with tempfile.TemporaryDirectory(prefix="pcapline-base-") as directory:
        root = Path(directory)
        include = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(
            ["debootstrap", "--variant=minbase", include, "bookworm", root, _mirror()], check=True, capture_output=True
        )
        shutil.copy(_TRUST, root / _TRUST.relative_to("/"))
        if Path("/etc/pip.conf").exists():
            shutil.copy("/etc/pip.conf", root / "etc")
        variables = [f"ENV {name}={os.environ[name]}" for name in _PIP if name in os.environ]
        packed = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        assert packed.stdout is not None
        changes = [word for variable in variables for word in ("--change", variable)]
        engine.run("import", *changes, "-", BASE, stdin=packed.stdout.fileno())
        assert packed.wait() == 0


def _mirror() -> str:
    sources = [*Path("/etc/apt/sources.list.d").glob("debian.sources"), Path("/etc/apt/sources.list")]
    text = "\n".join(path.read_text() for path in sources if path.exists())
    found = re.search(r"^(?:URIs: |deb (?:\[.*?\] )?)(\S+)", text, re.MULTILINE)
    if found is None:
        pytest.skip("no image of Python is here, and no package source is named in /etc/apt to make one from")
    return found[1]


def _make_cassandra(engine: Engine, image: str) -> None:
    with tempfile.TemporaryDirectory(prefix="pcapline-cassandra-") as directory:
        context = Path(shutil.copytree(_HERE / "cassandra", Path(directory) / "context"))
        shutil.copytree(fetched_jars(), context / "lib")
        shutil.copy(LOGBACK, context)
        (context / "java.options").write_text("\n".join(java_options("/opt/cassandra/lib")) + "\n")
        _build(engine, context, image)


def _make_prometheus(engine: Engine, image: str) -> None:
    _build(engine, _HERE / "prometheus", image)

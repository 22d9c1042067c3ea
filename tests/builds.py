"""The tree built otherwise: kernels compiled with bounds checks, or left as Python; made once, then only what changed.

A copy lies in build/trees, so that the release kernels beside the sources stay what they are.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Literal

Build = Literal["release", "checked", "plain"]
Bounds = Literal["real", "small"]

# Bounds that small captures reach; most are compiled into the kernels, so they are a tree of their own.
_SMALL = {
    "decoder": {"CHUNK_PACKETS": 5, "BATCH_PACKETS": 16},
    "dnsstreams": {"MAX_AHEAD": 400, "MAX_HELD": 3},
    "flowtable": {"_FIRST_ROWS": 8},
    "halfstreams": {"MAX_STREAMS": 3, "MAX_BYTES": 3_000, "MAX_PIECES": 6},
    "held": {"MAX_HELD_FRAMES": 4, "MAX_HELD_BYTES": 500},
    "layout": {
        "MAX_OPEN_FLOWS": 16,
        "MAX_MINUTES": 3,
        "MAX_SAID_TEXTS": 8,
        "MAX_SAID_BYTES": 4_096,
        "SLOTS": 16,
        "MAX_DNS_STREAMS": 3,
        "MAX_DNS_STREAM_BYTES": 3_000,
        "MAX_QUERIES": 8,
        "MAX_ALIKE_QUERIES": 2,
        "MAX_QUERY_TEXT": 2_048,
        "MAX_DATAGRAMS": 4,
        "DATAGRAM_PLACES": 8,
        "DATAGRAM_ROOMS": 2,
        "QUERY_TEXT_SLACK": 1_024,
    },
    "lazy": {"_MAX_INTERNED": 6},
    "messages": {"_MESSAGES": 4},
    "namebook": {"_FIRST_TEXTS": 4, "_FIRST_BYTES": 2_048},
    "pcapng": {"MAX_INTERFACES": 3, "_MAX_LINK_TYPES": 2},
    "quic": {"MAX_FLOWS": 3, "MAX_BYTES": 3_000, "MAX_DECRYPTIONS": 12},
}

ROOT = Path(__file__).resolve().parents[1]
_TREES = ROOT / "build" / "trees"
_COPIED = ("capture", "docs", "exporter", "loader", "pcapline", "schema", "tests")
_ALONE = ("pyproject.toml", "setup.py")
_MADE = {".so", ".pyd", ".pyc", ".c", ".pxd", ".html"}

# The decoder's tables are megabytes for each capture: kept by the allocator, where thousands of small captures come.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


def tree(build: Build, bounds: Bounds = "real") -> Path:
    """Where to start an interpreter that runs this build."""
    if (build, bounds) == ("release", "real"):
        return ROOT
    copy = _TREES / f"{build}-{bounds}"
    with _alone(copy.with_suffix(".lock")):
        _forget_other_compilers(copy)
        _copy_what_changed(copy, _SMALL if bounds == "small" else {})
        if build != "plain":
            _compile(copy, build)
    return copy


def environment(root: Path) -> dict[str, str]:
    """For a process in a tree."""
    return {**os.environ, **ALLOCATOR, "PYTHONPATH": str(root)}


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Test workers are processes: one of them builds, the others wait."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_other_compilers(copy: Path) -> None:
    """Begin anew if setup.py or the interpreter changed: setuptools and Cython look at the sources' times alone."""
    now = sha256((ROOT / "setup.py").read_bytes() + sys.version.encode()).hexdigest()
    stamp = copy / ".made-by"
    if not stamp.exists() or stamp.read_text() != now:
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
        stamp.write_text(now)


def _sources() -> Iterator[Path]:
    for name in _COPIED:
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and path.suffix not in _MADE:
                yield path.relative_to(ROOT)
    yield from map(Path, _ALONE)


def _copy_what_changed(copy: Path, bounds: dict[str, dict[str, int]]) -> None:
    """By content, so that a changed source is always younger than what was compiled of it."""
    wanted = set(_sources())
    for name in _COPIED:
        for path in (copy / name).rglob("*"):
            if path.is_file() and path.suffix not in _MADE and path.relative_to(copy) not in wanted:
                path.unlink()
    for source in wanted:
        content, target = (ROOT / source).read_bytes(), copy / source
        if source.parent == Path("loader/decode") and source.stem in bounds:
            content = _bounded(content, bounds[source.stem])
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _bounded(content: bytes, bounds: dict[str, int]) -> bytes:
    for name, value in bounds.items():
        content, found = re.subn(rb"(?m)^%s = .*$" % name.encode(), b"%s = %d" % (name.encode(), value), content)
        assert found == 1, name
    return content


def _compile(copy: Path, build: Build) -> None:
    command = [sys.executable, "setup.py", "build_ext", "--inplace", "--parallel", "2"]
    wanted = {**os.environ, "PCAPLINE_KERNELS": build}
    done = subprocess.run(command, cwd=copy, env=wanted, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

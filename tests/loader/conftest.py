"""What several tests of the loader stand on."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from tests.servers import disks, require


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A directory to watch."""
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where an embedded store is to be."""
    return tmp_path / "store.db"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An embedded store with its tables."""
    with closing(open_sqlite(tmp_path / "store.db", time.time)) as opened:
        opened.apply_schema()
        yield opened


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on another file system than `tmp_path`."""
    memory = Path("/dev/shm")
    there = memory.is_dir() and os.access(memory, os.W_OK) and memory.stat().st_dev != tmp_path.stat().st_dev
    require(there, "there is no second file system here")
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    with disks.small_disk(tmp_path / "disk", "2m") as disk:
        yield disk

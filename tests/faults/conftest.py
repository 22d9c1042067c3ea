"""A store of each kind for tests whose loaders are processes of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.cassandra.keyspace import Keyspace
from tests.servers.cassandra.session import shared_port


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path / 'killed.db'}"


@pytest.fixture
def cassandra_url(workers_directory: Path) -> Iterator[str]:
    keyspace = Keyspace(shared_port(workers_directory))
    keyspace.empty()
    yield f"cassandra://127.0.0.1:{keyspace.port}/{keyspace.name}"
    keyspace.close()


@pytest.fixture(params=["sqlite", "cassandra"])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store_url(store_kind: str, request: pytest.FixtureRequest) -> str:
    """Empty, one after the other of each kind."""
    return str(request.getfixturevalue(f"{store_kind}_url"))

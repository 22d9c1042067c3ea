"""Servers that several rooms' tests use; none is started before a test asks for it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.distribution import pytest_collection_modifyitems, pytest_xdist_make_scheduler
from tests.examples import load_profile
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace
from tests.servers.cassandra.session import shared_port
from tests.servers.tshark import asked_once

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_make_scheduler"]  # hooks of pytest

load_profile()


@pytest.fixture(scope="session")
def workers_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def cassandra_keyspace(workers_directory: Path) -> Iterator[Keyspace]:
    """This worker's keyspace on the node that all workers share."""
    keyspace = Keyspace(shared_port(workers_directory))
    yield keyspace
    keyspace.close()


@pytest.fixture
def cassandra_store_factory(cassandra_keyspace: Keyspace) -> Iterator[CassandraFactory]:
    cassandra_keyspace.empty()
    with ExitStack() as stack:
        yield CassandraFactory(cassandra_keyspace.port, cassandra_keyspace.name, stack)


@pytest.fixture(scope="module")
def tshark_asked_once(workers_directory: Path) -> Iterator[None]:
    """For tests that have the same frames decoded as others do."""
    kept = workers_directory / "tshark"
    kept.mkdir(exist_ok=True)
    with asked_once(kept):
        yield

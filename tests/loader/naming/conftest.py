"""A sensor of its own for each test, on a store that a module's tests share; when a test ends, the store is whole."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from zlib import crc32

import pytest

from schema.store.sqlite import open_sqlite
from tests.loader.naming.stand import OpenStore, Stand
from tests.servers.cassandra.keyspace import CassandraFactory, Keyspace

STORES = ("sqlite", "cassandra")


@pytest.fixture(scope="module", params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    """Opens one and the same store, with its schema."""
    with ExitStack() as stack:
        if request.param == "cassandra":
            keyspace: Keyspace = request.getfixturevalue("cassandra_keyspace")
            keyspace.empty()
            factory = CassandraFactory(keyspace.port, keyspace.name, stack)
            url = f"cassandra://127.0.0.1:{keyspace.port}/{keyspace.name}"
            opened = OpenStore(url, lambda clock: factory(clock=clock))
        else:
            path = tmp_path_factory.mktemp("naming") / "store.db"
            opened = OpenStore(f"sqlite:{path}", lambda clock: stack.enter_context(closing(open_sqlite(path, clock))))
        opened(time.time).apply_schema()
        yield opened


@pytest.fixture
def stand(request: pytest.FixtureRequest, open_store: OpenStore, tmp_path: Path) -> Iterator[Stand]:
    begun = 1_700_000_000 + crc32(request.node.name.encode()) % 40_000_000
    stand = Stand(open_store, request.node.name, tmp_path, begun)
    yield stand
    stand.assert_whole()

"""The stores that the contract suite runs on: each a fixture that gives a `StoreFactory` on an empty store."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import apsw
import pytest

from schema.store.sqlite import open_sqlite
from schema.store.sqlite.values import sql_keys
from schema.store.writing import Store
from schema.tables import Table
from tests.schema.store.factory import Clock, StoreFactory

STORES = ["sqlite", "cassandra"]  # NAME: the fixture NAME_store_factory


@pytest.fixture(params=STORES)
def store_factory(request: pytest.FixtureRequest) -> StoreFactory:
    """Opens one and the same store, empty and with its schema, as often as a test asks."""
    factory: StoreFactory = request.getfixturevalue(f"{request.param}_store_factory")
    return factory


@pytest.fixture
def store(store_factory: StoreFactory) -> Store:
    return store_factory()


class SqliteFactory:
    """One file; every call opens it again."""

    def __init__(self, path: Path, closing_stack: ExitStack) -> None:
        self.path, self._stack = path, closing_stack

    def __call__(self, role: str = "loader", clock: Clock = time.time) -> Store:
        return self._stack.enter_context(closing(open_sqlite(self.path, clock, read_only=role == "reader")))

    def delete_row(self, table: Table, row: tuple[object, ...]) -> None:
        key = sql_keys(table, [row[: len(table.key)]])[0]
        condition = " AND ".join(f"{name} = ?" for name in table.key)
        with closing(apsw.Connection(str(self.path))) as connection:
            connection.execute(f"DELETE FROM {table.name} WHERE {condition}", key)
            assert connection.changes() == 1


@pytest.fixture
def sqlite_store_factory(tmp_path: Path) -> Iterator[SqliteFactory]:
    with ExitStack() as stack:
        factory = SqliteFactory(tmp_path / "store.db", stack)
        factory().apply_schema()
        yield factory

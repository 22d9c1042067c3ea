"""A keyspace of the session's node, empty and with its schema: emptied again for each test, for making tables takes long."""

import os
import time
from contextlib import ExitStack, closing, suppress
from typing import Any

from schema.store.cassandra import CassandraOptions, open_cassandra
from schema.store.writing import Store
from schema.tables import Table
from tests.schema.store.factory import Clock

_DELETED_FROM: set[str] = set()  # tables that look empty and hide what is written with older timestamps


class CassandraFactory:
    """One keyspace; every call opens it again."""

    def __init__(self, port: int, keyspace: str, stack: ExitStack) -> None:
        self.port, self.keyspace, self._stack = port, keyspace, stack

    def __call__(self, role: str = "loader", clock: Clock = time.time, **options: Any) -> Store:
        opened = open_cassandra(["127.0.0.1"], self.port, self.keyspace, clock=clock, options=CassandraOptions(**options))
        return self._stack.enter_context(closing(opened))

    def delete_row(self, table: Table, row: tuple[object, ...]) -> None:
        from schema.store.cassandra.statements import delete_of

        connection = self("loader")._connection  # type: ignore[attr-defined]
        connection.write(delete_of(table), (int(time.time() * 1_000_000), *row[: len(table.key)]))
        _DELETED_FROM.add(table.name)


class Keyspace:
    """A keyspace of one worker."""

    def __init__(self, port: int, kind: str = "test") -> None:
        from cassandra.cluster import Cluster

        self.port, self.name = port, f"{kind}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        with ExitStack() as stack:
            CassandraFactory(port, self.name, stack)().apply_schema()
        self._cluster = Cluster(["127.0.0.1"], port=port, protocol_version=5)
        self._session = self._cluster.connect()
        known = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
        found = {row.table_name for row in self._session.execute(known, (self.name,))}
        self._tables = sorted(found - {"schema_history"})

    def execute(self, statement: str) -> list[Any]:
        """Run a statement of a test; tables are qualified with `pcapline.`, as everywhere."""
        return list(self._session.execute(statement.replace("pcapline.", f"{self.name}."), timeout=60))

    def check(self, statement: str) -> None:
        """Have a statement parsed, and not run; raises where it cannot be. Whether one may is asked after that: the node of
        the tests knows no logins, so nobody may touch roles."""
        from cassandra import Unauthorized

        with suppress(Unauthorized):
            self._session.prepare(statement.replace("pcapline.", f"{self.name}."))

    def empty(self) -> None:
        """Delete all rows."""
        for table in self._tables:
            if table in _DELETED_FROM or self.execute(f"SELECT * FROM pcapline.{table} LIMIT 1"):
                self.execute(f"TRUNCATE pcapline.{table}")
        _DELETED_FROM.clear()

    def drop(self) -> None:
        """It is no more."""
        self.execute(f"DROP KEYSPACE {self.name}")

    def close(self) -> None:
        self._cluster.shutdown()

"""The store in a Cassandra cluster. Nothing outside this folder imports its driver."""

import time
from collections.abc import Callable, Sequence

from schema.store.cassandra.options import CassandraOptions
from schema.store.writing import Store


def open_cassandra(
    contact_points: Sequence[str],
    port: int,
    keyspace: str,
    *,
    clock: Callable[[], float] = time.time,
    options: CassandraOptions | None = None,
) -> Store:
    """Connect to a cluster; applies no schema.

    Raises StoreUnavailableError when nobody answers in time, StorePermissionError, or SettingsError for a wrong option.
    """
    from schema.store.cassandra.connection import connect  # here, so that importing this folder loads no driver
    from schema.store.cassandra.store import CassandraStore

    return CassandraStore(connect(contact_points, port, keyspace, options or CassandraOptions()), clock)

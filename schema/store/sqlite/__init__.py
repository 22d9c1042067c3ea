"""The embedded store: one SQLite file in WAL mode. Nothing outside this folder imports apsw."""

import time
from collections.abc import Callable
from pathlib import Path

from schema.store.port import Store


def open_sqlite(
    path: Path, clock: Callable[[], float] = time.time, read_only: bool = False, busy_timeout_s: float = 60.0
) -> Store:
    """Open the store at `path`, which is created unless it is opened to read; applies no schema.

    A second writer waits its turn for `busy_timeout_s`. Raises StoreUnavailableError or PermissionDeniedError.
    """
    from schema.store.sqlite.database import Database  # here, so that importing this folder loads no driver
    from schema.store.sqlite.store import SqliteStore

    return SqliteStore(Database(path, read_only, busy_timeout_s), clock)

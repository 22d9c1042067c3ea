"""The embedded store: one SQLite file in WAL mode. Nothing outside this folder imports apsw."""

import time
from collections.abc import Callable
from pathlib import Path

from schema.store.writing import Store


def open_sqlite(
    path: Path,
    clock: Callable[[], float] = time.time,
    read_only: bool = False,
    busy_timeout_s: float = 60.0,
    create: bool = True,
) -> Store:
    """Open the store at `path`, which is made where `create` says so and it is opened to write; applies no schema.

    A second writer waits its turn for `busy_timeout_s`. Raises StoreUnavailableError where there is no store yet,
    StorePermissionError, and SettingsError for what can never be one: a file of another kind, a missing directory.
    """
    from schema.store.sqlite.database import Access, Database  # here, so that importing this folder loads no driver
    from schema.store.sqlite.store import SqliteStore

    access = Access.READ if read_only else Access.MAKE if create else Access.WRITE
    return SqliteStore(Database(path, access, busy_timeout_s), clock)

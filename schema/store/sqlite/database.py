"""Connections to one SQLite file: transactions, waiting for one's turn, and a file that must not go away."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw

from schema.errors import StoreUnavailableError
from schema.store.sqlite.failures import explained

Row = tuple[Any, ...]
Bindings = Sequence[Any]

_POLL_S = 0.005  # how often a waiting writer looks: SQLite's own handler sleeps so long that a busy neighbour starves it
_SETTINGS = """
    PRAGMA synchronous = FULL;          -- an acknowledged commit survives a power cut
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;
"""
_WRITER_SETTINGS = """
    PRAGMA page_size = 8192;            -- of a new file: rows are long, and half as many pages split
    PRAGMA journal_mode = WAL;          -- readers go on beside a writer
    PRAGMA cache_size = -65536;         -- KiB: an attempt's pages stay in memory until they are written once
"""


class Access(Enum):
    """What a file is opened for, as SQLite's flags."""

    READ = apsw.SQLITE_OPEN_READONLY
    WRITE = apsw.SQLITE_OPEN_READWRITE  # what is there already
    MAKE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


class Session:
    """One connection, for one thread at a time; errors leave it as the port's."""

    def __init__(self, path: Path, access: Access, busy_timeout_s: float) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._polls = int(busy_timeout_s / _POLL_S)
        with explained(path):
            self._connection = apsw.Connection(str(path), flags=access.value)
            self._connection.set_busy_handler(self._wait)
            self._connection.execute(_SETTINGS)

    def _wait(self, polls: int) -> bool:
        time.sleep(_POLL_S)
        return polls < self._polls

    @property
    def in_transaction(self) -> bool:
        """Whether BEGIN was said and neither COMMIT nor a failure has ended it."""
        with self._lock:
            return self._connection.in_transaction

    def execute(self, statement: str, bindings: Bindings = ()) -> list[Row]:
        """Run one statement and return its rows."""
        with explained(self._path), self._lock:
            return self._connection.execute(statement, bindings).fetchall()

    def change(self, statement: str, bindings: Bindings = ()) -> int:
        """Run one statement and return how many rows it changed."""
        with explained(self._path), self._lock:
            self._connection.execute(statement, bindings)
            return self._connection.changes()

    def for_each(self, statement: str, rows: Iterable[Bindings]) -> list[Row]:
        """Run one statement for every row of bindings and return the rows of all."""
        with explained(self._path), self._lock:
            return self._connection.executemany(statement, rows).fetchall()

    def stream(self, statement: str, bindings: Bindings = ()) -> Iterator[Row]:
        """Rows one by one; the connection is busy until the last."""
        with explained(self._path):
            with self._lock:
                rows = self._connection.execute(statement, bindings)
            while True:
                with self._lock:
                    row = next(rows, None)
                if row is None:
                    return
                yield row

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Reads that see one state of the store."""
        with self._lock:
            self.execute("BEGIN")
            try:
                yield self
            finally:
                self.execute("ROLLBACK")

    def close(self) -> None:
        """Let the file go."""
        with explained(self._path), self._lock:
            self._connection.close()


class Transaction:
    """One write transaction: BEGIN IMMEDIATE to `commit`; leaving its context without that takes everything back."""

    def __init__(self, database: "Database") -> None:
        self._database, self._session = database, database.writer

    def __enter__(self) -> Self:
        self._database.turn.acquire()
        try:
            self._database.check_file()
            self._session.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._database.turn.release()
            raise
        return self

    def execute(self, statement: str, bindings: Bindings = ()) -> list[Row]:
        """Run one statement and return its rows."""
        self._still_open()
        return self._session.execute(statement, bindings)

    def change(self, statement: str, bindings: Bindings = ()) -> int:
        """Run one statement and return how many rows it changed."""
        self._still_open()
        return self._session.change(statement, bindings)

    def for_each(self, statement: str, rows: Iterable[Bindings]) -> list[Row]:
        """Run one statement for every row of bindings and return the rows of all."""
        self._still_open()
        return self._session.for_each(statement, rows)

    def stream(self, statement: str, bindings: Bindings = ()) -> Iterator[Row]:
        """Rows one by one; tables that they come from may not be changed meanwhile."""
        self._still_open()
        return self._session.stream(statement, bindings)

    def commit(self) -> None:
        """Make it durable."""
        self._still_open()
        self._database.check_file()
        self._session.execute("COMMIT")

    def _still_open(self) -> None:
        # a full disk ends a transaction on SQLite's side: what follows would stand alone and be committed at once
        if not self._session.in_transaction:
            raise StoreUnavailableError("the attempt has already failed or ended: begin it again")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if self._session.in_transaction:
                self._session.execute("ROLLBACK")
        finally:
            self._database.turn.release()


class Database:
    """One SQLite file: a connection that writes, one that reads beside it and sees only what is committed."""

    def __init__(self, path: Path, access: Access, busy_timeout_s: float) -> None:
        self.path = path
        self.turn = threading.RLock()  # this process's writers, one transaction at a time
        self._busy_timeout_s = busy_timeout_s
        self.writer = Session(path, access, busy_timeout_s)
        if access is not Access.READ:
            self.writer.execute(_WRITER_SETTINGS)
        self._inode = self._now_at_path()
        self.reader = self._open_reader()

    def transaction(self) -> Transaction:
        """A write transaction, to be entered."""
        return Transaction(self)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Reads of one committed state."""
        self.check_file()
        with self.reader.snapshot() as session:
            yield session

    def execute(self, statement: str, bindings: Bindings = ()) -> list[Row]:
        """Run one statement that reads, and return its rows."""
        with self.snapshot() as session:
            return session.execute(statement, bindings)

    def stream(self, statement: str, bindings: Bindings = ()) -> Iterator[Row]:
        """Rows of one committed state, however many and however slowly they are taken."""
        with self._own_reader() as session:
            yield from session.stream(statement, bindings)

    def stream_each(self, statement: str, rows: Iterable[Bindings]) -> Iterator[Row]:
        """The rows of one statement for every row of bindings, each of one committed state."""
        with self._own_reader() as session:
            for bindings in rows:
                yield from session.stream(statement, bindings)

    def check_file(self) -> None:
        """Raise StoreUnavailableError where the file was removed or replaced: writes to it would be lost silently."""
        if self._now_at_path() != self._inode:
            raise StoreUnavailableError(f"{self.path} was removed or replaced while it was open: start pcapline again")

    def close(self) -> None:
        """Close both connections."""
        self.reader.close()
        self.writer.close()

    @contextmanager
    def own_snapshot(self) -> Iterator[Session]:
        """Reads of one committed state that lasts, whatever else this process reads and writes meanwhile."""
        with self._own_reader() as session, session.snapshot():
            yield session

    def give_way(self) -> None:
        """Let writers that wait have their turn: they look whether it has come every so often."""
        time.sleep(2 * _POLL_S)

    @contextmanager
    def _own_reader(self) -> Iterator[Session]:
        """A connection that is busy as long as its rows are taken."""
        self.check_file()
        session = self._open_reader()
        try:
            yield session
        finally:
            session.close()

    def _open_reader(self) -> Session:
        return Session(self.path, Access.READ, self._busy_timeout_s)

    def _now_at_path(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

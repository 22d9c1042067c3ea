"""What takes long is done to a store in many short transactions: other writers have their turn in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from schema.store.sqlite.database import Database, Session, Transaction

# Rows that a step deletes; of those that have a blob fewer: to delete one is to read it.
_AT_ONCE = {
    "ledger_endpoints": 5_000,
    "ledger_commits": 1_000,
    "ledger_seals": 1_000,
    "commit_deltas": 50,
    "ledger_openings": 50,
}
_KEYS = {
    "ledger_endpoints": ("sensor", "segment", "endpoint"),
    "ledger_commits": ("sensor", "seq"),
    "ledger_seals": ("sensor", "seq"),
    "commit_deltas": ("sensor", "seq"),
    "ledger_openings": ("sensor", "seq", "folded", "part"),
}


class Steps:
    """Transactions of one task; whoever does it is asked before each whether it may go on."""

    def __init__(self, database: Database, check: Callable[[Transaction], object]) -> None:
        """`check` raises where it may not."""
        self._database, self._check, self._is_first = database, check, True

    @contextmanager
    def step(self) -> Iterator[Transaction]:
        """One transaction, durable at its end; between two of them others write."""
        if not self._is_first:
            self._database.give_way()
        self._is_first = False
        with self._database.transaction() as transaction:
            self._check(transaction)
            yield transaction
            transaction.commit()

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Reads of one committed state, which lasts over as many steps as one likes."""
        with self._database.own_snapshot() as session:
            yield session

    def delete(self, table: str, condition: str, bindings: tuple[object, ...]) -> None:
        """Delete all rows of a table that satisfy a condition; which they are is found out beside other writers."""
        key = _KEYS[table]
        doomed = f"SELECT {', '.join(key)} FROM {table} WHERE {condition} LIMIT {_AT_ONCE[table]}"
        these = " AND ".join(f"{name} = ?" for name in key)
        while keys := self._database.execute(doomed, bindings):
            with self.step() as transaction:
                transaction.for_each(f"DELETE FROM {table} WHERE {these}", keys)

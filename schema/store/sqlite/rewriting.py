"""Rows of a committed capture that are put right: under their keys, with the lifetime that they have anyway."""

from collections.abc import Iterable, Sequence

from schema.errors import StoreError
from schema.store.sqlite.database import Transaction
from schema.store.sqlite.retention import read_spans
from schema.store.sqlite.statements import delete_row, insert_of
from schema.store.sqlite.values import sql_keys, sql_rows
from schema.tables import RowBatch, Table

_COMMITTED = "SELECT 1 FROM ledger_commits WHERE sensor = ? AND capture_id = ?"


class SqliteRewriting:
    """Within one transaction (`schema.store.writing.Rewriting`)."""

    def __init__(self, transaction: Transaction, sensor: str, capture_id: bytes) -> None:
        if not transaction.execute(_COMMITTED, (sensor, capture_id)):
            raise StoreError(f"the ledger of sensor {sensor} has no capture {capture_id.hex()}: there are no rows to put right")
        self._transaction = transaction
        self._alive = read_spans(transaction, capture_id)

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Write rows; those of a table whose rows have expired are left out."""
        for batch in batches:
            if batch.table.name in self._alive:
                self._transaction.for_each(insert_of(batch.table), sql_rows(batch))

    def delete(self, table: Table, keys: Sequence[tuple[object, ...]]) -> None:
        """Delete rows by their whole keys."""
        self._transaction.for_each(delete_row(table), sql_keys(table, keys))

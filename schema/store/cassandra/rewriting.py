"""Rows of a committed capture that are put right, under a timestamp of their own.

It is larger than any committed one, as a new attempt's would be: under the capture's own a row would lose against the tombstone
of whoever deleted it.
"""

from collections.abc import Iterable, Sequence

from schema.errors import StoreError
from schema.store.cassandra import captures, counted
from schema.store.cassandra.hold import Hold
from schema.store.cassandra.statements import delete_of
from schema.store.cassandra.writer import Writer
from schema.tables import RowBatch, Table


class CassandraRewriting:
    """Under a lease that holds (`schema.store.writing.Rewriting`)."""

    def __init__(self, hold: Hold, capture_id: bytes) -> None:
        standing = captures.read_standing(hold.connection, capture_id)
        stands = standing is not None and counted.stands(hold.connection, capture_id)
        if standing is None or not stands or standing.record.sensor != hold.sensor:
            why = f"the ledger of sensor {hold.sensor} has no capture {capture_id.hex()}"
            raise StoreError(f"{why}: there are no rows to put right")
        self._hold, self._rows_from_ms = hold, standing.record.rows_expire_from_ms
        self._row_ts = hold.next_row_ts(standing.row_ts)

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Write rows; those whose time is over are left out."""
        with Writer(self._hold.connection, self._row_ts, self._hold.check_awake) as writer:
            for batch in batches:
                seconds = self._hold.seconds_left(batch.table, self._rows_from_ms)
                if seconds > 0 and len(batch):
                    writer.add(batch, seconds)

    def delete(self, table: Table, keys: Sequence[tuple[object, ...]]) -> None:
        """Delete rows by their whole keys."""
        self._hold.check_awake()
        for _ in self._hold.connection.each(delete_of(table), ((self._row_ts, *key) for key in keys)):
            pass

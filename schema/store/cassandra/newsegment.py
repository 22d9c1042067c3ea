"""What is written into a segment of a ledger before anybody is led to it: by a seal, or when a store is copied."""

from collections.abc import Sequence

from cassandra import ConsistencyLevel
from cassandra.query import BatchStatement, BatchType

from schema.store.cassandra.connection import Connection

PUT_PART = "INSERT INTO pcapline.ledger_openings (sensor, segment, folded, part, data) VALUES (?, ?, ?, ?, ?)"
# Into a partition that never was: any write that is conditional comes later.
COPY_GUARD = """
    INSERT INTO pcapline.ledger (sensor, segment, version, epoch, owner, lease_until, row_ts, endpoints, opened_seq,
      opened_endpoints, kept, whole, refusals) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1
"""
COPY_STEP = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, nonce, previous, state_version, state_nonce, loaded_at)
    VALUES (?, ?, 'opening', ?, '', ?, ?, ?, ?, ?) USING TIMESTAMP 1
"""
COPY_ENDPOINT = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, at_seq, totals)
    VALUES (?, ?, 'endpoint', 0, ?, ?, ?) USING TIMESTAMP 1
"""
COPY_TOTAL = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, value, at_seq)
    VALUES (?, ?, 'total', 0, ?, ?, ?) USING TIMESTAMP 1
"""
COPY_REFUSAL = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, at_seq, capture_id)
    VALUES (?, ?, 'capture', 0, ?, 0, ?) USING TIMESTAMP 1
"""
COPY_CAPTURE = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, at_seq, capture_id, nonce, reason, loaded_at)
    VALUES (?, ?, 'capture', 0, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1
"""
COPY_COMMIT = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, nonce, previous, capture_id, frames, flows, packets, bytes,
      rows, non_flow, state_version, state_nonce, loaded_at)
    VALUES (?, ?, 'commit', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1
"""
COPY_SEALED = (
    "INSERT INTO pcapline.ledger (sensor, segment, version, epoch, successor) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1"
)
_ROWS_A_BATCH = 200


class NewSegment:
    """A partition of `ledger`."""

    def __init__(self, connection: Connection, sensor: str, number: int) -> None:
        self._connection, self.place = connection, (sensor, number)

    def put(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Rows of one kind, some at a time; the statement begins with sensor and segment."""
        for start in range(0, len(rows), _ROWS_A_BATCH):
            batch = BatchStatement(BatchType.UNLOGGED, consistency_level=ConsistencyLevel.QUORUM)
            for row in rows[start : start + _ROWS_A_BATCH]:
                batch.add(self._connection.bound(statement, (*self.place, *row)))
            self._connection.write_batch(batch)

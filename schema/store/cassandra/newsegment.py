"""What is written into a segment of a ledger before anybody is led to it: by a seal, or when a store is copied."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from cassandra import ConsistencyLevel
from cassandra.query import BatchStatement, BatchType

from schema.records import EndpointTotals
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.endpointrows import endpoint_rows

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
_COPY_ENDPOINT = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, totals, at_seq)
    VALUES (?, ?, 'endpoint', 0, ?, ?, ?) USING TIMESTAMP 1
"""
_ROWS_A_BATCH = 200
_ENDPOINTS_A_BATCH = 500
_UNDER_WAY = 8  # messages, of half a megabyte at most


class NewSegment:
    """A partition of `ledger`, and its statement. What is put there is there once it is `written`."""

    def __init__(self, connection: Connection, sensor: str, number: int) -> None:
        self._connection, self.place = connection, (sensor, number)
        self._under_way: deque[Callable[[], object]] = deque()

    def put(self, statement: str, rows: Sequence[tuple[object, ...]]) -> Self:
        """Rows of one kind, some at a time; the statement begins with sensor and segment."""
        for start in range(0, len(rows), _ROWS_A_BATCH):
            some = rows[start : start + _ROWS_A_BATCH]
            self._put(self._connection.bound(statement, (*self.place, *row)) for row in some)
        return self

    def put_endpoints(self, entries: Sequence[tuple[str, EndpointTotals, int]]) -> Self:
        """Endpoints, their totals, and the seq that last changed each."""
        prepared = self._connection.prepared(_COPY_ENDPOINT)
        for start in range(0, len(entries), _ENDPOINTS_A_BATCH):
            names, totals, at_seqs = map(list, zip(*entries[start : start + _ENDPOINTS_A_BATCH], strict=True))
            self._put([endpoint_rows(prepared, self.place, names, totals, at_seqs)])
        return self

    def _put(self, statements: Iterable[Any]) -> None:
        batch = BatchStatement(BatchType.UNLOGGED, consistency_level=ConsistencyLevel.QUORUM)
        for statement in statements:
            batch.add(statement)
        batch.is_idempotent = True
        self._begun(self._connection.begun_batch(batch))

    def put_part(self, *, folded: bool, part: int, blob: bytes) -> None:
        """A part of the statement."""
        self._begun(self._connection.begun(PUT_PART, (*self.place, folded, part, blob), quorum=True))

    def written(self) -> None:
        """Wait until a quorum has all."""
        while self._under_way:
            self._under_way.popleft()()

    def _begun(self, written: Callable[[], object]) -> None:
        self._under_way.append(written)
        if len(self._under_way) > _UNDER_WAY:
            self._under_way.popleft()()

"""Rows on their way through the driver: bytes that are ready, in a batch that it takes for one of its own."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from cassandra.protocol import BatchMessage
from cassandra.query import BatchStatement, BatchType, BoundStatement

from schema.store.cassandra.rowbytes import CODES, Gathered, RowForm
from schema.tables import Table

_PREPARED = 1  # the kind of a statement in a batch
_BEHIND = ("bigint", "int")  # USING TIMESTAMP ? AND TTL ?
_LENGTH = 4  # octets of a value's length
_BEFORE_ROWS = 3  # octets of a batch message: its type, and how many statements


def form_of(prepared: Any, table: Table) -> RowForm:
    """How rows of a table are encoded for the statement that inserts them; behind them a write timestamp and a lifetime."""
    return form_for(prepared, [*(column.kind.value for column in table.columns), *_BEHIND], len(table.partition))


def form_for(prepared: Any, kinds: Sequence[str], key_columns: int) -> RowForm:
    """How values of these CQL types are encoded for a statement; the first `key_columns` of them are the partition's key."""
    head = (_PREPARED, *len(prepared.query_id).to_bytes(2, "big"), *prepared.query_id, *len(kinds).to_bytes(2, "big"))
    return RowForm(bytes(head), bytes(map(CODES.__getitem__, kinds)), key_columns)


class Rows:
    """Stands where the driver has a statement's values; none of them is an object any more."""

    def __init__(self, number: int, body: bytes | bytearray) -> None:
        self.number, self.body = number, body


def batch_of(prepared: Any, gathered: Gathered) -> Any:
    """The rows as a statement to execute, which goes to who keeps the partition `gathered.key`; `prepared`: of any of them, for
    its keyspace."""
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.add(bound_rows(prepared, gathered))
    batch.is_idempotent = True
    return batch


def bound_rows(prepared: Any, gathered: Gathered) -> Any:
    """The rows as what stands for one statement of a batch, which may have others before it."""
    bound = BoundStatement(prepared, routing_key=routing_key(gathered.key))
    bound.values = Rows(gathered.rows, gathered.body)
    return bound


def routing_key(key: bytes) -> bytes:
    """What the cluster places a partition by, from its key's values with their lengths."""
    parts: list[bytes] = []
    at = 0
    while at < len(key):
        behind = at + _LENGTH + int.from_bytes(key[at : at + _LENGTH], "big")
        parts.append(key[at + _LENGTH : behind])
        at = behind
    if len(parts) == 1:
        return parts[0]
    return b"".join(len(part).to_bytes(2, "big") + part + b"\0" for part in parts)


class RowsMessage(BatchMessage):  # type: ignore[misc]
    """A batch message around rows that are ready, behind all other statements; all but them is the driver's own."""

    queries: Any

    def __init__(self, message: Any, rows: Rows) -> None:
        self.__dict__.update(vars(message), queries=message.queries[:-1], rows=rows)

    @classmethod
    def around(cls, message: Any) -> Any:
        """The message itself, where it is another."""
        if isinstance(message, BatchMessage) and message.queries and isinstance(message.queries[-1][2], Rows):
            return cls(message, message.queries[-1][2])
        return message

    def send_body(self, out: Any, protocol_version: int) -> None:
        """Write the body, as the driver calls it."""
        rows, others = self.rows, self.queries
        whole = self._driver_body(protocol_version)
        self.queries = ()
        behind = (self._driver_body(protocol_version) if others else whole)[_BEFORE_ROWS:]
        out.write(whole[:1])
        out.write((len(others) + rows.number).to_bytes(2, "big"))
        out.write(whole[_BEFORE_ROWS : len(whole) - len(behind)])
        out.write(rows.body)
        out.write(behind)

    def _driver_body(self, protocol_version: int) -> bytes:
        frame = BytesIO()
        super().send_body(frame, protocol_version)
        return frame.getvalue()

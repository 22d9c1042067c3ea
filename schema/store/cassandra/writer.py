"""Rows in, acknowledged rows out: batches of one partition, a window that adapts, retries with growing pauses."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from cassandra.query import BatchStatement, BatchType, BoundStatement

from schema.store.cassandra.connection import Connection, backoff_s
from schema.store.cassandra.failures import is_retryable, meaning
from schema.store.cassandra.statements import insert_of
from schema.store.cassandra.values import encode_int, encode_long, encoded_rows
from schema.tables import RowBatch, Table

_FIRST_WINDOW = 4.0


@dataclass(frozen=True, slots=True)
class _Shipment:
    """Rows of one partition that travel together, as the wire has them."""

    prepared: Any
    rows: list[tuple[Any, ...]]
    attempt: int = 0

    def statement(self) -> Any:
        bound = [_bound(self.prepared, row) for row in self.rows]
        if len(bound) == 1:
            return bound[0]
        batch = BatchStatement(BatchType.UNLOGGED)
        for statement in bound:
            batch.add(statement)
        batch.is_idempotent = True
        return batch


def _bound(prepared: Any, values: tuple[Any, ...]) -> Any:
    bound = BoundStatement(prepared)
    bound.values = list(values)  # bytes that are ready: `bind` would cost more than all the rest
    bound.is_idempotent = True
    return bound


class Writer:
    """Writes one attempt's rows. One thread sends; the driver's thread only hands results back to it."""

    def __init__(self, connection: Connection, row_ts: int, check_awake: Callable[[], None]) -> None:
        """`check_awake` raises where the writer may not write any more; it is asked before each batch."""
        self._connection, self._row_ts, self._check_awake = connection, row_ts, check_awake
        self._deadline = time.monotonic() + connection.options.write_deadline_s
        self._window, self._in_flight = _FIRST_WINDOW, 0
        self._results = threading.Condition()
        self._again: list[tuple[_Shipment, Exception]] = []
        self._fatal: Exception | None = None

    def write(self, batch: RowBatch, ttl_seconds: int, timestamps: Sequence[int] | None = None) -> None:
        """Write all rows; returns when every one is acknowledged. `timestamps`: where each row has its own (microseconds)."""
        ttl = encode_int(ttl_seconds)
        stamps = repeat(encode_long(self._row_ts)) if timestamps is None else map(encode_long, timestamps)
        rows = ((*row, stamp, ttl) for row, stamp in zip(encoded_rows(batch), stamps))  # noqa: B905  one stamp may be for all
        for shipment in self._shipments(batch.table, rows):
            self._send(shipment)
            self._send_again()
        self._settle()

    def _shipments(self, table: Table, rows: Iterable[tuple[Any, ...]]) -> Iterator[_Shipment]:
        prepared = self._connection.prepared(insert_of(table))
        width, limit = len(table.partition), self._connection.options.rows_per_batch
        groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for row in rows:
            group = groups[row[:width]]
            group.append(row)
            if len(group) >= limit:
                yield _Shipment(prepared, groups.pop(row[:width]))
        for group in groups.values():
            yield _Shipment(prepared, group)

    def _send(self, shipment: _Shipment) -> None:
        with self._results:
            while self._in_flight >= int(self._window) and self._fatal is None:
                self._results.wait()
            self._raise_fatal()
        self._check_awake()
        with self._results:
            self._in_flight += 1
        try:
            future = self._connection.session.execute_async(shipment.statement())
        except Exception as error:  # a full queue, a host that is down: the same as an answer that says so
            self._failed(error, shipment)
        else:
            future.add_callbacks(self._acknowledged, self._failed, errback_args=(shipment,))

    def _acknowledged(self, _result: object) -> None:
        with self._results:
            self._in_flight -= 1
            self._window = min(self._connection.options.max_in_flight, self._window + 1 / self._window)
            self._results.notify()

    def _failed(self, error: Exception, shipment: _Shipment) -> None:
        with self._results:
            self._in_flight -= 1
            if is_retryable(error):
                self._again.append((shipment, error))
                self._window = max(1.0, self._window / 2)
            else:
                self._fatal = self._fatal or error
            self._results.notify()

    def _send_again(self) -> None:
        while True:
            with self._results:
                again, self._again = self._again, []
            if not again:
                return
            if time.monotonic() > self._deadline:
                raise meaning(again[0][1], self._connection.where) from again[0][1]
            time.sleep(
                backoff_s(min(shipment.attempt for shipment, _ in again))
            )  # the producer waits: that is the back-pressure
            for shipment, _ in again:
                self._send(_Shipment(shipment.prepared, shipment.rows, shipment.attempt + 1))

    def _settle(self) -> None:
        while True:
            self._send_again()
            with self._results:
                self._raise_fatal()
                if not self._in_flight and not self._again:
                    return
                self._results.wait()

    def _raise_fatal(self) -> None:
        if self._fatal is not None:
            raise meaning(self._fatal, self._connection.where) from self._fatal

"""Rows in, acknowledged rows out: batches of one partition, a window that adapts, retries with growing pauses."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from cassandra.query import BatchStatement, BatchType, BoundStatement

from schema.store.cassandra.connection import Connection, backoff_s
from schema.store.cassandra.failures import is_retryable, meaning
from schema.store.cassandra.statements import insert_of
from schema.store.cassandra.values import encode_int, encode_long, encoded_rows
from schema.tables import RowBatch

_FIRST_WINDOW = 4.0


@dataclass(frozen=True, slots=True)
class _Shipment:
    """Rows of one partition that travel together: each with its prepared statement, as the wire has them."""

    rows: list[tuple[Any, tuple[Any, ...]]]
    attempt: int = 0

    def statement(self) -> Any:
        bound = [_bound(prepared, row) for prepared, row in self.rows]
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

    def write(self, batch: RowBatch, ttl_seconds: int) -> None:
        """Write all rows; returns when every one is acknowledged."""
        self.write_parts([(batch, repeat(self._row_ts))], ttl_seconds)

    def write_parts(self, parts: Iterable[tuple[RowBatch, Iterable[int]]], ttl_seconds: int) -> None:
        """The same for rows of one table whose columns have write timestamps of their own: those with the same one, and that of
        each row (microseconds)."""
        for shipment in self._shipments(parts, encode_int(ttl_seconds)):
            self._send(shipment)
            self._send_again()
        self._settle()

    def _shipments(self, parts: Iterable[tuple[RowBatch, Iterable[int]]], ttl: bytes) -> Iterator[_Shipment]:
        limit = self._connection.options.rows_per_batch
        groups: dict[tuple[Any, ...], list[tuple[Any, tuple[Any, ...]]]] = defaultdict(list)
        for batch, timestamps in parts:
            prepared, width = self._connection.prepared(insert_of(batch.table)), len(batch.table.partition)
            for row, stamp in zip(encoded_rows(batch), map(encode_long, timestamps)):  # noqa: B905  one may be for all
                group = groups[row[:width]]
                group.append((prepared, (*row, stamp, ttl)))
                if len(group) >= limit:
                    yield _Shipment(groups.pop(row[:width]))
        yield from map(_Shipment, groups.values())

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
                self._send(_Shipment(shipment.rows, shipment.attempt + 1))

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

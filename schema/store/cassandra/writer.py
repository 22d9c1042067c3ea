"""Rows in, acknowledged rows out: batches by partition, a window that adapts, retries with growing pauses."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from schema.store.cassandra.connection import Connection, backoff_s
from schema.store.cassandra.failures import Refusal, is_invalid, meaning
from schema.store.cassandra.packing import Group, joined, packed
from schema.store.cassandra.replicas import owner_of
from schema.store.cassandra.rowbytes import Gathered, RowBytes
from schema.store.cassandra.rows import batch_of, form_of
from schema.store.cassandra.statements import insert_of
from schema.tables import RowBatch, Table

_MOST_WAITING = 32_768  # rows that wait for others of their partition
_MOST_OCTETS_WAITING = 16 << 20  # that they have: of long texts a few hundred rows
_MOST_OCTETS_A_BATCH = 1 << 20  # and one row: a node takes half a segment of its commit log, 8 MiB where that is 16 MiB
_RESUME = 0.75  # of the window: when it is full, so much is answered before the next request that several leave together


@dataclass(slots=True)
class _Shipment:
    """Rows that travel together; numbered each time they are sent."""

    parts: Sequence[Group]
    number: int = 0
    attempt: int = 0


class Writer:
    """Writes one attempt's rows. One thread sends; the driver's thread only hands results back to it.

    A context: left in peace, every row is acknowledged; left by an error, none is on its way any more, so that whoever looks
    for rows to delete finds all of them.
    """

    def __init__(self, connection: Connection, row_ts: int, check_awake: Callable[[], None]) -> None:
        """`check_awake` raises where the writer may not write any more; it is asked before each batch."""
        self._connection, self._row_ts, self._check_awake = connection, row_ts, check_awake
        self._rows = RowBytes()
        self._waiting: dict[Table, tuple[Any, dict[bytes, Gathered]]] = {}
        self._waiting_rows = self._waiting_octets = 0
        self._in_flight, self._acknowledged_at = 0, time.monotonic()
        self._results, self._wakes_at = threading.Condition(), 0  # by that many requests under way
        self._again: list[tuple[_Shipment, Exception]] = []
        self._fatal: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                self._settle()
        finally:
            with self._results:  # the driver answers each request by then, itself where the node does not
                self._results.wait_for(lambda: not self._in_flight, self._connection.options.request_timeout_s)

    def add(self, batch: RowBatch, ttl_seconds: int | Sequence[int]) -> None:
        """Take rows: some are sent, the others wait for more of their partition, the end of the block at the latest.

        `ttl_seconds`: of all of them, or of each.
        """
        prepared, values = self._connection.prepared(insert_of(batch.table)), _values_of(batch.table)
        _, groups = self._waiting.setdefault(batch.table, (prepared, {}))
        columns = [column if isinstance(column, list) else list(column) for column in batch.columns]
        columns.append([self._row_ts] * len(batch))
        columns.append([ttl_seconds] * len(batch) if isinstance(ttl_seconds, int) else list(ttl_seconds))
        limit = self._connection.options.rows_per_batch
        before = self._rows.octets
        full = self._rows.gather(form_of(prepared, batch.table), columns, groups, limit, _MOST_OCTETS_A_BATCH)
        self._waiting_rows += len(batch) - sum(gathered.rows for gathered in full)
        self._waiting_octets += self._rows.octets - before - sum(len(gathered.body) for gathered in full)
        for gathered in full:
            self._deliver((Group(prepared, values, gathered),))
        if self._waiting_rows > _MOST_WAITING or self._waiting_octets > _MOST_OCTETS_WAITING:
            self._flush()

    def _settle(self) -> None:
        """Send what waits; returns when every row is acknowledged."""
        self._flush()
        while True:
            self._send_again()
            with self._results:
                self._raise_fatal()
                if not self._in_flight and not self._again:
                    return
                self._wakes_at = 0
                self._results.wait_for(lambda: not self._in_flight or self._again or self._fatal)

    def _flush(self) -> None:
        waiting = [
            Group(prepared, _values_of(table), gathered)
            for table, (prepared, groups) in self._waiting.items()
            for gathered in groups.values()
        ]
        self._waiting.clear()
        self._waiting_rows = self._waiting_octets = 0
        for parts in packed(waiting, owner_of(self._connection.cluster, self._connection.keyspace)):
            if self._connection.mixes_partitions:
                self._deliver(parts)
            else:
                for part in parts:
                    self._deliver((part,))

    def _deliver(self, parts: Sequence[Group]) -> None:
        self._send(_Shipment(parts))
        self._send_again()

    def _send(self, shipment: _Shipment) -> None:
        window = self._connection.window
        with self._results:
            if self._in_flight >= int(window.size):
                self._wakes_at = int(window.size * _RESUME)
                self._results.wait_for(lambda: self._in_flight <= int(window.size * _RESUME) or self._fatal)
            self._raise_fatal()
        self._check_awake()
        with self._results:
            self._in_flight += 1
        shipment.number = window.next_number()
        batch = batch_of(shipment.parts[0].prepared, joined(shipment.parts))
        try:
            future = self._connection.session.execute_async(batch)
        except Exception as error:  # a full queue, a host that is down: the same as an answer that says so
            self._failed(error, shipment)
        else:
            future.add_callbacks(self._acknowledged, self._failed, errback_args=(shipment,))

    def _acknowledged(self, _result: object) -> None:
        self._connection.window.answered()
        with self._results:
            self._in_flight -= 1
            self._acknowledged_at = time.monotonic()
            # woken for each, it and this thread would only hand the interpreter to and fro
            if self._in_flight <= self._wakes_at:
                self._results.notify()

    def _failed(self, error: Exception, shipment: _Shipment) -> None:
        refusal = self._connection.refused(error)
        if refusal is not Refusal.POISON:
            self._connection.window.failed(shipment.number)
        with self._results:
            self._in_flight -= 1
            if refusal is not Refusal.POISON:
                self._again.append((shipment, error))
            elif len(shipment.parts) > 1 and is_invalid(error):  # a node may take less at once than is usual
                self._connection.mixes_partitions = False
                self._again.extend((_Shipment((part,)), error) for part in shipment.parts)
            else:
                self._fatal = self._fatal or error
            self._results.notify()

    def _send_again(self) -> None:
        while True:
            with self._results:
                again, self._again = self._again, []
            if not again:
                return
            if time.monotonic() > self._acknowledged_at + self._connection.options.write_deadline_s:
                raise meaning(again[0][1], self._connection.where) from again[0][1]
            # the producer waits: that is the back-pressure
            time.sleep(backoff_s(min(shipment.attempt for shipment, _ in again)))
            for shipment, _ in again:
                shipment.attempt += 1
                self._send(shipment)

    def _raise_fatal(self) -> None:
        if self._fatal is not None:
            raise meaning(self._fatal, self._connection.where) from self._fatal


def _values_of(table: Table) -> int:
    """How many a row has beside its key."""
    return len(table.columns) - len(table.key)

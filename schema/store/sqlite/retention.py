"""Deleting rows whose lifetime is over, counted from the load, in bounded steps that go on where the last one ended.

A capture's own rows are found through its manifest, so no table is scanned; dictionary rows say when they were loaded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schema.records import PartitionCounts
from schema.store.codec import row_chunks
from schema.store.sqlite.captures import read_manifest
from schema.store.sqlite.database import Session, Transaction
from schema.store.sqlite.statements import delete_loaded_before, delete_own, time_column
from schema.store.sqlite.values import sql_keys
from schema.tables import BY_NAME, TABLES, Ownership, Table

Span = tuple[int, int]  # first and last time, Unix ms


def lifetime_ms(table_name: str) -> int:
    """How long rows of a table stay after their capture was claimed."""
    return BY_NAME[table_name].ttl_seconds * 1000


def empty_span(table: Table) -> Span:
    """The span of no row; a table that no time orders has all its rows in one."""
    return (2**63 - 1, -(2**63)) if time_column(table) else (0, 0)


def plan_expiry(transaction: Transaction, capture_id: bytes, rows_from_ms: int, spans: Mapping[str, Span]) -> None:
    """Note where each table's rows of a capture are, and when they are to be deleted."""
    transaction.for_each(
        "INSERT OR REPLACE INTO own_rows (capture_id, table_name, expires_at, first_time, last_time, expired)"
        " VALUES (?, ?, ?, ?, ?, 0)",
        ((capture_id, name, rows_from_ms + lifetime_ms(name), *span) for name, span in spans.items()),
    )


def read_spans(session: Session | Transaction, capture_id: bytes) -> dict[str, Span]:
    """First and last time of a capture's rows, by table; a table whose rows are deleted is left out."""
    rows = session.execute("SELECT table_name, first_time, last_time FROM own_rows WHERE capture_id = ?", (capture_id,))
    return {name: (first, last) for name, first, last in rows}


def expire_rows(transaction: Transaction, now_ms: int, limit: int) -> int:
    """Delete up to `limit` expired rows, those of captures first; returns how many."""
    deleted = 0
    while deleted < limit and (due := _next_due(transaction, now_ms)):
        deleted += _expire_own(transaction, due, limit - deleted)
    for table in TABLES:
        if table.ownership is Ownership.SHARED and deleted < limit:
            loaded_before = now_ms - lifetime_ms(table.name)
            deleted += transaction.change(delete_loaded_before(table), (loaded_before, limit - deleted))
    return deleted


@dataclass(frozen=True, slots=True)
class _Due:
    """One capture's rows in one table, to be deleted."""

    capture_id: bytes
    table_name: str
    first_time: int
    last_time: int
    expired: int


def _next_due(transaction: Transaction, now_ms: int) -> _Due | None:
    rows = transaction.execute(
        "SELECT capture_id, table_name, first_time, last_time, expired FROM own_rows WHERE expires_at <= ?"
        " ORDER BY expires_at LIMIT 1",
        (now_ms,),
    )
    return _Due(*rows[0]) if rows else None


def _expire_own(transaction: Transaction, due: _Due, limit: int) -> int:
    """A part of the manifest that is cut short is gone through again in the next step: what is deleted is found to be gone."""
    deleted = 0
    for part, chunk in enumerate(row_chunks(read_manifest(transaction, due.capture_id, due.expired)), due.expired):
        keys = [key for counts in chunk.own if counts.table == due.table_name for key in _keys(counts)]
        deleted += _expire_partitions(transaction, due, keys, limit - deleted)
        if deleted >= limit:
            _note_progress(transaction, due, part)
            return deleted
    _finish(transaction, due)
    return deleted


def _expire_partitions(transaction: Transaction, due: _Due, keys: Iterable[tuple[object, ...]], limit: int) -> int:
    statement, deleted = delete_own(BY_NAME[due.table_name]), 0
    for key in keys:
        of_capture = (due.first_time, due.last_time, due.capture_id, limit - deleted)
        deleted += transaction.change(statement, (*key, *of_capture))
        if deleted >= limit:
            break
    return deleted


def _keys(counts: PartitionCounts) -> list[tuple[object, ...]]:
    return sql_keys(BY_NAME[counts.table], counts.partitions)


def _note_progress(transaction: Transaction, due: _Due, expired: int) -> None:
    transaction.execute(
        "UPDATE own_rows SET expired = ? WHERE capture_id = ? AND table_name = ?",
        (expired, due.capture_id, due.table_name),
    )


def _finish(transaction: Transaction, due: _Due) -> None:
    """A table's rows are gone; with the last one goes the manifest."""
    transaction.execute("DELETE FROM own_rows WHERE capture_id = ? AND table_name = ?", (due.capture_id, due.table_name))
    if not transaction.execute("SELECT 1 FROM own_rows WHERE capture_id = ? LIMIT 1", (due.capture_id,)):
        transaction.execute("DELETE FROM manifests WHERE capture_id = ?", (due.capture_id,))

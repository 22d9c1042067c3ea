"""Deleting rows whose lifetime is over, counted from the load, in bounded steps that go on where the last one ended.

A capture's own rows are found through its manifest, so no table is scanned; dictionary rows say when they were loaded.
"""

from schema.records import Manifest, PartitionCounts
from schema.store.sqlite.captures import read_manifest
from schema.store.sqlite.database import Transaction
from schema.store.sqlite.statements import delete_loaded_before, delete_own
from schema.store.sqlite.values import sql_keys
from schema.tables import BY_NAME, TABLES, Ownership


def lifetime_ms(table_name: str) -> int:
    """How long rows of a table stay after their capture was claimed."""
    return BY_NAME[table_name].ttl_seconds * 1000


def plan_expiry(transaction: Transaction, capture_id: bytes, manifest: Manifest, rows_from_ms: int) -> None:
    """Note when each table's rows of a capture are to be deleted."""
    transaction.for_each(
        "INSERT OR IGNORE INTO row_lifetimes (expires_at, capture_id, table_name, partitions) VALUES (?, ?, ?, 0)",
        ((rows_from_ms + lifetime_ms(counts.table), capture_id, counts.table) for counts in manifest.own),
    )


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


def _next_due(transaction: Transaction, now_ms: int) -> tuple[int, bytes, str, int] | None:
    rows = transaction.execute(
        "SELECT expires_at, capture_id, table_name, partitions FROM row_lifetimes WHERE expires_at <= ?"
        " ORDER BY expires_at, capture_id, table_name LIMIT 1",
        (now_ms,),
    )
    for expires_at, capture_id, table_name, partitions in rows:
        return expires_at, capture_id, table_name, partitions
    return None


def _expire_own(transaction: Transaction, due: tuple[int, bytes, str, int], limit: int) -> int:
    expires_at, capture_id, table_name, done = due
    keys = _partitions(read_manifest(transaction, capture_id), table_name)
    deleted = 0
    statement = delete_own(BY_NAME[table_name])
    while done < len(keys) and deleted < limit:
        room = limit - deleted
        found = transaction.change(statement, (*keys[done], capture_id, room))
        deleted += found
        done += found < room
    identity = (expires_at, capture_id, table_name)
    if done < len(keys):
        _note_progress(transaction, identity, done)
    else:
        _finish(transaction, identity)
    return deleted


def _partitions(manifest: Manifest, table_name: str) -> list[tuple[object, ...]]:
    counts: list[PartitionCounts] = [part for part in manifest.own if part.table == table_name]
    return [key for part in counts for key in sql_keys(BY_NAME[table_name], part.partitions)]


def _note_progress(transaction: Transaction, identity: tuple[int, bytes, str], done: int) -> None:
    transaction.execute(
        "UPDATE row_lifetimes SET partitions = ? WHERE expires_at = ? AND capture_id = ? AND table_name = ?",
        (done, *identity),
    )


def _finish(transaction: Transaction, identity: tuple[int, bytes, str]) -> None:
    """A table's rows are gone; with the last one goes the manifest."""
    transaction.execute("DELETE FROM row_lifetimes WHERE expires_at = ? AND capture_id = ? AND table_name = ?", identity)
    capture_id = identity[1]
    if not transaction.execute("SELECT 1 FROM row_lifetimes WHERE capture_id = ? LIMIT 1", (capture_id,)):
        transaction.execute("DELETE FROM manifests WHERE capture_id = ?", (capture_id,))

"""The rows of a capture, as the loader hands them to a store, for others to write too."""

import json
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID

from schema.store.cassandra.statements import insert_of
from schema.store.writing import Claim, ClaimRefusal, SensorLease
from schema.tables import Kind, RowBatch


class KeepingLease:
    """A lease whose attempts keep what is written through them; all else is the lease's own."""

    def __init__(self, lease: SensorLease) -> None:
        self._lease = lease
        self.batches: list[RowBatch] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lease, name)

    def begin(self, claim: Claim) -> "ClaimRefusal | _KeepingAttempt":
        """Begin an attempt."""
        begun = self._lease.begin(claim)
        return begun if isinstance(begun, ClaimRefusal) else _KeepingAttempt(begun, self.batches)


class _KeepingAttempt:
    def __init__(self, attempt: Any, batches: list[RowBatch]) -> None:
        self._attempt, self._batches = attempt, batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._attempt, name)

    def __enter__(self) -> "_KeepingAttempt":
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing of its own to end."""

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Keep the rows and write them."""
        kept = [RowBatch(batch.table, tuple(map(list, batch.columns))) for batch in batches]
        self._batches += kept
        self._attempt.write(kept)


def dump(batches: Iterable[RowBatch], keyspace: str, stamp: int, path: Path) -> None:
    """For the gocql peer: a line of JSON a batch, with the write timestamp `stamp` (microseconds) and the table's lifetime."""
    with path.open("w", encoding="utf-8") as file:
        for batch in batches:
            table = batch.table
            kinds = [column.kind for column in table.columns]
            rows = [
                [*(_shown(kind, value) for kind, value in zip(kinds, row, strict=True)), stamp, table.ttl_seconds]
                for row in batch.rows()
            ]
            told = {
                "statement": insert_of(table).replace("pcapline.", f"{keyspace}."),
                "kinds": [*(kind.value for kind in kinds), "bigint", "int"],
                "partition": len(table.partition),
                "rows": rows,
            }
            file.write(json.dumps(told) + "\n")


def _shown(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.INET:
        return str(ip_address(value))
    return str(UUID(bytes=value)) if kind is Kind.UUID else value


def by_table(batches: Iterable[RowBatch]) -> list[RowBatch]:
    """All rows of each table in one batch: so everybody gathers partitions over the whole capture."""
    columns: dict[str, tuple[RowBatch, list[list[object]]]] = {}
    for batch in batches:
        _, so_far = columns.setdefault(batch.table.name, (batch, [[] for _ in batch.columns]))
        for values, more in zip(so_far, batch.columns, strict=True):
            values.extend(more)
    return [RowBatch(first.table, tuple(values)) for first, values in columns.values()]

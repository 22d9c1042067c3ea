"""All rows of one capture and their manifest, before the first of them is written.

What an attempt is going to write must be known when it claims the capture; a large capture's rows wait in a temporary file, so
that memory stays bounded whatever the capture's size.
"""

import errno
import pickle
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO

from schema.coded import CodedColumn
from schema.records import Manifest, PartitionCounts
from schema.tables import Ownership, RowBatch, Table


class StagedRows:
    """Row batches in, once; the manifest and the same batches out, as often as asked. A context: it may hold a file."""

    def __init__(self, rows_in_memory: int) -> None:
        """`rows_in_memory`: more rows than that go to a temporary file."""
        self._limit = rows_in_memory
        self._held: list[RowBatch] = []
        self._held_rows = 0
        self._spill: IO[bytes] | None = None
        self._spilled = 0  # batches in the file
        self._partitions: dict[Table, Counter[tuple[object, ...]]] = {}

    def __enter__(self) -> "StagedRows":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._spill is not None:
            self._spill.close()

    def add(self, batch: RowBatch) -> None:
        """Take a batch; its `capture_id` column (if any) holds None until `batches` fills it."""
        if not len(batch):
            return
        partition = batch.columns[: len(batch.table.partition)]
        self._partitions.setdefault(batch.table, Counter()).update(zip(*partition, strict=True))
        self._held.append(batch)
        self._held_rows += len(batch)
        if self._held_rows > self._limit:
            self._write_out()

    def manifest(self) -> Manifest:
        """The partitions that will be touched, and the rows in each."""
        counts: dict[Ownership, list[PartitionCounts]] = {Ownership.OWN: [], Ownership.SHARED: []}
        for table, partitions in sorted(self._partitions.items(), key=lambda item: item[0].name):
            counts[table.ownership].append(
                PartitionCounts(table=table.name, partitions=tuple(partitions), rows=tuple(partitions.values()))
            )
        return Manifest(own=tuple(counts[Ownership.OWN]), shared=tuple(counts[Ownership.SHARED]))

    def batches(self, capture_id: bytes) -> Iterator[RowBatch]:
        """Every batch in the order it came, with the capture's id in place."""
        if self._spill is not None:
            self._spill.seek(0)
            for _ in range(self._spilled):
                yield _identified(pickle.load(self._spill), capture_id)  # our own file, made a moment ago
        for batch in self._held:
            yield _identified(batch, capture_id)

    def _write_out(self) -> None:
        if self._spill is None:
            self._spill = _temporary_file()
        for batch in self._held:
            made = RowBatch(batch.table, tuple(map(_as_kept, batch.columns)))
            pickle.dump(made, self._spill, protocol=pickle.HIGHEST_PROTOCOL)
        self._spilled += len(self._held)
        self._held, self._held_rows = [], 0


def _as_kept(column: Sequence[object]) -> Sequence[object]:
    """A column made on demand as what it is made of; few distinct values and whole numbers stay as compact as they are."""
    return column if isinstance(column, (CodedColumn, array)) else list(column)


def _temporary_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(prefix="pcapline-rows-")
    except FileNotFoundError as error:  # no directory can be written: not the capture is missing, but room
        raise OSError(errno.ENOSPC, "no temporary directory can be written", tempfile.gettempprefix()) from error


def _identified(batch: RowBatch, capture_id: bytes) -> RowBatch:
    if "capture_id" not in batch.table.names:
        return batch
    columns = list(batch.columns)
    columns[batch.table.index("capture_id")] = [capture_id] * len(batch)
    return RowBatch(batch.table, tuple(columns))

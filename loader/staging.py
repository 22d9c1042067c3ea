"""All rows of one capture and their manifest, before the first of them is written.

What an attempt is going to write must be known when it claims the capture; a large capture's rows wait in a temporary file, so
that memory stays bounded whatever the capture's size.
"""

from collections import Counter
from collections.abc import Iterator
from types import TracebackType

from loader.spill import Spill
from schema.records import Manifest, PartitionCounts
from schema.tables import Ownership, RowBatch, Table


class StagedRows:
    """Row batches in, once; the manifest and the same batches out, as often as asked. A context: it may hold a file."""

    def __init__(self, rows_in_memory: int) -> None:
        """`rows_in_memory`: more rows than that go to a temporary file."""
        self._spill: Spill[RowBatch] = Spill(rows_in_memory)
        self._partitions: dict[Table, Counter[tuple[object, ...]]] = {}

    def __enter__(self) -> "StagedRows":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spill.close()

    def add(self, batch: RowBatch) -> None:
        """Take a batch; its `capture_id` column (if any) holds None until `batches` fills it."""
        if not len(batch):
            return
        if batch.table.ownership is Ownership.OWN:
            partition = batch.columns[: len(batch.table.partition)]
            self._partitions.setdefault(batch.table, Counter()).update(zip(*partition, strict=True))
        self._spill.add(batch, len(batch))

    def manifest(self) -> Manifest:
        """The partitions that will be touched, and the rows in each: own ones only, for no others are counted or deleted."""
        counts = [
            PartitionCounts(table=table.name, partitions=tuple(partitions), rows=tuple(partitions.values()))
            for table, partitions in sorted(self._partitions.items(), key=lambda item: item[0].name)
        ]
        return Manifest(own=tuple(counts))

    def batches(self, capture_id: bytes) -> Iterator[RowBatch]:
        """Every batch in the order it came, with the capture's id in place."""
        for batch in self._spill:
            yield _identified(batch, capture_id)


def _identified(batch: RowBatch, capture_id: bytes) -> RowBatch:
    if "capture_id" not in batch.table.names:
        return batch
    columns = list(batch.columns)
    columns[batch.table.index("capture_id")] = [capture_id] * len(batch)
    return RowBatch(batch.table, tuple(columns))

"""All rows of one capture and their manifest, before the first of them is written.

What an attempt is going to write must be known when it claims the capture; a large capture's rows wait in a temporary file, so
that memory stays bounded whatever the capture's size.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from operator import add
from types import TracebackType

from loader.rows.spill import Spill
from loader.rows.sums import Sums
from schema.records import Manifest, PartitionCounts
from schema.tables import Ownership, RowBatch, Table

_PART = 8_192  # partitions of a manifest that are told at a time

_Partition = tuple[object, ...]
_Rows = tuple[Counter[_Partition], Sums[_Partition, int]]  # in each partition: those counted last, and all


class StagedRows:
    """Row batches in, once; the manifest and the same batches out, as often as asked. A context: it may hold files."""

    def __init__(self, rows_in_memory: int) -> None:
        """`rows_in_memory`: more rows than that, and partitions of a table, go to temporary files."""
        self._limit = rows_in_memory
        self._spill: Spill[RowBatch] = Spill(rows_in_memory)
        self._partitions: dict[Table, _Rows] = {}
        self._own_rows: Counter[str] = Counter()

    def __enter__(self) -> "StagedRows":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spill.close()
        for _, partitions in self._partitions.values():
            partitions.close()

    def add(self, batch: RowBatch) -> None:
        """Take a batch; its `capture_id` column (if any) holds None until `batches` fills it."""
        if not len(batch):
            return
        if batch.table.ownership is Ownership.OWN:
            self._count(batch)
        self._spill.add(batch, len(batch))

    def _count(self, batch: RowBatch) -> None:
        if batch.table not in self._partitions:
            held: Counter[_Partition] = Counter()
            self._partitions[batch.table] = held, Sums(held, add, self._limit)
        latest, partitions = self._partitions[batch.table]
        latest.update(zip(*batch.columns[: len(batch.table.partition)], strict=True))
        partitions.relieve()
        self._own_rows[batch.table.name] += len(batch)

    def manifest(self) -> Manifest:
        """The partitions that will be touched, and the rows in each: own ones only, for no others are counted or deleted. To be
        gone through while this is open."""
        return Manifest(own=_Parts(self._partitions), own_rows=dict(sorted(self._own_rows.items())))

    def batches(self, capture_id: bytes) -> Iterator[RowBatch]:
        """Every batch in the order it came, with the capture's id in place."""
        for batch in self._spill:
            yield _identified(batch, capture_id)


class _Parts:
    """The partitions of a manifest, table by table."""

    def __init__(self, partitions: Mapping[Table, _Rows]) -> None:
        self._partitions = partitions

    def __iter__(self) -> Iterator[PartitionCounts]:
        for table, (_, partitions) in sorted(self._partitions.items(), key=lambda item: item[0].name):
            source = iter(partitions)
            while part := list(islice(source, _PART)):
                keys, rows = zip(*part, strict=True)
                yield PartitionCounts(table=table.name, partitions=keys, rows=rows)


def _identified(batch: RowBatch, capture_id: bytes) -> RowBatch:
    if "capture_id" not in batch.table.names:
        return batch
    columns = list(batch.columns)
    columns[batch.table.index("capture_id")] = [capture_id] * len(batch)
    return RowBatch(batch.table, tuple(columns))

"""Which rows of a committed capture are not what they should be, and how they are put right.

Rows are compared by key and value where the capture can be decoded again as it was then (`loader.review.again`); else
partition by partition, as the manifest counts them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby, islice
from pathlib import Path

from loader.review.again import Decoding
from loader.review.then import NotTheSameError, Then
from loader.rows.staging import StagedRows
from schema.records import PartitionCounts
from schema.store.reading import StoreReader
from schema.store.writing import SensorLease
from schema.tables import BY_NAME, FLOWS, Ownership, Table, batches_of

# A later answer may have named a flow anew: these say nothing about whether the row is right.
_NAMED_LATER = [FLOWS.index(name) for name in ("hostname", "name_evidence", "name_conflict")]
_ROWS_AT_ONCE = 65_536  # that are compared in memory: a capture with more goes through it in as many slices
_EXPIRY_MARGIN_MS = 60_000

Row = tuple[object, ...]


class Fault(Enum):
    """What is wrong with a row."""

    MISSING = "missing"
    SURPLUS = "surplus"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class RowFault:
    """One row."""

    fault: Fault
    table: Table
    key: Row
    right: Row = ()  # the row as it should be; empty: there should be none
    columns: tuple[str, ...] = ()  # of a changed one, those with another value


@dataclass(frozen=True, slots=True)
class PartitionFault:
    """Rows of a capture in one partition."""

    table: Table
    partition: Row
    expected: int
    found: int


def alive_tables(then: Then, now_ms: int) -> frozenset[str]:
    """Tables whose rows have not expired, nor will while they are looked at."""
    since = then.record.rows_expire_from_ms
    of_commit = (BY_NAME[name] for name in then.commit.rows)
    return frozenset(table.name for table in of_commit if since + table.ttl_seconds * 1000 > now_ms + _EXPIRY_MARGIN_MS)


def row_faults(store: StoreReader, staged: StagedRows, then: Then, alive: frozenset[str]) -> Iterator[RowFault]:
    """All rows that are missing, too many, or other than decoding the capture again gives them."""
    capture_id = then.record.facts.capture_id
    slices = sum(staged.manifest().own_rows.values()) // _ROWS_AT_ONCE + 1
    for number in range(slices):

        def is_in(partition: Row, number: int = number) -> bool:
            return hash(partition) % slices == number

        right = _right_rows(staged, capture_id, alive, is_in)
        for part in staged.manifest().own:
            if part.table in alive:
                table, partitions = BY_NAME[part.table], list(filter(is_in, part.partitions))
                for row in store.rows_in(table, capture_id, partitions):
                    yield from _compared(table, row, right[table].pop(row[: len(table.key)], None))
        for table, rows in right.items():
            yield from (RowFault(Fault.MISSING, table, key, row) for key, row in rows.items())


def _right_rows(
    staged: StagedRows, capture_id: bytes, alive: frozenset[str], is_in: Callable[[Row], bool]
) -> defaultdict[Table, dict[Row, Row]]:
    right: defaultdict[Table, dict[Row, Row]] = defaultdict(dict)
    for batch in staged.batches(capture_id):
        table = batch.table
        if table.ownership is Ownership.OWN and table.name in alive:
            key, partition = len(table.key), len(table.partition)
            right[table].update((row[:key], row) for row in batch.rows() if is_in(row[:partition]))
    return right


def _compared(table: Table, row: Row, right: Row | None) -> Iterator[RowFault]:
    key = row[: len(table.key)]
    if right is None:
        yield RowFault(Fault.SURPLUS, table, key)
        return
    if table is FLOWS:
        kept = {at: row[at] for at in _NAMED_LATER}
        right = tuple(kept.get(at, value) for at, value in enumerate(right))
    if row != right:
        columns = [name for name, is_, should in zip(table.names, row, right, strict=True) if is_ != should]
        yield RowFault(Fault.CHANGED, table, key, right, tuple(columns))


def partition_faults(store: StoreReader, then: Then, alive: frozenset[str]) -> Iterator[PartitionFault]:
    """Partitions with more or fewer rows of the capture than its manifest says."""
    for part in store.partitions(then.record.facts.capture_id):
        if part.table in alive:
            yield from _partition_faults(store, then.record.facts.capture_id, part)


def _partition_faults(store: StoreReader, capture_id: bytes, part: PartitionCounts) -> Iterator[PartitionFault]:
    table = BY_NAME[part.table]
    rows = store.rows_in(table, capture_id, part.partitions)
    found = Counter(row[: len(table.partition)] for row in rows)
    for partition, expected in zip(part.partitions, part.rows, strict=True):
        if found[partition] != expected:
            yield PartitionFault(table, partition, expected, found[partition])


def mend(lease: SensorLease, capture_id: bytes, faults: Iterable[RowFault], keep_lease: Callable[[], None]) -> int:
    """Write what is missing or changed, delete what is too many; returns how many rows."""
    mended = 0
    with lease.rewrite(capture_id) as rewriting:
        for (table, fault), group in groupby(faults, key=lambda each: (each.table, each.fault)):
            while some := list(islice(group, _ROWS_AT_ONCE)):
                if fault is Fault.SURPLUS:
                    rewriting.delete(table, [each.key for each in some])
                else:
                    rewriting.write(batches_of(table, [each.right for each in some]))
                mended += len(some)
                keep_lease()
    return mended


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one capture's rows were found to be."""

    then: Then
    file: Path | None = None  # that it was decoded from
    inexact: str = ""  # why its rows could not be made again, in half a sentence; "": `rows` is all there is
    rows: tuple[RowFault, ...] = ()  # the first of them
    row_count: int = 0
    partitions: tuple[PartitionFault, ...] = ()  # the first of them, where `rows` are not known
    partition_count: int = 0

    @property
    def fine(self) -> bool:
        """Every row is known to be what it should be."""
        return not self.inexact and not self.row_count


MAX_TOLD = 100  # rows, or partitions, of a capture


def examine(decoding: Decoding, file: Path | None, then: Then, now_ms: int) -> Findings:
    """Look at the rows of one capture; `file`: its content, where it was found."""
    if file is None:
        return Findings(then=then, inexact="its file is not at hand")
    alive = alive_tables(then, now_ms)
    try:
        with decoding.rows(file, then) as staged:
            told: list[RowFault] = []
            count = 0
            for fault in row_faults(decoding.store, staged, then, alive):
                count += 1
                if count <= MAX_TOLD:
                    told.append(fault)
            return Findings(then=then, file=file, rows=tuple(told), row_count=count)
    except NotTheSameError as error:
        return Findings(then=then, inexact=str(error))
    except OSError as error:
        return Findings(then=then, inexact=f"it cannot be read: {error.strerror or error}")


def by_partition(store: StoreReader, findings: Findings, now_ms: int) -> Findings:
    """The same with the partitions that differ, where the rows are not known."""
    then, told, count = findings.then, list[PartitionFault](), 0
    for fault in partition_faults(store, then, alive_tables(then, now_ms)):
        count += 1
        if count <= MAX_TOLD:
            told.append(fault)
    return replace(findings, partitions=tuple(told), partition_count=count)


def repair(decoding: Decoding, lease: SensorLease, findings: Findings, now_ms: int, keep_lease: Callable[[], None]) -> int:
    """Put the rows of a capture right that was decoded again; returns how many. Raises `NotTheSameError`, `OSError`."""
    assert findings.file is not None
    then = findings.then
    with decoding.rows(findings.file, then) as staged:
        faults = row_faults(decoding.store, staged, then, alive_tables(then, now_ms))
        return mend(lease, then.record.facts.capture_id, faults, keep_lease)

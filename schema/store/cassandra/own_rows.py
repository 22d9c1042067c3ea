"""A capture's own rows, found again through its manifest: counted, or deleted when its attempt is given up."""

from collections.abc import Iterable, Iterator, Sequence

from schema.records import CaptureFacts, PartitionCounts
from schema.store.cassandra.captures import Standing, read_own_parts
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.statements import count_of_capture, delete_of, keys_of_capture, rows_of
from schema.store.reading import Recount
from schema.tables import BY_NAME, FLOWS, Kind, Table

_BOTH_WAYS = ("packets", "packets_rev")
_NS_IN_MS, _MINUTE_MS = 1_000_000, 60_000
_EXPIRY_MARGIN_MS = 60_000  # rows expire by the node's clock, while they are counted


def recount_capture(connection: Connection, capture_id: bytes, standing: Standing | None, now_ms: int) -> Recount:
    """Own rows that the manifest states and that are there; tables whose rows have expired, or are about to, are left out."""
    expected: dict[str, int] = {}
    found: dict[str, int] = {}
    flow_packets = None
    if standing is None:
        return Recount(capture_id=capture_id, expected=expected, found=found, flow_packets=None)
    facts, loaded_ms = standing.record.facts, standing.record.rows_expire_from_ms
    for counts in read_own_parts(connection, standing):
        table = BY_NAME[counts.table]
        if loaded_ms + table.ttl_seconds * 1000 <= now_ms + _EXPIRY_MARGIN_MS:
            continue
        rows, packets = _count(connection, counts, facts)
        expected[table.name] = expected.get(table.name, 0) + counts.total
        found[table.name] = found.get(table.name, 0) + rows
        if table is FLOWS:
            flow_packets = (flow_packets or 0) + packets
    return Recount(capture_id=capture_id, expected=expected, found=found, flow_packets=flow_packets)


def delete_own_rows(connection: Connection, standing: Standing) -> None:
    """Delete what an attempt has written, as of its own timestamp: rows of a later attempt stay, whatever comes when."""
    delete_rows_in(connection, read_own_parts(connection, standing), standing)


def delete_rows_in(connection: Connection, parts: Iterable[PartitionCounts], standing: Standing) -> None:
    """The same where the manifest is not in the store any more."""
    capture_id = standing.record.facts.capture_id
    for counts in parts:
        table = BY_NAME[counts.table]
        in_partitions = connection.each(keys_of_capture(table), _partitions(counts, capture_id))
        doomed = ((standing.row_ts, *key) for keys in in_partitions for key in keys)
        for _ in connection.each(delete_of(table), doomed):
            pass


def rows_of_capture(
    connection: Connection, table: Table, capture_id: bytes, partitions: Sequence[tuple[object, ...]]
) -> Iterator[Row]:
    """One capture's rows in these partitions."""
    for key in partitions:
        yield from connection.stream(rows_of(table), (*key, capture_id))


def _count(connection: Connection, counts: PartitionCounts, facts: CaptureFacts) -> tuple[int, int]:
    """Rows, and their packets where they are flows.

    A partition may have rows of thousands of captures: those of this one are looked for at its own time, and in all of the
    partition only where that does not find what the manifest states.
    """
    table = BY_NAME[counts.table]
    if not _is_by_time(table):
        return _summed(_counted(connection, table, _partitions(counts, facts.capture_id)))
    around, apart = _around(facts), []
    near = ((*key, *around, facts.capture_id) for key in counts.partitions)
    answers = list(_counted(connection, table, near, between=True))
    for at, (key, rows) in enumerate(zip(counts.partitions, counts.rows, strict=True)):
        if answers[at][0] != rows:
            apart.append((*key, facts.capture_id))
            answers[at] = (0,)
    return _summed([*answers, *_counted(connection, table, apart)])


def _is_by_time(table: Table) -> bool:
    return table.columns[table.index(table.clustering[0])].kind is Kind.TIMESTAMP


def _around(facts: CaptureFacts) -> tuple[int, int]:
    """Unix ms between which a capture's rows are, unless its packet times jump: from the minute in which it began."""
    first, last = sorted(ns // _NS_IN_MS for ns in (facts.first_ts_ns, facts.last_ts_ns))
    return first - first % _MINUTE_MS, last


def _counted(
    connection: Connection, table: Table, values: Iterable[tuple[object, ...]], *, between: bool = False
) -> Iterator[Row]:
    statement = count_of_capture(table, _BOTH_WAYS if table is FLOWS else (), between=between)
    return (rows[0] for rows in connection.each(statement, values))


def _summed(answers: Iterable[Row]) -> tuple[int, int]:
    rows = packets = 0
    for count, *sums in answers:
        rows += count
        packets += sum(filter(None, sums))
    return rows, packets


def _partitions(counts: PartitionCounts, capture_id: bytes) -> Iterator[tuple[object, ...]]:
    return ((*key, capture_id) for key in counts.partitions)

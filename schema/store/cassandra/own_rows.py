"""A capture's own rows, found again through its manifest: counted, or deleted when its attempt is given up."""

from collections.abc import Iterable, Iterator, Sequence

from schema.records import PartitionCounts
from schema.store.cassandra.captures import Standing, read_own_parts
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.statements import count_of_capture, delete_of, keys_of_capture, rows_of
from schema.store.reading import Recount
from schema.tables import BY_NAME, FLOWS, Table

_BOTH_WAYS = ("packets", "packets_rev")
_EXPIRY_MARGIN_MS = 60_000  # rows expire by the node's clock, while they are counted


def recount_capture(connection: Connection, capture_id: bytes, standing: Standing | None, now_ms: int) -> Recount:
    """Own rows that the manifest states and that are there; tables whose rows have expired, or are about to, are left out."""
    expected: dict[str, int] = {}
    found: dict[str, int] = {}
    flow_packets = None
    loaded_ms = standing.record.rows_expire_from_ms if standing else 0
    for counts in read_own_parts(connection, standing):
        table = BY_NAME[counts.table]
        if loaded_ms + table.ttl_seconds * 1000 <= now_ms + _EXPIRY_MARGIN_MS:
            continue
        rows, packets = _count(connection, counts, capture_id)
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


def _count(connection: Connection, counts: PartitionCounts, capture_id: bytes) -> tuple[int, int]:
    table = BY_NAME[counts.table]
    statement = count_of_capture(table, _BOTH_WAYS if table is FLOWS else ())
    answers = [rows[0] for rows in connection.each(statement, _partitions(counts, capture_id))]
    return sum(row[0] for row in answers), sum(sum(filter(None, row[1:])) for row in answers)


def _partitions(counts: PartitionCounts, capture_id: bytes) -> Iterator[tuple[object, ...]]:
    return ((*key, capture_id) for key in counts.partitions)

"""One capture counted back from its tables, partition by partition, as its manifest lists them."""

from schema.records import PartitionCounts
from schema.store.reading import Recount
from schema.store.sqlite.captures import read_capture, read_own_parts
from schema.store.sqlite.database import Session
from schema.store.sqlite.retention import Span, lifetime_ms, read_spans
from schema.store.sqlite.statements import own_rows_of
from schema.store.sqlite.values import sql_keys
from schema.tables import BY_NAME, FLOWS

_NOWHERE: Span = (1, 0)  # nothing is known of the capture's rows there


def recount_capture(session: Session, capture_id: bytes, now_ms: int) -> Recount:
    """Own rows that the manifest states and that are there; call it within one snapshot."""
    record = read_capture(session, capture_id)
    loaded_ms = record.rows_expire_from_ms if record else 0
    expected: dict[str, int] = {}
    found: dict[str, int] = {}
    flow_packets = None
    spans = read_spans(session, capture_id)
    for counts in read_own_parts(session, capture_id):
        if loaded_ms + lifetime_ms(counts.table) > now_ms:
            rows, packets = _count(session, counts, (*spans.get(counts.table, _NOWHERE), capture_id))
            expected[counts.table] = expected.get(counts.table, 0) + counts.total
            found[counts.table] = found.get(counts.table, 0) + rows
            if counts.table == FLOWS.name:
                flow_packets = (flow_packets or 0) + packets
    return Recount(capture_id=capture_id, expected=expected, found=found, flow_packets=flow_packets)


def _count(session: Session, counts: PartitionCounts, of_capture: tuple[int, int, bytes]) -> tuple[int, int]:
    """Rows there, and for `flows` their packets in both directions."""
    table = BY_NAME[counts.table]
    packets = "coalesce(sum(packets + packets_rev), 0)" if table is FLOWS else "0"
    statement = f"SELECT count(*), {packets} FROM {table.name} WHERE {own_rows_of(table)}"
    keys = ((*key, *of_capture) for key in sql_keys(table, counts.partitions))
    rows = session.for_each(statement, keys)
    return sum(row[0] for row in rows), sum(row[1] for row in rows)

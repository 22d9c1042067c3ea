"""What counts of what was claimed, by the ledger: the mark in `captures` follows a commit, and a node may have lost either."""

from dataclasses import replace

from schema.records import CaptureRecord
from schema.store.cassandra.captures import Standing, read_standing
from schema.store.cassandra.commitments import Commitment, find_commitment, read_commitment
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.guard import current_guard, read_guard


def commitment_of(connection: Connection, standing: Standing) -> Commitment | None:
    """What its sensor's ledger says of a content; where it is marked only the segment of its mark is asked."""
    record = standing.record
    if record.position is None:
        return find_commitment(connection, record.sensor, record.facts.capture_id)
    return read_commitment(connection, record.sensor, record.position.segment, record.facts.capture_id)


def is_in_dropped_segment(connection: Connection, standing: Standing) -> bool:
    """Whether the segment that a capture is marked in is gone: a node cannot have lost it whole, it was sealed."""
    record = standing.record
    if record.position is None:
        return False
    guard, segment = current_guard(connection, record.sensor), record.position.segment
    return segment < guard.segment and (
        guard.has_dropped(segment) or read_guard(connection, record.sensor, segment).version == 0
    )


def committed_record(connection: Connection, standing: Standing) -> CaptureRecord | None:
    """The capture as its mark has it, or will; None where the ledger does not hold its commit, and held it in no segment that
    is dropped. Where `captures` names a commit, it is that very one."""
    record, committed = standing.record, commitment_of(connection, standing)
    if committed is None:
        return record if record.state == "loaded" and is_in_dropped_segment(connection, standing) else None
    if not committed.position.seq or record.position not in (None, committed.position):
        return None
    return replace(
        record,
        state="loaded",
        reason=committed.reason,
        detail="",
        position=committed.position,
        loaded_at_ms=committed.loaded_at_ms,
    )


def stands(connection: Connection, capture_id: bytes) -> bool:
    """Whether the ledger holds the commit of this content, or held it in a segment that is dropped."""
    standing = read_standing(connection, capture_id)
    return standing is not None and committed_record(connection, standing) is not None

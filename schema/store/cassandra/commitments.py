"""What the segments of a ledger say of captures: committed, refused, or nothing."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from schema.records import CaptureRecord, LedgerPosition
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.guard import current_guard

_CAPTURE = """
    SELECT at_seq, nonce, reason, loaded_at FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'capture' AND seq = 0 AND key = ?
"""
_MARKED = "SELECT sensor, state, segment FROM pcapline.captures WHERE capture_id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A capture's row in a ledger: its commit, or (seq 0) that it is refused here."""

    position: LedgerPosition
    reason: str
    loaded_at_ms: int


def read_commitment(connection: Connection, sensor: str, segment: int, capture_id: bytes) -> Commitment | None:
    """What a segment says of a capture."""
    for seq, nonce, reason, loaded_at in connection.read(_CAPTURE, (sensor, segment, capture_id.hex()), serial=True):
        position = LedgerPosition(segment=segment, seq=seq, nonce=nonce or b"")
        return Commitment(position=position, reason=reason or "", loaded_at_ms=loaded_at or 0)
    return None


def find_commitment(connection: Connection, sensor: str, capture_id: bytes) -> Commitment | None:
    """What a ledger says of a capture that is not marked: of such captures everything is kept."""
    for segment in current_guard(connection, sensor).whole_segments:
        found = read_commitment(connection, sensor, segment, capture_id)
        if found is not None:
            return found
    return None


def committed_among(connection: Connection, sensor: str, segment: int, capture_ids: Collection[bytes]) -> set[bytes]:
    """Those of these captures that a ledger holds, or held in a segment before this one, the open one."""
    committed = _in_segment(connection, sensor, segment, capture_ids)
    if segment and (elsewhere := set(capture_ids) - committed):
        marked = _marked_before(connection, sensor, segment, elsewhere)
        committed |= marked
        for older in current_guard(connection, sensor, segment).whole_segments[1:]:
            committed |= _in_segment(connection, sensor, older, elsewhere - committed)
    return committed


def read_committed(connection: Connection, records: Iterable[CaptureRecord]) -> set[bytes]:
    """Ids of those of these captures, each marked at a position, whose very commit is there."""
    asked = [(record.facts.capture_id, record.sensor, record.position) for record in records if record.position is not None]
    rows = ((sensor, at.segment, capture_id.hex()) for capture_id, sensor, at in asked)
    found = connection.each(_CAPTURE, rows, quorum=True)
    return {
        capture_id for (capture_id, _, at), row in zip(asked, found, strict=True) if row and row[0][:2] == (at.seq, at.nonce)
    }


def _in_segment(connection: Connection, sensor: str, segment: int, capture_ids: Iterable[bytes]) -> set[bytes]:
    asked = list(capture_ids)  # at QUORUM: many SERIAL reads of one partition would get into each other's way
    found = connection.each(_CAPTURE, ((sensor, segment, capture_id.hex()) for capture_id in asked), quorum=True)
    return {capture_id for capture_id, rows in zip(asked, found, strict=True) if rows and rows[0][0]}


def _marked_before(connection: Connection, sensor: str, segment: int, capture_ids: Iterable[bytes]) -> set[bytes]:
    """Those that are marked in an older segment: it was sealed after them, so no node can have lost them."""
    asked = list(capture_ids)
    found = connection.each(_MARKED, ((capture_id,) for capture_id in asked), quorum=True)
    return {
        capture_id
        for capture_id, rows in zip(asked, found, strict=True)
        if rows and rows[0][:2] == (sensor, "loaded") and rows[0][2] < segment
    }

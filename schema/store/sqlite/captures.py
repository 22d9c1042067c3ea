"""Rows of `captures` and `manifests`: the claim, and what became of each content."""

import json
from collections.abc import Iterator
from itertools import chain

from schema.records import CaptureFacts, CaptureRecord, LedgerPosition, PartitionCounts
from schema.store.capture_row import FACTS, RECORD, capture_record
from schema.store.codec import ManifestChunk, decode_manifest, encode_manifest, row_chunks
from schema.store.copying import CaptureCopy
from schema.store.sqlite.database import Database, Row, Session, Transaction
from schema.store.writing import Claim

_RECORD = f"SELECT {RECORD} FROM captures"
_PUT = f"""
    INSERT OR REPLACE INTO captures ({FACTS}, sensor, epoch, inputs, state, reason, detail, started_at, finished_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SET_POSITION = "UPDATE captures SET segment = ?, seq = ?, nonce = ? WHERE capture_id = ?"


def put_claim(transaction: Transaction, sensor: str, epoch: int, claim: Claim) -> None:
    """The claim, its inputs and its manifest."""
    inputs = json.dumps(dict(claim.inputs))
    claimed = (sensor, epoch, inputs, "claimed", "", "", claim.started_at_ms, 0)
    transaction.execute(_PUT, (*_facts(claim.facts), *claimed))
    capture_id = claim.facts.capture_id
    for origin in claim.origins:
        note_origin(transaction, origin, capture_id, claim.started_at_ms)
    transaction.execute("DELETE FROM manifests WHERE capture_id = ?", (capture_id,))
    for part, chunk in enumerate(encode_manifest(claim.manifest)):
        transaction.execute("INSERT INTO manifests (capture_id, part, data) VALUES (?, ?, ?)", (capture_id, part, chunk))


def put_quarantine(
    transaction: Transaction, lease: tuple[str, int], facts: CaptureFacts, why: tuple[str, str], at_ms: int
) -> None:
    """A content that cannot be loaded; `lease` is sensor and epoch, `why` reason and detail."""
    transaction.execute(_PUT, (*_facts(facts), *lease, "{}", "quarantined", *why, at_ms, at_ms))


def dismiss(transaction: Transaction, capture_id: bytes) -> bool:
    """Nobody is to look at it any more; whether it was quarantined."""
    changed = "UPDATE captures SET state = 'dismissed' WHERE capture_id = ? AND state = 'quarantined' RETURNING 1"
    return bool(transaction.execute(changed, (capture_id,)))


def set_loaded(transaction: Transaction, capture_id: bytes, at: LedgerPosition, reason: str, at_ms: int) -> None:
    """The claim has become a commit."""
    transaction.execute(
        "UPDATE captures SET state = 'loaded', reason = ?, segment = ?, seq = ?, nonce = ?, finished_at = ?"
        " WHERE capture_id = ?",
        (reason, at.segment, at.seq, at.nonce, at_ms, capture_id),
    )


def put_copy(transaction: Transaction, copied: CaptureCopy) -> None:
    """What became of a content in the store that this one is a copy of."""
    record = copied.record
    fence = (record.sensor, copied.epoch, json.dumps(dict(record.inputs)))
    outcome = (record.state, record.reason, record.detail, copied.started_at_ms, copied.finished_at_ms)
    transaction.execute(_PUT, (*_facts(record.facts), *fence, *outcome))
    if (at := record.position) is not None:
        transaction.execute(_SET_POSITION, (at.segment, at.seq, at.nonce, record.facts.capture_id))


def is_loaded(source: Session | Transaction, capture_id: bytes) -> bool:
    """Whether this content is committed, whatever its sensor."""
    found = source.execute("SELECT 1 FROM captures WHERE capture_id = ? AND state = 'loaded'", (capture_id,))
    return bool(found)


def read_capture(session: Session, capture_id: bytes) -> CaptureRecord | None:
    """What is known of one content."""
    for row in session.execute(f"{_RECORD} WHERE capture_id = ?", (capture_id,)):
        return record_of(row)
    return None


def note_origin(transaction: Transaction, origin: str, capture_id: bytes, at_ms: int) -> None:
    """An origin leads to a capture."""
    transaction.execute(
        "INSERT OR REPLACE INTO captures_by_origin (origin, noted_at, capture_id) VALUES (?, ?, ?)", (origin, at_ms, capture_id)
    )


def read_capture_of_origin(session: Session, origin: str) -> CaptureRecord | None:
    """The newest committed capture that an origin led to."""
    newest = f"""
        {_RECORD} JOIN captures_by_origin USING (capture_id) WHERE origin = ? AND state = 'loaded'
        ORDER BY noted_at DESC, seq DESC LIMIT 1
    """
    for row in session.execute(newest, (origin,)):
        return record_of(row)
    return None


def read_captures(database: Database, sensor: str | None, state: str | None) -> Iterator[CaptureRecord]:
    """All captures, or one sensor's, or those of one state."""
    asked = {"sensor": sensor, "state": state}
    wanted = {name: value for name, value in asked.items() if value is not None}
    condition = " AND ".join(["TRUE", *(f"{name} = ?" for name in wanted)])
    return map(record_of, database.stream(f"{_RECORD} WHERE {condition}", tuple(wanted.values())))


def read_manifest(source: Session | Transaction | Database, capture_id: bytes, first: int = 0) -> Iterator[ManifestChunk]:
    """What the attempt stated, from a part of it on, each read in its turn; nothing where it is unknown or all its rows have
    expired."""

    def chunk_at(part: int) -> bytes | None:
        found = source.execute("SELECT data FROM manifests WHERE capture_id = ? AND part = ?", (capture_id, part))
        return found[0][0] if found else None

    return decode_manifest(chunk_at, first)


def read_own_parts(source: Session | Transaction | Database, capture_id: bytes) -> Iterator[PartitionCounts]:
    """Where the capture's own rows are: what of the manifest is counted and deleted."""
    return chain.from_iterable(chunk.own for chunk in row_chunks(read_manifest(source, capture_id)))


def _facts(facts: CaptureFacts) -> Row:
    sizes = (facts.size_bytes, facts.content_bytes, facts.consumed_bytes)
    seen = (facts.frames, facts.kernel_drops, facts.first_ts_ns, facts.last_ts_ns)
    return (facts.capture_id, facts.file_name, facts.file_id, *sizes, json.dumps(facts.link_types), *seen)


def record_of(row: Row) -> CaptureRecord:
    """The record of a row that begins with `RECORD`."""
    return capture_record(row, json.loads(row[6]), json.loads(row[15]))

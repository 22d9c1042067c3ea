"""The claim: one content has one owner, whatever its sensor; what an unfinished attempt left is written again or deleted."""

import secrets
from typing import TYPE_CHECKING

from schema.errors import StoreUnavailableError
from schema.store.cassandra import captures, ledger
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.own_rows import delete_own_rows
from schema.store.owners import known_dead
from schema.store.port import Claim, ClaimRefusal

if TYPE_CHECKING:
    from schema.store.cassandra.lease import CassandraLease

_REFUSE = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, at_seq, capture_id) VALUES (?, ?, 'capture', 0, ?, 0, ?)
    IF NOT EXISTS
"""
_ALLOW = """
    DELETE FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'capture' AND seq = 0 AND key = ? IF at_seq = 0
"""
_CLAIM_TRIES = 20


def claim(lease: "CassandraLease", asked: Claim) -> captures.Standing | ClaimRefusal:
    """Make this lease's claim stand, with its manifest; or say why it may not."""
    connection, capture_id = lease.connection, asked.facts.capture_id
    for _ in range(_CLAIM_TRIES):
        standing = captures.read_standing(connection, capture_id)
        if standing is not None and (refused := refusal(lease, standing)) is not None:
            return refused
        if standing is not None and dict(standing.record.inputs) != dict(asked.inputs):
            delete_own_rows(connection, standing)
        entry = _entry(lease, asked, standing)
        captures.put_manifest(connection, capture_id, entry.attempt, asked.manifest)
        if captures.put(connection, entry, standing):
            _settle(lease, asked, standing)
            made = captures.read_standing(connection, capture_id)
            assert made is not None
            return made
    raise StoreUnavailableError(f"many loaders claim {asked.facts.file_name} at once: try again")


def refusal(lease: "CassandraLease", standing: captures.Standing) -> ClaimRefusal | None:
    """Why a content that somebody has claimed may not be claimed; None where it may.

    A commit that only its ledger tells of is marked in `captures`; a mark whose commit a node has lost is not believed.
    """
    record = standing.record
    committed = _commitment(lease.connection, standing)
    if committed is not None and committed.position.seq:
        if record.state != "loaded":
            captures.set_loaded(lease.connection, standing, committed)
        return ClaimRefusal.ALREADY_LOADED
    if record.state == "loaded" and _is_in_dropped_segment(lease.connection, standing):
        return ClaimRefusal.ALREADY_LOADED
    if record.sensor == lease.sensor or record.state == "quarantined":
        return None
    return None if _let_go(lease, standing) else ClaimRefusal.OWNED_ELSEWHERE


def _commitment(connection: Connection, standing: captures.Standing) -> ledger.Commitment | None:
    record = standing.record
    segment = record.position.segment if record.position else _segment(connection, record.sensor)
    return ledger.read_commitment(connection, record.sensor, segment, record.facts.capture_id)


def _is_in_dropped_segment(connection: Connection, standing: captures.Standing) -> bool:
    record = standing.record
    return record.position is not None and record.position.segment < _segment(connection, record.sensor)


def _segment(connection: Connection, sensor: str) -> int:
    return (ledger.segment_of(connection, sensor) or ("", 0))[1]


def _let_go(lease: "CassandraLease", standing: captures.Standing) -> bool:
    """Whether the claim of another sensor goes nowhere: nobody loads that sensor, and its ledger now refuses the capture."""
    connection, sensor = lease.connection, standing.record.sensor
    guard = ledger.read_guard(connection, sensor, _segment(connection, sensor))
    held = guard.owner and guard.lease_until_ms > int(lease.clock() * 1000)
    if held and not known_dead(guard.owner, ledger.read_guard(connection, lease.sensor, lease.segment).owner):
        return False
    capture_id = standing.record.facts.capture_id

    def refused() -> bool:
        found = ledger.read_commitment(connection, sensor, guard.segment, capture_id)
        return found is not None and found.position.seq == 0

    statement = connection.bound(_REFUSE, (sensor, guard.segment, capture_id.hex(), capture_id))
    return connection.conditionally(statement, refused)


def _entry(lease: "CassandraLease", asked: Claim, standing: captures.Standing | None) -> captures.Entry:
    return captures.Entry(
        facts=asked.facts,
        sensor=lease.sensor,
        epoch=lease.epoch,
        attempt=secrets.token_bytes(16),
        row_ts=lease.next_row_ts(standing),
        inputs=dict(asked.inputs),
        state="claimed",
        reason="",
        detail="",
        started_at_ms=asked.started_at_ms,
        finished_at_ms=None,
    )


def _settle(lease: "CassandraLease", asked: Claim, replaced: captures.Standing | None) -> None:
    connection, capture_id = lease.connection, asked.facts.capture_id
    captures.note_file(connection, asked.facts)
    if replaced is not None:
        captures.drop_manifest(connection, replaced)
    refused = ledger.read_commitment(connection, lease.sensor, lease.segment, capture_id)
    if refused is not None and refused.position.seq == 0:  # this sensor had let the capture go, and has it again
        allow = connection.bound(_ALLOW, (lease.sensor, lease.segment, capture_id.hex()))
        connection.conditionally(allow, lambda: True)

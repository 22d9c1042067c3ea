"""The claim: one content has one owner, whatever its sensor; what an unfinished attempt left is written again or deleted."""

import secrets
from dataclasses import dataclass

from cassandra.query import BatchStatement, BatchType

from schema.errors import StoreUnavailableError
from schema.records import CaptureFacts, CaptureRecord
from schema.store.cassandra import captures, origins
from schema.store.cassandra.commitments import read_commitment
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.counted import commitment_of, is_in_dropped_segment
from schema.store.cassandra.guard import Guard, current_guard
from schema.store.cassandra.hold import Hold
from schema.store.cassandra.own_rows import delete_own_rows
from schema.store.owners import known_dead
from schema.store.writing import Claim, ClaimRefusal

_COUNT_REFUSAL = """
    UPDATE pcapline.ledger SET refusals = ? WHERE sensor = ? AND segment = ? IF version = ? AND epoch = ? AND refusals = ?
"""
_REFUSE = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, at_seq, capture_id) VALUES (?, ?, 'capture', 0, ?, 0, ?)
    IF NOT EXISTS
"""
_ALLOW = """
    DELETE FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'capture' AND seq = 0 AND key = ? IF at_seq = 0
"""
_CLAIM_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found of a content before its claim. That nothing stands is believed as far as the claim's own condition; what
    does stand is read again."""

    guard: Guard  # of the holder's ledger, which stood where it knows it
    standing: captures.Standing | None
    of_origin: CaptureRecord | None  # the newest committed capture that the origin led to


def look(hold: Hold, capture_id: bytes, origin: str) -> Looked:
    """All at once. Raises LeaseLostError."""
    standing = captures.begin_standing(hold.connection, capture_id)
    of_origin = origins.begin_capture_of_origin(hold.connection, origin)
    return Looked(guard=hold.check(), standing=standing(), of_origin=of_origin())


def claim(hold: Hold, asked: Claim, unclaimed: Guard | None) -> captures.Standing | ClaimRefusal:
    """Make this lease's claim stand, with its manifest; or say why it may not. `unclaimed`: the guard as it was when nobody had
    claimed the content; None: that is to be found out. Raises LeaseLostError."""
    connection, capture_id = hold.connection, asked.facts.capture_id
    guard, standing = unclaimed, None
    if unclaimed is not None:
        hold.check_awake()
    for _ in range(_CLAIM_TRIES):
        if guard is None:
            guard, standing = hold.check(), captures.read_standing(connection, capture_id)
        if standing is not None and (refused := refusal(hold, standing)) is not None:
            return refused
        if standing is not None and not _writes_the_same(hold, asked, standing):
            delete_own_rows(connection, standing)
        entry = _entry(hold, asked, standing)
        beside = [captures.begin_manifest(connection, capture_id, entry.attempt, asked.manifest)]
        beside += origins.begin_origins(connection, asked.origins, capture_id, asked.started_at_ms)
        made = captures.put(connection, entry, standing)
        for written in beside:
            written()
        if made:
            _settle(hold, capture_id, standing, guard)
            return entry.standing()
        guard = None
    raise StoreUnavailableError(f"many loaders claim {asked.facts.file_name} at once: try again")


def give_up(hold: Hold, facts: CaptureFacts, why: tuple[str, str], at_ms: int) -> None:
    """Record that a content cannot be loaded (`why`: reason and detail), where nobody has loaded it or is about to."""
    standing = captures.read_standing(hold.connection, facts.capture_id)
    if standing is not None:
        if refusal(hold, standing) is not None:
            return
        delete_own_rows(hold.connection, standing)
    entry = captures.Entry(
        facts=facts,
        sensor=hold.sensor,
        epoch=hold.epoch,
        attempt=secrets.token_bytes(16),
        row_ts=hold.next_row_ts(standing.row_ts if standing else 0),
        inputs={},
        state="quarantined",
        reason=why[0],
        detail=why[1],
        started_at_ms=at_ms,
        finished_at_ms=at_ms,
    )
    if captures.put(hold.connection, entry, standing) and standing is not None:
        captures.drop_manifest(hold.connection, standing)


def refusal(hold: Hold, standing: captures.Standing) -> ClaimRefusal | None:
    """Why a content that somebody has claimed may not be claimed; None where it may.

    A commit that only its ledger tells of is marked in `captures`; a mark whose commit a node has lost is not believed.
    """
    record = standing.record
    committed = commitment_of(hold.connection, standing)
    if committed is not None and committed.position.seq:
        if record.state != "loaded":
            captures.begin_loaded(hold.connection, standing, committed)()
        return ClaimRefusal.ALREADY_LOADED
    if record.state == "loaded" and is_in_dropped_segment(hold.connection, standing):
        return ClaimRefusal.ALREADY_LOADED
    if record.sensor == hold.sensor or record.state in captures.REFUSED:
        return None
    return None if _let_go(hold, standing) else ClaimRefusal.OWNED_ELSEWHERE


def _let_go(hold: Hold, standing: captures.Standing) -> bool:
    """Whether the claim of another sensor goes nowhere: nobody else loads that sensor, and its ledger now refuses the capture.

    A loader that holds both sensors has no second attempt open: it loads one capture at a time.
    """
    connection, sensor, capture_id = hold.connection, standing.record.sensor, standing.record.facts.capture_id
    for _ in range(_CLAIM_TRIES):
        guard = current_guard(connection, sensor)
        held = guard.owner not in ("", hold.owner) and guard.lease_until_ms > int(hold.clock() * 1000)
        if held and not known_dead(guard.owner, hold.owner):
            return False
        if _refuse(connection, guard, capture_id):
            return True
        if (found := read_commitment(connection, sensor, guard.segment, capture_id)) is not None:
            return found.position.seq == 0
    raise StoreUnavailableError(f"the ledger of sensor {sensor} moves faster than it can be written: try again")


def _refuse(connection: Connection, guard: Guard, capture_id: bytes) -> bool:
    """Make a segment refuse a capture, on condition that nothing was committed to it, or sealed, since its guard was read."""

    def refused() -> bool:
        found = read_commitment(connection, guard.sensor, guard.segment, capture_id)
        return found is not None and found.position.seq == 0

    place, condition = (guard.sensor, guard.segment), (guard.version, guard.epoch, guard.refusals)
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.add(connection.bound(_COUNT_REFUSAL, ((guard.refusals or 0) + 1, *place, *condition)))
    batch.add(connection.bound(_REFUSE, (*place, capture_id.hex(), capture_id)))
    return connection.conditionally(batch, refused)


def _writes_the_same(hold: Hold, asked: Claim, standing: captures.Standing) -> bool:
    """Whether the new attempt writes every row that the old one may have left: its sensor is part of some keys."""
    return standing.record.sensor == hold.sensor and dict(standing.record.inputs) == dict(asked.inputs)


def _entry(hold: Hold, asked: Claim, standing: captures.Standing | None) -> captures.Entry:
    return captures.Entry(
        facts=asked.facts,
        sensor=hold.sensor,
        epoch=hold.epoch,
        attempt=secrets.token_bytes(16),
        row_ts=hold.next_row_ts(standing.row_ts if standing else 0),
        inputs=dict(asked.inputs),
        state="claimed",
        reason="",
        detail="",
        started_at_ms=asked.started_at_ms,
        finished_at_ms=None,
    )


def _settle(hold: Hold, capture_id: bytes, replaced: captures.Standing | None, guard: Guard) -> None:
    connection = hold.connection
    if replaced is not None:
        captures.drop_manifest(connection, replaced)
    if not guard.refusals:
        return
    refused = read_commitment(connection, hold.sensor, hold.segment, capture_id)
    if refused is not None and refused.position.seq == 0:  # this sensor had let the capture go, and has it again
        allow = connection.bound(_ALLOW, (hold.sensor, hold.segment, capture_id.hex()))
        connection.conditionally(allow, lambda: True)

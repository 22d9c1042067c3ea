"""Rows of `captures` and `manifests`: the claim (conditional on the content alone), and what became of each content."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from schema.buckets import day_of
from schema.records import CaptureFacts, CaptureRecord, LedgerPosition, Manifest, PartitionCounts
from schema.store.capture_row import FACTS, RECORD, capture_record
from schema.store.cassandra.commitments import Commitment
from schema.store.cassandra.connection import Connection, Row
from schema.store.codec import ManifestChunk, decode_manifest, encode_manifest, row_chunks
from schema.store.copying import CaptureCopy

_RECORD = f"SELECT {RECORD}, attempt, row_ts FROM pcapline.captures"
_ONE = f"{_RECORD} WHERE capture_id = ?"
_CLAIM = "sensor, epoch, attempt, row_ts, inputs, state, reason, detail, segment, seq, nonce, started_at, finished_at"
_INSERT = f"INSERT INTO pcapline.captures ({FACTS}, {_CLAIM}) VALUES ({', '.join('?' * 24)}) IF NOT EXISTS"
COPY = f"INSERT INTO pcapline.captures ({FACTS}, {_CLAIM}) VALUES ({', '.join('?' * 24)}) USING TIMESTAMP 1"
_CHANGED = [name.strip() for name in f"{FACTS}, {_CLAIM}".split(",")][1:]
_UPDATE = f"UPDATE pcapline.captures SET {', '.join(f'{name} = ?' for name in _CHANGED)} WHERE capture_id = ? IF attempt = ?"
_SET_LOADED = """
    UPDATE pcapline.captures SET state = 'loaded', segment = ?, seq = ?, nonce = ?, reason = ?, detail = '', finished_at = ?
    WHERE capture_id = ? IF attempt = ?
"""
_DISMISS = "UPDATE pcapline.captures SET state = 'dismissed' WHERE capture_id = ? IF attempt = ? AND state = 'quarantined'"
REFUSED = ("quarantined", "dismissed")  # states of what cannot be loaded, and is nobody's
BY_DAY = """
    INSERT INTO pcapline.captures_by_day (sensor, day, first_ts, capture_id, file_name, state, frames)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

MANIFEST_PART = "SELECT data FROM pcapline.manifests WHERE capture_id = ? AND attempt = ? AND part = ?"
_PUT_MANIFEST = "INSERT INTO pcapline.manifests (capture_id, attempt, part, data) VALUES (?, ?, ?, ?)"

Begun = Callable[[], object]  # waits until a write that is under way is acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands in `captures` for a content: its record, and the attempt that wrote it."""

    record: CaptureRecord
    attempt: bytes
    row_ts: int  # of the attempt's rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to stand in `captures`: a claim, or a quarantine."""

    facts: CaptureFacts
    sensor: str
    epoch: int
    attempt: bytes
    row_ts: int
    inputs: dict[str, str]
    state: str
    reason: str
    detail: str
    started_at_ms: int
    finished_at_ms: int | None
    position: LedgerPosition | None = None  # None: nothing is committed

    def values(self) -> list[Any]:
        """In the order of the statement's columns."""
        facts, at = self.facts, self.position
        sizes = [facts.size_bytes, facts.content_bytes, facts.consumed_bytes, list(facts.link_types)]
        seen = [facts.frames, facts.kernel_drops, facts.first_ts_ns, facts.last_ts_ns]
        fence = [self.sensor, self.epoch, self.attempt, self.row_ts, self.inputs]
        position = [None, None, None] if at is None else [at.segment, at.seq, at.nonce]
        state = [self.state, self.reason, self.detail, *position, self.started_at_ms, self.finished_at_ms]
        return [facts.capture_id, facts.file_name, facts.file_id, *sizes, *seen, *fence, *state]

    def standing(self) -> Standing:
        """As `read_standing` gives it while the entry stands."""
        record = CaptureRecord(
            facts=self.facts,
            sensor=self.sensor,
            state=self.state,
            reason=self.reason,
            detail=self.detail,
            inputs=self.inputs,
            position=self.position,
            loaded_at_ms=0,
        )
        return Standing(record=record, attempt=self.attempt, row_ts=self.row_ts)


def read_standing(connection: Connection, capture_id: bytes) -> Standing | None:
    """What stands for a content after every conditional write that was acknowledged; nothing for one without an identity."""
    if not capture_id:
        return None  # a file without packets; no partition may have an empty key
    return _standing(connection.read(_ONE, (capture_id,), serial=True))


def begin_standing(connection: Connection, capture_id: bytes) -> Callable[[], Standing | None]:
    """The same, beside other requests, as a quorum knows it: who finds nothing claims on condition that there is nothing."""
    if not capture_id:
        return lambda: None
    begun = connection.begun(_ONE, (capture_id,), quorum=True)
    return lambda: _standing(begun())


def _standing(rows: list[Row]) -> Standing | None:
    return Standing(record=record_of(rows[0]), attempt=rows[0][-2], row_ts=rows[0][-1]) if rows else None


def put(connection: Connection, entry: Entry, instead_of: Standing | None) -> bool:
    """Make the entry stand, on condition that the other one still stands (None: none); False where it does not."""
    values = entry.values()
    if instead_of is None:
        statement = connection.bound(_INSERT, values)
    else:
        statement = connection.bound(_UPDATE, [*values[1:], entry.facts.capture_id, instead_of.attempt])

    def stands() -> bool:
        standing = read_standing(connection, entry.facts.capture_id)
        return standing is not None and standing.attempt == entry.attempt

    return connection.conditionally(statement, stands)


def dismiss(connection: Connection, capture_id: bytes) -> bool:
    """Nobody is to look at it any more; whether it was quarantined."""
    standing = read_standing(connection, capture_id)
    if standing is None or standing.record.state != "quarantined":
        return False
    before = standing.attempt

    def dismissed() -> bool:
        now = read_standing(connection, capture_id)
        return now is not None and (now.attempt, now.record.state) == (before, "dismissed")

    return connection.conditionally(connection.bound(_DISMISS, (capture_id, before)), dismissed)


def begin_loaded(connection: Connection, standing: Standing, commitment: Commitment) -> Begun:
    """What follows a commit, under way: everyone who asks for the capture or for the day sees it."""
    facts, at = standing.record.facts, commitment.position
    by_day = connection.begun(BY_DAY, day_values(standing.record))
    position = (at.segment, at.seq, at.nonce, commitment.reason, commitment.loaded_at_ms)
    statement = connection.bound(_SET_LOADED, (*position, facts.capture_id, standing.attempt))
    # refused: somebody else has marked it, from the same ledger
    mark = connection.begun_conditionally(statement, lambda: True)
    return lambda: (mark(), by_day())


def day_values(record: CaptureRecord) -> tuple[Any, ...]:
    """The row of `captures_by_day` of a capture that is loaded."""
    facts = record.facts
    first_ts_ms = facts.first_ts_ns // 1_000_000
    return (record.sensor, day_of(first_ts_ms), first_ts_ms, facts.capture_id, facts.file_name, "loaded", facts.frames)


def copy_values(copied: CaptureCopy, attempt: bytes, row_ts: int) -> list[Any]:
    """Values for `COPY`: what became of a content in the store that this one is a copy of."""
    record = copied.record
    entry = Entry(
        facts=record.facts,
        sensor=record.sensor,
        epoch=copied.epoch,
        attempt=attempt,
        row_ts=row_ts,
        inputs=dict(record.inputs),
        state=record.state,
        reason=record.reason,
        detail=record.detail,
        started_at_ms=copied.started_at_ms,
        finished_at_ms=copied.finished_at_ms,
        position=record.position,
    )
    return entry.values()


def begin_manifest(connection: Connection, capture_id: bytes, attempt: bytes, manifest: Manifest) -> Begun:
    """Put the manifest there in chunks, before the attempt's first row. Its first chunk may be acknowledged after the claim
    that names the attempt: where it is missing no row was written."""
    chunks = encode_manifest(manifest)
    first = next(chunks)
    for part, chunk in enumerate(chunks, 1):
        connection.write(_PUT_MANIFEST, (capture_id, attempt, part, chunk), quorum=True)
    return connection.begun(_PUT_MANIFEST, (capture_id, attempt, 0, first), quorum=True)


def read_own_parts(connection: Connection, standing: Standing | None) -> Iterator[PartitionCounts]:
    """Where the standing attempt's own rows are, by its manifest; nothing where there is none."""
    return chain.from_iterable(chunk.own for chunk in row_chunks(read_manifest(connection, standing)))


def read_manifest(connection: Connection, standing: Standing | None) -> Iterator[ManifestChunk]:
    """What the standing attempt stated, each part read in its turn; nothing where there is none."""
    if standing is None:
        return iter(())
    attempt = (standing.record.facts.capture_id, standing.attempt)

    def chunk_at(part: int) -> bytes | None:
        found = connection.begun(MANIFEST_PART, (*attempt, part), quorum=True)()
        return found[0][0] if found else None

    return decode_manifest(chunk_at)


def drop_manifest(connection: Connection, standing: Standing) -> None:
    """Forget the manifest of an attempt that another one has replaced."""
    connection.write(
        "DELETE FROM pcapline.manifests WHERE capture_id = ? AND attempt = ?",
        (standing.record.facts.capture_id, standing.attempt),
    )


def read_captures(connection: Connection, sensor: str | None, state: str | None) -> Iterator[CaptureRecord]:
    """All captures, or one sensor's, or those of one state."""
    for row in connection.stream(_RECORD):
        record = record_of(row)
        if sensor in (None, record.sensor) and state in (None, record.state):
            yield record


def record_of(row: Row) -> CaptureRecord:
    """The record of a row that begins with `RECORD`."""
    return capture_record(row, row[6] or (), dict(row[15] or {}))

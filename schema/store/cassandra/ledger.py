"""The ledger in Cassandra: one partition a sensor and segment. Every write to it is conditional; this file only reads,
and spells the one batch that commits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cassandra.query import BatchStatement, BatchType

from schema.errors import StoreUnavailableError
from schema.records import (
    DEFAULT_NETWORK,
    CommitDeltas,
    CommitRecord,
    EndpointTotals,
    LedgerPosition,
    LedgerTotals,
)
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.endpointrows import endpoint_rows
from schema.store.cassandra.guard import Guard, current_guard, read_guard, segment_of
from schema.store.codec import decode_deltas
from schema.store.reading import SensorRecord
from schema.store.sealing import broken_chain
from schema.store.writing import LedgerHead

_STEP = """
    SELECT nonce, state_version, state_nonce, loaded_at FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind IN ('commit', 'opening') AND seq = ?
"""
_CHAIN = """
    SELECT seq, nonce, previous FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind IN ('commit', 'opening') AND seq >= ?
"""
_ENDPOINTS = """
    SELECT key, totals FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'endpoint' AND seq = 0
"""
_TOTALS = "SELECT key, value FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'total' AND seq = 0"
_COMMITS = """
    SELECT seq, nonce, previous, capture_id, frames, flows, packets, bytes, rows, non_flow, loaded_at FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'commit' AND seq > ?
"""
PUT_DELTAS = "INSERT INTO pcapline.commit_deltas (sensor, segment, seq, nonce, deltas) VALUES (?, ?, ?, ?, ?)"
DELTAS = "SELECT deltas FROM pcapline.commit_deltas WHERE sensor = ? AND segment = ? AND seq = ? AND nonce = ?"
_MOVE_HEAD = """
    UPDATE pcapline.ledger SET version = ?, row_ts = ?, endpoints = ?, lease_until = ?
    WHERE sensor = ? AND segment = ? IF version = ? AND epoch = ?
"""
_ADD_CAPTURE = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, at_seq, capture_id, nonce, reason, loaded_at)
    VALUES (?, ?, 'capture', 0, ?, ?, ?, ?, ?, ?) IF NOT EXISTS
"""
_ADD_COMMIT = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, nonce, previous, capture_id, frames, flows, packets, bytes,
      rows, non_flow, state_version, state_nonce, loaded_at)
    VALUES (?, ?, 'commit', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_ENDPOINT = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, totals, at_seq) VALUES (?, ?, 'endpoint', 0, ?, ?, ?)
"""
_PUT_TOTAL = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, value, at_seq) VALUES (?, ?, 'total', 0, ?, ?, ?)
"""
_CONSISTENT_TRIES = 100


def read_head(connection: Connection, guard: Guard) -> LedgerHead:
    """Where a segment stands, with the carried state that its newest step names."""
    for nonce, state_version, state_nonce, _ in _newest_step(connection, guard):
        position = LedgerPosition(segment=guard.segment, seq=guard.version, nonce=nonce)
        return LedgerHead(position=position, state_version=state_version or 0, state_nonce=state_nonce or b"")
    return LedgerHead(position=LedgerPosition(segment=guard.segment, seq=guard.version))


def check_chain(connection: Connection, guard: Guard) -> bool:
    """Raise StoreError where the newest step is not what the guard says, or does not follow the step before it; False: the
    guard has moved meanwhile, and nothing can be said."""
    segments = [segment for segment in guard.begins if segment >= guard.whole][-2:]
    before = guard.version - 1
    found = [row for segment in segments for row in connection.read(_CHAIN, (guard.sensor, segment, before), serial=True)]
    steps = sorted((seq, nonce, previous or b"") for seq, nonce, previous in found)
    broken = broken_chain(guard.sensor, guard.version, steps)
    if broken is None:
        return True
    if read_guard(connection, guard.sensor, guard.segment) == guard:
        raise broken
    return False


def read_totals(connection: Connection, sensor: str) -> LedgerTotals:
    """The totals at the newest step: version, totals, and the version again, until nothing was committed between.

    The version at SERIAL, the totals at QUORUM behind it: the configured consistency may be one replica's.
    """
    for _ in range(_CONSISTENT_TRIES):
        seen = segment_of(connection, sensor)
        if seen is None:
            return no_totals(sensor, DEFAULT_NETWORK, 0)
        guard = current_guard(connection, sensor, seen[1])
        totals = _totals_at(connection, seen[0], guard)
        now = read_guard(connection, sensor, guard.segment)
        if (now.version, now.successor) == (guard.version, None):
            return totals
    raise StoreUnavailableError(f"the ledger of sensor {sensor} moves faster than it can be read: try again")


def last_loaded_at_ms(connection: Connection, guard: Guard) -> int:
    """When the newest commit was loaded; 0: there is none."""
    step = _newest_step(connection, guard)
    return step[0][3] or 0 if step else 0


def _newest_step(connection: Connection, guard: Guard) -> list[Row]:
    return connection.read(_STEP, (guard.sensor, guard.segment, guard.version), serial=True)


def _totals_at(connection: Connection, network: str, guard: Guard) -> LedgerTotals:
    place = (guard.sensor, guard.segment)
    step = _newest_step(connection, guard)
    return LedgerTotals(
        sensor=guard.sensor,
        network=network,
        position=LedgerPosition(segment=guard.segment, seq=guard.version, nonce=step[0][0] if step else b""),
        endpoints={name: EndpointTotals._make(totals) for name, totals in connection.stream(_ENDPOINTS, place, quorum=True)},
        totals=read_flat_totals(connection, guard),
        last_loaded_at_ms=(step[0][3] or 0) if step else 0,
    )


def read_flat_totals(connection: Connection, guard: Guard) -> dict[str, int]:
    """A segment's flat totals."""
    return dict(connection.stream(_TOTALS, (guard.sensor, guard.segment), quorum=True))


def no_totals(sensor: str, network: str, segment: int) -> LedgerTotals:
    """What a ledger without a commit holds."""
    position = LedgerPosition(segment=segment)
    return LedgerTotals(sensor=sensor, network=network, position=position, endpoints={}, totals={}, last_loaded_at_ms=0)


def read_commits(connection: Connection, sensor: str, after_seq: int, deltas: bool) -> Iterator[CommitRecord]:
    """Commits behind a seq, oldest first, as far back as they are kept."""
    if segment_of(connection, sensor) is None:
        return
    begins = current_guard(connection, sensor).begins
    for segment, ends in zip(begins, [*list(begins.values())[1:], None], strict=True):
        if ends is not None and ends <= after_seq:
            continue
        for row in connection.stream(_COMMITS, (sensor, segment, after_seq)):
            brought = connection.read(DELTAS, (sensor, segment, row[0], row[1])) if deltas else []
            yield commit_of((sensor, segment), row, decode_deltas(brought[0][0]) if brought else None)


def commit_of(place: tuple[str, int], row: Row, deltas: CommitDeltas | None) -> CommitRecord:
    """The commit of a row as `_COMMITS` selects it; `place`: sensor and segment."""
    seq, nonce, previous, capture_id, frames, flows, packets, size, rows, non_flow, loaded_at = row
    return CommitRecord(
        sensor=place[0],
        position=LedgerPosition(segment=place[1], seq=seq, nonce=nonce),
        previous=previous or b"",
        capture_id=capture_id,
        frames=frames,
        flows=flows,
        flow_packets=packets,
        flow_bytes=size,
        rows=dict(rows or {}),
        non_flow=dict(non_flow or {}),
        loaded_at_ms=loaded_at,
        deltas=deltas,
    )


def read_sensors(connection: Connection) -> list[SensorRecord]:
    """Every sensor with its lease, by name."""
    records = []
    for sensor, network, segment, first_seen in connection.stream(
        "SELECT sensor, network, segment, first_seen FROM pcapline.sensors"
    ):
        guard = current_guard(connection, sensor, segment)
        records.append(
            SensorRecord(
                sensor=sensor,
                network=network,
                segment=guard.segment,
                first_seen_ms=first_seen,
                owner=guard.owner,
                lease_until_ms=guard.lease_until_ms,
            )
        )
    return sorted(records, key=lambda record: record.sensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit on its way: what the ledger holds after it, on condition that it stands where its lease holder knows it."""

    record: CommitRecord
    before: LedgerHead
    after: LedgerHead
    epoch: int
    row_ts: int
    reason: str
    endpoints: dict[str, EndpointTotals]  # those that change: their totals after the commit
    totals: dict[str, int]
    endpoint_count: int  # after the commit
    lease_until_ms: int


def commit_batch(connection: Connection, step: Step) -> Any:
    """The one conditional batch: all its conditions hold, or nothing of it is written."""
    record, at = step.record, step.after.position
    place, key = (record.sensor, at.segment), record.capture_id.hex()
    batch = BatchStatement(BatchType.UNLOGGED)

    def add(statement: str, *values: Any) -> None:
        batch.add(connection.bound(statement, values))

    add(_MOVE_HEAD, at.seq, step.row_ts, step.endpoint_count, step.lease_until_ms, *place, step.before.position.seq, step.epoch)
    add(_ADD_CAPTURE, *place, key, at.seq, record.capture_id, at.nonce, step.reason, record.loaded_at_ms)
    chain = (at.nonce, record.previous or None, record.capture_id)
    counts = (record.frames, record.flows, record.flow_packets, record.flow_bytes, dict(record.rows), dict(record.non_flow))
    state = (step.after.state_version, step.after.state_nonce or None, record.loaded_at_ms)
    add(_ADD_COMMIT, *place, at.seq, key, *chain, *counts, *state)
    for name, value in step.totals.items():
        add(_PUT_TOTAL, *place, name, value, at.seq)
    if step.endpoints:
        names, totals, seqs = list(step.endpoints), step.endpoints.values(), [at.seq] * len(step.endpoints)
        batch.add(endpoint_rows(connection.prepared(_PUT_ENDPOINT), place, names, totals, seqs))
    return batch

"""The ledger in Cassandra: one partition a sensor and segment. Every write to it is conditional; this file only reads,
and spells the one batch that commits."""

from collections.abc import Iterable, Iterator
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
from schema.store.codec import decode_deltas
from schema.store.port import LedgerHead, SensorRecord

_GUARD = """
    SELECT DISTINCT sensor, segment, version, epoch, owner, lease_until, row_ts FROM pcapline.ledger
    WHERE sensor = ? AND segment = ?
"""
_SENSOR = "SELECT network, segment FROM pcapline.sensors WHERE sensor = ?"
_HEAD = """
    SELECT nonce, state_version, state_nonce, loaded_at FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'commit' AND seq = ?
"""
_ENDPOINTS = """
    SELECT key, flows, packets, bytes, packets_rev, bytes_rev FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'endpoint' AND seq = 0
"""
_TOTALS = "SELECT key, value FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'total' AND seq = 0"
_COMMITS = """
    SELECT seq, nonce, previous, capture_id, frames, flows, packets, bytes, rows, non_flow, loaded_at FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'commit' AND seq > ?
"""
_DELTAS = "SELECT deltas FROM pcapline.commit_deltas WHERE sensor = ? AND segment = ? AND seq = ? AND nonce = ?"
_MOVE_HEAD = """
    UPDATE pcapline.ledger SET version = ?, row_ts = ? WHERE sensor = ? AND segment = ? IF version = ? AND epoch = ?
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
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, flows, packets, bytes, packets_rev, bytes_rev, at_seq)
    VALUES (?, ?, 'endpoint', 0, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_TOTAL = """
    INSERT INTO pcapline.ledger (sensor, segment, kind, seq, key, value, at_seq) VALUES (?, ?, 'total', 0, ?, ?, ?)
"""
_CAPTURE = """
    SELECT at_seq, nonce, reason, loaded_at FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'capture' AND seq = 0 AND key = ?
"""
_CONSISTENT_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What every write to a sensor's ledger is conditional on, and the lease."""

    segment: int
    version: int
    epoch: int  # 0: never taken
    owner: str
    lease_until_ms: int
    row_ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A capture's row in a ledger: its commit, or (seq 0) that it is refused here."""

    position: LedgerPosition
    reason: str
    loaded_at_ms: int


def segment_of(connection: Connection, sensor: str) -> tuple[str, int] | None:
    """A sensor's network and the ledger's current segment; None for one that was never seen."""
    for network, segment in connection.read(_SENSOR, (sensor,), serial=True):
        return network, segment
    return None


def read_guard(connection: Connection, sensor: str, segment: int) -> Guard:
    """The guard after every conditional write that was acknowledged."""
    for row in connection.read(_GUARD, (sensor, segment), serial=True):
        _, _, version, epoch, owner, until, row_ts = row
        return Guard(
            segment=segment,
            version=version or 0,
            epoch=epoch or 0,
            owner=owner or "",
            lease_until_ms=until or 0,
            row_ts=row_ts or 0,
        )
    return Guard(segment=segment, version=0, epoch=0, owner="", lease_until_ms=0, row_ts=0)


def read_head(connection: Connection, sensor: str, at: LedgerPosition) -> LedgerHead:
    """A position, with the carried state that it names."""
    for _, state_version, state_nonce, _ in connection.read(_HEAD, (sensor, at.segment, at.seq), serial=True):
        return LedgerHead(position=at, state_version=state_version, state_nonce=state_nonce or b"")
    return LedgerHead(position=at)


def read_totals(connection: Connection, sensor: str) -> LedgerTotals:
    """The totals at the newest commit: version, totals, and the version again, until nothing was committed between.

    At SERIAL, for the next commit is counted on top of it, and the configured consistency may be one replica's.
    """
    for _ in range(_CONSISTENT_TRIES):
        seen = segment_of(connection, sensor)
        if seen is None:
            return no_totals(sensor, DEFAULT_NETWORK, 0)
        guard = read_guard(connection, sensor, seen[1])
        totals = _totals_at(connection, sensor, seen[0], guard)
        if read_guard(connection, sensor, guard.segment).version == guard.version:
            return totals
    raise StoreUnavailableError(f"the ledger of sensor {sensor} moves faster than it can be read: try again")


def _totals_at(connection: Connection, sensor: str, network: str, guard: Guard) -> LedgerTotals:
    place = (sensor, guard.segment)
    commit = connection.read(_HEAD, (*place, guard.version), serial=True)
    return LedgerTotals(
        sensor=sensor,
        network=network,
        position=LedgerPosition(segment=guard.segment, seq=guard.version, nonce=commit[0][0] if commit else b""),
        endpoints={name: EndpointTotals._make(counts) for name, *counts in connection.stream(_ENDPOINTS, place, serial=True)},
        totals=dict(connection.stream(_TOTALS, place, serial=True)),
        last_loaded_at_ms=commit[0][3] if commit else 0,
    )


def no_totals(sensor: str, network: str, segment: int) -> LedgerTotals:
    """What a ledger without a commit holds."""
    position = LedgerPosition(segment=segment)
    return LedgerTotals(sensor=sensor, network=network, position=position, endpoints={}, totals={}, last_loaded_at_ms=0)


def read_commitment(connection: Connection, sensor: str, segment: int, capture_id: bytes) -> Commitment | None:
    """What a ledger says of a capture."""
    for seq, nonce, reason, loaded_at in connection.read(_CAPTURE, (sensor, segment, capture_id.hex()), serial=True):
        position = LedgerPosition(segment=segment, seq=seq, nonce=nonce or b"")
        return Commitment(position=position, reason=reason or "", loaded_at_ms=loaded_at or 0)
    return None


def committed_among(connection: Connection, sensor: str, segment: int, capture_ids: Iterable[bytes]) -> set[bytes]:
    """Those of these captures whose commit a ledger holds."""
    asked = list(capture_ids)  # at QUORUM: many SERIAL reads of one partition would get into each other's way
    found = connection.each(_CAPTURE, ((sensor, segment, capture_id.hex()) for capture_id in asked), quorum=True)
    return {capture_id for capture_id, rows in zip(asked, found, strict=True) if rows and rows[0][0]}


def read_commits(connection: Connection, sensor: str, after_seq: int, deltas: bool) -> Iterator[CommitRecord]:
    """Commits of the current segment behind a seq, oldest first."""
    seen = segment_of(connection, sensor)
    if seen is None:
        return
    place = (sensor, seen[1])
    for row in connection.stream(_COMMITS, (*place, after_seq)):
        brought = connection.read(_DELTAS, (*place, row[0], row[1])) if deltas else []
        yield _commit(place, row, decode_deltas(brought[0][0]) if brought else None)


def _commit(place: tuple[str, int], row: Row, deltas: CommitDeltas | None) -> CommitRecord:
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
        guard = read_guard(connection, sensor, segment)
        records.append(
            SensorRecord(
                sensor=sensor,
                network=network,
                segment=segment,
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


def commit_batch(connection: Connection, step: Step) -> Any:
    """The one conditional batch: all its conditions hold, or nothing of it is written."""
    record, at = step.record, step.after.position
    place, key = (record.sensor, at.segment), record.capture_id.hex()
    batch = BatchStatement(BatchType.UNLOGGED)

    def add(statement: str, *values: Any) -> None:
        batch.add(connection.bound(statement, values))

    add(_MOVE_HEAD, at.seq, step.row_ts, *place, step.before.position.seq, step.epoch)
    add(_ADD_CAPTURE, *place, key, at.seq, record.capture_id, at.nonce, step.reason, record.loaded_at_ms)
    chain = (at.nonce, record.previous or None, record.capture_id)
    counts = (record.frames, record.flows, record.flow_packets, record.flow_bytes, dict(record.rows), dict(record.non_flow))
    state = (step.after.state_version, step.after.state_nonce or None, record.loaded_at_ms)
    add(_ADD_COMMIT, *place, at.seq, key, *chain, *counts, *state)
    for name, totals in step.endpoints.items():
        add(_PUT_ENDPOINT, *place, name, *totals, at.seq)
    for name, value in step.totals.items():
        add(_PUT_TOTAL, *place, name, value, at.seq)
    return batch

"""The ledger in SQLite: running totals, commits, the lease's row. Statements only; who may run them is the lease's matter."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from schema.records import (
    DEFAULT_NETWORK,
    CommitDeltas,
    CommitRecord,
    EndpointTotals,
    LedgerPosition,
    LedgerTotals,
)
from schema.store.codec import decode_deltas, encode_deltas
from schema.store.reading import SensorRecord
from schema.store.sealing import SegmentSize, broken_chain
from schema.store.sqlite.database import Database, Row, Session, Transaction
from schema.store.writing import LedgerHead

CARRIED = "SELECT data FROM carried_state WHERE sensor = ? AND version = ? AND nonce = ?"
_ADD_ENDPOINT = """
    INSERT INTO ledger_endpoints (sensor, segment, endpoint, flows, packets, bytes, packets_rev, bytes_rev, at_seq)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET flows = flows + excluded.flows, packets = packets + excluded.packets,
      bytes = bytes + excluded.bytes, packets_rev = packets_rev + excluded.packets_rev,
      bytes_rev = bytes_rev + excluded.bytes_rev, at_seq = excluded.at_seq
"""
_ADD_TOTAL = """
    INSERT INTO ledger_totals (sensor, name, value, at_seq) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET value = value + excluded.value, at_seq = excluded.at_seq
"""
_ADD_COMMIT = """
    INSERT INTO ledger_commits (sensor, segment, seq, nonce, previous, capture_id, frames, flows, packets, bytes,
      rows, non_flow, state_version, state_nonce, loaded_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COMMITS = """
    SELECT c.segment, c.seq, c.nonce, c.previous, c.capture_id, c.frames, c.flows, c.packets, c.bytes,
      c.rows, c.non_flow, c.loaded_at, {deltas}
    FROM ledger_commits AS c {join}
    WHERE c.sensor = ? AND c.seq > ? ORDER BY c.seq
"""
_STANDS = """
    SELECT 1 FROM ledger_commits WHERE capture_id = ?1
    UNION ALL
    SELECT 1 FROM captures JOIN ledger USING (sensor)
    WHERE capture_id = ?1 AND state = 'loaded' AND captures.segment < ledger.first_segment
"""
# nonces of the newest step and of the one before it, and what the newest names as the one before it
_CHAIN = """
    SELECT seq, nonce, previous FROM ledger_commits WHERE sensor = ?1 AND seq >= ?2
    UNION ALL
    SELECT seq, nonce, previous FROM ledger_seals WHERE sensor = ?1 AND seq >= ?2
    ORDER BY seq
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """The row that guards a sensor's ledger."""

    head: LedgerHead
    epoch: int
    owner: str
    lease_until_ms: int
    size: SegmentSize


def read_row(source: Session | Transaction, sensor: str) -> LedgerRow | None:
    """The row that guards a sensor's ledger; None for a sensor that was never seen."""
    rows = source.execute(
        "SELECT segment, version, nonce, state_version, state_nonce, epoch, owner, lease_until,"
        " opened_seq, opened_endpoints, endpoints FROM ledger WHERE sensor = ?",
        (sensor,),
    )
    for segment, version, nonce, state_version, state_nonce, epoch, owner, lease_until, *size in rows:
        position = LedgerPosition(segment=segment, seq=version, nonce=nonce)
        head = LedgerHead(position=position, state_version=state_version, state_nonce=state_nonce)
        of_segment = SegmentSize(opened_seq=size[0], opened_endpoints=size[1], endpoints=size[2])
        return LedgerRow(head=head, epoch=epoch, owner=owner, lease_until_ms=lease_until, size=of_segment)
    return None


def add_commit(transaction: Transaction, record: CommitRecord, head: LedgerHead) -> None:
    """The commit's row and its deltas; `head` is the ledger after it."""
    transaction.execute(_ADD_COMMIT, _commit_row(record, (head.state_version, head.state_nonce)))
    if record.deltas is not None:
        transaction.execute(
            "INSERT INTO commit_deltas (sensor, seq, deltas) VALUES (?, ?, ?)",
            (record.sensor, record.position.seq, encode_deltas(record.deltas)),
        )


def put_commit(transaction: Transaction, record: CommitRecord, state: tuple[int, bytes]) -> None:
    """A commit of the store that this one is a copy of, here already or not; `state`: version and nonce after it."""
    same_step = (record.sensor, record.position.seq, record.position.nonce)
    if not transaction.execute("SELECT 1 FROM ledger_commits WHERE sensor = ? AND seq = ? AND nonce = ?", same_step):
        transaction.execute(_ADD_COMMIT, _commit_row(record, state))


def _commit_row(record: CommitRecord, state: tuple[int, bytes]) -> Row:
    at = record.position
    identity = (record.sensor, at.segment, at.seq, at.nonce, record.previous, record.capture_id)
    counts = (record.frames, record.flows, record.flow_packets, record.flow_bytes)
    maps = (json.dumps(dict(record.rows)), json.dumps(dict(record.non_flow)))
    return (*identity, *counts, *maps, *state, record.loaded_at_ms)


def add_totals(transaction: Transaction, sensor: str, deltas: CommitDeltas, at: LedgerPosition) -> None:
    """Raise the running totals."""
    of_segment = (sensor, at.segment)
    transaction.for_each(_ADD_ENDPOINT, ((*of_segment, name, *gained, at.seq) for name, gained in deltas.endpoints.items()))
    transaction.for_each(_ADD_TOTAL, ((sensor, name, gained, at.seq) for name, gained in deltas.totals.items()))


def count_new(transaction: Transaction, sensor: str, segment: int, endpoints: Collection[str]) -> int:
    """How many of these endpoints have no total yet."""
    known = "SELECT 1 FROM ledger_endpoints WHERE sensor = ? AND segment = ? AND endpoint = ?"
    return len(endpoints) - len(transaction.for_each(known, ((sensor, segment, endpoint) for endpoint in endpoints)))


def read_totals(session: Session, sensor: str) -> LedgerTotals:
    """The totals at the newest step; call it within one snapshot."""
    found = session.execute(
        "SELECT network, segment, version, nonce, loaded_at FROM sensors JOIN ledger USING (sensor, segment) WHERE sensor = ?",
        (sensor,),
    )
    if not found:
        return no_totals(sensor, DEFAULT_NETWORK, 0)
    network, segment, version, nonce, loaded_at = found[0]
    endpoints = session.execute(
        "SELECT endpoint, flows, packets, bytes, packets_rev, bytes_rev FROM ledger_endpoints WHERE sensor = ? AND segment = ?",
        (sensor, segment),
    )
    totals = session.execute("SELECT name, value FROM ledger_totals WHERE sensor = ?", (sensor,))
    return LedgerTotals(
        sensor=sensor,
        network=network,
        position=LedgerPosition(segment=segment, seq=version, nonce=nonce),
        endpoints={name: EndpointTotals._make(counts) for name, *counts in endpoints},
        totals=dict(totals),
        last_loaded_at_ms=loaded_at,
    )


def check_chain(source: Session | Transaction, sensor: str, head: LedgerPosition) -> None:
    """Raise StoreError where the newest step is not what the guard says, or does not follow the step before it."""
    steps = source.execute(_CHAIN, (sensor, head.seq - 1))
    broken = broken_chain(sensor, head.seq, [(seq, nonce, previous) for seq, nonce, previous in steps])
    if broken is not None:
        raise broken


def stands(session: Session, capture_id: bytes) -> bool:
    """Whether the ledger holds a capture's commit, or did in a segment that is no longer kept."""
    return bool(session.execute(_STANDS, (capture_id,)))


def read_network(session: Session, sensor: str) -> str:
    """The network of a sensor."""
    found = session.execute("SELECT network FROM sensors WHERE sensor = ?", (sensor,))
    return found[0][0] if found else DEFAULT_NETWORK


def no_totals(sensor: str, network: str, segment: int) -> LedgerTotals:
    """What a ledger without a commit holds."""
    position = LedgerPosition(segment=segment)
    return LedgerTotals(sensor=sensor, network=network, position=position, endpoints={}, totals={}, last_loaded_at_ms=0)


def read_commits(database: Database, sensor: str, after_seq: int, deltas: bool) -> Iterator[CommitRecord]:
    """Commits behind a seq, oldest first, as far back as they are kept."""
    join = "LEFT JOIN commit_deltas AS d USING (sensor, seq)" if deltas else ""
    statement = _COMMITS.format(deltas="d.deltas" if deltas else "NULL", join=join)
    return (commit_of(sensor, row) for row in database.stream(statement, (sensor, after_seq)))


def commit_of(sensor: str, row: Row) -> CommitRecord:
    """The commit of a row as `_COMMITS` selects it."""
    segment, seq, nonce, previous, capture_id, frames, flows, packets, size, rows, non_flow, loaded_at, deltas = row
    return CommitRecord(
        sensor=sensor,
        position=LedgerPosition(segment=segment, seq=seq, nonce=nonce),
        previous=previous,
        capture_id=capture_id,
        frames=frames,
        flows=flows,
        flow_packets=packets,
        flow_bytes=size,
        rows=json.loads(rows),
        non_flow=json.loads(non_flow),
        loaded_at_ms=loaded_at,
        deltas=None if deltas is None else decode_deltas(deltas),
    )


def read_sensors(session: Session) -> list[SensorRecord]:
    """Every sensor with its lease."""
    rows = session.execute(
        "SELECT sensor, network, segment, first_seen, owner, lease_until FROM sensors JOIN ledger USING (sensor, segment)"
        " ORDER BY sensor"
    )
    names = ("sensor", "network", "segment", "first_seen_ms", "owner", "lease_until_ms")
    return [SensorRecord(**dict(zip(names, row, strict=True))) for row in rows]

"""Sealing a segment of a ledger in SQLite: one transaction. Totals stay where they are; those of endpoints that were long idle
go into one. What the segment began with, and what was folded, is kept beside it."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace

from schema.records import (
    FOLDED_ENDPOINT,
    IDLE_TOTAL,
    OTHER_ENDPOINT,
    CommitDeltas,
    EndpointTotals,
    LedgerPosition,
    LedgerTotals,
    Seal,
)
from schema.store.sealing import Entry, FoldedSum, Sealing, decode_entries, encode_entries, first_kept_seq
from schema.store.sqlite import admissions, ledger
from schema.store.sqlite.database import Row, Session, Transaction
from schema.store.sqlite.ledger import no_totals, read_network
from schema.store.writing import LedgerHead

_CHANGED_AT = "SELECT at_seq, count(*) FROM ledger_endpoints WHERE sensor = ? GROUP BY at_seq"
_KEPT = f"""
    at_seq >= ?2 OR endpoint IN ('{OTHER_ENDPOINT}', '{FOLDED_ENDPOINT}')
    OR endpoint IN (SELECT endpoint FROM admissions JOIN sensors USING (network) WHERE sensor = ?1 AND admitted)
"""
_ENTRIES = "SELECT endpoint, flows, packets, bytes, packets_rev, bytes_rev FROM ledger_endpoints WHERE sensor = ?1"
_PUT_PART = "INSERT INTO ledger_openings (sensor, seq, folded, part, data) VALUES (?, ?, ?, ?, ?)"
_PARTS = "SELECT data FROM ledger_openings WHERE sensor = ? AND seq = ? AND folded = ? ORDER BY part"
_SEALS = "SELECT segment, seq, nonce, previous FROM ledger_seals WHERE sensor = ? AND seq > ? ORDER BY seq"
_SEALS_OF = "SELECT segment, seq FROM ledger_seals WHERE sensor = ?"
_COUNTED = "(SELECT count(*) FROM ledger_endpoints WHERE sensor = ?1)"
_NEVER = 2**63 - 1
_OPEN = f"""
    UPDATE ledger SET segment = ?2, version = ?3, nonce = ?4, opened_seq = ?3,
      opened_endpoints = {_COUNTED}, endpoints = {_COUNTED}
    WHERE sensor = ?1
"""


def seal(transaction: Transaction, sensor: str, head: LedgerHead, rule: Sealing) -> LedgerHead:
    """Seal the ledger's segment at its head, whose lease the caller has checked; the ledger's head after it."""
    before = head.position
    at = LedgerPosition(segment=before.segment + 1, seq=before.seq + 1, nonce=secrets.token_bytes(16))
    _fold(transaction, sensor, at, rule)
    _state_opening(transaction, sensor, at)
    transaction.execute(
        "INSERT INTO ledger_seals (sensor, seq, segment, nonce, previous) VALUES (?, ?, ?, ?, ?)",
        (sensor, at.seq, at.segment, at.nonce, before.nonce),
    )
    transaction.execute(_OPEN, (sensor, at.segment, at.seq, at.nonce))
    transaction.execute("UPDATE sensors SET segment = ? WHERE sensor = ?", (at.segment, sensor))
    _thin_out(transaction, sensor, at.segment - rule.segments_told)
    _drop(transaction, sensor, at.segment - max(rule.segments_told, rule.segments_kept))
    return LedgerHead(position=at, state_version=head.state_version, state_nonce=head.state_nonce)


def _fold(transaction: Transaction, sensor: str, at: LedgerPosition, rule: Sealing) -> None:
    changed_at: dict[int, int] = dict(transaction.execute(_CHANGED_AT, (sensor,)))
    edge = (sensor, first_kept_seq(rule, at.seq, changed_at))
    folded = FoldedSum()
    idle = map(_entry, transaction.stream(f"{_ENTRIES} AND NOT ({_KEPT})", edge))
    _put_parts(transaction, (sensor, at.seq, True), encode_entries(folded.passing(idle), {}))
    if folded.count:
        transaction.execute(f"DELETE FROM ledger_endpoints WHERE sensor = ?1 AND NOT ({_KEPT})", edge)
        moved = CommitDeltas(endpoints={FOLDED_ENDPOINT: folded.totals}, totals={IDLE_TOTAL: folded.count})
        ledger.add_totals(transaction, sensor, moved, at)


def _state_opening(transaction: Transaction, sensor: str, at: LedgerPosition) -> None:
    """Keep what the segment begins with."""
    totals: dict[str, int] = dict(transaction.execute("SELECT name, value FROM ledger_totals WHERE sensor = ?", (sensor,)))
    entries = map(_entry, transaction.stream(_ENTRIES, (sensor,)))
    _put_parts(transaction, (sensor, at.seq, False), encode_entries(entries, totals))


def _put_parts(transaction: Transaction, place: tuple[str, int, bool], blobs: Iterable[bytes]) -> None:
    for part, blob in enumerate(blobs):
        transaction.execute(_PUT_PART, (*place, part, blob))


def _thin_out(transaction: Transaction, sensor: str, first_segment: int) -> None:
    """Of what lies before a segment only the commits stay, but for what an exporter still has to read: a seal that its book
    stands before, and that folded an endpoint which the book admits."""
    shown = _shown_to(transaction, sensor)
    old = transaction.execute(f"{_SEALS_OF} AND segment < ? ORDER BY seq", (sensor, first_segment))
    first = next((segment for segment, seq in old if seq > shown and _folded_admitted(transaction, sensor, seq)), first_segment)
    for _, seq in transaction.execute(f"{_SEALS_OF} AND segment = ?", (sensor, first)):
        for table in ("commit_deltas", "ledger_seals", "ledger_openings"):
            transaction.execute(f"DELETE FROM {table} WHERE sensor = ? AND seq < ?", (sensor, seq))


def _drop(transaction: Transaction, sensor: str, first_segment: int) -> None:
    """Drop the commits before a segment: their captures say that they were loaded."""
    if first_segment > 0:
        first = "SELECT seq FROM ledger_commits WHERE sensor = ?1 AND segment >= ?2 ORDER BY seq LIMIT 1"
        transaction.execute(
            f"DELETE FROM ledger_commits WHERE sensor = ?1 AND seq < coalesce(({first}), {_NEVER})", (sensor, first_segment)
        )
        transaction.execute("UPDATE ledger SET first_segment = ?2 WHERE sensor = ?1", (sensor, first_segment))


def _shown_to(transaction: Transaction, sensor: str) -> int:
    """Up to which seq an exporter has ever shown the sensor."""
    networks = transaction.execute("SELECT network FROM sensors WHERE sensor = ?", (sensor,))
    return admissions.read_position(transaction, networks[0][0], sensor).seq


def _folded_admitted(transaction: Transaction, sensor: str, seq: int) -> bool:
    admitted = "SELECT endpoint FROM admissions JOIN sensors USING (network) WHERE sensor = ? AND admitted"
    series = {endpoint for (endpoint,) in transaction.execute(admitted, (sensor,))}
    return not series.isdisjoint(_folded(transaction, sensor, seq))


def read_opening(session: Session, sensor: str, segment: int) -> LedgerTotals:
    """The totals that a segment began with."""
    nothing = no_totals(sensor, read_network(session, sensor), segment)
    seal_of = "SELECT seq, nonce FROM ledger_seals WHERE sensor = ? AND segment = ?"
    for seq, nonce in session.execute(seal_of, (sensor, segment)):
        begun = decode_entries(data for (data,) in session.execute(_PARTS, (sensor, seq, False)))
        position = LedgerPosition(segment=segment, seq=seq, nonce=nonce)
        return replace(nothing, position=position, endpoints=begun.endpoints, totals=begun.totals)
    return nothing


def read_seals(session: Session, sensor: str, after_seq: int) -> list[Seal]:
    """Seals behind a seq, oldest first."""
    return [
        Seal(
            position=LedgerPosition(segment=segment, seq=seq, nonce=nonce),
            previous=previous,
            folded=_folded(session, sensor, seq),
        )
        for segment, seq, nonce, previous in session.execute(_SEALS, (sensor, after_seq))
    ]


def _folded(source: Session | Transaction, sensor: str, seq: int) -> Mapping[str, EndpointTotals]:
    return decode_entries(data for (data,) in source.execute(_PARTS, (sensor, seq, True))).endpoints


def _entry(row: Row) -> Entry:
    return row[0], EndpointTotals._make(row[1:])

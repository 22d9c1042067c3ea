"""Sealing a segment of a ledger in SQLite, in short steps between which others write: what the next segment begins with is
made beside the totals that count, and the last step makes it count. Whoever dies before that leaves rows that nobody names."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TypeVar

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
from schema.store.sqlite import ledger
from schema.store.sqlite.database import Row, Session
from schema.store.sqlite.ledger import no_totals, read_network
from schema.store.sqlite.steps import Steps
from schema.store.writing import LedgerHead

_AT_ONCE = 4_000  # endpoints of a step
_Some = TypeVar("_Some")
_OF_SEGMENT = "FROM ledger_endpoints WHERE sensor = ?1 AND segment = ?2"
_CHANGED_AT = f"SELECT at_seq, count(*) {_OF_SEGMENT} GROUP BY at_seq"
_KEPT = f"""
    at_seq >= ?3 OR endpoint = '{OTHER_ENDPOINT}'
    OR endpoint IN (SELECT endpoint FROM admissions JOIN sensors USING (network) WHERE sensor = ?1 AND admitted)
"""
_ENTRIES = f"""
    SELECT endpoint, flows, packets, bytes, packets_rev, bytes_rev, at_seq {_OF_SEGMENT}
    AND endpoint <> '{FOLDED_ENDPOINT}'
"""
_FOLDED_BEFORE = f"""
    SELECT endpoint, flows, packets, bytes, packets_rev, bytes_rev, at_seq {_OF_SEGMENT} AND endpoint = '{FOLDED_ENDPOINT}'
"""
_TAKE_OVER = """
    INSERT INTO ledger_endpoints (sensor, segment, endpoint, flows, packets, bytes, packets_rev, bytes_rev, at_seq)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_PART = "INSERT INTO ledger_openings (sensor, seq, folded, part, data) VALUES (?, ?, ?, ?, ?)"
_PARTS = "SELECT data FROM ledger_openings WHERE sensor = ? AND seq = ? AND folded = ? ORDER BY part"
_SEALS = "SELECT segment, seq, nonce, previous FROM ledger_seals WHERE sensor = ? AND seq > ? ORDER BY seq"
_BEHIND_SEALS = "sensor = ?1 AND seq > (SELECT opened_seq FROM ledger WHERE sensor = ?1)"
_OPEN = """
    UPDATE ledger SET segment = ?2, version = ?3, nonce = ?4, opened_seq = ?3, opened_endpoints = ?5, endpoints = ?5
    WHERE sensor = ?1
"""


def seal(steps: Steps, sensor: str, head: LedgerHead, rule: Sealing) -> LedgerHead:
    """Seal the ledger's segment at its head, which the caller holds the lease of; the ledger's head after it."""
    before = head.position
    at = LedgerPosition(segment=before.segment + 1, seq=before.seq + 1, nonce=secrets.token_bytes(16))
    steps.delete("ledger_endpoints", "sensor = ? AND segment > ?", (sensor, before.segment))  # of a try that came to nothing
    steps.delete("ledger_openings", _BEHIND_SEALS, (sensor,))
    with steps.snapshot() as session:
        folded = _fold(steps, session, sensor, at, rule)
        kept = _take_over(steps, session, sensor, at, folded)
    with steps.step() as transaction:
        transaction.execute(
            "INSERT INTO ledger_seals (sensor, seq, segment, nonce, previous) VALUES (?, ?, ?, ?, ?)",
            (sensor, at.seq, at.segment, at.nonce, before.nonce),
        )
        if folded.count:
            ledger.add_totals(transaction, sensor, CommitDeltas(endpoints={}, totals={IDLE_TOTAL: folded.count}), at)
        transaction.execute(_OPEN, (sensor, at.segment, at.seq, at.nonce, kept))
        transaction.execute("UPDATE sensors SET segment = ? WHERE sensor = ?", (at.segment, sensor))
    return LedgerHead(position=at, state_version=head.state_version, state_nonce=head.state_nonce)


class _Folding(FoldedSum):
    """What is folded, and where those begin that are not."""

    def __init__(self, first_kept: int) -> None:
        super().__init__()
        self.first_kept = first_kept


def _fold(steps: Steps, session: Session, sensor: str, at: LedgerPosition, rule: Sealing) -> _Folding:
    """State what is folded."""
    before = (sensor, at.segment - 1)
    folded = _Folding(first_kept_seq(rule, at.seq, dict(session.execute(_CHANGED_AT, before))))
    idle = map(_entry, session.stream(f"{_ENTRIES} AND NOT ({_KEPT})", (*before, folded.first_kept)))
    number = 0
    for some in _pieces(folded.passing(idle)):
        blobs = list(enumerate(encode_entries(some, {}), number))
        with steps.step() as transaction:
            transaction.for_each(_PUT_PART, ((sensor, at.seq, True, *blob) for blob in blobs))
        number += len(blobs)
    return folded


def _take_over(steps: Steps, session: Session, sensor: str, at: LedgerPosition, folded: _Folding) -> int:
    """State what the segment begins with, and have it beside what counts until it is sealed; how many endpoints that are."""
    totals: dict[str, int] = dict(session.execute("SELECT name, value FROM ledger_totals WHERE sensor = ?", (sensor,)))
    if folded.count:
        totals[IDLE_TOTAL] = totals.get(IDLE_TOTAL, 0) + folded.count
    with steps.step() as transaction:  # by themselves: there may be no endpoint to bring them
        transaction.for_each(_PUT_PART, ((sensor, at.seq, False, 0, blob) for blob in encode_entries((), totals)))
    number, kept = 1, 0
    for some in _pieces(_kept(session, sensor, at, folded)):
        blobs = list(enumerate(encode_entries(map(_entry, some), {}), number))
        with steps.step() as transaction:
            transaction.for_each(_TAKE_OVER, ((sensor, at.segment, *row) for row in some))
            transaction.for_each(_PUT_PART, ((sensor, at.seq, False, *blob) for blob in blobs))
        number, kept = number + len(blobs), kept + len(some)
    return kept


def _kept(session: Session, sensor: str, at: LedgerPosition, folded: _Folding) -> Iterator[Row]:
    """The endpoints that go on, and what all folded ones add up to."""
    before = (sensor, at.segment - 1)
    yield from session.stream(f"{_ENTRIES} AND ({_KEPT})", (*before, folded.first_kept))
    ((_, *counts, at_seq),) = session.execute(_FOLDED_BEFORE, before) or [(FOLDED_ENDPOINT, *EndpointTotals(), 0)]
    if folded.count:
        counts, at_seq = list(folded.totals.plus(EndpointTotals._make(counts))), at.seq
    if at_seq:
        yield (FOLDED_ENDPOINT, *counts, at_seq)


def _pieces(entries: Iterable[_Some]) -> Iterator[list[_Some]]:
    source = iter(entries)
    while some := list(islice(source, _AT_ONCE)):
        yield some


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
            folded=folded_at(session, sensor, seq),
        )
        for segment, seq, nonce, previous in session.execute(_SEALS, (sensor, after_seq))
    ]


def folded_at(source: Session, sensor: str, seq: int) -> Mapping[str, EndpointTotals]:
    """What a seal folded."""
    return decode_entries(data for (data,) in source.execute(_PARTS, (sensor, seq, True))).endpoints


def _entry(row: Row) -> Entry:
    return row[0], EndpointTotals._make(row[1:6])

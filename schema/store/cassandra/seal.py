"""Sealing a segment of a ledger and opening its successor (docs/decisions/0016), by the holder of the lease.

Whatever is written before the seal is in partitions that nobody is led to: their number was never used before. The seal is one
conditional write to the old segment's guard; from then on everyone is led on.
"""

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from schema.records import (
    FOLDED_ENDPOINT,
    IDLE_TOTAL,
    NO_TOTALS,
    RESERVED_ENDPOINTS,
    EndpointTotals,
    LedgerPosition,
)
from schema.store.cassandra import admissions, ledger
from schema.store.cassandra.guard import Guard, note_segment, segment_of
from schema.store.cassandra.hold import Hold
from schema.store.cassandra.newsegment import (
    COPY_GUARD,
    COPY_REFUSAL,
    COPY_STEP,
    COPY_TOTAL,
    NewSegment,
)
from schema.store.sealing import FoldedSum, Sealing, SegmentSize, encode_entries, first_kept_seq

_ALLOCATE = """
    UPDATE pcapline.ledger SET allocated = ? WHERE sensor = ? AND segment = ? IF version = ? AND epoch = ? AND allocated = ?
"""
_SEAL = """
    UPDATE pcapline.ledger SET version = ?, successor = ? WHERE sensor = ? AND segment = ?
    IF version = ? AND epoch = ? AND refusals = ? AND allocated = ?
"""
_CHANGED_AT = "SELECT at_seq FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'endpoint' AND seq = 0"
_ENTRIES = """
    SELECT key, at_seq, totals FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'endpoint' AND seq = 0
"""
_REFUSED = """
    SELECT key, at_seq, capture_id FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'capture' AND seq = 0
"""
_PAGE = 1_000  # endpoints that are copied, or folded, at a time


def seal(hold: Hold, rule: Sealing) -> None:
    """Seal the holder's segment; the hold then stands in its successor."""
    old = hold.check()
    move = _Move(hold, old, _allocate(hold, old), secrets.token_bytes(16))
    move.endpoints(rule)
    move.rest()
    with hold.lease_stands:
        new = move.guard()
        _close(hold, old, new)
        note_segment(hold.connection, hold.sensor, old.segment, new.segment)
        hold.stand_in(new, move.head, move.totals)


def _allocate(hold: Hold, guard: Guard) -> int:
    """A number for the new segment that nobody has used, whatever became of those who tried before."""
    number = max(guard.segment, guard.allocated or 0) + 1
    condition = (guard.version, guard.epoch, guard.allocated)
    statement = hold.connection.bound(_ALLOCATE, (number, hold.sensor, guard.segment, *condition))
    if not hold.connection.conditionally(statement, lambda: hold.check().allocated == number):
        raise hold.lost()
    return number


def _close(hold: Hold, old: Guard, new: Guard) -> None:
    """The seal itself."""
    condition = (old.version, old.epoch, old.refusals, new.segment)
    statement = hold.connection.bound(_SEAL, (new.version, new.segment, hold.sensor, old.segment, *condition))
    if not hold.connection.conditionally(statement, lambda: hold.guard().successor == new.segment):
        raise hold.lost()


class _Move:
    """What goes into the new segment's partitions."""

    def __init__(self, hold: Hold, old: Guard, number: int, nonce: bytes) -> None:
        self._connection, self._hold, self._old = hold.connection, hold, old
        self._new = NewSegment(hold.connection, hold.sensor, number)
        self.head = replace(hold.head, position=LedgerPosition(segment=number, seq=old.version + 1, nonce=nonce))
        self.totals = dict(hold.totals)
        self._kept = self._parts = 0

    def endpoints(self, rule: Sealing) -> None:
        """Copy the totals of endpoints; those of idle ones go into one."""
        place, seq = (self._hold.sensor, self._old.segment), self.head.position.seq
        changed_at = Counter(at for (at,) in self._connection.stream(_CHANGED_AT, place, quorum=True))
        stays = _Stays(first_kept_seq(rule, seq, changed_at), self._admitted())
        folded, earlier = FoldedSum(), NO_TOTALS
        for page in self._pages(place):
            leaving = [name for name, (at, _) in page.items() if not stays.of(name, at)]
            idle = dict(folded.passing((name, page.pop(name)[1]) for name in leaving))
            earlier = page.pop(FOLDED_ENDPOINT, (0, earlier))[1]
            self._put(page, idle)
        if folded.count or earlier != NO_TOTALS:
            self._put({FOLDED_ENDPOINT: (seq, earlier.plus(folded.totals))}, {})
        if folded.count:
            self.totals[IDLE_TOTAL] = self.totals.get(IDLE_TOTAL, 0) + folded.count

    def rest(self) -> None:
        """Copy flat totals, refusals and the step."""
        old, position = self._old, self.head.position
        self._put_part(False, {}, self.totals)
        self._new.put(COPY_TOTAL, [(name, value, position.seq) for name, value in self.totals.items()])
        if old.refusals:
            refused = self._connection.stream(_REFUSED, (self._hold.sensor, old.segment), quorum=True)
            self._new.put(COPY_REFUSAL, [(key, capture_id) for key, at_seq, capture_id in refused if not at_seq])
        loaded_at = ledger.last_loaded_at_ms(self._connection, old)
        state = (self.head.state_version, self.head.state_nonce or None, loaded_at)
        step = (position.seq, position.nonce, self._hold.head.position.nonce, *state)
        self._new.put(COPY_STEP, [step]).written()

    def guard(self) -> Guard:
        """Copy the guard, with the lease as it stands; gives it."""
        old, position = self._old, self.head.position
        new = replace(
            old,
            segment=position.segment,
            version=position.seq,
            size=SegmentSize(opened_seq=position.seq, opened_endpoints=self._kept, endpoints=self._kept),
            kept=old.begins,
            allocated=None,
        )
        until_ms = self._hold.until_ms  # it may have been renewed since the seal began
        lease = (new.version, new.epoch, new.owner, until_ms, new.row_ts)
        size = (new.size.endpoints, new.size.opened_seq, new.size.opened_endpoints)
        self._new.put(COPY_GUARD, [(*lease, *size, new.kept, new.whole, new.refusals)]).written()
        return new

    def _admitted(self) -> frozenset[str]:
        network = segment_of(self._connection, self._hold.sensor)
        book = admissions.read_book(self._connection, network[0] if network else "")
        return frozenset(endpoint for endpoint, admission in book.admissions.items() if admission.admitted)

    def _pages(self, place: tuple[str, int]) -> Iterator[dict[str, tuple[int, EndpointTotals]]]:
        rows = self._connection.stream(_ENTRIES, place, quorum=True)
        while page := {name: (at, EndpointTotals._make(totals)) for name, at, totals in islice(rows, _PAGE)}:
            yield page

    def _put(self, kept: dict[str, tuple[int, EndpointTotals]], idle: dict[str, EndpointTotals]) -> None:
        self._kept += len(kept)
        self._put_part(False, {name: totals for name, (_, totals) in kept.items()}, {})
        self._put_part(True, idle, {})
        self._new.put_endpoints([(name, totals, at) for name, (at, totals) in kept.items()])

    def _put_part(self, folded: bool, endpoints: dict[str, EndpointTotals], totals: dict[str, int]) -> None:
        for blob in encode_entries(endpoints.items(), totals):
            self._parts += 1
            self._new.put_part(folded=folded, part=self._parts, blob=blob)


@dataclass(frozen=True, slots=True)
class _Stays:
    """Which endpoints the new segment begins with."""

    first_seq: int
    admitted: frozenset[str]

    def of(self, name: str, changed_at: int) -> bool:
        return changed_at >= self.first_seq or name in self.admitted or name in RESERVED_ENDPOINTS

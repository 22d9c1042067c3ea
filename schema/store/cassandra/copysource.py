"""All that a keyspace holds, page by page (`schema.store.copying.CopySource`). Cursors are tokens of partitions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from schema.records import CaptureRecord, EndpointTotals, LedgerPosition
from schema.store.capture_row import RECORD
from schema.store.cassandra import captures, counted, ledger
from schema.store.cassandra.carriedstate import read_carried
from schema.store.cassandra.commitments import find_commitment, read_committed
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.guard import current_guard
from schema.store.copying import (
    CaptureCopy,
    CommitCopy,
    EndpointEntry,
    LedgerCopy,
    Origin,
    Page,
    RowPage,
    SealCopy,
    SealPart,
    TotalEntry,
)
from schema.tables import Ownership, Table

_FIRST_TOKEN = -(2**63)
_ROWS, _CAPTURES, _COMMITS, _ENTRIES = 8_192, 256, 256, 2_000  # of a page
_SENSORS = "SELECT sensor, network, segment, first_seen FROM pcapline.sensors"
_CAPTURES_FROM = f"""
    SELECT {RECORD}, attempt, row_ts, epoch, started_at, finished_at, token(capture_id) FROM pcapline.captures
    WHERE token(capture_id) >= ?
"""
_ORIGINS = """
    SELECT origin, noted_at, capture_id, token(origin) FROM pcapline.captures_by_origin WHERE token(origin) >= ?
"""
_COMMITS_FROM = """
    SELECT seq, nonce, previous, capture_id, frames, flows, packets, bytes, rows, non_flow, loaded_at,
      state_version, state_nonce
    FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'commit' AND seq > ?
"""
_SEAL = """
    SELECT seq, nonce, previous, state_version, state_nonce, loaded_at FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'opening'
"""
_PARTS = "SELECT folded, part, data FROM pcapline.ledger_openings WHERE sensor = ? AND segment = ?"
_ENDPOINTS = """
    SELECT key, totals, at_seq FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'endpoint' AND seq = 0
"""
_TOTALS = "SELECT key, value, at_seq FROM pcapline.ledger WHERE sensor = ? AND segment = ? AND kind = 'total' AND seq = 0"


class CassandraCopySource:
    """One keyspace in which nobody loads."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self._connection, self._clock = connection, clock
        self._ledgers: dict[str, LedgerCopy] = {}

    def ledgers(self) -> list[LedgerCopy]:
        """Every sensor that was ever taken, by name."""
        found = [self._ledger(*row) for row in self._connection.read(_SENSORS)]
        self._ledgers = {ledger.sensor: ledger for ledger in found}
        return sorted(found, key=lambda copied: copied.sensor)

    def _ledger(self, sensor: str, network: str, segment: int, first_seen_ms: int) -> LedgerCopy:
        guard = current_guard(self._connection, sensor, segment)
        head = ledger.read_head(self._connection, guard)
        return LedgerCopy(
            sensor=sensor,
            network=network,
            first_seen_ms=first_seen_ms,
            epoch=guard.epoch,
            position=head.position,
            state_version=head.state_version,
            state_nonce=head.state_nonce,
            loaded_at_ms=ledger.last_loaded_at_ms(self._connection, guard),
            size=guard.size,
            kept=guard.kept,
            whole=guard.whole,
        )

    def captures(self, after: str) -> Iterator[Page[CaptureCopy]]:
        """What is loaded, by its ledger, quarantined or dismissed."""
        rows = self._connection.stream(_CAPTURES_FROM, (_token(after),))
        while part := list(islice(rows, _CAPTURES)):
            copies = self._counting([_capture(self._connection, row) for row in part])
            yield Page(copies, str(part[-1][-1]), len(part) - len(copies))

    def _counting(self, copies: Sequence[CaptureCopy]) -> list[CaptureCopy]:
        """Those that could not be loaded, or whose commit a ledger holds, or held in a segment that is dropped."""
        asked = [copied.record for copied in copies if self._is_in_ledger(copied.record)]
        there = read_committed(self._connection, asked)
        found = []
        for copied in copies:
            record = copied.record
            dropped = record.state == "loaded" and record.position is not None and not self._is_in_ledger(record)
            if record.state in captures.REFUSED or dropped or record.facts.capture_id in there:
                found.append(copied)
            elif (marked := self._marked(copied)) is not None:
                found.append(marked)
        return found

    def _is_in_ledger(self, record: CaptureRecord) -> bool:
        """Whether a capture is marked in a segment that is kept."""
        return record.sensor in self._ledgers and self._ledgers[record.sensor].keeps(record.position)

    def _marked(self, copied: CaptureCopy) -> CaptureCopy | None:
        """A capture whose commit is not where it is marked: as its ledger has it; None: it has it nowhere."""
        record = copied.record
        if record.position is not None:
            return copied if counted.stands(self._connection, record.facts.capture_id) else None
        commitment = find_commitment(self._connection, record.sensor, record.facts.capture_id)
        if commitment is None or not commitment.position.seq:
            return None
        loaded = replace(
            record,
            state="loaded",
            reason=commitment.reason,
            position=commitment.position,
            loaded_at_ms=commitment.loaded_at_ms,
        )
        return replace(copied, record=loaded, finished_at_ms=commitment.loaded_at_ms)

    def origins(self, after: str) -> Iterator[Page[Origin]]:
        """All of them."""
        rows = self._connection.stream(_ORIGINS, (_token(after),))
        while part := list(islice(rows, _ROWS)):
            yield Page([Origin._make(row[:3]) for row in part], str(part[-1][-1]))

    def rows(self, table: Table, after: str) -> Iterator[RowPage]:
        """Every row of a table, in the order of its partitions' tokens."""
        left = ", TTL(last_seen)" if table.spans else ""
        token = f"token({', '.join(table.partition)})"
        statement = f"SELECT {', '.join(table.names)}{left}, {token} FROM pcapline.{table.name} WHERE {token} >= ?"
        rows, width = self._connection.stream(statement, (_token(after),)), len(table.names)
        while part := list(islice(rows, _ROWS)):
            loaded_at_ms = self._loaded_at_ms(table, part) if table.ownership is Ownership.SHARED else []
            yield RowPage([row[:width] for row in part], loaded_at_ms, str(part[-1][-1]))

    def _loaded_at_ms(self, table: Table, rows: Sequence[Row]) -> list[int]:
        """By what is left of their lifetime; of a table that has only keys nobody can tell, and its rows begin anew."""
        now_ms = int(self._clock() * 1000)
        if not table.spans:
            return [now_ms] * len(rows)
        return [now_ms - (table.ttl_seconds - (row[-2] or table.ttl_seconds)) * 1000 for row in rows]

    def commits(self, ledger: LedgerCopy, after_seq: int) -> Iterator[list[CommitCopy]]:
        """Commits with a larger seq, oldest first."""
        for segment in ledger.begins:
            place = (ledger.sensor, segment)
            rows = self._connection.stream(_COMMITS_FROM, (*place, after_seq))
            while part := list(islice(rows, _COMMITS)):
                yield self._commits_of(place, part)

    def _commits_of(self, place: tuple[str, int], rows: Sequence[Row]) -> list[CommitCopy]:
        deltas = self._connection.each(ledger.DELTAS, ((*place, row[0], row[1]) for row in rows), quorum=True)
        return [
            CommitCopy(
                record=ledger.commit_of(place, row[:11], None),
                state_version=row[11] or 0,
                state_nonce=row[12] or b"",
                deltas=brought[0][0] if brought else None,
            )
            for row, brought in zip(rows, deltas, strict=True)
        ]

    def seals(self, ledger: LedgerCopy) -> list[SealCopy]:
        """Those of segments of which everything is kept."""
        places = [(ledger.sensor, segment) for segment in ledger.begins if segment >= ledger.whole]
        return [_seal(segment, row) for _, segment in places for row in self._connection.read(_SEAL, (ledger.sensor, segment))]

    def seal_parts(self, ledger: LedgerCopy, seal: SealCopy) -> Iterator[SealPart]:
        """A seal's statement."""
        return map(SealPart._make, self._connection.stream(_PARTS, (ledger.sensor, seal.position.segment)))

    def endpoints(self, ledger: LedgerCopy) -> Iterator[list[EndpointEntry]]:
        """Running totals by endpoint."""
        rows = self._connection.stream(_ENDPOINTS, (ledger.sensor, ledger.position.segment))
        while part := list(islice(rows, _ENTRIES)):
            yield [EndpointEntry(row[0], EndpointTotals._make(row[1]), row[2]) for row in part]

    def totals(self, ledger: LedgerCopy) -> list[TotalEntry]:
        """Flat running totals."""
        rows = self._connection.read(_TOTALS, (ledger.sensor, ledger.position.segment))
        return list(map(TotalEntry._make, rows))

    def carried(self, ledger: LedgerCopy) -> bytes | None:
        """The state that the head names."""
        return read_carried(self._connection, (ledger.sensor, ledger.state_version, ledger.state_nonce))


class _Chunks:
    """A manifest's chunks, read one by one each time they are gone through."""

    def __init__(self, connection: Connection, capture_id: bytes, attempt: bytes) -> None:
        self._connection, self._of = connection, (capture_id, attempt)

    def __iter__(self) -> Iterator[bytes]:
        part = 0
        while found := self._connection.read(captures.MANIFEST_PART, (*self._of, part)):
            yield found[0][0]
            part += 1


def _token(after: str) -> int:
    return int(after) if after else _FIRST_TOKEN


def _capture(connection: Connection, row: Row) -> CaptureCopy:
    attempt, _row_ts, epoch, started_at_ms, finished_at_ms = row[-6:-1]
    record = captures.record_of(row)
    return CaptureCopy(
        record=record,
        epoch=epoch or 0,
        started_at_ms=started_at_ms or 0,
        finished_at_ms=finished_at_ms or 0,
        manifest=_Chunks(connection, record.facts.capture_id, attempt),
    )


def _seal(segment: int, row: Row) -> SealCopy:
    seq, nonce, previous, state_version, state_nonce, loaded_at = row
    return SealCopy(
        position=LedgerPosition(segment=segment, seq=seq, nonce=nonce),
        previous=previous or b"",
        state_version=state_version or 0,
        state_nonce=state_nonce or b"",
        loaded_at_ms=loaded_at or 0,
    )

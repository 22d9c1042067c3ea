"""All that a file holds, page by page (`schema.store.copying.CopySource`). Cursors are keys, as JSON."""

import json
from collections.abc import Iterator
from itertools import islice

from schema.records import EndpointTotals, LedgerPosition
from schema.store.capture_row import RECORD
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
from schema.store.sealing import SegmentSize
from schema.store.sqlite import captures, ledger
from schema.store.sqlite.database import Database, Row
from schema.store.sqlite.ledger import CARRIED
from schema.store.sqlite.values import port_rows
from schema.tables import Ownership, Table

_ROWS, _CAPTURES, _COMMITS, _ENTRIES = 8_192, 256, 256, 2_000  # of a page
_LEDGERS = """
    SELECT sensor, network, first_seen, epoch, ledger.segment, first_segment, version, nonce, state_version, state_nonce,
      loaded_at, opened_seq, opened_endpoints, endpoints
    FROM sensors JOIN ledger USING (sensor) ORDER BY sensor
"""
_CAPTURES_FROM = f"""
    SELECT {RECORD}, epoch, started_at, finished_at FROM captures
    WHERE capture_id >= ? AND state <> 'claimed' ORDER BY capture_id
"""
_CLAIMED = "SELECT count(*) FROM captures WHERE state = 'claimed'"
_CHUNK = "SELECT data FROM manifests WHERE capture_id = ? AND part = ?"
_ORIGINS = "SELECT origin, noted_at, capture_id FROM captures_by_origin WHERE origin >= ? ORDER BY origin"
_COMMITS_FROM = """
    SELECT segment, seq, nonce, previous, capture_id, frames, flows, packets, bytes, rows, non_flow, loaded_at,
      NULL, state_version, state_nonce, deltas
    FROM ledger_commits LEFT JOIN commit_deltas USING (sensor, seq) WHERE sensor = ? AND seq > ? ORDER BY seq
"""
_SEALS = "SELECT segment, seq, nonce, previous FROM ledger_seals WHERE sensor = ? ORDER BY seq"
_STATE_BEFORE = """
    SELECT state_version, state_nonce, loaded_at FROM ledger_commits WHERE sensor = ? AND seq < ? ORDER BY seq DESC LIMIT 1
"""
_PARTS = "SELECT folded, part, data FROM ledger_openings WHERE sensor = ? AND seq = ? ORDER BY folded, part"
_ENDPOINTS = """
    SELECT endpoint, flows, packets, bytes, packets_rev, bytes_rev, at_seq FROM ledger_endpoints
    WHERE sensor = ? AND segment = ?
"""
_BEGINS = "SELECT segment, min(seq) - 1 FROM ledger_commits WHERE sensor = ? AND segment < ? GROUP BY segment"
_DELTAS_BEFORE = "SELECT count(*) FROM commit_deltas WHERE sensor = ? AND seq < ?"


class SqliteCopySource:
    """One file in which nobody loads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ledgers(self) -> list[LedgerCopy]:
        """Every sensor that was ever taken, by name."""
        return [self._ledger(row) for row in self._database.execute(_LEDGERS)]

    def _ledger(self, row: Row) -> LedgerCopy:
        sensor, network, first_seen, epoch, segment, first_segment, seq, nonce, *rest = row
        state_version, state_nonce, loaded_at, *size = rest
        begins = {at: begun for at, begun in self._database.execute(_BEGINS, (sensor, segment)) if at >= first_segment}
        return LedgerCopy(
            sensor=sensor,
            network=network,
            first_seen_ms=first_seen,
            epoch=epoch,
            position=LedgerPosition(segment=segment, seq=seq, nonce=nonce),
            state_version=state_version,
            state_nonce=state_nonce,
            loaded_at_ms=loaded_at,
            size=SegmentSize(opened_seq=size[0], opened_endpoints=size[1], endpoints=size[2]),
            kept=begins,
            whole=self._first_whole(sensor),
        )

    def _first_whole(self, sensor: str) -> int:
        """The oldest segment of which everything is kept. Seals are let go first: the oldest left has all behind it. The first
        segment has no seal: it is kept where every step before that one is a commit, and what it added is there."""
        seals = self._database.execute(_SEALS, (sensor,))
        if not seals:
            return 0
        segment, seq, *_ = seals[0]
        before = self._database.execute(_DELTAS_BEFORE, (sensor, seq))[0][0]
        return 0 if before == seq - 1 else int(segment)

    def captures(self, after: str) -> Iterator[Page[CaptureCopy]]:
        """What is loaded, quarantined or dismissed."""
        left_out = self._database.execute(_CLAIMED)[0][0]
        rows = self._database.stream(_CAPTURES_FROM, (bytes.fromhex(after),))
        while part := list(islice(rows, _CAPTURES)):
            yield Page([self._capture(row) for row in part], part[-1][0].hex(), left_out)
            left_out = 0

    def _capture(self, row: Row) -> CaptureCopy:
        return CaptureCopy(
            record=captures.record_of(row),
            epoch=row[-3],
            started_at_ms=row[-2],
            finished_at_ms=row[-1],
            manifest=_Chunks(self._database, row[0]),
        )

    def origins(self, after: str) -> Iterator[Page[Origin]]:
        """All of them."""
        rows = self._database.stream(_ORIGINS, (after,))
        while part := list(map(Origin._make, islice(rows, _ROWS))):
            yield Page(part, part[-1].origin)

    def rows(self, table: Table, after: str) -> Iterator[RowPage]:
        """Every row of a table, in the order of its partitions."""
        shared, width = table.ownership is Ownership.SHARED, len(table.partition)
        columns = ", ".join([*table.names, "loaded_at"] if shared else table.names)
        key = ", ".join(table.partition)
        from_there = f"WHERE ({key}) >= ({', '.join('?' * width)}) " if after else ""
        bindings = json.loads(after) if after else ()
        rows = self._database.stream(f"SELECT {columns} FROM {table.name} {from_there}ORDER BY {key}", bindings)
        while part := list(islice(rows, _ROWS)):
            loaded_at = [row[-1] for row in part] if shared else []
            there = list(port_rows(table, (row[: len(table.names)] for row in part)))
            yield RowPage(there, loaded_at, json.dumps(part[-1][:width]))

    def commits(self, ledger: LedgerCopy, after_seq: int) -> Iterator[list[CommitCopy]]:
        """Commits with a larger seq, oldest first."""
        rows = self._database.stream(_COMMITS_FROM, (ledger.sensor, after_seq))
        while part := list(islice(rows, _COMMITS)):
            yield [_commit(ledger.sensor, row) for row in part]

    def seals(self, ledger: LedgerCopy) -> list[SealCopy]:
        """The newest."""
        return [self._seal(ledger.sensor, row) for row in self._database.execute(_SEALS, (ledger.sensor,))]

    def _seal(self, sensor: str, row: Row) -> SealCopy:
        segment, seq, nonce, previous = row
        before = self._database.execute(_STATE_BEFORE, (sensor, seq))
        state_version, state_nonce, loaded_at = before[0] if before else (0, b"", 0)
        return SealCopy(
            position=LedgerPosition(segment=segment, seq=seq, nonce=nonce),
            previous=previous,
            state_version=state_version,
            state_nonce=state_nonce,
            loaded_at_ms=loaded_at,
        )

    def seal_parts(self, ledger: LedgerCopy, seal: SealCopy) -> Iterator[SealPart]:
        """A seal's statement."""
        for folded, part, data in self._database.stream(_PARTS, (ledger.sensor, seal.position.seq)):
            yield SealPart(bool(folded), part, data)

    def endpoints(self, ledger: LedgerCopy) -> Iterator[list[EndpointEntry]]:
        """Running totals by endpoint."""
        rows = self._database.stream(_ENDPOINTS, (ledger.sensor, ledger.position.segment))
        while part := list(islice(rows, _ENTRIES)):
            yield [EndpointEntry(row[0], EndpointTotals._make(row[1:6]), row[6]) for row in part]

    def totals(self, ledger: LedgerCopy) -> list[TotalEntry]:
        """Flat running totals."""
        rows = self._database.execute("SELECT name, value, at_seq FROM ledger_totals WHERE sensor = ?", (ledger.sensor,))
        return list(map(TotalEntry._make, rows))

    def carried(self, ledger: LedgerCopy) -> bytes | None:
        """The state that the head names."""
        named = (ledger.sensor, ledger.state_version, ledger.state_nonce)
        rows = self._database.execute(CARRIED, named)
        return rows[0][0] if rows else None


class _Chunks:
    """A manifest's chunks, read one by one each time they are gone through."""

    def __init__(self, database: Database, capture_id: bytes) -> None:
        self._database, self._capture_id = database, capture_id

    def __iter__(self) -> Iterator[bytes]:
        part = 0
        while found := self._database.execute(_CHUNK, (self._capture_id, part)):
            yield found[0][0]
            part += 1


def _commit(sensor: str, row: Row) -> CommitCopy:
    return CommitCopy(record=ledger.commit_of(sensor, row[:13]), state_version=row[13], state_nonce=row[14], deltas=row[15])

"""A keyspace that becomes what another store is (`schema.store.copying.CopyTarget`).

What is later changed on a condition is written with timestamp 1, so that every change after it wins; rows with the time at
which the copy began, which every later attempt's timestamp is above.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, pairwise

from schema.bucketpolicy import BucketRule
from schema.records import AdmissionBook, CaptureRecord
from schema.store.cassandra import admissions, captures, carriedstate, policy
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.ledger import PUT_DELTAS
from schema.store.cassandra.newsegment import (
    COPY_CAPTURE,
    COPY_COMMIT,
    COPY_GUARD,
    COPY_SEALED,
    COPY_STEP,
    COPY_TOTAL,
    PUT_PART,
    NewSegment,
)
from schema.store.cassandra.writer import Writer
from schema.store.copying import CaptureCopy, CommitCopy, EndpointEntry, LedgerCopy, Origin, SealCopy, SealPart, TotalEntry
from schema.tables import TABLES, RowBatch, Table

_FIRST_KEYS = {  # of the tables that hold no rows
    "ledger": "sensor",
    "commit_deltas": "sensor",
    "ledger_openings": "sensor",
    "captures": "capture_id",
    "manifests": "capture_id",
    "captures_by_origin": "origin",
    "captures_by_day": "sensor",
    "sensors": "sensor",
    "carried_state": "sensor",
    "admissions": "network",
    "bucket_policy": "list",
}
_ORIGIN_TTL_S = 2_592_000  # as the table has it
_PUT_ORIGIN = "INSERT INTO pcapline.captures_by_origin (origin, noted_at, capture_id) VALUES (?, ?, ?) USING TTL ?"
_PUT_CHUNK = "INSERT INTO pcapline.manifests (capture_id, attempt, part, data) VALUES (?, ?, ?, ?)"
_ROWS_FROM = "SELECT state, inputs FROM pcapline.captures WHERE capture_id = ?"
_PUT_SENSOR = "INSERT INTO pcapline.sensors (sensor, network, segment, first_seen) VALUES (?, ?, ?, ?) USING TIMESTAMP 1"


class CassandraCopyTarget:
    """One keyspace with its tables made."""

    def __init__(self, connection: Connection, clock: Callable[[], float], copy_id: bytes, started_at_ms: int) -> None:
        """`copy_id` stands for the attempt of every capture, as the start does for its timestamp."""
        self._connection, self._clock, self._copy_id = connection, clock, copy_id
        self._row_ts = started_at_ms * 1000

    def is_empty(self) -> bool:
        """Whether no table holds anything."""
        keys = {table.name: table.partition[0] for table in TABLES} | _FIRST_KEYS
        return not any(self._connection.read(f"SELECT {key} FROM pcapline.{name} LIMIT 1") for name, key in keys.items())

    def put_rules(self, rules: Sequence[BucketRule]) -> None:
        """The whole list."""
        for version, rule in enumerate(rules, 1):
            policy.add_rule(self._connection, version, rule)

    def put_captures(self, captures_: Iterable[CaptureCopy]) -> None:
        """What became of contents, their manifests, and their rows in the ledger."""
        copies = list(captures_)
        self._all(_PUT_CHUNK, (chunk for copied in copies for chunk in self._chunks(copied)))
        self._all(captures.COPY, (captures.copy_values(copied, self._copy_id, self._row_ts) for copied in copies))
        loaded = [copied for copied in copies if copied.record.state == "loaded"]
        self._all(captures.BY_DAY, (captures.day_values(copied.record) for copied in loaded))
        self._all(COPY_CAPTURE, (_ledger_row(copied.record) for copied in loaded if copied.in_ledger))

    def _chunks(self, copied: CaptureCopy) -> Iterator[tuple[object, ...]]:
        capture_id = copied.record.facts.capture_id
        return ((capture_id, self._copy_id, part, data) for part, data in enumerate(copied.manifest))

    def put_origins(self, origins: Sequence[Origin]) -> None:
        """What leads to captures again, as long as this store would have kept it."""
        now_s = int(self._clock())
        left = ((origin, _ORIGIN_TTL_S - (now_s - origin.noted_at_ms // 1000)) for origin in origins)
        self._all(_PUT_ORIGIN, ((*origin, min(seconds, _ORIGIN_TTL_S)) for origin, seconds in left if seconds > 0))

    def rows_from_ms(self, capture_ids: Collection[bytes]) -> dict[bytes, int]:
        """What the lifetime of rows of loaded captures counts from."""
        asked = list(capture_ids)
        found = self._connection.each(_ROWS_FROM, ((capture_id,) for capture_id in asked), quorum=True)
        return {
            capture_id: int((rows[0][1] or {}).get("rows_from_ms", "0"))
            for capture_id, rows in zip(asked, found, strict=True)
            if rows and rows[0][0] == "loaded"
        }

    def put_rows(self, table: Table, rows: Sequence[tuple[object, ...]], loaded_at_ms: Sequence[int]) -> None:
        """Rows, each with what is left of its lifetime."""
        batch, now_s = RowBatch(table, tuple(zip(*rows, strict=True))), int(self._clock())
        left = [max(1, min(table.ttl_seconds, table.ttl_seconds - (now_s - ms // 1000))) for ms in loaded_at_ms]
        with Writer(self._connection, self._row_ts, lambda: None) as writer:
            writer.add(batch, left)

    def put_commits(self, ledger: LedgerCopy, commits: Sequence[CommitCopy]) -> None:
        """Commits, and what each added."""
        deltas = ((c.record.position, c.deltas) for c in commits if c.deltas is not None)
        self._all(PUT_DELTAS, ((ledger.sensor, at.segment, at.seq, at.nonce, blob) for at, blob in deltas))
        for segment, some in groupby(commits, lambda commit: commit.record.position.segment):
            NewSegment(self._connection, ledger.sensor, segment).put(COPY_COMMIT, list(map(_commit_row, some))).written()

    def put_seal(self, ledger: LedgerCopy, seal: SealCopy, parts: Iterable[SealPart]) -> None:
        """A step that began a segment, and its statement."""
        at = seal.position
        self._all(PUT_PART, ((ledger.sensor, at.segment, *part) for part in parts))
        state = (seal.state_version, seal.state_nonce or None, seal.loaded_at_ms)
        step = (at.seq, at.nonce, seal.previous or None, *state)
        NewSegment(self._connection, ledger.sensor, at.segment).put(COPY_STEP, [step]).written()

    def put_endpoints(self, ledger: LedgerCopy, entries: Sequence[EndpointEntry]) -> None:
        """Running totals of endpoints."""
        rows = [(entry.endpoint, entry.totals, entry.at_seq) for entry in entries]
        self._open(ledger).put_endpoints(rows).written()

    def put_ledger(self, ledger: LedgerCopy, totals: Sequence[TotalEntry], carried: bytes | None) -> None:
        """Flat totals, carried state, the guards of sealed segments, and last the open one's."""
        self._open(ledger).put(COPY_TOTAL, totals).written()
        if carried is not None:
            named = (ledger.sensor, ledger.state_version, ledger.state_nonce)
            self._all(carriedstate.PUT_PART, carriedstate.parts_of(named, carried))
        for (segment, _), (successor, closed_at) in pairwise(ledger.begins.items()):
            sealed = (closed_at, ledger.epoch, successor)
            NewSegment(self._connection, ledger.sensor, segment).put(COPY_SEALED, [sealed]).written()
        size = (ledger.size.endpoints, ledger.size.opened_seq, ledger.size.opened_endpoints)
        guard = (ledger.position.seq, ledger.epoch, "", 0, self._row_ts, *size, dict(ledger.kept), ledger.whole, None)
        self._open(ledger).put(COPY_GUARD, [guard]).written()

    def put_book(self, book: AdmissionBook) -> None:
        """A network's book."""
        admissions.put_book(self._connection, book, self._copy_id)

    def put_sensors(self, ledgers: Sequence[LedgerCopy]) -> None:
        """Where each sensor's ledger stands."""
        self._all(_PUT_SENSOR, ((led.sensor, led.network, led.position.segment, led.first_seen_ms) for led in ledgers))

    def _open(self, ledger: LedgerCopy) -> NewSegment:
        return NewSegment(self._connection, ledger.sensor, ledger.position.segment)

    def _all(self, statement: str, many: Iterable[Sequence[object]]) -> None:
        """Write many, some at a time; returns when a quorum has them."""
        for _ in self._connection.each(statement, many, quorum=True):
            pass


def _ledger_row(record: CaptureRecord) -> tuple[object, ...]:
    at, capture_id = record.position, record.facts.capture_id
    assert at is not None  # its segment is kept
    return (record.sensor, at.segment, capture_id.hex(), at.seq, capture_id, at.nonce, record.reason, record.loaded_at_ms)


def _commit_row(commit: CommitCopy) -> tuple[object, ...]:
    record = commit.record
    at = record.position
    chain = (at.nonce, record.previous or None, record.capture_id)
    counts = (record.frames, record.flows, record.flow_packets, record.flow_bytes, dict(record.rows), dict(record.non_flow))
    return (
        at.seq,
        record.capture_id.hex(),
        *chain,
        *counts,
        commit.state_version,
        commit.state_nonce or None,
        record.loaded_at_ms,
    )

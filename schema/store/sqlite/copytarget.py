"""A file that becomes what another store is (`schema.store.copying.CopyTarget`): one transaction a call."""

import json
from collections.abc import Collection, Iterable, Sequence
from itertools import chain

from schema.bucketpolicy import BucketRule
from schema.records import AdmissionBook
from schema.store.codec import decode_manifest
from schema.store.copying import CaptureCopy, CommitCopy, EndpointEntry, LedgerCopy, Origin, SealCopy, SealPart, TotalEntry
from schema.store.sqlite import admissions, captures, ledger, policy, retention
from schema.store.sqlite.database import Database, Transaction
from schema.store.sqlite.statements import insert_of, time_column
from schema.store.sqlite.values import sql_rows
from schema.tables import BY_NAME, TABLES, Ownership, RowBatch, Table

_OWN_TABLES = ("sensors", "ledger", "ledger_commits", "captures", "captures_by_origin", "admission_books", "bucket_policy")
_PUT_ORIGIN = "INSERT OR REPLACE INTO captures_by_origin (origin, noted_at, capture_id) VALUES (?, ?, ?)"
_PUT_CHUNK = "INSERT OR REPLACE INTO manifests (capture_id, part, data) VALUES (?, ?, ?)"
_WIDEN_SPAN = """
    INSERT INTO own_rows (capture_id, table_name, expires_at, first_time, last_time, expired) VALUES (?, ?, ?, ?, ?, 0)
    ON CONFLICT DO UPDATE SET first_time = min(first_time, excluded.first_time), last_time = max(last_time, excluded.last_time)
"""
_ROWS_FROM = "SELECT capture_id, inputs FROM captures WHERE capture_id = ? AND state = 'loaded'"
_PUT_DELTAS = "INSERT OR REPLACE INTO commit_deltas (sensor, seq, deltas) VALUES (?, ?, ?)"
_PUT_SEAL = "INSERT OR REPLACE INTO ledger_seals (sensor, seq, segment, nonce, previous) VALUES (?, ?, ?, ?, ?)"
_PUT_PART = "INSERT OR REPLACE INTO ledger_openings (sensor, seq, folded, part, data) VALUES (?, ?, ?, ?, ?)"
_PUT_ENDPOINT = """
    INSERT OR REPLACE INTO ledger_endpoints (sensor, segment, endpoint, flows, packets, bytes, packets_rev, bytes_rev, at_seq)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_TOTAL = "INSERT OR REPLACE INTO ledger_totals (sensor, name, value, at_seq) VALUES (?, ?, ?, ?)"
_PUT_CARRIED = "INSERT OR REPLACE INTO carried_state (sensor, version, nonce, data) VALUES (?, ?, ?, ?)"
_PUT_LEDGER = """
    INSERT OR REPLACE INTO ledger (sensor, segment, first_segment, version, nonce, epoch, owner, lease_until, state_version,
      state_nonce, loaded_at, opened_seq, opened_endpoints, endpoints)
    VALUES (?, ?, ?, ?, ?, ?, '', 0, ?, ?, ?, ?, ?, ?)
"""
_PUT_SENSOR = "INSERT OR REPLACE INTO sensors (sensor, network, segment, first_seen) VALUES (?, ?, ?, ?)"


class SqliteCopyTarget:
    """One file with its tables made."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_empty(self) -> bool:
        """Whether no table holds anything."""
        names = chain((table.name for table in TABLES), _OWN_TABLES)
        return not any(self._database.execute(f"SELECT 1 FROM {name} LIMIT 1") for name in names)

    def put_rules(self, rules: Sequence[BucketRule]) -> None:
        """The whole list."""
        with self._database.transaction() as transaction:
            for version, rule in enumerate(rules, 1):
                policy.add_rule(transaction, version, rule)
            transaction.commit()

    def put_captures(self, captures_: Iterable[CaptureCopy]) -> None:
        """What became of contents, their manifests, and where their rows will be."""
        with self._database.transaction() as transaction:
            for copied in captures_:
                captures.put_copy(transaction, copied)
                for part, chunk in enumerate(copied.manifest):
                    transaction.execute(_PUT_CHUNK, (copied.record.facts.capture_id, part, chunk))
                _plan_expiry(transaction, copied)
            transaction.commit()

    def put_origins(self, origins: Sequence[Origin]) -> None:
        """What leads to captures again."""
        self._put_all(_PUT_ORIGIN, origins)

    def rows_from_ms(self, capture_ids: Collection[bytes]) -> dict[bytes, int]:
        """What the lifetime of rows of loaded captures counts from."""
        with self._database.snapshot() as session:
            found = session.for_each(_ROWS_FROM, ((capture_id,) for capture_id in capture_ids))
        return {capture_id: int(json.loads(inputs).get("rows_from_ms", "0")) for capture_id, inputs in found}

    def put_rows(self, table: Table, rows: Sequence[tuple[object, ...]], loaded_at_ms: Sequence[int]) -> None:
        """Rows, and where each capture's are."""
        batch = RowBatch(table, tuple(zip(*rows, strict=True)))
        shared = table.ownership is Ownership.SHARED
        with self._database.transaction() as transaction:
            transaction.for_each(insert_of(table), sql_rows(batch, *([loaded_at_ms] if shared else [])))
            if not shared:
                transaction.for_each(_WIDEN_SPAN, _spans(batch, loaded_at_ms))
            transaction.commit()

    def put_commits(self, ledger_: LedgerCopy, commits: Sequence[CommitCopy]) -> None:
        """Commits, and what each added."""
        deltas = ((ledger_.sensor, c.record.position.seq, c.deltas) for c in commits if c.deltas is not None)
        with self._database.transaction() as transaction:
            for commit in commits:
                ledger.put_commit(transaction, commit.record, (commit.state_version, commit.state_nonce))
            transaction.for_each(_PUT_DELTAS, deltas)
            transaction.commit()

    def put_seal(self, ledger_: LedgerCopy, seal: SealCopy, parts: Iterable[SealPart]) -> None:
        """A step that began a segment, and its statement."""
        at = seal.position
        with self._database.transaction() as transaction:
            transaction.execute(_PUT_SEAL, (ledger_.sensor, at.seq, at.segment, at.nonce, seal.previous))
            transaction.for_each(_PUT_PART, ((ledger_.sensor, at.seq, *part) for part in parts))
            transaction.commit()

    def put_endpoints(self, ledger_: LedgerCopy, entries: Sequence[EndpointEntry]) -> None:
        """Running totals of endpoints."""
        place = (ledger_.sensor, ledger_.position.segment)
        self._put_all(_PUT_ENDPOINT, ((*place, entry.endpoint, *entry.totals, entry.at_seq) for entry in entries))

    def put_ledger(self, ledger_: LedgerCopy, totals: Sequence[TotalEntry], carried: bytes | None) -> None:
        """Flat totals, carried state, and what guards the ledger."""
        at, size = ledger_.position, ledger_.size
        state = (ledger_.state_version, ledger_.state_nonce)
        guard = (ledger_.sensor, at.segment, min(ledger_.begins), at.seq, at.nonce, ledger_.epoch, *state)
        sizes = (size.opened_seq, size.opened_endpoints, size.endpoints)
        with self._database.transaction() as transaction:
            transaction.for_each(_PUT_TOTAL, ((ledger_.sensor, *total) for total in totals))
            if carried is not None:
                transaction.execute(_PUT_CARRIED, (ledger_.sensor, *state, carried))
            transaction.execute(_PUT_LEDGER, (*guard, ledger_.loaded_at_ms, *sizes))
            transaction.commit()

    def put_book(self, book: AdmissionBook) -> None:
        """A network's book."""
        with self._database.transaction() as transaction:
            admissions.put_book(transaction, book)
            transaction.commit()

    def put_sensors(self, ledgers: Sequence[LedgerCopy]) -> None:
        """Where each sensor's ledger stands."""
        rows = ((led.sensor, led.network, led.position.segment, led.first_seen_ms) for led in ledgers)
        self._put_all(_PUT_SENSOR, rows)

    def _put_all(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        with self._database.transaction() as transaction:
            transaction.for_each(statement, rows)
            transaction.commit()


def _plan_expiry(transaction: Transaction, copied: CaptureCopy) -> None:
    """Each table of the manifest, as long as it has rows: they say where they are when they come."""
    rows_from_ms, capture_id = copied.record.rows_expire_from_ms, copied.record.facts.capture_id
    chunks = dict(enumerate(copied.manifest))
    tables = {counts.table for chunk in decode_manifest(chunks.get) for counts in chunk.own}
    spans = ((name, rows_from_ms + retention.lifetime_ms(name), *retention.empty_span(BY_NAME[name])) for name in tables)
    transaction.for_each(_WIDEN_SPAN, ((capture_id, *span) for span in spans))


def _spans(batch: RowBatch, loaded_at_ms: Sequence[int]) -> list[tuple[object, ...]]:
    """From when to when the rows of each capture are."""
    table = batch.table
    time, lifetime_ms = time_column(table), retention.lifetime_ms(table.name)
    times = batch.column(time) if time else [0] * len(batch)
    spans: dict[object, tuple[int, int, int]] = {}
    for capture_id, at, from_ms in zip(batch.column("capture_id"), times, loaded_at_ms, strict=True):
        assert isinstance(at, int)
        _, first, last = spans.get(capture_id, (0, at, at))
        spans[capture_id] = (from_ms + lifetime_ms, min(first, at), max(last, at))
    return [(capture_id, table.name, *span) for capture_id, span in spans.items()]

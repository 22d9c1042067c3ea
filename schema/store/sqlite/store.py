"""The store port on one SQLite file. Reads see one committed state, also while an attempt is open."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import apsw

from schema.bucketpolicy import BucketRule
from schema.records import AdmissionBook, BookChange, CaptureRecord, CommitRecord, LedgerTotals, NameTold, PartitionCounts, Seal
from schema.store.codec import partitions_of
from schema.store.copying import CopySource, CopyTarget
from schema.store.nodes import NodeHealth
from schema.store.notes import refuse_reading
from schema.store.reading import AnswerQuery, FlowQuery, NamesTold, QueryResult, Recount, SensorRecord, StoreHealth, ToldQuery
from schema.store.sqlite import admissions, captures, history, lease, ledger, names, notes, policy, queries, seals
from schema.store.sqlite.copysource import SqliteCopySource
from schema.store.sqlite.copytarget import SqliteCopyTarget
from schema.store.sqlite.database import Database, Session
from schema.store.sqlite.recount import recount_capture
from schema.store.sqlite.retention import expire_rows
from schema.store.writing import SensorLease
from schema.tables import Table


class SqliteStore:
    """A store in one SQLite file (`schema.store.writing.Store`)."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock
        self._checked = False

    def health(self) -> StoreHealth:
        """What `doctor` and `/-/ready` say."""
        with self._database.snapshot() as session:
            applied = history.applied_version(session)
        path = self._database.path
        return StoreHealth(
            kind="sqlite",
            version=apsw.sqlite_lib_version(),
            schema_version=applied,
            wanted_schema_version=history.wanted_version(),
            durable=True,
            detail=f"{path}, {_bytes_of(path):,} bytes",
        )

    def nodes(self) -> list[NodeHealth]:
        """None: it is a file."""
        return []

    def apply_schema(self) -> list[str]:
        """Apply the migrations that are missing; returns their names."""
        return history.apply_missing(self._database, self._now_ms())

    # what is loaded

    def take_sensor(self, sensor: str, network: str, owner: str, until_ms: int) -> SensorLease:
        """Take the sensor's lease; raises LeaseHeldError while another loader has it."""
        self._check()
        return lease.take(self._database, sensor, network, owner, (self._now_ms(), until_ms))

    def refusals(self) -> Mapping[str, int]:
        """None: a transaction is kept, or raises."""
        return {}

    def expire(self, now_ms: int, limit: int) -> int:
        """Delete up to `limit` rows whose lifetime is over; returns how many."""
        self._check()
        with self._database.transaction() as transaction:
            deleted = expire_rows(transaction, now_ms, limit)
            transaction.commit()
        return deleted

    # the ledger

    def sensors(self) -> list[SensorRecord]:
        """Every sensor that was ever loaded, by name."""
        with self._reading() as session:
            return ledger.read_sensors(session)

    def ledger(self, sensor: str) -> LedgerTotals:
        """Running totals at the newest commit."""
        with self._reading() as session:
            return ledger.read_totals(session, sensor)

    def opening(self, sensor: str, segment: int) -> LedgerTotals:
        """The totals that a segment began with."""
        with self._reading() as session:
            return seals.read_opening(session, sensor, segment)

    def commits(self, sensor: str, after_seq: int, *, deltas: bool = False) -> Iterator[CommitRecord]:
        """Commits with a larger seq, oldest first."""
        self._check()
        return ledger.read_commits(self._database, sensor, after_seq, deltas)

    def seals(self, sensor: str, after_seq: int) -> list[Seal]:
        """Seals with a larger seq, oldest first."""
        with self._reading() as session:
            return seals.read_seals(session, sensor, after_seq)

    # captures

    def capture(self, capture_id: bytes) -> CaptureRecord | None:
        """What is known of one content."""
        with self._reading() as session:
            return captures.read_capture(session, capture_id)

    def capture_of_origin(self, origin: str) -> CaptureRecord | None:
        """The newest committed capture that this origin led to."""
        with self._reading() as session:
            return captures.read_capture_of_origin(session, origin)

    def stands(self, capture_id: bytes) -> bool:
        """Whether the ledger holds this capture's commit."""
        with self._reading() as session:
            return ledger.stands(session, capture_id)

    def captures(self, sensor: str | None = None, state: str | None = None) -> Iterator[CaptureRecord]:
        """All captures, or one sensor's, or those in one state."""
        self._check()
        return captures.read_captures(self._database, sensor, state)

    def recount(self, capture_id: bytes) -> Recount:
        """One capture's own rows, counted back by its manifest."""
        with self._reading() as session:
            return recount_capture(session, capture_id, self._now_ms())

    # rows

    def flows(self, query: FlowQuery) -> QueryResult:
        """Flow rows, newest first."""
        with self._reading() as session:
            return queries.find_flows(session, query)

    def names_of(self, address: bytes) -> QueryResult:
        """Rows of `names_by_ip`."""
        with self._reading() as session:
            return queries.find_names(session, address)

    def addresses_of(self, hostname: str) -> QueryResult:
        """Rows of `ips_by_name`."""
        with self._reading() as session:
            return queries.find_addresses(session, hostname)

    def names_below(self, domain: str) -> QueryResult:
        """Rows of `names_by_domain`."""
        with self._reading() as session:
            return queries.find_names_below(session, domain)

    def answers(self, query: AnswerQuery) -> QueryResult:
        """Rows of `dns_answers`, newest first."""
        with self._reading() as session:
            return queries.find_answers(session, query)

    def told(self, query: ToldQuery) -> list[tuple[NameTold, int]]:
        """The newest that anyone of a sensor, or one client, was told of an address."""
        with self._reading() as session:
            return names.read_newest_told(session, query)

    def partitions(self, capture_id: bytes) -> Iterator[PartitionCounts]:
        """Where a capture's own rows are."""
        self._check()
        return captures.read_own_parts(self._database, capture_id)

    def began_from(self, capture_id: bytes) -> bytes:
        """The open flows that a capture went on from, where they are kept."""
        self._check()
        return b"".join(piece for chunk in captures.read_manifest(self._database, capture_id) for piece in chunk.began_from)

    def rows_in(
        self, table: Table, capture_id: bytes, partitions: Sequence[tuple[object, ...]]
    ) -> Iterator[tuple[object, ...]]:
        """One capture's own rows in these partitions."""
        self._check()
        return queries.rows_of_capture(self._database, table, capture_id, partitions)

    def names_as_of(self, sensor: str, seq: int) -> NamesTold:
        """What a sensor's clients were told, as of a commit."""
        self._check()
        return names.NamesAsOf(self._database, sensor, seq)

    def rows_of(self, table: Table, capture_id: bytes, first: object) -> Iterator[tuple[object, ...]]:
        """One capture's own rows in the partitions of one address or name."""
        return self.rows_in(table, capture_id, partitions_of(self.partitions(capture_id), table.name, first))

    def scan(self, table: Table) -> Iterator[tuple[object, ...]]:
        """Every row of a table."""
        self._check()
        return queries.scan_table(self._database, table)

    # the exporter's books

    def admissions(self, network: str) -> AdmissionBook:
        """A network's book."""
        with self._reading() as session:
            return admissions.read_book(session, network)

    def admit(self, network: str, expected_version: int, change: BookChange) -> bool:
        """Raise the book by one version; False where somebody else was faster."""
        self._check()
        with self._database.transaction() as transaction:
            raised = admissions.raise_book(transaction, network, expected_version, change)
            transaction.commit()
        return raised

    # what could not be loaded

    def dismiss(self, capture_id: bytes) -> bool:
        """Nobody is to look at a quarantined content any more."""
        self._check()
        with self._database.transaction() as transaction:
            dismissed = captures.dismiss(transaction, capture_id)
            transaction.commit()
        return dismissed

    # lengths of partitions

    def bucket_rules(self) -> list[BucketRule]:
        """Rules for hot addresses and names, oldest first."""
        with self._reading() as session:
            return policy.read_rules(session)

    def add_bucket_rule(self, version: int, rule: BucketRule) -> bool:
        """Add the next rule; False where somebody else was faster."""
        self._check()
        with self._database.transaction() as transaction:
            added = policy.add_rule(transaction, version, rule)
            transaction.commit()
        return added

    # copies

    def notes(self) -> Mapping[str, str]:
        """What the store says of itself."""
        with self._of_this_schema().snapshot() as session:
            return notes.read_notes(session)

    def change_note(self, name: str, before: str | None, after: str | None) -> bool:
        """Change a note that still says what it said before."""
        with self._of_this_schema().transaction() as transaction:
            changed = notes.change_note(transaction, name, before, after)
            transaction.commit()
        return changed

    def copy_source(self) -> CopySource:
        """All that the file holds."""
        return SqliteCopySource(self._of_this_schema())

    def copy_target(self, copy_id: bytes, started_at_ms: int) -> CopyTarget:  # noqa: ARG002  nothing here is fenced by time
        """Takes all that another store holds."""
        return SqliteCopyTarget(self._of_this_schema())

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _reading(self) -> AbstractContextManager[Session]:
        self._check()
        return self._database.snapshot()

    def _check(self) -> None:
        if not self._checked:
            with self._of_this_schema().snapshot() as session:
                refuse_reading(notes.read_notes(session))
            self._checked = True

    def _of_this_schema(self) -> Database:
        with self._database.snapshot() as session:
            history.check_schema(session, self._database.path)
        return self._database

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _bytes_of(path: Path) -> int:
    """Of the file and its log, where the newest rows are."""
    size = 0
    for name in (path.name, f"{path.name}-wal"):
        with suppress(FileNotFoundError):  # the log goes when the last who had the store open closes it
            size += path.with_name(name).stat().st_size
    return size

"""The store port on a Cassandra cluster."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from schema.bucketpolicy import BucketRule
from schema.records import AdmissionBook, BookChange, CaptureRecord, CommitRecord, LedgerTotals, NameTold, PartitionCounts, Seal
from schema.store.cassandra import (
    admissions,
    captures,
    counted,
    history,
    lease,
    ledger,
    names,
    notes,
    oldsegments,
    origins,
    policy,
    queries,
)
from schema.store.cassandra.commitments import committed_among
from schema.store.cassandra.connection import Connection
from schema.store.cassandra.copysource import CassandraCopySource
from schema.store.cassandra.copytarget import CassandraCopyTarget
from schema.store.cassandra.guard import current_guard
from schema.store.cassandra.health import read_health
from schema.store.cassandra.hold import Memory
from schema.store.cassandra.nodes import read_nodes
from schema.store.cassandra.own_rows import recount_capture, rows_of_capture
from schema.store.codec import partitions_of
from schema.store.copying import CopySource, CopyTarget
from schema.store.nodes import NodeHealth
from schema.store.notes import refuse_reading
from schema.store.reading import AnswerQuery, FlowQuery, NamesTold, QueryResult, Recount, SensorRecord, StoreHealth, ToldQuery
from schema.store.writing import SensorLease
from schema.tables import Table


class CassandraStore:
    """A store in one keyspace of a cluster (`schema.store.writing.Store`)."""

    def __init__(self, connection: Connection, clock: Callable[[], float]) -> None:
        self._connection, self._clock = connection, clock
        self._has_schema = self._is_checked = False
        self._memory = Memory()

    def health(self) -> StoreHealth:
        """What `doctor` and `/-/ready` say."""
        return read_health(self._connection)

    def nodes(self) -> list[NodeHealth]:
        """What each node says of itself."""
        return read_nodes(self._connection)

    def apply_schema(self) -> list[str]:
        """Apply the migrations that are missing; returns their names."""
        return history.apply_missing(self._connection, self._now_ms())

    # what is loaded

    def take_sensor(self, sensor: str, network: str, owner: str, until_ms: int) -> SensorLease:
        """Take the sensor's lease; raises LeaseHeldError while another loader has it."""
        return lease.take(self._checked(), self._clock, (sensor, network, owner), until_ms, self._memory)

    def refusals(self) -> Mapping[str, int]:
        """Requests that were not acknowledged, by what became of them."""
        return {refusal.value: count for refusal, count in self._connection.refusals.items()}

    def expire(self, now_ms: int, limit: int) -> int:  # noqa: ARG002  rows carry their own lifetime here
        """Nothing: the cluster drops rows whose lifetime is over."""
        return 0

    # the ledger

    def sensors(self) -> list[SensorRecord]:
        """Every sensor that was ever loaded, by name."""
        return ledger.read_sensors(self._checked())

    def ledger(self, sensor: str) -> LedgerTotals:
        """Running totals at the newest commit."""
        return ledger.read_totals(self._checked(), sensor)

    def opening(self, sensor: str, segment: int) -> LedgerTotals:
        """The totals that a segment began with."""
        return oldsegments.read_opening(self._checked(), sensor, segment)

    def commits(self, sensor: str, after_seq: int, *, deltas: bool = False) -> Iterator[CommitRecord]:
        """Commits with a larger seq, oldest first."""
        return ledger.read_commits(self._checked(), sensor, after_seq, deltas)

    def seals(self, sensor: str, after_seq: int) -> list[Seal]:
        """Seals with a larger seq, oldest first."""
        return oldsegments.read_seals(self._checked(), sensor, after_seq)

    # captures

    def capture(self, capture_id: bytes) -> CaptureRecord | None:
        """What is known of one content."""
        standing = captures.read_standing(self._checked(), capture_id)
        return None if standing is None else standing.record

    def capture_of_origin(self, origin: str) -> CaptureRecord | None:
        """The newest committed capture that this origin led to."""
        return origins.begin_capture_of_origin(self._checked(settled=False), origin)()  # it asks the ledger

    def stands(self, capture_id: bytes) -> bool:
        """Whether the ledger holds this capture's commit, whatever `captures` says."""
        return counted.stands(self._checked(), capture_id)

    def captures(self, sensor: str | None = None, state: str | None = None) -> Iterator[CaptureRecord]:
        """All captures, or one sensor's, or those in one state."""
        return captures.read_captures(self._checked(), sensor, state)

    def recount(self, capture_id: bytes) -> Recount:
        """One capture's own rows, counted back by its manifest."""
        standing = captures.read_standing(self._checked(), capture_id)
        return recount_capture(self._connection, capture_id, standing, self._now_ms())

    # rows

    def flows(self, query: FlowQuery) -> QueryResult:
        """Flow rows, newest first."""
        return queries.find_flows(self._checked(), query)

    def names_of(self, address: bytes) -> QueryResult:
        """Rows of `names_by_ip`."""
        return queries.find_names(self._checked(), address)

    def addresses_of(self, hostname: str) -> QueryResult:
        """Rows of `ips_by_name`."""
        return queries.find_addresses(self._checked(), hostname)

    def names_below(self, domain: str) -> QueryResult:
        """Rows of `names_by_domain`."""
        return queries.find_names_below(self._checked(), domain)

    def answers(self, query: AnswerQuery) -> QueryResult:
        """Rows of `dns_answers`, newest first."""
        return queries.find_answers(self._checked(), query)

    def told(self, query: ToldQuery) -> list[tuple[NameTold, int]]:
        """The newest that anyone of a sensor, or one client, was told of an address."""
        return names.read_newest_told(self._checked(), query)

    def partitions(self, capture_id: bytes) -> Iterator[PartitionCounts]:
        """Where a capture's own rows are."""
        standing = captures.read_standing(self._checked(), capture_id)
        return captures.read_own_parts(self._connection, standing)

    def began_from(self, capture_id: bytes) -> bytes:
        """The open flows that a capture went on from, where they are kept."""
        standing = captures.read_standing(self._checked(), capture_id)
        return b"".join(piece for chunk in captures.read_manifest(self._connection, standing) for piece in chunk.began_from)

    def rows_in(
        self, table: Table, capture_id: bytes, partitions: Sequence[tuple[object, ...]]
    ) -> Iterator[tuple[object, ...]]:
        """One capture's own rows in these partitions."""
        return rows_of_capture(self._checked(), table, capture_id, partitions)

    def names_as_of(self, sensor: str, seq: int) -> NamesTold:
        """What a sensor's clients were told, as of a commit."""
        connection = self._checked()
        segment = current_guard(connection, sensor).segment
        return names.NamesAsOf(
            connection, sensor, seq, lambda capture_ids: committed_among(connection, sensor, segment, capture_ids)
        )

    def rows_of(self, table: Table, capture_id: bytes, first: object) -> Iterator[tuple[object, ...]]:
        """One capture's own rows in the partitions of one address or name."""
        return self.rows_in(table, capture_id, partitions_of(self.partitions(capture_id), table.name, first))

    def scan(self, table: Table) -> Iterator[tuple[object, ...]]:
        """Every row of a table."""
        return queries.scan_table(self._checked(), table)

    # the exporter's books

    def admissions(self, network: str) -> AdmissionBook:
        """A network's book."""
        return admissions.read_book(self._checked(), network)

    def admit(self, network: str, expected_version: int, change: BookChange) -> bool:
        """Raise the book by one version; False where somebody else was faster."""
        return admissions.raise_book(self._checked(), network, expected_version, change)

    # what could not be loaded

    def dismiss(self, capture_id: bytes) -> bool:
        """Nobody is to look at a quarantined content any more."""
        return captures.dismiss(self._checked(), capture_id)

    # lengths of partitions

    def bucket_rules(self) -> list[BucketRule]:
        """Rules for hot addresses and names, oldest first."""
        return policy.read_rules(self._checked())

    def add_bucket_rule(self, version: int, rule: BucketRule) -> bool:
        """Add the next rule; False where somebody else was faster."""
        return policy.add_rule(self._checked(), version, rule)

    # copies

    def notes(self) -> Mapping[str, str]:
        """What the store says of itself."""
        return notes.read_notes(self._of_this_schema())

    def change_note(self, name: str, before: str | None, after: str | None) -> bool:
        """Change a note that still says what it said before."""
        return notes.change_note(self._of_this_schema(), name, before, after)

    def copy_source(self) -> CopySource:
        """All that the keyspace holds."""
        return CassandraCopySource(self._checked(), self._clock)

    def copy_target(self, copy_id: bytes, started_at_ms: int) -> CopyTarget:
        """Takes all that another store holds."""
        return CassandraCopyTarget(self._of_this_schema(), self._clock, copy_id, started_at_ms)

    def close(self) -> None:
        """Let the cluster go."""
        self._connection.close()

    def _checked(self, *, settled: bool = True) -> Connection:
        if not self._is_checked:
            refuse_reading(notes.read_notes(self._of_this_schema()))
            self._is_checked = True
        if settled:
            self._connection.settle()
        return self._connection

    def _of_this_schema(self) -> Connection:
        if not self._has_schema:
            history.check_schema(self._connection)
            self._has_schema = True
        return self._connection

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

"""The half of the store port that everyone reads through: the exporter, query, status, verify; the other is `writing`.

Every method may raise `StoreUnavailableError`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schema.bucketpolicy import BucketPolicy, BucketRule
from schema.records import (
    AdmissionBook,
    BookChange,
    CaptureRecord,
    CommitRecord,
    LedgerTotals,
    NameTold,
    PartitionCounts,
    Seal,
)
from schema.store.nodes import NodeHealth
from schema.tables import Table

# Names that `names_told_at` gives for one address, `names_told_of` for one client and address.
MOST_TOLD = 256


class NamesTold(Protocol):
    """What a sensor's clients were told, as of one position of its ledger.

    `policy`: says where it lies; it has every rule that rows up to that position were made by, and may have more.
    """

    def names_told(self, clients: Collection[bytes]) -> Iterator[NameTold]:
        """What these clients were told, as of the position (rows of later or uncommitted attempts are left out): client by
        client in the order given, of each address by address, and of an address the oldest first: by time, capture, frame and
        hostname, all ascending. Read as it is taken, a page at a time: there is no bound on what one client was told. Clients
        that a policy shares out are not asked for: what they were told is not read whole."""

    def names_told_at(self, addresses: Mapping[bytes, int], policy: BucketPolicy) -> list[NameTold]:
        """What anyone of this sensor was told of these addresses, none of it after the time given with its address (Unix ns);
        as of the position. By address in the order given, and for each the newest first: by time, capture, frame, hostname and
        client, all descending; at most `MOST_TOLD` an address."""

    def names_told_of(self, pairs: Mapping[tuple[bytes, bytes], int], policy: BucketPolicy) -> list[NameTold]:
        """What each client was told of one address (the pairs), as `names_told_at` tells it of anyone: for clients of which
        `names_told` gives more than is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorRecord:
    """One row of `sensors`, with the lease as the ledger has it."""

    sensor: str
    network: str
    segment: int
    first_seen_ms: int
    owner: str  # "" when nobody holds it
    lease_until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuery:
    """Which flow rows to find; one of the two addresses is given, or both. Times are packet times, Unix ms."""

    destination: bytes | None = None
    source: bytes | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerQuery:
    """Which rows of `dns_answers` to find: those of one name, failures included. Times are packet times, Unix ms."""

    name: str
    client: bytes | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldQuery:
    """Which facts to find: what anyone of a sensor, or one client, was told of an address."""

    sensor: str
    address: bytes
    until_ns: int  # packet time, Unix ns: none told later
    client: bytes | None = None
    limit: int = 4_096  # rows, the newest of those that are not later than the millisecond of `until_ns`


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """Rows, newest first where the table has a time, and the statements that found them as a person would type them."""

    table: Table
    rows: list[tuple[object, ...]]
    statements: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """One capture counted back from its tables, by its manifest; tables whose rows have expired are left out."""

    capture_id: bytes
    expected: Mapping[str, int]  # own rows by table, as the manifest says
    found: Mapping[str, int]
    flow_packets: int | None  # both directions, summed over the found flow rows; None once they have expired


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """What `doctor` and `/-/ready` say of a store."""

    kind: str  # sqlite | cassandra
    version: str
    schema_version: int  # applied; 0: none
    wanted_schema_version: int
    durable: bool  # an acknowledged commit survives a crash of the store: only then may input be deleted
    detail: str  # one line for people
    clock_ms: int | None = None  # Unix ms by the store's own clock; None: it is this machine's


class StoreReader(Protocol):
    """Everything that reads: the exporter, query, status, verify. Half a copy is not read: `StoreMovedError`, but of `health`
    and `notes`."""

    def health(self) -> StoreHealth:
        """What the store is and whether what it acknowledges lasts."""

    def nodes(self) -> list[NodeHealth]:
        """What each node of a cluster says of itself, by address; none: the store is no cluster. One that does not answer is
        down. Raises `StorePermissionError` where this user may not ask."""

    def sensors(self) -> list[SensorRecord]:
        """Every sensor that ever was taken."""

    def ledger(self, sensor: str) -> LedgerTotals:
        """Running totals at the newest commit, read consistently with their position."""

    def opening(self, sensor: str, segment: int) -> LedgerTotals:
        """The totals that a segment began with, at the seal's position (segment 0, and one that is old: nothing)."""

    def commits(self, sensor: str, after_seq: int, *, deltas: bool = False) -> Iterator[CommitRecord]:
        """Commits with a larger seq, oldest first, in all segments that are kept. Seals leave gaps in their numbers. `deltas`:
        with what each added, where that is kept: of the newest segments."""

    def seals(self, sensor: str, after_seq: int) -> list[Seal]:
        """Seals with a larger seq, oldest first, as far back as all of a segment is kept."""

    def capture(self, capture_id: bytes) -> CaptureRecord | None:
        """What became of a content; None: it was never claimed."""

    def capture_of_origin(self, origin: str) -> CaptureRecord | None:
        """The newest committed capture that this origin led to. The asker holds its content against the file's: inodes are
        used again."""

    def stands(self, capture_id: bytes) -> bool:
        """Whether the ledger itself holds this capture's commit: what is asked before its file is let go."""

    def captures(self, sensor: str | None = None, state: str | None = None) -> Iterator[CaptureRecord]:
        """All of them, or those of one sensor or in one state, in no particular order."""

    def recount(self, capture_id: bytes) -> Recount:
        """Count a capture's own rows where its manifest says they are."""

    def flows(self, query: FlowQuery) -> QueryResult:
        """Flow rows, newest first. Raises `SettingsError` where rows of a source alone are asked for and the store's index of
        sources is switched off."""

    def names_of(self, address: bytes) -> QueryResult:
        """Rows of `names_by_ip`."""

    def addresses_of(self, hostname: str) -> QueryResult:
        """Rows of `ips_by_name`."""

    def names_below(self, domain: str) -> QueryResult:
        """Rows of `names_by_domain`."""

    def answers(self, query: AnswerQuery) -> QueryResult:
        """Rows of `dns_answers`, newest first; those of one message in its order."""

    def told(self, query: ToldQuery) -> list[tuple[NameTold, int]]:
        """What was told of an address, newest first. Beside each fact is the ledger number of its capture, if that is committed
        with this number: what attempts that do not count have left may be among them."""

    def partitions(self, capture_id: bytes) -> Iterator[PartitionCounts]:
        """Where a capture's own rows are, as its manifest says; nothing where there is none, or all its rows have expired."""

    def began_from(self, capture_id: bytes) -> bytes:
        """The open flows that a capture went on from, where its manifest has them; nothing where it has not, or is gone."""

    def rows_in(
        self, table: Table, capture_id: bytes, partitions: Sequence[tuple[object, ...]]
    ) -> Iterator[tuple[object, ...]]:
        """One capture's own rows of a table in these partitions, one partition after the other."""

    def names_as_of(self, sensor: str, seq: int) -> NamesTold:
        """What a sensor's clients were told, as of the commit with this number."""

    def rows_of(self, table: Table, capture_id: bytes, first: object) -> Iterator[tuple[object, ...]]:
        """One capture's own rows of a table in the partitions that begin with this value (an address, a name), which are those
        of its manifest; in no particular order."""

    def scan(self, table: Table) -> Iterator[tuple[object, ...]]:
        """Every row of a table in no particular order, as values that cross the port (export, tests)."""

    def admissions(self, network: str) -> AdmissionBook:
        """The network's book; version 0 where nothing was ever shown."""

    def admit(self, network: str, expected_version: int, change: BookChange) -> bool:
        """Raise the book by one version if it still stands at `expected_version`; False: somebody else was faster."""

    def notes(self) -> Mapping[str, str]:
        """What the store says of itself (`schema.store.notes`), by name."""

    def bucket_rules(self) -> list[BucketRule]:
        """The list of `bucket_policy`, oldest first: the first n of them are version n, for ever."""

    def close(self) -> None:
        """Let go of files and connections; nothing may be asked afterwards."""

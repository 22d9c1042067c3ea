"""The store port: what the loader writes through and everyone reads through.

Its unit is the *attempt*: claim, column batches of rows, one commit. What Cassandra needs a protocol for, SQLite does in one
transaction; neither shows here. Every method may raise `StoreUnavailableError`; writers may raise `LeaseLostError`.
Adapters take their clock (seconds since the epoch) when they are built; nothing here reads one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from schema.bucketpolicy import BucketRule
from schema.records import (
    AdmissionBook,
    BookChange,
    CaptureFacts,
    CaptureRecord,
    CommitDeltas,
    CommitRecord,
    LedgerPosition,
    LedgerTotals,
    Manifest,
    NameRepair,
    NameTold,
    PartitionCounts,
    Seal,
)
from schema.store.copying import CopySource, CopyTarget
from schema.store.nodes import NodeHealth
from schema.store.sealing import Sealing
from schema.tables import RowBatch, Table

# Names that `names_told_at` gives for one address, `names_told_of` for one client and address.
MOST_TOLD = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHead:
    """Where a sensor's ledger stands, as its lease holder last knew it."""

    position: LedgerPosition
    state_version: int = 0  # seq of the commit that the carried state came with; 0: nothing is carried
    state_nonce: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is fixed before the first row of an attempt: identity, inputs, manifest."""

    facts: CaptureFacts
    inputs: Mapping[str, str]  # all that the rows depend on besides the capture's bytes
    manifest: Manifest
    started_at_ms: int
    origins: tuple[str, ...] = ()  # what leads to this capture again: its file's id, `content:HEX` of the file's whole content


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What becomes visible together, or not at all."""

    deltas: CommitDeltas
    flows: int
    flow_packets: int  # both directions
    flow_bytes: int
    non_flow: Mapping[str, int]
    reason: str  # damage of a loaded capture, in words; "" for none
    carried: bytes | None  # open flows for the next capture; None: the carried state stays where it is
    loaded_at_ms: int

    def record(self, claim: Claim, sensor: str, position: LedgerPosition, *, previous: bytes) -> CommitRecord:
        """The row of the ledger that this commit is; `previous`: nonce of the commit before it."""
        return CommitRecord(
            sensor=sensor,
            position=position,
            previous=previous,
            capture_id=claim.facts.capture_id,
            frames=claim.facts.frames,
            flows=self.flows,
            flow_packets=self.flow_packets,
            flow_bytes=self.flow_bytes,
            rows=claim.manifest.own_rows,
            non_flow=self.non_flow,
            loaded_at_ms=self.loaded_at_ms,
            deltas=self.deltas,
        )


class ClaimRefusal(Enum):
    """Why an attempt may not begin."""

    ALREADY_LOADED = "already_loaded"  # this content is committed, here or under another sensor
    OWNED_ELSEWHERE = "owned_elsewhere"  # another sensor's loader has claimed it and is not done


class Attempt(Protocol):
    """One claimed capture on its way in. Leaving the context without a commit leaves no row that counts."""

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Write rows; returns when every one is acknowledged. The same rows again are the same rows."""

    def repair(self, repairs: Sequence[NameRepair]) -> int:
        """Give rows of `flows` that this sensor committed their late name: each whole row is written again under its key, with
        what is left of its lifetime. Returns how many were there; a row that is gone stays gone. The same again is the same."""

    def commit(self, commit: Commit) -> LedgerHead:
        """Make the capture count, once. Raises `LeaseLostError` where another loader took the sensor over."""


class NamesTold(Protocol):
    """What a sensor's clients were told, as of one position of its ledger."""

    def names_told(self, clients: Collection[bytes]) -> Iterator[NameTold]:
        """What these clients were told, as of the position (rows of later or uncommitted attempts are left out): client by
        client in the order given, of each address by address, and of an address the oldest first: by time, capture, frame and
        hostname, all ascending. Read as it is taken, a page at a time: there is no bound on what one client was told."""

    def names_told_at(self, addresses: Mapping[bytes, int]) -> list[NameTold]:
        """What anyone of this sensor was told of these addresses, none of it after the time given with its address (Unix ns);
        as of the position. By address in the order given, and for each the newest first: by time, capture, frame, hostname and
        client, all descending; at most `MOST_TOLD` an address."""

    def names_told_of(self, pairs: Mapping[tuple[bytes, bytes], int]) -> list[NameTold]:
        """What each client was told of one address (the pairs), as `names_told_at` tells it of anyone: for clients of which
        `names_told` gives more than is wanted."""


class Rewriting(Protocol):
    """Rows of one committed capture that are put right. What it does is done where its context ends without an error; what of
    it is done where it ends with one, the same again completes."""

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Write rows of the capture with what is left of their lifetime; those whose time is over are left out."""

    def delete(self, table: Table, keys: Sequence[tuple[object, ...]]) -> None:
        """Delete rows of the capture by their whole keys."""


class SensorLease(NamesTold, Protocol):
    """The right to load one sensor's captures, and its ledger and names as of `head`."""

    @property
    def sensor(self) -> str:
        """Whose captures it loads."""

    @property
    def head(self) -> LedgerHead:
        """The ledger as of the newest commit through this lease, or of taking it."""

    def carried(self) -> bytes | None:
        """The open flows that `head` names; None when nothing is carried."""

    def begin(self, claim: Claim) -> "AbstractContextManager[Attempt] | ClaimRefusal":
        """Claim a capture. An unfinished attempt of this sensor at the same content is taken over: with equal inputs its
        rows are written again, with other inputs its own rows are deleted first."""

    def note_origin(self, origin: str, capture_id: bytes, at_ms: int) -> None:
        """Remember that this origin, too, holds a capture that is committed: a copy of it may grow."""

    def rewrite(self, capture_id: bytes) -> AbstractContextManager[Rewriting]:
        """Put rows of a capture right that this sensor's ledger holds; the ledger stays as it is. Raises `StoreError` for any
        other capture."""

    def quarantine(self, facts: CaptureFacts, reason: str, detail: str, at_ms: int) -> None:
        """Record that a content cannot be loaded; own rows of an unfinished attempt at it are deleted."""

    def seal_if_due(self, rule: Sealing) -> bool:
        """Between two captures: seal the ledger's segment and open its successor where the rule says so; whether it did. `head`
        is then the seal, one seq further, with the same carried state. Old segments go when they are needed no longer."""

    def renew(self, until_ms: int) -> None:
        """Keep the lease; raises `LeaseLostError` when it is gone."""

    def release(self) -> None:
        """Let another loader have the sensor at once."""


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


class Store(StoreReader, Protocol):
    """A reader that also loads."""

    def apply_schema(self) -> list[str]:
        """Apply the migrations that are missing; returns their names."""

    def take_sensor(self, sensor: str, network: str, owner: str, until_ms: int) -> SensorLease:
        """Take the sensor's lease: raises its epoch. `owner` is HOST:PID:RANDOM; a lease whose process is known to be dead
        (same host, no such pid) or whose time is over is taken over, otherwise `LeaseHeldError`. Takes no lease for longer
        than until `until_ms`. The first taker fixes the sensor's network. Raises `StoreMovedError` where nobody may load."""

    def refusals(self) -> Mapping[str, int]:
        """Requests that were not acknowledged, since the store was opened, by what became of them: failed (nothing was done) |
        unknown (it may have been done) | full (no room) | poison (refused for ever). All but the last were repeated."""

    def add_bucket_rule(self, version: int, rule: BucketRule) -> bool:
        """Make the list one rule longer: as this version, the next one; False: there is another rule with this version."""

    def expire(self, now_ms: int, limit: int) -> int:
        """Delete up to `limit` rows whose lifetime is over, where the store does not do so itself; returns how many."""

    def change_note(self, name: str, before: str | None, after: str | None) -> bool:
        """Make a note say this (None: be gone), where it says what it said before; False where it says something else."""

    def copy_source(self) -> CopySource:
        """All that the store holds, page by page: for who has seen to it that nobody loads."""

    def copy_target(self, copy_id: bytes, started_at_ms: int) -> CopyTarget:
        """Takes all that another store holds; `copy_id` and `started_at_ms` are the same however often it is gone on with."""

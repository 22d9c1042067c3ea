"""What crosses the port when a store is copied: pages of all that it holds, in terms of neither store (docs/decisions/0027).

A source gives pages from a cursor on, and may give the last page again; a target takes the same page twice as once. A cursor
is the source's own: text that nobody else reads, "" at the beginning.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from schema.bucketpolicy import BucketRule
from schema.records import AdmissionBook, CaptureRecord, CommitRecord, EndpointTotals, LedgerPosition
from schema.store.sealing import SegmentSize
from schema.tables import Table

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of many things, and the cursor from which on this one's end and what follows is read again."""

    items: Sequence[Item]
    after: str
    left_out: int = 0  # things that do not count in the source, and are not among the items


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows of one table."""

    rows: list[tuple[object, ...]]
    loaded_at_ms: list[int]  # of each row of a shared table: what its lifetime counts from; else empty
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCopy:
    """What guards a sensor's ledger; its lease aside, which nobody holds."""

    sensor: str
    network: str
    first_seen_ms: int
    epoch: int
    position: LedgerPosition  # of the newest step
    state_version: int  # seq of the commit that the carried state came with; 0: nothing is carried
    state_nonce: bytes
    loaded_at_ms: int  # of the newest commit; 0: never
    size: SegmentSize
    kept: Mapping[int, int]  # sealed segments whose commits are kept -> the seq that each began with
    whole: int  # the oldest segment of which everything is kept

    @property
    def begins(self) -> dict[int, int]:
        """Segments whose commits are kept, the open one among them, oldest first, and the seq that each began with."""
        return dict(sorted({**self.kept, self.position.segment: self.size.opened_seq}.items()))

    def keeps(self, position: LedgerPosition | None) -> bool:
        """Whether the commit at a position is in a segment that is kept."""
        return position is not None and position.segment in self.begins


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitCopy:
    """One commit, with where the carried state stood after it."""

    record: CommitRecord  # without deltas
    state_version: int
    state_nonce: bytes
    deltas: bytes | None  # as `encode_deltas` spelt them; None: not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCopy:
    """The step that began a segment of which everything is kept."""

    position: LedgerPosition
    previous: bytes
    state_version: int
    state_nonce: bytes
    loaded_at_ms: int


class SealPart(NamedTuple):
    """A part of what a segment began with, or of what was folded then."""

    folded: bool
    part: int
    data: bytes


class EndpointEntry(NamedTuple):
    """The running totals of an endpoint, and the step that last changed them."""

    endpoint: str
    totals: EndpointTotals
    at_seq: int


class TotalEntry(NamedTuple):
    """A flat running total."""

    name: str
    value: int
    at_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureCopy:
    """What became of a content, loaded or quarantined, and the manifest of what is loaded."""

    record: CaptureRecord
    epoch: int
    started_at_ms: int
    finished_at_ms: int
    manifest: Iterable[bytes]  # chunks, in order; read when it is gone through
    in_ledger: bool = False  # whether the ledger keeps its commit: what a source leaves to who copies


class Origin(NamedTuple):
    """What leads to a capture again."""

    origin: str
    noted_at_ms: int
    capture_id: bytes


class CopySource(Protocol):
    """A store in which nobody loads, page by page."""

    def ledgers(self) -> list[LedgerCopy]:
        """Every sensor that was ever taken, by name."""

    def captures(self, after: str) -> Iterator[Page[CaptureCopy]]:
        """What is loaded, quarantined or dismissed; of others none."""

    def origins(self, after: str) -> Iterator[Page[Origin]]:
        """All of them."""

    def rows(self, table: Table, after: str) -> Iterator[RowPage]:
        """Every row of a table, partition by partition; those of attempts that do not count may be among them."""

    def commits(self, ledger: LedgerCopy, after_seq: int) -> Iterator[list[CommitCopy]]:
        """Commits with a larger seq, oldest first."""

    def seals(self, ledger: LedgerCopy) -> list[SealCopy]:
        """Those of segments of which everything is kept."""

    def seal_parts(self, ledger: LedgerCopy, seal: SealCopy) -> Iterator[SealPart]:
        """A seal's statement."""

    def endpoints(self, ledger: LedgerCopy) -> Iterator[list[EndpointEntry]]:
        """Running totals by endpoint, some at a time."""

    def totals(self, ledger: LedgerCopy) -> list[TotalEntry]:
        """Flat running totals."""

    def carried(self, ledger: LedgerCopy) -> bytes | None:
        """The state that the ledger's head names."""


class CopyTarget(Protocol):
    """A store that becomes what another one is. Everything put is durable when the call returns."""

    def is_empty(self) -> bool:
        """Whether no table holds anything, but for the schema's history and notes."""

    def put_rules(self, rules: Sequence[BucketRule]) -> None:
        """The whole list of `bucket_policy`."""

    def put_captures(self, captures: Iterable[CaptureCopy]) -> None:
        """What became of contents."""

    def put_origins(self, origins: Sequence[Origin]) -> None:
        """What leads to captures again."""

    def rows_from_ms(self, capture_ids: Collection[bytes]) -> dict[bytes, int]:
        """Of those of these captures that were put as loaded: what their rows' lifetime counts from."""

    def put_rows(self, table: Table, rows: Sequence[tuple[object, ...]], loaded_at_ms: Sequence[int]) -> None:
        """Rows whose time is not over, and beside each what its lifetime counts from."""

    def put_commits(self, ledger: LedgerCopy, commits: Sequence[CommitCopy]) -> None:
        """Commits of a ledger, and what each added."""

    def put_seal(self, ledger: LedgerCopy, seal: SealCopy, parts: Iterable[SealPart]) -> None:
        """A step that began a segment, and its statement."""

    def put_endpoints(self, ledger: LedgerCopy, entries: Sequence[EndpointEntry]) -> None:
        """Running totals of endpoints."""

    def put_ledger(self, ledger: LedgerCopy, totals: Sequence[TotalEntry], carried: bytes | None) -> None:
        """Flat totals, carried state, and what guards the ledger."""

    def put_book(self, book: AdmissionBook) -> None:
        """A network's book, at its version."""

    def put_sensors(self, ledgers: Sequence[LedgerCopy]) -> None:
        """Where each sensor's ledger stands: from here on it is found."""

"""The half of the store port that the loader writes through; the other is `reading`.

Its unit is the *attempt*: claim, column batches of rows, one commit. What Cassandra needs a protocol for, SQLite does in one
transaction; neither shows here. Every method may raise `StoreUnavailableError` or `LeaseLostError`.
Adapters take their clock (seconds since the epoch) when they are built; nothing here reads one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from schema.bucketpolicy import BucketRule
from schema.records import (
    CaptureFacts,
    CaptureRecord,
    CommitDeltas,
    CommitRecord,
    LedgerPosition,
    Manifest,
    NameRepair,
)
from schema.store.copying import CopySource, CopyTarget
from schema.store.reading import NamesTold, StoreReader
from schema.store.sealing import Sealing
from schema.tables import RowBatch, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHead:
    """Where a sensor's ledger stands, as its lease holder last knew it."""

    position: LedgerPosition
    state_version: int = 0  # seq of the commit that the carried state came with; 0: nothing is carried
    state_nonce: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is fixed before the first row of an attempt: identity, inputs, manifest. With it goes a hint of its commit."""

    facts: CaptureFacts
    inputs: Mapping[str, str]  # all that the rows depend on besides the capture's bytes
    manifest: Manifest
    started_at_ms: int
    origins: tuple[str, ...] = ()  # what leads to this capture again: its file's id, `content:HEX` of the file's whole content
    endpoints: Collection[str] = ()  # a hint, kept nowhere: whose totals the commit is going to change; may be too few or many


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
    lease_until_ms: int = 0  # the lease is kept until then, too, where it would end sooner

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a store knows of a content that is about to be claimed."""

    content: CaptureRecord | None  # what became of it; None: nobody claimed it, as far as is known before the claim
    of_origin: CaptureRecord | None  # the newest committed capture that the origin led to


class Attempt(Protocol):
    """One claimed capture on its way in. Leaving the context without a commit leaves no row that counts."""

    def write(self, batches: Iterable[RowBatch]) -> None:
        """Write rows; returns when every one is acknowledged. The same rows again are the same rows."""

    def repair(self, repairs: Sequence[NameRepair]) -> int:
        """Give rows of `flows` that this sensor committed their late name: each whole row is written again under its key, with
        what is left of its lifetime. Returns how many were there; a row that is gone stays gone. The same again is the same."""

    def commit(self, commit: Commit) -> LedgerHead:
        """Make the capture count, once. Raises `LeaseLostError` where another loader took the sensor over."""


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

    def look_up(self, capture_id: bytes, origin: str) -> Known:
        """What is known of a content and of an origin, both at once, before the content is claimed. Raises `LeaseLostError`
        where the ledger does not stand at `head` any more."""

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

    def dismiss(self, capture_id: bytes) -> bool:
        """Nobody is to look at a quarantined content any more. Whether it was quarantined; it is again when it comes again."""

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

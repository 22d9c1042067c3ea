"""Keeps the totals of each sensor's ledger current by its new commits, and knows what they added."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from exporter.admissions import NOTHING
from schema.records import CommitDeltas, CommitRecord, EndpointTotals, LedgerPosition, LedgerTotals
from schema.store.port import StoreReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A sensor's totals now, and how they grew since the position that was asked for."""

    totals: LedgerTotals
    growth: CommitDeltas | None  # None: the commits in between cannot be had any more


class Follower:
    """Last good totals of each sensor. Any read may raise `StoreUnavailableError`; what is known stays."""

    def __init__(self) -> None:
        self._known: dict[str, LedgerTotals] = {}

    def follow(self, reader: StoreReader, sensor: str, since_seq: int) -> Followed:
        """Read what is new, and tell what came after `since_seq`."""
        known = self._known.get(sensor)
        followed = None
        if known is not None and known.position.seq == since_seq:
            followed = _advance(known, reader.commits(sensor, since_seq, deltas=True))
        if followed is None:
            followed = read_all(reader, sensor, since_seq)
        self._known[sensor] = followed.totals
        return followed

    def last_good(self, sensor: str, since_seq: int) -> Followed | None:
        """What is known of a sensor that cannot be read now; None: it was never read."""
        known = self._known.get(sensor)
        if known is None:
            return None
        unmoved = known.position.seq == since_seq
        return Followed(totals=known, growth=CommitDeltas(endpoints={}, totals={}) if unmoved else None)

    def forget(self) -> None:
        """Read every ledger anew: after the store was away it may be another one's copy."""
        self._known.clear()


def read_all(reader: StoreReader, sensor: str, since_seq: int) -> Followed:
    """A sensor's totals from its ledger, not from what is known, and their growth since `since_seq`."""
    totals = reader.ledger(sensor)
    if since_seq == 0:
        growth: CommitDeltas | None = CommitDeltas(endpoints=totals.endpoints, totals=totals.totals)
    else:
        growth = _growth(reader.commits(sensor, since_seq, deltas=True), since_seq, totals.position)
    return Followed(totals=totals, growth=growth)


def add_totals(sums: dict[str, EndpointTotals], added: Mapping[str, EndpointTotals]) -> None:
    """Add totals by endpoint into `sums`."""
    for endpoint, totals in added.items():
        sums[endpoint] = sums.get(endpoint, NOTHING).plus(totals)


def add_counts(sums: dict[str, int], added: Mapping[str, int]) -> None:
    """Add flat named totals into `sums`."""
    for name, count in added.items():
        sums[name] = sums.get(name, 0) + count


def _advance(known: LedgerTotals, commits: Iterable[CommitRecord]) -> Followed | None:
    """Known totals plus new commits; None: they do not follow what is known (a commit was lost, a segment was sealed)."""
    position, loaded_at = known.position, known.last_loaded_at_ms
    endpoints: dict[str, EndpointTotals] = {}
    totals: dict[str, int] = {}
    for commit in commits:
        follows = commit.previous == position.nonce and commit.position.segment == position.segment
        if commit.deltas is None or not follows:
            return None
        add_totals(endpoints, commit.deltas.endpoints)
        add_counts(totals, commit.deltas.totals)
        position, loaded_at = commit.position, max(loaded_at, commit.loaded_at_ms)
    growth = CommitDeltas(endpoints=endpoints, totals=totals)
    if position == known.position:
        return Followed(totals=known, growth=growth)
    return Followed(totals=_plus(known, growth, position, loaded_at), growth=growth)


def _plus(known: LedgerTotals, growth: CommitDeltas, position: LedgerPosition, loaded_at_ms: int) -> LedgerTotals:
    endpoints, totals = dict(known.endpoints), dict(known.totals)
    add_totals(endpoints, growth.endpoints)
    add_counts(totals, growth.totals)
    return replace(known, position=position, endpoints=endpoints, totals=totals, last_loaded_at_ms=loaded_at_ms)


def _growth(commits: Iterable[CommitRecord], since_seq: int, until: LedgerPosition) -> CommitDeltas | None:
    """Sum of the commits behind `since_seq` up to `until`; None unless each one of them is there."""
    endpoints: dict[str, EndpointTotals] = {}
    totals: dict[str, int] = {}
    seq = since_seq
    for commit in commits:
        if commit.position.seq > until.seq:
            break
        if commit.deltas is None or commit.position.seq != seq + 1 or commit.position.segment != until.segment:
            return None
        add_totals(endpoints, commit.deltas.endpoints)
        add_counts(totals, commit.deltas.totals)
        seq = commit.position.seq
    return CommitDeltas(endpoints=endpoints, totals=totals) if seq == until.seq else None

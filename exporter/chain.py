"""The chain of a ledger's steps, commits and seals, each of which names the one before it by its nonce."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from schema.records import (
    FOLDED_ENDPOINT,
    IDLE_TOTAL,
    NO_TOTALS,
    CommitDeltas,
    CommitRecord,
    EndpointTotals,
    LedgerPosition,
    LedgerTotals,
    Seal,
)
from schema.store.reading import StoreReader


def add_totals(sums: dict[str, EndpointTotals], added: Mapping[str, EndpointTotals]) -> None:
    """Add totals by endpoint into `sums`."""
    for endpoint, totals in added.items():
        sums[endpoint] = sums.get(endpoint, NO_TOTALS).plus(totals)


def add_counts(sums: dict[str, int], added: Mapping[str, int]) -> None:
    """Add flat named totals into `sums`."""
    for name, count in added.items():
        sums[name] = sums.get(name, 0) + count


@dataclass(slots=True)
class Walk:
    """What the steps behind a position did, up to another."""

    position: LedgerPosition
    loaded_at_ms: int = 0
    endpoints: dict[str, EndpointTotals] = field(default_factory=dict)  # what commits added
    totals: dict[str, int] = field(default_factory=dict)
    folded: dict[str, EndpointTotals] = field(default_factory=dict)  # what seals took from endpoints
    _gone: set[str] = field(default_factory=set)  # endpoints that were folded, and did not come back

    @property
    def growth(self) -> CommitDeltas:
        """What all of it added."""
        return CommitDeltas(endpoints=self.endpoints, totals=self.totals)

    def take(self, step: CommitRecord | Seal) -> bool:
        """Go one step further; False where it does not follow."""
        known = self.position
        if step.position.seq != known.seq + 1 or (known.nonce and step.previous != known.nonce):
            return False
        if isinstance(step, Seal):
            self._take_seal(step)
        elif step.deltas is None:
            return False
        else:
            add_totals(self.endpoints, step.deltas.endpoints)
            add_counts(self.totals, step.deltas.totals)
            self._gone.difference_update(step.deltas.endpoints)
            self.loaded_at_ms = max(self.loaded_at_ms, step.loaded_at_ms)
        self.position = step.position
        return True

    def _take_seal(self, seal: Seal) -> None:
        add_totals(self.folded, seal.folded)
        self._gone.update(seal.folded)
        if seal.folded:
            add_counts(self.totals, {IDLE_TOTAL: len(seal.folded)})

    def applied_to(self, known: LedgerTotals) -> LedgerTotals | None:
        """Totals at the end of the walk, from those at its beginning; None where the ledger folded something else."""
        endpoints, totals = dict(known.endpoints), dict(known.totals)
        add_totals(endpoints, self.endpoints)
        for endpoint, folded in self.folded.items():
            endpoints[endpoint] = endpoints.get(endpoint, NO_TOTALS).minus(folded)
            add_totals(endpoints, {FOLDED_ENDPOINT: folded})
        if any(endpoints.pop(endpoint) != NO_TOTALS for endpoint in self._gone):
            return None
        add_counts(totals, self.totals)
        loaded_at_ms = max(known.last_loaded_at_ms, self.loaded_at_ms)
        return replace(known, position=self.position, endpoints=endpoints, totals=totals, last_loaded_at_ms=loaded_at_ms)


def walk(reader: StoreReader, sensor: str, since: LedgerPosition, until: LedgerPosition | None) -> Walk | None:
    """Go from a position (without a nonce: whatever step has this seq) to another, or as far as there are steps.

    None where a step is missing, or the chain does not lead there.
    """
    walked = Walk(since)
    for step in _steps(reader, sensor, since, until):
        if until is not None and step.position.seq > until.seq:
            break
        if not walked.take(step):
            return None
    return walked if until in (None, walked.position) else None


def _steps(
    reader: StoreReader, sensor: str, since: LedgerPosition, until: LedgerPosition | None
) -> Iterator[CommitRecord | Seal]:
    at = since
    for commit in reader.commits(sensor, since.seq, deltas=True):
        if commit.position.segment != at.segment:
            yield from (seal for seal in reader.seals(sensor, at.seq) if seal.position.seq < commit.position.seq)
        yield commit
        at = commit.position
    if until is not None and until.segment != at.segment:
        yield from reader.seals(sensor, at.seq)

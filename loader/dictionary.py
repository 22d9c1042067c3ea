"""The dictionary of one capture: which names were seen for which addresses, from when to when, and by what evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from loader.domains import registered_domain
from loader.naming.choice import EVIDENCE
from schema.tables import IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP, RowBatch, Table, batches_of


@dataclass(slots=True)
class _Seen:
    first_ms: int
    last_ms: int
    evidence: str

    def widen(self, first_ms: int, last_ms: int, evidence: str) -> None:
        self.first_ms, self.last_ms = min(self.first_ms, first_ms), max(self.last_ms, last_ms)
        if evidence != self.evidence:
            self.evidence = min(evidence, self.evidence, key=EVIDENCE.index)  # the best


@dataclass(slots=True)
class Dictionary:
    """Names seen, bounded by the number of pairs of address and name."""

    limit: int
    unlisted: int = 0  # sightings of pairs that it had no room for
    _seen: dict[tuple[bytes, str], _Seen] = field(default_factory=dict)

    def see(self, address: bytes, name: str, times_ms: tuple[int, int], evidence: str) -> None:
        """A name was seen for an address, from a time to a time."""
        known = self._seen.get((address, name))
        if known is not None:
            known.widen(*times_ms, evidence)
        elif len(self._seen) < self.limit:
            self._seen[address, name] = _Seen(*times_ms, evidence)
        else:
            self.unlisted += 1

    def rows(self, sensor: str) -> Iterator[RowBatch]:
        """Rows of its tables: by address, by name, by registered domain."""
        pairs = sorted(self._seen.items())
        yield from _batches(NAMES_BY_IP, sensor, [(address, name, seen) for (address, name), seen in pairs])
        yield from _batches(IPS_BY_NAME, sensor, [(name, address, seen) for (address, name), seen in pairs])
        names: dict[str, _Seen] = {}
        for (_, name), seen in pairs:
            known = names.setdefault(name, _Seen(seen.first_ms, seen.last_ms, seen.evidence))
            known.widen(seen.first_ms, seen.last_ms, seen.evidence)
        below = [(domain, name, seen) for name, seen in names.items() if (domain := registered_domain(name))]
        yield from _batches(NAMES_BY_DOMAIN, sensor, below)


def _batches(table: Table, sensor: str, seen: Sequence[tuple[object, object, _Seen]]) -> list[RowBatch]:
    rows = [(one, other, when.evidence, when.first_ms, when.last_ms, sensor) for one, other, when in seen]
    return batches_of(table, rows)

"""The dictionary of one capture: which names were seen for which addresses, from when to when, and by what evidence."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from loader.naming.choice import EVIDENCE
from loader.rows.domains import registered_domain
from loader.rows.sums import Sums
from schema.tables import IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP, RowBatch, Table, batches_of

_BATCH_ROWS = 8_192


class _Seen(NamedTuple):
    first_ms: int
    last_ms: int
    evidence: str


def _both(one: _Seen, other: _Seen) -> _Seen:
    evidence = one.evidence if one.evidence == other.evidence else min(one.evidence, other.evidence, key=EVIDENCE.index)
    return _Seen(min(one.first_ms, other.first_ms), max(one.last_ms, other.last_ms), evidence)  # the best evidence


class Dictionary:
    """Names seen. Close it: it may hold files."""

    def __init__(self, keys_in_memory: int) -> None:
        """`keys_in_memory`: more pairs of address and name than that go to a file."""
        self._pairs: Sums[tuple[bytes, str], _Seen] = Sums({}, _both, keys_in_memory)
        self._names: Sums[str, _Seen] = Sums({}, _both, keys_in_memory)

    def close(self) -> None:
        """Let go of the files."""
        self._pairs.close()
        self._names.close()

    def see(self, sightings: Iterable[tuple[bytes, str, tuple[int, int], str]]) -> None:
        """Names were seen for addresses: address, name, from and to when (Unix ms), by what evidence."""
        for address, name, (first_ms, last_ms), evidence in sightings:
            seen = _Seen(first_ms, last_ms, evidence)
            _note(self._pairs, (address, name), seen)
            _note(self._names, name, seen)
        self._pairs.relieve()
        self._names.relieve()

    def rows(self, sensor: str) -> Iterator[RowBatch]:
        """Rows of its tables: by address, by name, by registered domain."""
        yield from _batches(NAMES_BY_IP, ((address, name, sensor, *_row(seen)) for (address, name), seen in self._pairs))
        yield from _batches(IPS_BY_NAME, ((name, address, sensor, *_row(seen)) for (address, name), seen in self._pairs))
        below = ((registered_domain(name), name, sensor, *_row(seen)) for name, seen in self._names)
        yield from _batches(NAMES_BY_DOMAIN, (row for row in below if row[0]))


def _note(sums: Sums[Any, _Seen], key: object, seen: _Seen) -> None:
    known = sums.held.get(key)
    sums.held[key] = seen if known is None else _both(known, seen)


def _row(seen: _Seen) -> tuple[object, ...]:
    return seen.evidence, seen.first_ms, seen.last_ms


def _batches(table: Table, rows: Iterator[tuple[object, ...]]) -> Iterator[RowBatch]:
    while part := list(islice(rows, _BATCH_ROWS)):
        yield from batches_of(table, part)

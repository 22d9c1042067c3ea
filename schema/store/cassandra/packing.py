"""Small partitions that leave in one request: it costs the driver and the node more than the few rows of one.

The batch that they make stays within what a node takes without a warning, where nothing else is set, and goes to a node that
keeps all of them.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schema.store.cassandra.rowbytes import Gathered

_MOST_PARTITIONS = 10  # unlogged_batch_across_partitions_warn_threshold
_MOST_BYTES = 5 << 10  # batch_size_warn_threshold, of batches over partitions
_BESIDE_VALUE = 16  # octets that a node keeps with a value, beyond its length: when it was written, and when it expires


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one partition; `prepared`: their statement, `values`: how many a row has beside its key."""

    prepared: Any
    values: int
    gathered: Gathered

    @property
    def size_there(self) -> int:
        """At most what a node counts them for, in octets."""
        return len(self.gathered.body) + self.gathered.rows * self.values * _BESIDE_VALUE


def packed(groups: Iterable[Group], owner_of: Callable[[bytes], Hashable]) -> Iterator[Sequence[Group]]:
    """The same groups, by the batch that they leave in. Partitions of several tables with one key lie side by side, and count
    as one.

    `owner_of`: who keeps a partition, by its key; only partitions of one owner leave together.
    """
    parcels: dict[Hashable, _Parcel] = {}
    for group in sorted(groups, key=_key):
        if group.size_there > _MOST_BYTES // 2:  # its request carries enough
            yield (group,)
            continue
        owner = owner_of(group.gathered.key)
        parcel = parcels.get(owner)
        if parcel is None or not parcel.put(group):
            if parcel is not None:
                yield parcel.groups
            parcels[owner] = _Parcel(group)
    for parcel in parcels.values():
        yield parcel.groups


def joined(groups: Sequence[Group]) -> Gathered:
    """The rows of all of them, as if of the first one's partition."""
    first = groups[0].gathered
    if len(groups) == 1:
        return first
    whole = Gathered(first.key)
    for group in groups:
        whole.body += group.gathered.body
        whole.rows += group.gathered.rows
    return whole


class _Parcel:
    """Groups that were put to a first one; they come by key."""

    def __init__(self, group: Group) -> None:
        self.groups = [group]
        self._size, self._partitions, self._newest_key = group.size_there, 1, group.gathered.key

    def put(self, group: Group) -> bool:
        """Whether there was room for it."""
        size, key = self._size + group.size_there, group.gathered.key
        partitions = self._partitions + (key != self._newest_key)
        if partitions > _MOST_PARTITIONS or size > _MOST_BYTES:
            return False
        self._size, self._partitions, self._newest_key = size, partitions, key
        self.groups.append(group)
        return True


def _key(group: Group) -> bytes:
    return group.gathered.key

"""Totals by endpoint as a lease's holder knows them. Only the holder changes them: each is read once, and before it is needed
where that is known."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from schema.records import EndpointTotals
from schema.sharedroom import SharedRoom
from schema.store.cassandra.connection import Connection, Row

_SOME = """
    SELECT key, totals FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'endpoint' AND seq = 0 AND key IN ?
"""
_KEYS_A_QUERY = 200

_Place = tuple[str, int]  # sensor and segment


class HeldTotals:
    """Of one segment. The store is asked at QUORUM: its holder has read the guard at SERIAL since it committed last, so what
    was committed is on a quorum."""

    def __init__(self, connection: Connection, place: _Place, room: SharedRoom) -> None:
        """`room`: endpoints that are remembered, here and by others."""
        self._connection, self._place, self._room = connection, place, room
        self._known: dict[str, EndpointTotals] = {}
        self._foreseen: tuple[Sequence[str], Iterator[list[Row]]] = (), iter(())  # names, and what is under way for them

    def foresee(self, names: Collection[str]) -> None:
        """Begin to read what is going to be asked for next; all else is forgotten where there is no room for both."""
        unknown = [name for name in names if name not in self._known]
        if len(self._known) + len(unknown) > self._room.part:
            self._known = {name: self._known[name] for name in names if name in self._known}
        self._foreseen = unknown, self._read(unknown)

    def of(self, names: Collection[str]) -> dict[str, EndpointTotals]:
        """The totals of those of these endpoints that have one."""
        (foreseen, under_way), self._foreseen = self._foreseen, ((), iter(()))
        self._learn(under_way)
        asked = self._known.keys() | set(foreseen)
        self._learn(self._read([name for name in names if name not in asked]))
        return {name: self._known[name] for name in names if name in self._known}

    def are(self, totals: Mapping[str, EndpointTotals]) -> None:
        """What a commit made of them."""
        self._known.update(totals)

    def make_room(self) -> None:
        """Forget all where it is more than there is room for."""
        if len(self._known) > self._room.part:
            self._known = {}

    def _read(self, names: Sequence[str]) -> Iterator[list[Row]]:
        return self._connection.each(_SOME, ((*self._place, keys) for keys in _slices(names)), quorum=True)

    def _learn(self, found: Iterator[list[Row]]) -> None:
        for rows in found:
            self._known.update((name, EndpointTotals._make(totals)) for name, totals in rows)


def _slices(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _KEYS_A_QUERY] for start in range(0, len(names), _KEYS_A_QUERY)]

"""Totals by endpoint as a lease's holder knows them. Only the holder changes them: each is read once, and before it is needed
where that is known."""

from collections.abc import Callable, Collection, Mapping, Sequence

from schema.records import EndpointTotals
from schema.sharedroom import SharedRoom
from schema.store.cassandra.connection import Connection, Row

_SOME = """
    SELECT key, totals FROM pcapline.ledger
    WHERE sensor = ? AND segment = ? AND kind = 'endpoint' AND seq = 0 AND key IN ?
"""
_KEYS_A_QUERY = 200
_FORESEEN = 10_000  # endpoints: so many are asked for at once, beside the rows

_Place = tuple[str, int]  # sensor and segment


class HeldTotals:
    """Of one segment. The store is asked at QUORUM: its holder has read the guard at SERIAL since it committed last, so what
    was committed is on a quorum."""

    def __init__(self, connection: Connection, place: _Place, room: SharedRoom) -> None:
        """`room`: endpoints that are remembered, here and by others."""
        self._connection, self._place, self._room = connection, place, room
        self._known: dict[str, EndpointTotals] = {}
        self._foreseen: dict[Sequence[str], Callable[[], list[Row]]] = {}  # under way

    def foresee(self, names: Collection[str]) -> None:
        """Begin to read what is going to be asked for next."""
        unknown = [name for name in names if name not in self._known][:_FORESEEN]
        self._foreseen = {
            keys: self._connection.begun(_SOME, (*self._place, keys), quorum=True) for keys in map(tuple, _slices(unknown))
        }

    def of(self, names: Collection[str]) -> dict[str, EndpointTotals]:
        """The totals of those of these endpoints that have one."""
        self.make_room(len(names))
        foreseen, self._foreseen = self._foreseen, {}
        for begun in foreseen.values():
            self._learn(begun())
        asked = self._known.keys() | {name for keys in foreseen for name in keys}
        unknown = [name for name in names if name not in asked]
        for rows in self._connection.each(_SOME, ((*self._place, keys) for keys in _slices(unknown)), quorum=True):
            self._learn(rows)
        return {name: self._known[name] for name in names if name in self._known}

    def are(self, totals: Mapping[str, EndpointTotals]) -> None:
        """What a commit made of them."""
        self._known.update(totals)

    def make_room(self, endpoints: int = 0) -> None:
        """Forget all where there is no room for so many more."""
        if len(self._known) + endpoints > self._room.part:
            self._known = {}

    def _learn(self, rows: list[Row]) -> None:
        self._known.update((name, EndpointTotals._make(totals)) for name, totals in rows)


def _slices(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _KEYS_A_QUERY] for start in range(0, len(names), _KEYS_A_QUERY)]

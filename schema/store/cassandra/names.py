"""What a sensor's clients were told, as an attempt reads it: by client, and by address.

An attempt that died may have left rows of a version that is another's: a row counts where its capture is committed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from schema.bucketpolicy import BucketPolicy
from schema.records import NameTold
from schema.shares import WHOLE
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.policy import read_rules
from schema.store.reading import MOST_TOLD, ToldQuery
from schema.store.told import TOLD, name_told, newest_first, newest_of_any, newest_told, oldest_told

_Keys = Sequence[tuple[object, ...]]  # of the partitions that have it, or of its place in each
Committed = Callable[[set[bytes]], set[bytes]]

_OF_CLIENT = f"SELECT {TOLD}, seq FROM pcapline.names_by_client WHERE sensor = ? AND client_ip = ? AND share = ?"
_ALL_OF_CLIENT = f"{_OF_CLIENT} ORDER BY address DESC, valid_from, ns, hostname DESC, capture_id DESC"  # its key, backwards
_OF_ADDRESS = (
    f"SELECT {TOLD}, seq FROM pcapline.names_by_address WHERE sensor = ? AND address = ? AND share = ? AND valid_from <= ?"
)
_PAGE = 2 * MOST_TOLD  # rows of an address that are read at first: some may not count
_NEWEST_OF_ADDRESS = f"{_OF_ADDRESS} LIMIT ?"
_OF_PAIR = f"{_OF_CLIENT} AND address = ? AND valid_from <= ?"
_NEWEST_OF_CLIENT = f"{_OF_PAIR} LIMIT ?"


class NamesAsOf:
    """What a sensor's clients were told, as of one commit (`schema.store.reading.NamesTold`): of a sensor without any, nothing
    is read."""

    def __init__(self, connection: Connection, sensor: str, seq: int, committed: Committed) -> None:
        """`committed`: those of some captures that the sensor's ledger holds."""
        self._connection, self._sensor, self._seq, self._committed = connection, sensor, seq, committed

    def names_told(self, clients: Collection[bytes]) -> Iterator[NameTold]:
        """What these clients were told."""
        asked = clients if self._seq else ()
        for rows in self._connection.streams(_ALL_OF_CLIENT, ((self._sensor, client, WHOLE) for client in asked)):
            yield from oldest_told(self._page_by_page(rows))

    def names_told_at(self, addresses: Mapping[bytes, int], policy: BucketPolicy) -> list[NameTold]:
        """What anyone was told of these addresses, not after the time (Unix ns) beside each."""
        asked = [(_of_address(self._sensor, address, policy), until_ns) for address, until_ns in addresses.items()]
        return self._newest_of_each((_NEWEST_OF_ADDRESS, _OF_ADDRESS), asked)

    def names_told_of(self, pairs: Mapping[tuple[bytes, bytes], int], policy: BucketPolicy) -> list[NameTold]:
        """What each client was told of one address, not after the time (Unix ns) beside each pair."""
        asked = [(_of_pair(self._sensor, *pair, policy), until_ns) for pair, until_ns in pairs.items()]
        return self._newest_of_each((_NEWEST_OF_CLIENT, _OF_PAIR), asked)

    def _newest_of_each(self, statements: tuple[str, str], asked: Sequence[tuple[_Keys, int]]) -> list[NameTold]:
        """`statements`: one that reads a page, one that goes on where that is not enough; `asked`: where to look, each until a
        time."""
        page, further = statements
        told: list[NameTold] = []
        if not self._seq:
            return told
        looked = [((*key, until_ns // 1_000_000), _PAGE // len(keys)) for keys, until_ns in asked for key in keys]
        newest = zip(looked, self._connection.each(page, ((*bound, most) for bound, most in looked)), strict=True)
        for keys, until_ns in asked:
            parts: list[Iterator[NameTold]] = []
            for (bound, most), rows in islice(newest, len(keys)):
                whole: Iterable[Row] = rows if len(rows) < most else self._connection.stream(further, bound)
                parts.append(self._page_by_page(whole))
            told += newest_told(newest_first(parts), until_ns)
        return told

    def _page_by_page(self, rows: Iterable[Row]) -> Iterator[NameTold]:
        source = iter(rows)
        while page := list(islice(source, _PAGE)):
            yield from self._counting(page)

    def _counting(self, rows: Iterable[Row]) -> list[NameTold]:
        told = [name_told(row[0], row[1], row) for row in rows if row[-1] <= self._seq]
        committed = self._committed({name.capture_id for name in told})
        return [name for name in told if name.capture_id in committed]


def read_newest_told(connection: Connection, query: ToldQuery) -> list[tuple[NameTold, int]]:
    """The newest facts that `query` asks for, by whatever attempt, each with its ledger number."""
    policy = BucketPolicy.of_rules(read_rules(connection))
    bounds = (query.until_ns // 1_000_000, query.limit)
    if query.client is None:
        statement, keys = _NEWEST_OF_ADDRESS, _of_address(query.sensor, query.address, policy)
    else:
        statement, keys = _NEWEST_OF_CLIENT, _of_pair(query.sensor, query.client, query.address, policy)
    parts = connection.each(statement, [(*key, *bounds) for key in keys])
    return newest_of_any(([(name_told(row[0], row[1], row), row[-1]) for row in rows] for rows in parts), query)


def _of_address(sensor: str, address: bytes, policy: BucketPolicy) -> _Keys:
    return [(sensor, address, share) for share in policy.shares_of_address(address)]


def _of_pair(sensor: str, client: bytes, address: bytes, policy: BucketPolicy) -> _Keys:
    return [(sensor, client, share, address) for share in policy.shares_of_pair(client, address)]

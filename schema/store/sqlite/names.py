"""What a sensor's clients were told, as an attempt reads it: by client, and by address."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from schema.bucketpolicy import BucketPolicy
from schema.records import NameTold
from schema.shares import WHOLE
from schema.store.reading import ToldQuery
from schema.store.sqlite.database import Database, Row, Session
from schema.store.sqlite.policy import read_rules
from schema.store.sqlite.values import address_bytes, address_text
from schema.store.told import TOLD, name_told, newest_first, newest_of_any, newest_told, oldest_told

_OF_CLIENT = f"""
    SELECT {TOLD} FROM names_by_client WHERE sensor = ? AND client_ip = ? AND share = ? AND seq <= ?
    ORDER BY address DESC, valid_from, ns
"""
_OF_ADDRESS = f"""
    SELECT {TOLD} FROM names_by_address WHERE sensor = ? AND address = ? AND share = ? AND valid_from <= ? AND seq <= ?
    ORDER BY valid_from DESC, ns DESC
"""
_OF_PAIR = f"""
    SELECT {TOLD} FROM names_by_client
    WHERE sensor = ? AND client_ip = ? AND share = ? AND address = ? AND valid_from <= ? AND seq <= ?
    ORDER BY valid_from DESC, ns DESC
"""
_NEWEST = "valid_from <= ? ORDER BY valid_from DESC, ns DESC LIMIT ?"
_NEWEST_OF_ADDRESS = f"SELECT {TOLD}, seq FROM names_by_address WHERE sensor = ? AND address = ? AND share = ? AND {_NEWEST}"
_NEWEST_OF_CLIENT = f"""
    SELECT {TOLD}, seq FROM names_by_client WHERE sensor = ? AND client_ip = ? AND share = ? AND address = ? AND {_NEWEST}
"""


class NamesAsOf:
    """What a sensor's clients were told, as of one commit (`schema.store.reading.NamesTold`)."""

    def __init__(self, database: Database, sensor: str, seq: int) -> None:
        self._database, self._sensor, self._seq = database, sensor, seq

    def names_told(self, clients: Collection[bytes]) -> Iterator[NameTold]:
        """What these clients were told."""
        return read_told(self._database, self._sensor, self._seq, clients)

    def names_told_at(self, addresses: Mapping[bytes, int], policy: BucketPolicy) -> list[NameTold]:
        """What anyone was told of these addresses, each until a time."""
        asked = ((_of_address(self._sensor, address, policy), until_ns) for address, until_ns in addresses.items())
        return self._newest_of_each(_OF_ADDRESS, asked)

    def names_told_of(self, pairs: Mapping[tuple[bytes, bytes], int], policy: BucketPolicy) -> list[NameTold]:
        """What each client was told of one address, each pair until a time."""
        asked = ((_of_pair(self._sensor, *pair, policy), until_ns) for pair, until_ns in pairs.items())
        return self._newest_of_each(_OF_PAIR, asked)

    def _newest_of_each(self, statement: str, asked: Iterable[tuple[list[Row], int]]) -> list[NameTold]:
        """`asked`: where to look, each until a time."""
        told: list[NameTold] = []
        with self._database.snapshot() as session:
            for keys, until_ns in asked:
                bounds = (until_ns // 1_000_000, self._seq)
                parts = [map(_told, session.stream(statement, (*key, *bounds))) for key in keys]
                told += newest_told(newest_first(parts), until_ns)
        return told


def read_told(database: Database, sensor: str, seq: int, clients: Collection[bytes]) -> Iterator[NameTold]:
    """What these clients were told up to a ledger version."""
    asked = ((sensor, address_text(client), WHOLE, seq) for client in clients)
    return oldest_told(map(_told, database.stream_each(_OF_CLIENT, asked)))


def read_newest_told(session: Session, query: ToldQuery) -> list[tuple[NameTold, int]]:
    """The newest facts that `query` asks for, by whatever attempt, each with its ledger number."""
    policy = BucketPolicy.of_rules(read_rules(session))
    bounds = (query.until_ns // 1_000_000, query.limit)
    if query.client is None:
        statement, keys = _NEWEST_OF_ADDRESS, _of_address(query.sensor, query.address, policy)
    else:
        statement, keys = _NEWEST_OF_CLIENT, _of_pair(query.sensor, query.client, query.address, policy)
    parts = (session.execute(statement, (*key, *bounds)) for key in keys)
    return newest_of_any(([(_told(row), row[-1]) for row in rows] for rows in parts), query)


def _of_address(sensor: str, address: bytes, policy: BucketPolicy) -> list[Row]:
    return [(sensor, address_text(address), share) for share in policy.shares_of_address(address)]


def _of_pair(sensor: str, client: bytes, address: bytes, policy: BucketPolicy) -> list[Row]:
    shares = policy.shares_of_pair(client, address)
    return [(sensor, address_text(client), share, address_text(address)) for share in shares]


def _told(row: Row) -> NameTold:
    return name_told(address_bytes(row[0]) or b"", address_bytes(row[1]) or b"", row)

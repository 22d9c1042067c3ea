"""What a sensor's clients were told, as an attempt reads it: by client, and by address."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from schema.records import NameTold
from schema.store.reading import ToldQuery
from schema.store.sqlite.database import Database, Row, Session
from schema.store.sqlite.values import address_bytes, address_text
from schema.store.told import TOLD, name_told, newest_told, oldest_told

_OF_CLIENT = f"""
    SELECT {TOLD} FROM names_by_client WHERE sensor = ? AND client_ip = ? AND seq <= ?
    ORDER BY address DESC, valid_from, ns
"""
_OF_ADDRESS = f"""
    SELECT {TOLD} FROM names_by_address WHERE sensor = ? AND address = ? AND valid_from <= ? AND seq <= ?
    ORDER BY valid_from DESC, ns DESC
"""
_OF_PAIR = f"""
    SELECT {TOLD} FROM names_by_client WHERE sensor = ? AND client_ip = ? AND address = ? AND valid_from <= ? AND seq <= ?
    ORDER BY valid_from DESC, ns DESC
"""
_NEWEST = "valid_from <= ? ORDER BY valid_from DESC, ns DESC LIMIT ?"
_NEWEST_OF_ADDRESS = f"SELECT {TOLD}, seq FROM names_by_address WHERE sensor = ? AND address = ? AND {_NEWEST}"
_NEWEST_OF_CLIENT = f"SELECT {TOLD}, seq FROM names_by_client WHERE sensor = ? AND client_ip = ? AND address = ? AND {_NEWEST}"


class NamesAsOf:
    """What a sensor's clients were told, as of one commit (`schema.store.reading.NamesTold`)."""

    def __init__(self, database: Database, sensor: str, seq: int) -> None:
        self._database, self._sensor, self._seq = database, sensor, seq

    def names_told(self, clients: Collection[bytes]) -> Iterator[NameTold]:
        """What these clients were told."""
        return read_told(self._database, self._sensor, self._seq, clients)

    def names_told_at(self, addresses: Mapping[bytes, int]) -> list[NameTold]:
        """What anyone was told of these addresses, each until a time."""
        with self._database.snapshot() as session:
            return read_told_at(session, self._sensor, self._seq, addresses)

    def names_told_of(self, pairs: Mapping[tuple[bytes, bytes], int]) -> list[NameTold]:
        """What each client was told of one address, each pair until a time."""
        with self._database.snapshot() as session:
            return read_told_of(session, self._sensor, self._seq, pairs)


def read_told(database: Database, sensor: str, seq: int, clients: Collection[bytes]) -> Iterator[NameTold]:
    """What these clients were told up to a ledger version."""
    asked = ((sensor, address_text(client), seq) for client in clients)
    return oldest_told(map(_told, database.stream_each(_OF_CLIENT, asked)))


def read_told_at(session: Session, sensor: str, seq: int, addresses: Mapping[bytes, int]) -> list[NameTold]:
    """What anyone was told of these addresses, not after the time (Unix ns) beside each."""
    asked = (((sensor, address_text(address)), until_ns) for address, until_ns in addresses.items())
    return _newest_of_each(session, _OF_ADDRESS, seq, asked)


def read_told_of(session: Session, sensor: str, seq: int, pairs: Mapping[tuple[bytes, bytes], int]) -> list[NameTold]:
    """What each client was told of one address, not after the time (Unix ns) beside each pair."""
    asked = (((sensor, *map(address_text, pair)), until_ns) for pair, until_ns in pairs.items())
    return _newest_of_each(session, _OF_PAIR, seq, asked)


def _newest_of_each(session: Session, statement: str, seq: int, asked: Iterable[tuple[Row, int]]) -> list[NameTold]:
    """`asked`: keys, each until a time."""
    told: list[NameTold] = []
    for key, until_ns in asked:
        told += newest_told(map(_told, session.stream(statement, (*key, until_ns // 1_000_000, seq))), until_ns)
    return told


def read_newest_told(session: Session, query: ToldQuery) -> list[tuple[NameTold, int]]:
    """The newest facts that `query` asks for, by whatever attempt, each with its ledger number."""
    bounds = (address_text(query.address), query.until_ns // 1_000_000, query.limit)
    if query.client is None:
        rows = session.execute(_NEWEST_OF_ADDRESS, (query.sensor, *bounds))
    else:
        rows = session.execute(_NEWEST_OF_CLIENT, (query.sensor, address_text(query.client), *bounds))
    told = ((_told(row), row[-1]) for row in rows)
    return [(fact, seq) for fact, seq in told if fact.valid_from_ns <= query.until_ns]


def _told(row: Row) -> NameTold:
    return name_told(address_bytes(row[0]) or b"", address_bytes(row[1]) or b"", row)

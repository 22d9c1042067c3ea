"""What a sensor's clients were told, as an attempt reads it: by client, and by address."""

from collections.abc import Collection, Mapping

from schema.records import NameTold
from schema.store.sqlite.database import Row, Session
from schema.store.sqlite.values import address_bytes, address_text
from schema.store.told import TOLD, name_told, newest_told

_OF_CLIENT = f"SELECT {TOLD} FROM names_by_client WHERE sensor = ? AND client_ip = ? AND seq <= ?"
_OF_ADDRESS = f"""
    SELECT {TOLD} FROM names_by_address WHERE sensor = ? AND address = ? AND valid_from <= ? AND seq <= ?
    ORDER BY valid_from DESC, ns DESC
"""
_ANY_SEQ = (1 << 63) - 1


def read_told(session: Session, sensor: str, seq: int, clients: Collection[bytes]) -> list[NameTold]:
    """What these clients were told up to a ledger version."""
    return list(map(_told, session.for_each(_OF_CLIENT, ((sensor, address_text(client), seq) for client in clients))))


def read_told_at(session: Session, sensor: str, seq: int, addresses: Mapping[bytes, int]) -> list[NameTold]:
    """What anyone was told of these addresses, not after the time (Unix ns) beside each."""
    told: list[NameTold] = []
    for address, until_ns in addresses.items():
        rows = session.stream(_OF_ADDRESS, (sensor, address_text(address), until_ns // 1_000_000, seq))
        told += newest_told(map(_told, rows), until_ns)
    return told


def read_all_told(session: Session, sensor: str, address: bytes, until_ns: int) -> list[NameTold]:
    """All that anyone was told of an address, not after a time (Unix ns), at any ledger version."""
    bounds = (sensor, address_text(address), until_ns // 1_000_000, _ANY_SEQ)
    return [fact for fact in map(_told, session.stream(_OF_ADDRESS, bounds)) if fact.valid_from_ns <= until_ns]


def _told(row: Row) -> NameTold:
    return name_told(address_bytes(row[0]) or b"", address_bytes(row[1]) or b"", row)

"""The exporter's books: which endpoints have a series of their own, raised by one conditional batch."""

import secrets
from dataclasses import dataclass

from cassandra.query import BatchStatement, BatchType

from schema.errors import StoreUnavailableError
from schema.records import NOTHING_COUNTED, Admission, AdmissionBook, BookChange, CommitDeltas, EndpointTotals, LedgerPosition
from schema.store.cassandra.connection import Connection
from schema.store.codec import decode_deltas, encode_deltas, parse_position, spell_position

_STANDING = "SELECT DISTINCT network, version, nonce, positions, high_water FROM pcapline.admissions WHERE network = ?"
_ADMISSIONS = "SELECT endpoint, admitted, base, shown, since FROM pcapline.admissions WHERE network = ?"
_RAISE = """
    UPDATE pcapline.admissions SET version = ?, nonce = ?, positions = ?, high_water = ? WHERE network = ? IF version = ?
"""
_ADMIT = "INSERT INTO pcapline.admissions (network, endpoint, admitted, base, shown, since) VALUES (?, ?, ?, ?, ?, ?)"
_COPY_STANDING = """
    INSERT INTO pcapline.admissions (network, version, nonce, positions, high_water) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?
"""
_CONSISTENT_TRIES = 100


@dataclass(frozen=True, slots=True)
class _Standing:
    version: int
    nonce: bytes
    positions: dict[str, LedgerPosition]
    high_water: CommitDeltas


def read_book(connection: Connection, network: str) -> AdmissionBook:
    """The whole book at one version."""
    for _ in range(_CONSISTENT_TRIES):
        standing = _standing(connection, network)
        admissions = {
            endpoint: Admission(admitted=admitted, base=EndpointTotals(**base), shown=EndpointTotals(**shown), since_ms=since)
            for endpoint, admitted, base, shown, since in connection.stream(_ADMISSIONS, (network,), quorum=True)
            if endpoint is not None  # the book of a network without admissions is one row
        }
        if _standing(connection, network).nonce == standing.nonce:
            return AdmissionBook(
                network=network,
                version=standing.version,
                positions=standing.positions,
                admissions=admissions,
                high_water=standing.high_water,
            )
    raise StoreUnavailableError(f"the admissions of {network} change faster than they can be read: try again")


def raise_book(connection: Connection, network: str, expected_version: int, change: BookChange) -> bool:
    """Raise the book by one version, where it still stands at the expected one."""
    standing = _standing(connection, network)
    if standing.version != expected_version:
        return False
    nonce = secrets.token_bytes(16)
    positions = {sensor: spell_position(position) for sensor, position in {**standing.positions, **change.positions}.items()}
    batch = BatchStatement(BatchType.UNLOGGED)
    raised = (expected_version + 1, nonce, positions, encode_deltas(change.high_water))
    batch.add(connection.bound(_RAISE, (*raised, network, expected_version or None)))
    for endpoint, admission in change.changed.items():
        batch.add(connection.bound(_ADMIT, _row(network, endpoint, admission)))
    return connection.conditionally(batch, lambda: _standing(connection, network).nonce == nonce)


def put_book(connection: Connection, book: AdmissionBook, nonce: bytes) -> None:
    """The book of the store that this one is a copy of. Its version is its timestamp: a later one, and whatever anybody
    changes here, wins."""
    positions = {sensor: spell_position(position) for sensor, position in book.positions.items()}
    standing = (book.network, book.version, nonce, positions, encode_deltas(book.high_water), book.version)
    connection.write(_COPY_STANDING, standing, quorum=True)
    rows = ((*_row(book.network, endpoint, admission), book.version) for endpoint, admission in book.admissions.items())
    for _ in connection.each(f"{_ADMIT} USING TIMESTAMP ?", rows, quorum=True):
        pass


def _row(network: str, endpoint: str, admission: Admission) -> tuple[object, ...]:
    counts = (dict(admission.base._asdict()), dict(admission.shown._asdict()))
    return (network, endpoint, admission.admitted, *counts, admission.since_ms)


def _standing(connection: Connection, network: str) -> _Standing:
    for _, version, nonce, positions, high_water in connection.read(_STANDING, (network,), serial=True):
        parsed = {sensor: parse_position(text) for sensor, text in (positions or {}).items()}
        return _Standing(version or 0, nonce or b"", parsed, decode_deltas(high_water) if high_water else NOTHING_COUNTED)
    return _Standing(0, b"", {}, NOTHING_COUNTED)

"""The exporter's books: which endpoints have a series of their own, raised by one conditional batch."""

import secrets
from collections.abc import Mapping

from cassandra.query import BatchStatement, BatchType

from schema.errors import StoreUnavailableError
from schema.records import Admission, AdmissionBook, EndpointTotals
from schema.store.cassandra.connection import Connection

_STANDING = "SELECT DISTINCT network, version, nonce, positions FROM pcapline.admissions WHERE network = ?"
_ADMISSIONS = "SELECT endpoint, admitted, base, shown FROM pcapline.admissions WHERE network = ?"
_RAISE = "UPDATE pcapline.admissions SET version = ?, nonce = ?, positions = ? WHERE network = ? IF version = ?"
_ADMIT = "INSERT INTO pcapline.admissions (network, endpoint, admitted, base, shown) VALUES (?, ?, ?, ?, ?)"
_CONSISTENT_TRIES = 100


def read_book(connection: Connection, network: str) -> AdmissionBook:
    """The whole book at one version."""
    for _ in range(_CONSISTENT_TRIES):
        version, nonce, positions = _standing(connection, network)
        admissions = {
            endpoint: Admission(admitted=admitted, base=EndpointTotals(**base), shown=EndpointTotals(**shown))
            for endpoint, admitted, base, shown in connection.stream(_ADMISSIONS, (network,))
            if endpoint is not None  # the book of a network without admissions is one row
        }
        if _standing(connection, network)[:2] == (version, nonce):
            return AdmissionBook(network=network, version=version, positions=positions, admissions=admissions)
    raise StoreUnavailableError(f"the admissions of {network} change faster than they can be read: try again")


def raise_book(
    connection: Connection,
    network: str,
    expected_version: int,
    positions: Mapping[str, int],
    changed: Mapping[str, Admission],
) -> bool:
    """Raise the book by one version, where it still stands at the expected one."""
    version, _, before = _standing(connection, network)
    if version != expected_version:
        return False
    nonce = secrets.token_bytes(16)
    batch = BatchStatement(BatchType.UNLOGGED)
    raised = (version + 1, nonce, {**before, **positions}, network, version or None)
    batch.add(connection.bound(_RAISE, raised))
    for endpoint, admission in changed.items():
        counts = (dict(admission.base._asdict()), dict(admission.shown._asdict()))
        batch.add(connection.bound(_ADMIT, (network, endpoint, admission.admitted, *counts)))
    return connection.conditionally(batch, lambda: _standing(connection, network)[1] == nonce)


def _standing(connection: Connection, network: str) -> tuple[int, bytes, dict[str, int]]:
    for _, version, nonce, positions in connection.read(_STANDING, (network,), serial=True):
        return version or 0, nonce or b"", dict(positions or {})
    return 0, b"", {}

"""The exporter's books: which endpoints have a series of their own, raised by compare and swap."""

import json
from collections.abc import Mapping

from schema.records import Admission, AdmissionBook, EndpointTotals
from schema.store.sqlite.database import Session, Transaction

_RAISE = """
    INSERT INTO admission_books (network, version, positions) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET version = excluded.version, positions = excluded.positions
"""
_ADMIT = "INSERT OR REPLACE INTO admissions (network, endpoint, admitted, base, shown) VALUES (?, ?, ?, ?, ?)"


def read_book(session: Session, network: str) -> AdmissionBook:
    """The whole book; call it within one snapshot."""
    version, positions = _standing(session, network)
    rows = session.execute("SELECT endpoint, admitted, base, shown FROM admissions WHERE network = ?", (network,))
    admissions = {
        endpoint: Admission(admitted=bool(admitted), base=_totals(base), shown=_totals(shown))
        for endpoint, admitted, base, shown in rows
    }
    return AdmissionBook(network=network, version=version, positions=positions, admissions=admissions)


def raise_book(
    transaction: Transaction,
    network: str,
    expected_version: int,
    positions: Mapping[str, int],
    changed: Mapping[str, Admission],
) -> bool:
    """Raise the book by one version, where it still stands at the expected one."""
    version, before = _standing(transaction, network)
    if version != expected_version:
        return False
    transaction.execute(_RAISE, (network, version + 1, json.dumps({**before, **positions})))
    rows = (
        (network, endpoint, admission.admitted, _text(admission.base), _text(admission.shown))
        for endpoint, admission in changed.items()
    )
    transaction.for_each(_ADMIT, rows)
    return True


def _standing(source: Session | Transaction, network: str) -> tuple[int, dict[str, int]]:
    for version, positions in source.execute("SELECT version, positions FROM admission_books WHERE network = ?", (network,)):
        return version, json.loads(positions)
    return 0, {}


def _text(totals: EndpointTotals) -> str:
    return json.dumps(totals._asdict())


def _totals(text: str) -> EndpointTotals:
    return EndpointTotals(**json.loads(text))

"""The exporter's books: which endpoints have a series of their own, raised by compare and swap."""

import json

from schema.records import NOTHING_COUNTED, Admission, AdmissionBook, BookChange, CommitDeltas, EndpointTotals, LedgerPosition
from schema.store.codec import decode_deltas, encode_deltas, parse_position, spell_position
from schema.store.sqlite.database import Session, Transaction

_RAISE = """
    INSERT INTO admission_books (network, version, positions, high_water) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET version = excluded.version, positions = excluded.positions, high_water = excluded.high_water
"""
_ADMIT = "INSERT OR REPLACE INTO admissions (network, endpoint, admitted, base, shown, since) VALUES (?, ?, ?, ?, ?, ?)"


def read_book(session: Session, network: str) -> AdmissionBook:
    """The whole book; call it within one snapshot."""
    version, positions, high_water = _standing(session, network)
    rows = session.execute("SELECT endpoint, admitted, base, shown, since FROM admissions WHERE network = ?", (network,))
    admissions = {
        endpoint: Admission(admitted=bool(admitted), base=_totals(base), shown=_totals(shown), since_ms=since)
        for endpoint, admitted, base, shown, since in rows
    }
    return AdmissionBook(network=network, version=version, positions=positions, admissions=admissions, high_water=high_water)


def read_position(source: Session | Transaction, network: str, sensor: str) -> LedgerPosition:
    """Up to where anything of a sensor was ever shown."""
    return _standing(source, network)[1].get(sensor, LedgerPosition())


def raise_book(transaction: Transaction, network: str, expected_version: int, change: BookChange) -> bool:
    """Raise the book by one version, where it still stands at the expected one."""
    version, before, _ = _standing(transaction, network)
    if version != expected_version:
        return False
    raised = AdmissionBook(
        network=network,
        version=version + 1,
        positions={**before, **change.positions},
        admissions=change.changed,
        high_water=change.high_water,
    )
    put_book(transaction, raised)
    return True


def put_book(transaction: Transaction, book: AdmissionBook) -> None:
    """Make the book stand at this version; admissions that are not in it stay as they are."""
    positions = {sensor: spell_position(position) for sensor, position in book.positions.items()}
    transaction.execute(_RAISE, (book.network, book.version, json.dumps(positions), encode_deltas(book.high_water)))
    rows = (
        (book.network, endpoint, each.admitted, _text(each.base), _text(each.shown), each.since_ms)
        for endpoint, each in book.admissions.items()
    )
    transaction.for_each(_ADMIT, rows)


def _standing(source: Session | Transaction, network: str) -> tuple[int, dict[str, LedgerPosition], CommitDeltas]:
    standing = "SELECT version, positions, high_water FROM admission_books WHERE network = ?"
    for version, positions, high_water in source.execute(standing, (network,)):
        parsed = {sensor: parse_position(text) for sensor, text in json.loads(positions).items()}
        return version, parsed, decode_deltas(high_water)
    return 0, {}, NOTHING_COUNTED


def _text(totals: EndpointTotals) -> str:
    return json.dumps(totals._asdict())


def _totals(text: str) -> EndpointTotals:
    return EndpointTotals(**json.loads(text))

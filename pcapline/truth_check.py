"""Holds the rows in a store against the ground truth of whoever made the traffic. Only the front door knows both."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from capture.truth import CaptureTruth, DnsTruth, FlowTruth
from schema.addresses import address_text
from schema.store.reading import StoreReader
from schema.tables import DNS_ANSWERS, FLOWS, Table

_MS = 1_000_000
Row = tuple[object, ...]
_FLOW_COLUMNS = (
    "source_ip",
    "destination_ip",
    "source_port",
    "destination_port",
    "protocol",
    "frame",
    "packets",
    "bytes",
    "packets_rev",
    "bytes_rev",
    "hostname",
    "endpoint",
)
_DNS_COLUMNS = (
    "client_ip",
    "client_port",
    "resolver_ip",
    "frame",
    "txid",
    "rcode",
    "qname",
    "qtype",
    "rr_index",
    "rr_type",
    "rr_ttl",
    "address",
    "rdata",
)


@dataclass(frozen=True, slots=True)
class TruthCheck:
    """Rows that should be there, and captures whose rows are not what they should be (by file name)."""

    rows: int
    differing: int
    captures: tuple[str, ...]


def check_truth(reader: StoreReader, sensor: str, truth: Iterable[CaptureTruth]) -> TruthCheck:
    """Compare every flow row and every DNS row of one sensor, value by value."""
    expected: dict[Row, str] = {}
    for capture in truth:
        expected.update((_flow_truth(row), capture.file) for row in capture.flows)
        expected.update((_dns_truth(row), capture.file) for row in capture.dns)
    found = {row: capture_id for table in (FLOWS, DNS_ANSWERS) for row, capture_id in _rows(reader, table, sensor)}
    # A capture that was generated again has another name now: the store's is the one that can be looked for.
    loaded_as = {expected[row]: found[row] for row in expected.keys() & found.keys()}
    known = {file: _file_name(reader, capture_id) for file, capture_id in loaded_as.items()}
    missing = Counter(known.get(expected[row], expected[row]) for row in expected.keys() - found.keys())
    surplus = Counter(_file_name(reader, found[row]) for row in found.keys() - expected.keys())
    differing = missing + surplus
    return TruthCheck(len(expected), differing.total(), tuple(sorted(differing)))


def _flow_truth(row: FlowTruth) -> Row:
    return ("flows", row.first_ts_ns, *(getattr(row, name) for name in _FLOW_COLUMNS))


def _dns_truth(row: DnsTruth) -> Row:
    return ("dns_answers", row.ts_ns, *(getattr(row, name) for name in _DNS_COLUMNS))


def _rows(reader: StoreReader, table: Table, sensor: str) -> Iterator[tuple[Row, bytes]]:
    """Rows of a sensor in the truth's terms, each with its capture."""
    columns = [table.index(name) for name in (_FLOW_COLUMNS if table is FLOWS else _DNS_COLUMNS)]
    whose, ts, ns, capture = (table.index(name) for name in ("sensor", "ts", "ns", "capture_id"))
    for row in reader.scan(table):
        capture_id, ms, rest = row[capture], row[ts], row[ns]
        if row[whose] == sensor and isinstance(ms, int) and isinstance(rest, int) and isinstance(capture_id, bytes):
            yield (table.name, ms * _MS + rest, *(_plain(row[column]) for column in columns)), capture_id


def _plain(value: object) -> object:
    return address_text(value) if isinstance(value, bytes) else value


def _file_name(reader: StoreReader, capture_id: bytes) -> str:
    record = reader.capture(capture_id)
    return record.facts.file_name if record is not None else capture_id.hex()

"""What people ask of the rows: as SQL that they could type, run exactly as it is shown."""

from collections.abc import Iterator

import apsw

from schema.buckets import day_of, day_text
from schema.store.port import FlowQuery, QueryResult
from schema.store.sqlite.database import Database, Session
from schema.store.sqlite.values import address_text, port_rows
from schema.tables import FLOWS, IPS_BY_NAME, NAMES_BY_IP, Table


def find_flows(session: Session, query: FlowQuery) -> QueryResult:
    """Flow rows of a destination, by its partitions, or of a source, by the index; newest first."""
    found = "\n  AND ".join(_conditions(query))
    statement = f"SELECT {_columns(FLOWS)}\nFROM flows\nWHERE {found}\nORDER BY ts DESC, ns DESC\nLIMIT {int(query.limit)};"
    return _run(session, FLOWS, statement)


def find_names(session: Session, address: bytes) -> QueryResult:
    """Names seen for an address."""
    return _find_by(session, NAMES_BY_IP, "ip", address_text(address))


def find_addresses(session: Session, hostname: str) -> QueryResult:
    """Addresses seen for a name."""
    return _find_by(session, IPS_BY_NAME, "hostname", hostname)


def scan_table(database: Database, table: Table) -> Iterator[tuple[object, ...]]:
    """Every row of a table."""
    return port_rows(table, database.stream(f"SELECT {_columns(table)} FROM {table.name}"))


def _conditions(query: FlowQuery) -> Iterator[str]:
    if query.destination is not None:
        yield f"destination_ip = {_literal(address_text(query.destination))}"
        yield from _bucket_conditions(query)
    if query.source is not None:
        yield f"source_ip = {_literal(address_text(query.source))}"
    if query.since_ms is not None:
        yield f"ts >= {int(query.since_ms)}"
    if query.until_ms is not None:
        yield f"ts <= {int(query.until_ms)}"


def _bucket_conditions(query: FlowQuery) -> Iterator[str]:
    # a bucket's name begins with its day whatever its length, so whole days bound the partitions that are read
    if query.since_ms is not None:
        yield f"bucket >= {_literal(day_text(day_of(query.since_ms)))}"
    if query.until_ms is not None:
        yield f"bucket < {_literal(day_text(day_of(query.until_ms) + 1))}"


def _find_by(session: Session, table: Table, key: str, value: str | None) -> QueryResult:
    statement = f"SELECT {_columns(table)}\nFROM {table.name}\nWHERE {key} = {_literal(value)};"
    return _run(session, table, statement)


def _run(session: Session, table: Table, statement: str) -> QueryResult:
    return QueryResult(table=table, rows=list(port_rows(table, session.execute(statement))), statements=[statement])


def _columns(table: Table) -> str:
    return ", ".join(table.names)


def _literal(value: str | None) -> str:
    return apsw.format_sql_value(value)

"""What people ask of the rows: as SQL that they could type, run exactly as it is shown."""

from collections.abc import Iterator, Sequence

import apsw

from schema.buckets import day_of, day_text
from schema.store.reading import AnswerQuery, FlowQuery, QueryResult
from schema.store.sqlite.database import Database, Session
from schema.store.sqlite.values import address_text, port_rows, sql_keys
from schema.tables import DNS_ANSWERS, FLOWS, IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP, Table


def find_flows(session: Session, query: FlowQuery) -> QueryResult:
    """Flow rows of a destination, by its partitions, or of a source, by the index; newest first."""
    conditions: list[str] = []
    if query.destination is not None:
        conditions = [f"destination_ip = {_literal(address_text(query.destination))}", *_bucket_conditions(query)]
    return _newest(session, FLOWS, [*conditions, *_conditions(query, query.source, "source_ip")], query.limit)


def find_answers(session: Session, query: AnswerQuery) -> QueryResult:
    """Records of a name's answers, by its partitions; newest first, those of one frame as they stand there."""
    of_name = [f"qname = {_literal(query.name)}", *_bucket_conditions(query)]
    conditions = [*of_name, *_conditions(query, query.client, "client_ip")]
    return _newest(session, DNS_ANSWERS, conditions, query.limit, ", capture_id, frame, rr_index")


def find_names(session: Session, address: bytes) -> QueryResult:
    """Names seen for an address."""
    return _find_by(session, NAMES_BY_IP, "ip", address_text(address))


def find_addresses(session: Session, hostname: str) -> QueryResult:
    """Addresses seen for a name."""
    return _find_by(session, IPS_BY_NAME, "hostname", hostname)


def find_names_below(session: Session, domain: str) -> QueryResult:
    """Names seen below a registered domain."""
    return _find_by(session, NAMES_BY_DOMAIN, "domain", domain)


def scan_table(database: Database, table: Table) -> Iterator[tuple[object, ...]]:
    """Every row of a table."""
    return port_rows(table, database.stream(f"SELECT {_columns(table)} FROM {table.name}"))


def rows_of_capture(
    database: Database, table: Table, capture_id: bytes, partitions: Sequence[tuple[object, ...]]
) -> Iterator[tuple[object, ...]]:
    """One capture's rows in these partitions."""
    within = " AND ".join(f"{name} = ?" for name in (*table.partition, "capture_id"))
    statement = f"SELECT {_columns(table)} FROM {table.name} WHERE {within}"
    keys = ((*key, capture_id) for key in sql_keys(table, partitions))
    return port_rows(table, database.stream_each(statement, keys))


def _newest(session: Session, table: Table, conditions: list[str], limit: int, then: str = "") -> QueryResult:
    found = "\n  AND ".join(conditions)
    selected = f"SELECT {_columns(table)}\nFROM {table.name}\nWHERE {found}"
    return _run(session, table, f"{selected}\nORDER BY ts DESC, ns DESC{then}\nLIMIT {int(limit)};")


def _conditions(query: FlowQuery | AnswerQuery, of_whom: bytes | None, column: str) -> Iterator[str]:
    if of_whom is not None:
        yield f"{column} = {_literal(address_text(of_whom))}"
    if query.since_ms is not None:
        yield f"ts >= {int(query.since_ms)}"
    if query.until_ms is not None:
        yield f"ts <= {int(query.until_ms)}"


def _bucket_conditions(query: FlowQuery | AnswerQuery) -> Iterator[str]:
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

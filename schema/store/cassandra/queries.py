"""What people ask of the rows: as CQL that they could paste into cqlsh, run exactly as it is shown."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import groupby
from operator import itemgetter
from typing import Any

from schema.buckets import day_of
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.values import literal
from schema.store.port import FlowQuery, QueryResult
from schema.tables import FLOW_BUCKETS, FLOWS, IPS_BY_NAME, NAMES_BY_IP, Kind, Table

_TIME = itemgetter(FLOWS.index("ts"), FLOWS.index("ns"))


def find_flows(connection: Connection, query: FlowQuery) -> QueryResult:
    """Flow rows of a destination, bucket by bucket, or of a source, by the index; newest first."""
    if query.destination is None:
        return _of_source(connection, query)
    return _of_destination(connection, query, query.destination)


def find_names(connection: Connection, address: bytes) -> QueryResult:
    """Names seen for an address."""
    return _find_by(connection, NAMES_BY_IP, "ip", address)


def find_addresses(connection: Connection, hostname: str) -> QueryResult:
    """Addresses seen for a name."""
    return _find_by(connection, IPS_BY_NAME, "hostname", hostname)


def scan_table(connection: Connection, table: Table) -> Iterator[Row]:
    """Every row of a table."""
    return connection.stream(f"SELECT {_columns(table)} FROM pcapline.{table.name}")


def _of_destination(connection: Connection, query: FlowQuery, destination: bytes) -> QueryResult:
    finding = _bucket_statement(connection, query, destination)
    statements, rows = [finding], list[Row]()
    for buckets in _in_time_order(list(connection.run(finding))):
        if len(rows) >= query.limit:
            break
        here: list[Row] = []
        for bucket in buckets:
            statement = _flow_statement(connection, query, f"bucket = {literal(Kind.TEXT, bucket)}", query.limit - len(rows))
            statements.append(statement)
            here.extend(connection.run(statement))
        rows.extend(sorted(here, key=_TIME, reverse=True) if len(buckets) > 1 else here)
    return QueryResult(table=FLOWS, rows=rows[: query.limit], statements=statements)


def _in_time_order(found: list[Row]) -> Iterator[list[str]]:
    """Buckets in groups, newest first: each alone, but a day whose policy changed as one, for its buckets overlap."""
    for _, of_day in groupby(found, key=itemgetter(0)):
        buckets = [bucket for _, bucket in of_day]
        if len({len(bucket) for bucket in buckets}) == 1:
            yield from ([bucket] for bucket in buckets)
        else:
            yield buckets


def _of_source(connection: Connection, query: FlowQuery) -> QueryResult:
    # the index answers in no order of time: all that it finds is looked at, the newest are kept
    statement = _flow_statement(connection, query, "", None)
    rows = nlargest(query.limit, connection.run(statement), key=_TIME)
    return QueryResult(table=FLOWS, rows=rows, statements=[statement])


def _bucket_statement(connection: Connection, query: FlowQuery, destination: bytes) -> str:
    conditions = [f"destination_ip = {literal(Kind.INET, destination)}"]
    if query.since_ms is not None:
        conditions.append(f"day >= {literal(Kind.DATE, day_of(query.since_ms))}")
    if query.until_ms is not None:
        conditions.append(f"day <= {literal(Kind.DATE, day_of(query.until_ms))}")
    found = "\n  AND ".join(conditions)
    return connection.spelt(f"SELECT day, bucket\nFROM pcapline.{FLOW_BUCKETS.name}\nWHERE {found};")


def _flow_statement(connection: Connection, query: FlowQuery, in_bucket: str, limit: int | None) -> str:
    conditions = []
    if query.destination is not None:
        conditions += [f"destination_ip = {literal(Kind.INET, query.destination)}", in_bucket]
    if query.source is not None:
        conditions.append(f"source_ip = {literal(Kind.INET, query.source)}")
    if query.since_ms is not None:
        conditions.append(f"ts >= {literal(Kind.TIMESTAMP, query.since_ms)}")
    if query.until_ms is not None:
        conditions.append(f"ts <= {literal(Kind.TIMESTAMP, query.until_ms)}")
    found = "\n  AND ".join(conditions)
    ending = (f"\nLIMIT {limit}" if limit is not None else "") + ("\nALLOW FILTERING" if query.source is not None else "")
    return connection.spelt(f"SELECT {_columns(FLOWS)}\nFROM pcapline.{FLOWS.name}\nWHERE {found}{ending};")


def _find_by(connection: Connection, table: Table, key: str, value: Any) -> QueryResult:
    shown = literal(table.columns[table.index(key)].kind, value)
    statement = connection.spelt(f"SELECT {_columns(table)}\nFROM pcapline.{table.name}\nWHERE {key} = {shown};")
    return QueryResult(table=table, rows=list(connection.run(statement)), statements=[statement])


def _columns(table: Table) -> str:
    return ", ".join(table.names)

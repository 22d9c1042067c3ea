"""What people ask of the rows: as CQL that they could paste into cqlsh, run exactly as it is shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter
from typing import Any

from schema.buckets import bucket_span, day_of
from schema.errors import SettingsError
from schema.store.cassandra.connection import Connection, Row
from schema.store.cassandra.values import literal
from schema.store.reading import AnswerQuery, FlowQuery, QueryResult
from schema.tables import (
    ANSWER_BUCKETS,
    DNS_ANSWERS,
    FLOW_BUCKETS,
    FLOWS,
    IPS_BY_NAME,
    NAMES_BY_DOMAIN,
    NAMES_BY_IP,
    Kind,
    Table,
)

_SOURCE_INDEX = "flows_by_source"
_INDEXES = "SELECT index_name FROM system_schema.indexes WHERE keyspace_name = ? AND table_name = 'flows'"


def find_flows(connection: Connection, query: FlowQuery) -> QueryResult:
    """Flow rows of a destination, bucket by bucket, or of a source, by the index; newest first."""
    if query.destination is None:
        return _of_source(connection, query)
    within = _conditions(query, "source_ip", query.source)
    return _newest(connection, _Partitions(FLOWS, FLOW_BUCKETS, query.destination), query, within)


def find_answers(connection: Connection, query: AnswerQuery) -> QueryResult:
    """Records of a name's answers, bucket by bucket; newest first, those of one frame as they stand there."""
    within = _conditions(query, "client_ip", query.client)
    return _newest(connection, _Partitions(DNS_ANSWERS, ANSWER_BUCKETS, query.name), query, within)


def find_names(connection: Connection, address: bytes) -> QueryResult:
    """Names seen for an address."""
    return _find_by(connection, NAMES_BY_IP, "ip", address)


def find_addresses(connection: Connection, hostname: str) -> QueryResult:
    """Addresses seen for a name."""
    return _find_by(connection, IPS_BY_NAME, "hostname", hostname)


def find_names_below(connection: Connection, domain: str) -> QueryResult:
    """Names seen below a registered domain."""
    return _find_by(connection, NAMES_BY_DOMAIN, "domain", domain)


def scan_table(connection: Connection, table: Table) -> Iterator[Row]:
    """Every row of a table."""
    return connection.stream(f"SELECT {_columns(table)} FROM pcapline.{table.name}")


@dataclass(frozen=True, slots=True)
class _Partitions:
    """The partitions of one address or name, and the table that lists them."""

    table: Table
    listed_in: Table
    key: Any

    @property
    def condition(self) -> str:
        column = self.table.columns[0]
        return f"{column.name} = {literal(column.kind, self.key)}"


def _newest(
    connection: Connection, partitions: _Partitions, query: FlowQuery | AnswerQuery, within: Sequence[str]
) -> QueryResult:
    table, finding = partitions.table, _bucket_statement(connection, partitions, query)
    time = itemgetter(table.index("ts"), table.index("ns"))
    statements, rows = [finding], list[Row]()
    for buckets in _in_time_order([bucket for _, bucket in connection.run(finding) if _may_have(bucket, query)]):
        if len(rows) >= query.limit:
            break
        here: list[Row] = []
        for bucket in buckets:
            conditions = [partitions.condition, f"bucket = {literal(Kind.TEXT, bucket)}", *within]
            statements.append(_statement(connection, table, conditions, query.limit - len(rows)))
            here.extend(connection.run(statements[-1]))
        rows.extend(sorted(here, key=time, reverse=True) if len(buckets) > 1 else here)
    return QueryResult(table=table, rows=rows[: query.limit], statements=statements)


def _may_have(bucket: str, query: FlowQuery | AnswerQuery) -> bool:
    start, end = bucket_span(bucket)
    return (query.since_ms is None or query.since_ms < end) and (query.until_ms is None or start <= query.until_ms)


def _in_time_order(buckets: list[str]) -> Iterator[list[str]]:
    """Buckets (newest first) in groups, newest first: each alone, but those that overlap as one, where the policy changed."""
    groups: list[list[str]] = []
    group_end = 0
    for bucket in reversed(buckets):  # by their start; of those that start together the longest first
        start, end = bucket_span(bucket)
        if groups and start < group_end:
            groups[-1].append(bucket)
        else:
            groups.append([bucket])
        group_end = max(group_end, end)
    return reversed(groups)


def _of_source(connection: Connection, query: FlowQuery) -> QueryResult:
    if (_SOURCE_INDEX,) not in connection.read(_INDEXES, (connection.keyspace,)):
        what = f"{connection.where} has no index of sources, so flows of a source alone would take a scan of all"
        remedy = f"CREATE INDEX {_SOURCE_INDEX} ON {connection.spelt_keyspace}.flows (source_ip) USING 'sai';"
        raise SettingsError(f"{what}: name the destination as well, or create the index ({remedy})")
    # the index answers in no order of time: all that it finds is looked at, the newest are kept
    statement = _statement(connection, FLOWS, _conditions(query, "source_ip", query.source), None)
    time = itemgetter(FLOWS.index("ts"), FLOWS.index("ns"))
    rows = nlargest(query.limit, connection.run(statement), key=time)
    return QueryResult(table=FLOWS, rows=rows, statements=[statement])


def _bucket_statement(connection: Connection, partitions: _Partitions, query: FlowQuery | AnswerQuery) -> str:
    conditions = [partitions.condition]
    if query.since_ms is not None:
        conditions.append(f"day >= {literal(Kind.DATE, day_of(query.since_ms))}")
    if query.until_ms is not None:
        conditions.append(f"day <= {literal(Kind.DATE, day_of(query.until_ms))}")
    found = "\n  AND ".join(conditions)
    return connection.spelt(f"SELECT day, bucket\nFROM pcapline.{partitions.listed_in.name}\nWHERE {found};")


def _conditions(query: FlowQuery | AnswerQuery, column: str, of_whom: bytes | None) -> list[str]:
    conditions = [] if of_whom is None else [f"{column} = {literal(Kind.INET, of_whom)}"]
    if query.since_ms is not None:
        conditions.append(f"ts >= {literal(Kind.TIMESTAMP, query.since_ms)}")
    if query.until_ms is not None:
        conditions.append(f"ts <= {literal(Kind.TIMESTAMP, query.until_ms)}")
    return conditions


def _statement(connection: Connection, table: Table, conditions: Sequence[str], limit: int | None) -> str:
    found = "\n  AND ".join(conditions)
    filters = any(condition.startswith(("source_ip", "client_ip")) for condition in conditions)
    ending = (f"\nLIMIT {limit}" if limit is not None else "") + ("\nALLOW FILTERING" if filters else "")
    return connection.spelt(f"SELECT {_columns(table)}\nFROM pcapline.{table.name}\nWHERE {found}{ending};")


def _find_by(connection: Connection, table: Table, key: str, value: Any) -> QueryResult:
    shown = literal(table.columns[table.index(key)].kind, value)
    statement = connection.spelt(f"SELECT {_columns(table)}\nFROM pcapline.{table.name}\nWHERE {key} = {shown};")
    return QueryResult(table=table, rows=list(connection.run(statement)), statements=[statement])


def _columns(table: Table) -> str:
    return ", ".join(table.names)

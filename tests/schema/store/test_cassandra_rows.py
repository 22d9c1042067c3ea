"""Rows that are encoded ahead are, byte for byte, what the driver sends for the values that people give it."""

from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from cassandra import ConsistencyLevel
from cassandra.cqltypes import lookup_casstype_simple
from cassandra.protocol import BatchMessage, ColumnMetadata
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, PreparedStatement
from cassandra.util import Date
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schema.store.cassandra.rowbytes import Gathered, RowBytes
from schema.store.cassandra.rows import batch_of, bound_rows, form_of
from schema.store.cassandra.statements import insert_of
from schema.store.cassandra.values import PortProtocol
from schema.tables import FLOWS, TABLES, Kind, Table
from tests.examples import examples
from tests.schema.store.contract.test_rows import values_of
from tests.schema.store.samples import flow_row, id_of

Row = tuple[Any, ...]
STAMP, TTL = 1_790_000_000_000_001, 604_800
_CASSANDRA = {
    Kind.INET: "InetAddressType",
    Kind.TEXT: "UTF8Type",
    Kind.UUID: "UUIDType",
    Kind.INTEGER: "Int32Type",
    Kind.BIGINT: "LongType",
    Kind.SMALLINT: "ShortType",
    Kind.TIMESTAMP: "TimestampType",
    Kind.DATE: "SimpleDateType",
    Kind.BOOLEAN: "BooleanType",
}
_AS_PEOPLE_GIVE = {Kind.INET: lambda value: str(ip_address(value)), Kind.UUID: lambda value: UUID(bytes=value), Kind.DATE: Date}


def given_by_people(kind: Kind, value: Any) -> Any:
    return UNSET_VALUE if value is None else _AS_PEOPLE_GIVE.get(kind, lambda same: same)(value)


def prepared_insert(table: Table) -> PreparedStatement:
    """As the driver makes one of a node's answer."""
    kinds = [*((column.name, column.kind) for column in table.columns), ("[timestamp]", Kind.BIGINT), ("[ttl]", Kind.INTEGER)]
    columns = [ColumnMetadata("kept", table.name, name, lookup_casstype_simple(_CASSANDRA[kind])) for name, kind in kinds]
    key = list(range(len(table.partition)))
    return PreparedStatement(columns, id_of(insert_of(table)), key, insert_of(table), "kept", 5, [], None)


def gathered(prepared: Any, table: Table, rows: list[Row], limit: int = 64, octets: int = 1 << 20) -> list[Gathered]:
    columns = [list(column) for column in zip(*((*row, STAMP, TTL) for row in rows), strict=True)]
    groups: dict[bytes, Gathered] = {}
    full = RowBytes().gather(form_of(prepared, table), columns, groups, limit, octets)
    return full + list(groups.values())


def on_the_wire(batch: BatchStatement) -> bytes:
    """As the driver's session puts a batch into a message."""
    message = BatchMessage(
        batch.batch_type, batch._statements_and_parameters, ConsistencyLevel.LOCAL_QUORUM, None, STAMP, batch.keyspace
    )
    return PortProtocol.encode_message(message, 7, 5, compressor=None, allow_beta_protocol_version=False)


def bound_by_the_driver(prepared: Any, table: Table, rows: list[Row]) -> BatchStatement:
    batch = BatchStatement(BatchType.UNLOGGED)
    for row in rows:
        batch.add(prepared, parameters_of(table, row))
    return batch


def parameters_of(table: Table, row: Row) -> list[Any]:
    """What a person gives to the statement that inserts the row."""
    people = [given_by_people(column.kind, value) for column, value in zip(table.columns, row, strict=True)]
    return [*people, STAMP, TTL]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_batch_is_what_the_driver_would_send(table: Table) -> None:
    prepared = prepared_insert(table)
    width = len(table.partition)
    partition = st.tuples(*[values_of(table, column) for column in table.columns[:width]])
    rest = st.lists(st.tuples(*[values_of(table, column) for column in table.columns[width:]]), min_size=1, max_size=5)

    @settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
    @given(partition, rest)
    def check(key: Row, values: list[Row]) -> None:
        rows = [key + others for others in values]
        (group,) = gathered(prepared, table, rows)
        ours, theirs = batch_of(prepared, group), bound_by_the_driver(prepared, table, rows)
        assert on_the_wire(ours) == on_the_wire(theirs)
        assert (ours.routing_key, ours.keyspace) == (theirs.routing_key, theirs.keyspace)

    check()


@pytest.mark.parametrize("others", [0, 1, 3])
def test_other_statements_go_before_the_rows(others: int) -> None:
    prepared, rows = prepared_insert(FLOWS), [flow_row(id_of("a"), frame) for frame in (1, 2)]
    (group,) = gathered(prepared, FLOWS, rows)
    theirs = bound_by_the_driver(prepared, FLOWS, [rows[0]] * others + rows)
    ours = bound_by_the_driver(prepared, FLOWS, [rows[0]] * others)
    ours.add(bound_rows(prepared, group))
    assert on_the_wire(ours) == on_the_wire(theirs)
    assert (ours.routing_key, ours.keyspace) == (theirs.routing_key, theirs.keyspace)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 4))
@example([0] * 9, 3)
def test_rows_gather_by_partition_up_to_a_limit(hosts: list[int], limit: int) -> None:
    rows = [flow_row(id_of("a"), frame, destination_ip=bytes([10, 0, 0, host])) for frame, host in enumerate(hosts, 1)]
    groups = gathered(prepared_insert(FLOWS), FLOWS, rows, limit)
    alone = [gathered(prepared_insert(FLOWS), FLOWS, [row])[0] for row in rows]
    assert sum(group.rows for group in groups) == len(rows)
    assert all(0 < group.rows <= limit for group in groups)
    for key in {one.key for one in alone}:
        of_key = [group for group in groups if group.key == key]
        assert b"".join(bytes(group.body) for group in of_key) == b"".join(bytes(one.body) for one in alone if one.key == key)
        assert all(group.rows == limit for group in of_key[:-1])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3_000)), min_size=1, max_size=40), st.integers(1, 6_000))
@example([(0, 3_000)] * 9, 6_000)
def test_no_group_is_larger_than_the_bound_and_one_row(texts: list[tuple[int, int]], most: int) -> None:
    prepared = prepared_insert(FLOWS)
    rows = [
        flow_row(id_of("a"), frame, destination_ip=bytes([10, 0, 0, host]), hostname="x" * length)
        for frame, (host, length) in enumerate(texts, 1)
    ]
    groups = gathered(prepared, FLOWS, rows, len(rows) + 1, most)
    one_row = max(len(gathered(prepared, FLOWS, [row])[0].body) for row in rows)
    assert sum(group.rows for group in groups) == len(rows)
    assert all(len(group.body) < most + one_row for group in groups)
    by_key = {group.key: group for group in groups}  # the last of each: all before it were full
    assert all(len(group.body) >= most for group in groups if group is not by_key[group.key])


def test_a_row_that_is_longer_than_the_room() -> None:
    prepared, row = prepared_insert(FLOWS), flow_row(id_of("a"), 1, hostname="ü" * 100_000)
    (group,) = gathered(prepared, FLOWS, [row, row])
    theirs = bound_by_the_driver(prepared, FLOWS, [row, row])
    assert on_the_wire(batch_of(prepared, group)) == on_the_wire(theirs)


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"source_port": 1 << 31}, OverflowError),
        ({"source_port": -(1 << 31) - 1}, OverflowError),
        ({"protocol": 1 << 15}, OverflowError),
        ({"bytes": 1 << 63}, OverflowError),
        ({"bytes": -(1 << 63) - 1}, OverflowError),
        ({"hostname": "\ud800"}, UnicodeEncodeError),
        ({"hostname": b"bytes"}, (TypeError, AttributeError)),
        ({"flow_id": "text"}, TypeError),
        ({"bytes": "7"}, TypeError),
    ],
)
def test_what_does_not_fit_a_column_is_refused(values: dict[str, object], refused: type[Exception]) -> None:
    with pytest.raises(refused):
        gathered(prepared_insert(FLOWS), FLOWS, [flow_row(id_of("a"), 1, **values)])


def test_columns_of_different_lengths_are_refused() -> None:
    form, columns = form_of(prepared_insert(FLOWS), FLOWS), [[1]] * (len(FLOWS.columns) + 1)
    for wrong in (columns, [*columns, []], [*columns, [1], [1]]):
        with pytest.raises(ValueError, match="lengths"):
            RowBytes().gather(form, wrong, {}, 64)

"""Small partitions leave together: the same rows, in batches that one owner keeps and that no node warns of."""

import logging
from collections import Counter
from typing import Any

import pytest
from cassandra.query import BatchStatement, BatchType
from hypothesis import example, given
from hypothesis import strategies as st

from schema.store.cassandra.packing import Group, joined, packed
from schema.store.cassandra.rowbytes import Gathered
from schema.store.cassandra.rows import batch_of
from schema.store.cassandra.statements import insert_of
from schema.store.cassandra.writer import Writer
from schema.tables import TABLES, Kind, RowBatch, Table
from tests.schema.store.samples import id_of
from tests.schema.store.test_cassandra_rows import gathered, on_the_wire, parameters_of, prepared_insert
from tests.servers.cassandra.keyspace import CassandraFactory

PARTITIONS, BYTES = 10, 5_120  # of a batch over partitions that a node takes without a warning
_MADE = {
    Kind.INET: lambda n: bytes([10, 0, n >> 8, n & 0xFF]),
    Kind.TEXT: lambda n: f"{n}",
    Kind.UUID: lambda n: id_of(f"{n}"),
    Kind.BOOLEAN: lambda n: n % 2 == 0,
}


def rows_of(table: Table, partitions: int, each: int) -> list[tuple[Any, ...]]:
    """Rows without an absent value; partitions of equal numbers have equal keys in tables whose keys are alike."""
    width = len(table.partition)
    return [
        tuple(_MADE.get(column.kind, int)(row if n >= width else part) for n, column in enumerate(table.columns))
        for part in range(partitions)
        for row in range(each)
    ]


def group_of(key: bytes, body: int, rows: int, values: int) -> Group:
    one = Gathered(len(key).to_bytes(4, "big") + key)
    one.body, one.rows = bytearray(key * body), rows
    return Group(None, values, one)


@given(
    st.lists(
        st.builds(
            group_of,
            st.binary(min_size=1, max_size=2),
            st.integers(1, 2_000),
            st.integers(1, 64),
            st.integers(0, 20),
        ),
        max_size=60,
    ),
    st.integers(1, 3),
)
@example([group_of(bytes([n]), 1, 1, 0) for n in range(11)], 1)
def test_no_row_is_lost_and_no_batch_is_too_large(groups: list[Group], owners: int) -> None:
    octets = Counter(b"".join(bytes(group.gathered.body) for group in groups))
    rows, alone = sum(group.gathered.rows for group in groups), [group.gathered for group in groups]
    sizes = [(one.rows, len(one.body)) for one in alone]
    batches = [joined(parts) for parts in packed(groups, lambda key: sum(key) % owners)]
    assert sum(one.rows for one in batches) == rows
    assert Counter(b"".join(bytes(one.body) for one in batches)) == octets
    for one in batches:
        assert one in alone or len(one.body) <= BYTES
    assert [(one.rows, len(one.body)) for one in alone] == sizes  # each can leave alone, where a node refuses their batch


def test_partitions_of_one_owner_leave_together_ten_at_a_time() -> None:
    groups = [group_of(bytes([n, n]), 1, 1, 1) for n in range(45)]
    batches = [bytes(joined(parts).body) for parts in packed(groups, lambda key: key[-1] % 2)]
    assert sorted(map(len, batches)) == [4, 6, 20, 20, 20, 20]
    assert all(len({octet % 2 for octet in body}) == 1 for body in batches)


def test_partitions_of_one_key_count_once() -> None:
    groups = [group_of(bytes([n]), 1, 1, 1) for n in range(10) for _ in range(3)]
    (parts,) = packed(groups, lambda key: None)
    assert joined(parts).rows == 30


def test_a_batch_of_several_tables_is_what_the_driver_would_send() -> None:
    groups, in_order = [], list[tuple[bytes, Table, Any]]()
    for table in TABLES:
        for row in rows_of(table, 3, 1):
            (one,) = gathered(prepared_insert(table), table, [row])
            groups.append(Group(prepared_insert(table), 1, one))
            in_order.append((one.key, table, row))
    in_order.sort(key=lambda each: each[0])
    for parts in packed(groups, lambda key: None):
        one = joined(parts)
        theirs = BatchStatement(BatchType.UNLOGGED)
        for _, table, row in in_order[: one.rows]:
            theirs.add(prepared_insert(table), parameters_of(table, row))
        del in_order[: one.rows]
        ours = batch_of(parts[0].prepared, one)
        assert on_the_wire(ours) == on_the_wire(theirs)
        assert (ours.routing_key, ours.keyspace) == (theirs.routing_key, theirs.keyspace)
    assert not in_order


@pytest.mark.parametrize("each", [1, 5])
def test_no_node_warns_of_a_batch(
    cassandra_store_factory: CassandraFactory, caplog: pytest.LogCaptureFixture, each: int
) -> None:
    connection = cassandra_store_factory()._connection  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, logger="cassandra"), Writer(connection, 1, lambda: None) as writer:
        for table in TABLES:
            writer.add(RowBatch(table, tuple(zip(*rows_of(table, 60, each), strict=True))), 86_400)
    assert not caplog.records
    for table in TABLES:
        kept = sum(1 for _ in connection.stream(f"SELECT {table.key[0]} FROM pcapline.{table.name}"))
        assert kept == len({row[: len(table.key)] for row in rows_of(table, 60, each)})


def test_a_node_warns_of_a_batch_over_more_partitions(
    cassandra_store_factory: CassandraFactory, caplog: pytest.LogCaptureFixture
) -> None:
    connection = cassandra_store_factory()._connection  # type: ignore[attr-defined]
    table = TABLES[0]
    batch = BatchStatement(BatchType.UNLOGGED)
    for row in rows_of(table, PARTITIONS + 1, 1):
        batch.add(connection.prepared(insert_of(table)), [*row, 1, 86_400])
    with caplog.at_level(logging.WARNING, logger="cassandra"):
        connection.write_batch(batch)
    assert [record for record in caplog.records if "partitions detected" in record.getMessage()]

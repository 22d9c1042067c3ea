"""Values that are encoded here are, byte for byte, what the driver makes of the types that people give it."""

from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from cassandra.query import UNSET_VALUE
from cassandra.util import Date
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.store.cassandra.statements import insert_of
from schema.store.cassandra.values import encode_int, encode_long, encoded_rows
from schema.tables import TABLES, Kind, RowBatch, Table
from tests.schema.store.contract.test_rows import values_of
from tests.servers.cassandra.keyspace import Keyspace

_AS_PEOPLE_GIVE = {Kind.INET: lambda value: str(ip_address(value)), Kind.UUID: lambda value: UUID(bytes=value), Kind.DATE: Date}


def given_by_people(kind: Kind, value: Any) -> Any:
    return UNSET_VALUE if value is None else _AS_PEOPLE_GIVE.get(kind, lambda same: same)(value)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_are_encoded_as_the_driver_would(cassandra_keyspace: Keyspace, table: Table) -> None:
    prepared = cassandra_keyspace.prepare(insert_of(table))

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.tuples(*[values_of(table, column) for column in table.columns]))
    def check(row: tuple[Any, ...]) -> None:
        people = [given_by_people(column.kind, value) for column, value in zip(table.columns, row, strict=True)]
        (encoded,) = encoded_rows(RowBatch(table, tuple((value,) for value in row)))
        assert prepared.bind([*people, 7, 9]).values == [*encoded, encode_long(7), encode_int(9)]

    check()

"""Rows come back as they went in, the last writer of a key wins, and people find them newest first."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.store.writing import Store
from schema.tables import FLOWS, PACKETS, TABLES, Column, Kind, Table
from tests.schema.store.samples import CLIENT, SERVER, T0_MS, flow_row, id_of, load, scanned, take, with_rows

# Unicode that every store takes, among it what has to be quoted where text is put into statements.
TEXT = st.one_of(st.sampled_from(["", "'", '"; --', "_other", "ü.example", "a\\000b"]), st.text("ab'.", max_size=6))
VALUES = {
    Kind.INET: st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)),
    Kind.TEXT: TEXT,
    Kind.UUID: st.binary(min_size=16, max_size=16),
    Kind.INTEGER: st.integers(-(2**31), 2**31 - 1),
    Kind.BIGINT: st.integers(-(2**63), 2**63 - 1),
    Kind.SMALLINT: st.integers(-(2**15), 2**15 - 1),
    Kind.TIMESTAMP: st.integers(0, 2**42),
    Kind.DATE: st.integers(0, 40_000),
    Kind.BOOLEAN: st.booleans(),
}


def canonical(value: object) -> bool:
    """No IPv4-mapped address: it would be the IPv4 address."""
    return not (isinstance(value, bytes) and value.startswith(bytes(10) + b"\xff\xff"))


def values_of(table: Table, column: Column) -> st.SearchStrategy[object]:
    values = VALUES[column.kind].filter(canonical)
    if column.name in table.partition and column.kind is Kind.TEXT:
        values = values.filter(bool)  # Cassandra has no empty partition keys of one column
    return values if column.name in table.key or table.spans else st.none() | values


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_come_back_as_they_went_in(store: Store, table: Table) -> None:
    lease = take(store)
    kept: dict[tuple[object, ...], tuple[object, ...]] = {}

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(*[values_of(table, column) for column in table.columns]), min_size=1, max_size=6))
    def write(rows: list[tuple[object, ...]]) -> None:
        new = {key: row for row in rows if (key := row[: len(table.key)]) not in kept}
        load(lease, with_rows({table: list(new.values())} if new else {}))
        kept.update(new)
        assert scanned(store, table) == sorted(kept.values(), key=repr)

    write()


def test_last_writer_of_a_key_wins(store: Store) -> None:
    lease, capture_id = take(store), id_of("a")
    load(lease, with_rows({FLOWS: [flow_row(capture_id, 1, hostname="first")]}))
    load(lease, with_rows({FLOWS: [flow_row(capture_id, 1, hostname="last")]}))
    assert scanned(store, FLOWS) == [flow_row(capture_id, 1, hostname="last")]


def test_opt_in_table_takes_rows_too(store: Store) -> None:
    row = (SERVER, "2026-09-21T14", T0_MS, 1, id_of("a"), 1, CLIENT, 50_000, 53, 17, 80, None)
    load(take(store), with_rows({PACKETS: [row]}, "a"))
    assert scanned(store, PACKETS) == [row]


def test_scan_of_more_rows_than_a_page(store: Store) -> None:
    rows = [flow_row(id_of("a"), frame, ts=T0_MS) for frame in range(10_000)]
    load(take(store), with_rows({FLOWS: rows}, "a"))
    assert scanned(store, FLOWS) == sorted(rows, key=repr)

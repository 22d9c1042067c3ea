"""Staging: the manifest tells exactly the own rows that will be written, in memory or from the temporary file."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loader.rows.staging import StagedRows
from schema.tables import FLOW_BUCKETS, FLOWS, NAMES_BY_CLIENT, Table, batches_of

CAPTURE = bytes(range(16))
addresses = st.sampled_from([b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"])
told = st.tuples(
    st.just("edge"),
    addresses,
    addresses,
    st.integers(0, 9),
    st.just(7),
    st.just("a"),
    st.none(),
    st.just(9),
    st.just(True),
    st.just(1),
    st.just(1),
)
buckets = st.tuples(addresses, st.integers(0, 3), st.sampled_from(["b1", "b2"]))


@given(st.lists(st.one_of(st.lists(told, max_size=5), st.lists(buckets, max_size=5))), st.integers(0, 12))
def test_the_manifest_counts_what_is_replayed(parts: list[list[tuple[object, ...]]], limit: int) -> None:
    with StagedRows(limit) as staged:
        expected: dict[Table, list[tuple[object, ...]]] = {NAMES_BY_CLIENT: [], FLOW_BUCKETS: []}
        for rows in parts:
            table = NAMES_BY_CLIENT if rows and len(rows[0]) == len(NAMES_BY_CLIENT.columns) else FLOW_BUCKETS
            expected[table] += rows
            for batch in batches_of(table, rows):
                staged.add(batch)
        replayed: dict[Table, list[tuple[object, ...]]] = {NAMES_BY_CLIENT: [], FLOW_BUCKETS: []}
        for batch in staged.batches(CAPTURE):
            replayed[batch.table] += batch.rows()
        manifest = staged.manifest()
        first, again = list(manifest.own), list(manifest.own)
    at = NAMES_BY_CLIENT.index("capture_id")
    told_rows = expected[NAMES_BY_CLIENT]
    assert replayed[NAMES_BY_CLIENT] == [(*row[:at], CAPTURE, *row[at + 1 :]) for row in told_rows]
    assert replayed[FLOW_BUCKETS] == expected[FLOW_BUCKETS]
    assert first == again
    assert manifest.own_rows == ({NAMES_BY_CLIENT.name: len(told_rows)} if told_rows else {})
    assert {counts.table for counts in first} == set(manifest.own_rows)
    counted = [pair for counts in first for pair in zip(counts.partitions, counts.rows, strict=True)]
    assert len(counted) == len(dict(counted)), "each partition once"
    assert dict(counted) == Counter(row[: len(NAMES_BY_CLIENT.partition)] for row in told_rows)


def test_many_partitions_are_told_in_parts() -> None:
    many = 20_000
    rows = [
        ((10 << 24 | n).to_bytes(4, "big"), f"b{n % 3}", n, 0, None, n, *[0] * (len(FLOWS.columns) - 6)) for n in range(many)
    ]
    with StagedRows(rows_in_memory=1_000) as staged:
        for batch in batches_of(FLOWS, rows, size=700):
            staged.add(batch)
        manifest = staged.manifest()
        sizes = [len(counts.rows) for counts in manifest.own]
        keys = [key for counts in manifest.own for key in counts.partitions]
    assert max(sizes) < many == sum(sizes) == manifest.own_rows["flows"]
    assert keys == sorted(row[:2] for row in rows), "in order: neighbours pack well"

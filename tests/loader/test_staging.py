"""Staging: the manifest tells exactly the own rows that will be written, in memory or from the temporary file."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loader.staging import StagedRows
from schema.tables import FLOW_BUCKETS, NAMES_BY_CLIENT, Table, batches_of

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
    at = NAMES_BY_CLIENT.index("capture_id")
    assert replayed[NAMES_BY_CLIENT] == [(*row[:at], CAPTURE, *row[at + 1 :]) for row in expected[NAMES_BY_CLIENT]]
    assert replayed[FLOW_BUCKETS] == expected[FLOW_BUCKETS]
    assert [counts.table for counts in manifest.own] == [NAMES_BY_CLIENT.name] * bool(expected[NAMES_BY_CLIENT])
    for counts in manifest.own:
        assert dict(zip(counts.partitions, counts.rows, strict=True)) == Counter(
            row[: len(NAMES_BY_CLIENT.partition)] for row in expected[NAMES_BY_CLIENT]
        )

"""Blobs give back what they were made of, and a damaged one says so."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import SchemaMismatchError, StoreError
from schema.records import CommitDeltas, EndpointTotals, Manifest, PartitionCounts
from schema.store.codec import CHUNK_BYTES, decode_deltas, decode_manifest, encode_deltas, encode_manifest

COUNT = st.integers(-(2**63), 2**63 - 1)
KEY_COLUMN = st.sampled_from([st.binary(max_size=16), st.text(max_size=12), COUNT])


@st.composite
def partition_counts(draw: st.DrawFn) -> PartitionCounts:
    key = st.tuples(*draw(st.lists(KEY_COLUMN, min_size=1, max_size=3)))
    rows = draw(st.lists(st.tuples(key, st.integers(0, 2**40)), max_size=8))
    return PartitionCounts(
        table=draw(st.text(max_size=12)), partitions=tuple(k for k, _ in rows), rows=tuple(n for _, n in rows)
    )


PARTS = st.lists(partition_counts(), max_size=4).map(tuple)


@given(st.builds(Manifest, own=PARTS, repaired=PARTS))
def test_manifest_comes_back(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest)) == manifest


@given(
    st.dictionaries(st.text(max_size=12), st.builds(EndpointTotals, *[COUNT] * 5), max_size=8),
    st.dictionaries(st.text(max_size=12), COUNT, max_size=8),
)
def test_deltas_come_back(endpoints: dict[str, EndpointTotals], totals: dict[str, int]) -> None:
    deltas = CommitDeltas(endpoints=endpoints, totals=totals)
    back = decode_deltas(encode_deltas(deltas))
    assert back == deltas
    assert all(isinstance(gained, EndpointTotals) for gained in back.endpoints.values())


def large_manifest(partitions: int = 200_000) -> Manifest:
    addresses = Random(1)
    keys = tuple((addresses.randbytes(16), f"2026-11-20T{n % 24:02}") for n in range(partitions))
    return Manifest(own=(PartitionCounts(table="flows", partitions=keys, rows=(1,) * partitions),))


def test_large_manifest_is_cut_into_chunks() -> None:
    manifest = large_manifest()
    chunks = encode_manifest(manifest)
    assert len(chunks) > 1
    assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)
    assert decode_manifest(iter(chunks)) == manifest


def test_missing_chunk_is_noticed() -> None:
    chunks = encode_manifest(large_manifest())
    with pytest.raises(StoreError, match="damaged"):
        decode_manifest(chunks[:-1])


def test_other_format_is_not_guessed() -> None:
    blob = b"\xff" + encode_deltas(CommitDeltas(endpoints={}, totals={}))[1:]
    with pytest.raises(SchemaMismatchError, match="update pcapline"):
        decode_deltas(blob)

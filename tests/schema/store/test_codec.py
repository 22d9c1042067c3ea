"""Blobs give back what they were made of, and a damaged one says so."""

from collections.abc import Iterable, Iterator, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.errors import SchemaMismatchError, StoreError
from schema.records import CommitDeltas, EndpointTotals, Manifest, PartitionCounts
from schema.store.codec import ManifestChunk, decode_deltas, decode_manifest, encode_deltas, encode_manifest, row_chunks

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


def read_back(blobs: Sequence[bytes], first: int = 0) -> list[ManifestChunk]:
    return list(decode_manifest(lambda number: blobs[number] if number < len(blobs) else None, first))


def partitions(parts: Iterable[PartitionCounts]) -> list[tuple[str, tuple[object, ...], int]]:
    return [(part.table, key, rows) for part in parts for key, rows in zip(part.partitions, part.rows, strict=True)]


@given(PARTS, PARTS)
def test_manifest_comes_back(own: tuple[PartitionCounts, ...], repaired: tuple[PartitionCounts, ...]) -> None:
    chunks = read_back(list(encode_manifest(Manifest(own=own, repaired=repaired))))
    assert partitions(part for chunk in chunks for part in chunk.own) == partitions(own)
    assert partitions(part for chunk in chunks for part in chunk.repaired) == partitions(repaired)


@pytest.mark.parametrize("octets", [0, 1, 256 * 1024, 600_000])
def test_what_a_capture_began_from_comes_back_in_chunks_of_its_own(octets: int) -> None:
    began_from = Random(2).randbytes(octets)
    blobs = list(encode_manifest(Manifest(own=[large_part(5_000)], began_from=began_from)))
    assert max(map(len, blobs)) < 300_000
    chunks = read_back(blobs)
    assert b"".join(piece for chunk in chunks for piece in chunk.began_from) == began_from
    assert [bool(chunk.own) for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert partitions(p for chunk in chunks for p in chunk.own) == partitions([large_part(5_000)])


def test_who_looks_for_rows_does_not_read_what_a_capture_began_from() -> None:
    blobs = list(encode_manifest(Manifest(own=[large_part()], began_from=Random(2).randbytes(2_000_000))))
    read: list[int] = []

    def chunk_at(number: int) -> bytes:
        read.append(number)
        return blobs[number]

    of_rows = [part for chunk in row_chunks(decode_manifest(chunk_at)) for part in chunk.own]
    assert partitions(of_rows) == partitions([large_part()])
    first_other = next(number for number, chunk in enumerate(read_back(blobs)) if chunk.began_from)
    assert 1 < first_other < len(blobs) - 6
    assert read == list(range(first_other + 1))


@given(
    st.dictionaries(st.text(max_size=12), st.builds(EndpointTotals, *[COUNT] * 5), max_size=8),
    st.dictionaries(st.text(max_size=12), COUNT, max_size=8),
)
def test_deltas_come_back(endpoints: dict[str, EndpointTotals], totals: dict[str, int]) -> None:
    deltas = CommitDeltas(endpoints=endpoints, totals=totals)
    back = decode_deltas(encode_deltas(deltas))
    assert back == deltas
    assert all(isinstance(gained, EndpointTotals) for gained in back.endpoints.values())


def large_part(partitions: int = 100_000) -> PartitionCounts:
    addresses = Random(1)
    keys = tuple((addresses.randbytes(16), f"2026-11-20T{n % 24:02}") for n in range(partitions))
    return PartitionCounts(table="flows", partitions=keys, rows=(1,) * partitions)


def test_large_manifest_is_told_in_chunks_that_are_read_by_themselves() -> None:
    part = large_part()
    blobs = list(encode_manifest(Manifest.of([part])))
    assert len(blobs) > 2
    assert max(map(len, blobs)) < 2 << 20, "far below what a Cassandra mutation may hold"
    chunks = read_back(blobs)
    assert partitions(p for chunk in chunks for p in chunk.own) == partitions([part])
    assert read_back(blobs, 1) == chunks[1:]


def test_a_manifest_is_made_as_it_is_taken() -> None:
    """It is never in memory as a whole: the parts behind a chunk are not asked for before the chunk has been taken."""
    asked = []

    def parts() -> Iterator[PartitionCounts]:
        for n in range(4):
            asked.append(n)
            yield large_part(50_000)

    chunks = encode_manifest(Manifest(own=parts()))
    next(chunks)
    assert asked == [0]
    assert len(list(chunks)) > 4
    assert asked == [0, 1, 2, 3]


def test_an_unknown_manifest_has_no_chunks() -> None:
    assert read_back([]) == []


@pytest.mark.parametrize("lost", [0, 1, -1])
def test_missing_chunk_is_noticed(lost: int) -> None:
    blobs = list(encode_manifest(Manifest.of([large_part()])))
    del blobs[lost]
    with pytest.raises(StoreError, match="run pcapline verify"):
        read_back(blobs)


def test_damaged_chunk_is_noticed() -> None:
    first, second, *others = encode_manifest(Manifest.of([large_part()]))
    with pytest.raises(StoreError, match="damaged"):
        read_back([first, second[:-9], *others])


def test_other_format_is_not_guessed() -> None:
    blob = b"\xff" + encode_deltas(CommitDeltas(endpoints={}, totals={}))[1:]
    with pytest.raises(SchemaMismatchError, match="update pcapline"):
        decode_deltas(blob)

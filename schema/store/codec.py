"""How manifests and commit deltas are spelt as blobs, the same in every store. No store, no clock.

A blob is one version byte and a zlib stream of little-endian columns, so that 60,000 partitions cost some tens of
milliseconds and take a few hundred kilobytes. A column is its kind, its lengths where they vary, and its values.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, count, pairwise, takewhile
from typing import NamedTuple, cast

from schema.errors import SchemaMismatchError, StoreError
from schema.records import CommitDeltas, EndpointTotals, LedgerPosition, Manifest, PartitionCounts

CHUNK_BYTES = 256 * 1024  # of what is kept in chunks: far below what a Cassandra mutation may hold
_VERSION = 1
_FAST = 1  # zlib level: a manifest is written once and rarely read
_NO_ROWS, _BYTES, _TEXT, _INTEGERS = range(4)
_OWN, _REPAIRED, _MORE, _END, _BEGAN_FROM = range(5)  # what follows in a manifest's chunk: a part of it, or the chunk's end
_MANIFEST_CHUNK = 1 << 20  # bytes, before they are packed (keys of a scan shrink to a tenth), a piece more at most
_PIECE = 1_024  # partitions


class ManifestChunk(NamedTuple):
    """A part of a manifest that is kept, and read, by itself."""

    own: list[PartitionCounts]
    repaired: list[PartitionCounts]
    began_from: list[bytes]  # pieces


def encode_manifest(manifest: Manifest) -> Iterator[bytes]:
    """A manifest in chunks that are read each by itself, one in memory at a time; at least one."""
    number, out = 0, _chunk(0)
    for kind, piece, room in _manifest_pieces(manifest):
        if out.size > room:
            out.number(_MORE)
            yield out.blob()
            number += 1
            out = _chunk(number)
        out.number(kind)
        if isinstance(piece, bytes):
            out.column([piece])
        else:
            _put_counts(out, piece)
    out.number(_END)
    yield out.blob()


def _manifest_pieces(manifest: Manifest) -> Iterator[tuple[int, PartitionCounts | bytes, int]]:
    """What a manifest consists of, each with its kind and how much may stand before it in its chunk."""
    for kind, parts in ((_OWN, manifest.own), (_REPAIRED, manifest.repaired)):
        for piece in chain.from_iterable(map(_pieces, parts)):
            yield kind, piece, _MANIFEST_CHUNK
    # Each in a chunk of its own: it does not shrink, and is rarely read.
    for start in range(0, len(manifest.began_from), CHUNK_BYTES):
        yield _BEGAN_FROM, manifest.began_from[start : start + CHUNK_BYTES], 0


def decode_manifest(chunk_at: Callable[[int], bytes | None], first: int = 0) -> Iterator[ManifestChunk]:
    """The chunks of a manifest, from one of them on; nothing where there is not even one. Raises StoreError where one is
    damaged or missing, when its turn comes."""
    for number in count(first):
        blob = chunk_at(number)
        if blob is None:
            if number > 0:
                raise StoreError(f"part {number} of a manifest is not in the store: run pcapline verify")
            return
        chunk, another = _take_chunk(_Reader(blob), number)
        yield chunk
        if not another:
            return


def row_chunks(chunks: Iterable[ManifestChunk]) -> Iterator[ManifestChunk]:
    """Those that say where rows are. What the capture began from comes behind them, is large, and is read no further than to
    know it."""
    return takewhile(lambda chunk: not chunk.began_from, chunks)


def partitions_of(parts: Iterable[PartitionCounts], table: str, first: object) -> list[tuple[object, ...]]:
    """Partitions of a table whose key begins with this value."""
    return [key for part in parts if part.table == table for key in part.partitions if key[0] == first]


def encode_deltas(deltas: CommitDeltas) -> bytes:
    """What one commit adds to its sensor's totals, as one blob."""
    out = _Writer()
    out.number(len(deltas.endpoints))
    out.column(list(deltas.endpoints))
    for counter in zip(*deltas.endpoints.values(), strict=True):
        out.column(counter)
    _put_totals(out, deltas.totals)
    return out.blob()


# `EndpointTotals._make` in half the time: whoever replays a ledger takes a million.
_TOTALS = cast("Callable[[tuple[int, ...]], EndpointTotals]", partial(tuple.__new__, EndpointTotals))


def decode_deltas(blob: bytes) -> CommitDeltas:
    """The deltas that `encode_deltas` spelt. Raises StoreError where the blob is damaged."""
    source = _Reader(blob)
    count = source.number()
    names = cast(list[str], source.column(count))
    counters = [cast(list[int], source.column(count)) for _ in EndpointTotals._fields] if count else []
    endpoints = dict(zip(names, map(_TOTALS, zip(*counters, strict=True)), strict=True))
    return CommitDeltas(endpoints=endpoints, totals=_take_totals(source))


def spell_position(position: LedgerPosition) -> str:
    """A ledger position as text: SEGMENT:SEQ:NONCE."""
    return f"{position.segment}:{position.seq}:{position.nonce.hex()}"


def parse_position(text: str) -> LedgerPosition:
    """The position that `spell_position` spelt."""
    segment, seq, nonce = text.split(":")
    return LedgerPosition(segment=int(segment), seq=int(seq), nonce=bytes.fromhex(nonce))


def _put_counts(out: "_Writer", counts: PartitionCounts) -> None:
    out.column([counts.table])
    columns = list(zip(*counts.partitions, strict=True))
    out.number(len(counts.rows))
    out.number(len(columns))
    out.column(counts.rows)
    for column in columns:
        out.column(column)


def _take_counts(source: "_Reader") -> PartitionCounts:
    table = cast(str, source.column(1)[0])
    count, width = source.number(), source.number()
    rows = cast(list[int], source.column(count))
    columns = [source.column(count) for _ in range(width)]
    return PartitionCounts(table=table, partitions=tuple(zip(*columns, strict=True)), rows=tuple(rows))


def _put_totals(out: "_Writer", totals: Mapping[str, int]) -> None:
    out.number(len(totals))
    out.column(list(totals))
    out.column(list(totals.values()))


def _take_totals(source: "_Reader") -> dict[str, int]:
    count = source.number()
    names, values = source.column(count), source.column(count)
    return dict(zip(cast(list[str], names), cast(list[int], values), strict=True))


def _chunk(number: int) -> "_Writer":
    """A chunk of a manifest, to be filled."""
    out = _Writer()
    out.number(number)
    return out


def _take_chunk(source: "_Reader", number: int) -> tuple[ManifestChunk, bool]:
    """A chunk that must be the one of this number; and whether another follows."""
    if source.number() != number:
        raise StoreError(f"another part of a manifest is where part {number} belongs: run pcapline verify")
    chunk = ManifestChunk([], [], [])
    while (kind := source.number()) not in (_MORE, _END):
        if kind == _BEGAN_FROM:
            chunk.began_from.append(cast(bytes, source.column(1)[0]))
        else:
            (chunk.own, chunk.repaired)[kind].append(_take_counts(source))
    return chunk, kind == _MORE


def _pieces(counts: PartitionCounts) -> Iterator[PartitionCounts]:
    """The same, few partitions at a time."""
    for start in range(0, len(counts.rows), _PIECE):
        behind = start + _PIECE
        yield PartitionCounts(table=counts.table, partitions=counts.partitions[start:behind], rows=counts.rows[start:behind])


class _Writer:
    """Collects numbers and columns; `blob` packs them."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    @property
    def size(self) -> int:
        """Bytes, before they are packed."""
        return sum(map(len, self._parts))

    def number(self, value: int) -> None:
        self._parts.append(struct.pack("<I", value))

    def column(self, values: Sequence[object]) -> None:
        """One column: all bytes, all text or all integers (signed 64 bit), by its first value."""
        if not values:
            self._parts.append(bytes([_NO_ROWS]))
        elif isinstance(values[0], bytes):
            self._lengths(_BYTES, values)
            self._parts.append(b"".join(cast(Sequence[bytes], values)))
        elif isinstance(values[0], str):
            self._lengths(_TEXT, values)
            text = "".join(cast(Sequence[str], values)).encode()
            self.number(len(text))
            self._parts.append(text)
        else:
            self._parts.append(struct.pack(f"<B{len(values)}q", _INTEGERS, *values))

    def _lengths(self, kind: int, values: Sequence[object]) -> None:
        lengths = map(len, cast(Sequence[bytes], values))
        self._parts.append(struct.pack(f"<B{len(values)}I", kind, *lengths))

    def blob(self) -> bytes:
        return bytes([_VERSION]) + zlib.compress(b"".join(self._parts), _FAST)


class _Reader:
    """Takes numbers and columns back in the order in which they were put."""

    def __init__(self, blob: bytes) -> None:
        if blob[:1] != bytes([_VERSION]):
            raise SchemaMismatchError(f"a blob in the store has format {blob[:1].hex() or 'none'}: update pcapline")
        try:
            self._body = zlib.decompress(memoryview(blob)[1:])
        except zlib.error as error:
            raise StoreError(f"a blob in the store is damaged ({error}): run pcapline verify") from error
        self._at = 0

    def number(self) -> int:
        return self._unpack("<I")[0]

    def column(self, count: int) -> list[object]:
        kind = self._unpack("<B")[0]
        if kind == _NO_ROWS:
            return []
        if kind == _INTEGERS:
            return list(self._unpack(f"<{count}q"))
        ends = [0, *accumulate(self._unpack(f"<{count}I"))]
        if kind == _BYTES:
            data = self._take(ends[-1])
            return [data[start:end] for start, end in pairwise(ends)]
        text = self._take(self.number()).decode()
        return [text[start:end] for start, end in pairwise(ends)]

    def _unpack(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._body, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _take(self, length: int) -> bytes:
        self._at += length
        return self._body[self._at - length : self._at]

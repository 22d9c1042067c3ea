"""How manifests and commit deltas are spelt as blobs, the same in every store. No store, no clock.

A blob is one version byte and a zlib stream of little-endian columns, so that 60,000 partitions cost some tens of
milliseconds and take a few hundred kilobytes. A column is its kind, its lengths where they vary, and its values.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import cast

from schema.errors import SchemaMismatchError, StoreError
from schema.records import CommitDeltas, EndpointTotals, LedgerPosition, Manifest, PartitionCounts

CHUNK_BYTES = 256 * 1024  # a manifest's chunks: far below what a Cassandra mutation may hold
_VERSION = 1
_FAST = 1  # zlib level: a manifest is written once and rarely read
_NO_ROWS, _BYTES, _TEXT, _INTEGERS = range(4)


def encode_manifest(manifest: Manifest) -> list[bytes]:
    """A manifest as chunks of at most CHUNK_BYTES; at least one."""
    out = _Writer()
    for part in (manifest.own, manifest.repaired):
        out.number(len(part))
        for counts in part:
            _put_counts(out, counts)
    blob = out.blob()
    return [blob[start : start + CHUNK_BYTES] for start in range(0, len(blob), CHUNK_BYTES)]


def decode_manifest(chunks: Iterable[bytes]) -> Manifest:
    """The manifest that these chunks, in order, spell. Raises StoreError where they are damaged or incomplete."""
    source = _Reader(b"".join(chunks))
    own, repaired = (tuple(_take_counts(source) for _ in range(source.number())) for _ in range(2))
    return Manifest(own=own, repaired=repaired)


def encode_deltas(deltas: CommitDeltas) -> bytes:
    """What one commit adds to its sensor's totals, as one blob."""
    out = _Writer()
    out.number(len(deltas.endpoints))
    out.column(list(deltas.endpoints))
    for counter in zip(*deltas.endpoints.values(), strict=True):
        out.column(counter)
    _put_totals(out, deltas.totals)
    return out.blob()


def decode_deltas(blob: bytes) -> CommitDeltas:
    """The deltas that `encode_deltas` spelt. Raises StoreError where the blob is damaged."""
    source = _Reader(blob)
    count = source.number()
    names = cast(list[str], source.column(count))
    counters = [cast(list[int], source.column(count)) for _ in EndpointTotals._fields] if count else []
    endpoints = dict(zip(names, map(EndpointTotals._make, zip(*counters, strict=True)), strict=True))
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


class _Writer:
    """Collects numbers and columns; `blob` packs them."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

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

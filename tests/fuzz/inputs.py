"""One whole number, one input: a capture's bytes and how it is to be read."""

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import lz4.frame
import zstandard

from loader.decode.columns import DecodeOptions
from tests.fuzz.containers import Block, Packet, pcapng_blocks, write_block, write_pcap
from tests.fuzz.corpus import Corpus, Seed
from tests.fuzz.packets import mutated, value
from tests.fuzz.payloads import damaged

_MAGICS = ((0xA1B2C3D4, "<"), (0xA1B2C3D4, ">"), (0xA1B23C4D, "<"), (0xA1B23C4D, ">"))
_HEADS = (
    b"\xd4\xc3\xb2\xa1\2\0\4\0" + bytes(8) + b"\0\0\4\0\1\0\0\0",
    b"\x4d\x3c\xb2\xa1\2\0\4\0" + bytes(8) + b"\0\0\4\0\x71\0\0\0",
    b"\xa1\xb2\xc3\xd4\0\2\0\4" + bytes(8) + b"\0\4\0\0\0\0\0\1", b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\1\0\0\0",
    b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\1\0\0\0" + b"\xff" * 8
    + b"\x1c\0\0\0\1\0\0\0\x14\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0",
    b"\x34\xcd\xb2\xa1\2\0\4\0" + bytes(8) + b"\0\0\4\0\1\0\0\0", 
    b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9",
    b"\x04\x22\x4d\x18", b"snoop\0\0\0\0\0\0\2\0\0\0\4", b"",
)  # fmt: skip
_COMPRESSIONS: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: gzip.compress(content, 1, mtime=0),
    lambda content: zstandard.ZstdCompressor(level=1).compress(content),
    lambda content: lz4.frame.compress(content),
    lambda content: bz2.compress(content, 1),
    lambda content: lzma.compress(content, preset=0),
)


@dataclass(frozen=True, slots=True)
class Input:
    """`piece`: how many bytes are read at a time when it is read a second time."""

    content: bytes
    piece: int
    options: DecodeOptions
    packets: list[Packet] | None  # what the capture was written of, if nothing was broken behind that
    rng: Random  # for what else is tried with it


def make(corpus: Corpus, number: int) -> Input:
    """The input of this number: the same for ever, if the corpus is."""
    rng = Random(number)
    kind = rng.random()
    packets: list[Packet] | None = None
    if kind < 0.78:
        packets = mutated(rng, _some_packets(rng, corpus))
        content, packets = _written(rng, packets)
    elif kind < 0.9:
        content = _broken_file(rng, corpus.capture(rng))
    else:
        content = rng.choice(_HEADS) + rng.randbytes(rng.choice((0, 3, 16, 40, 200, 2_000)))
    if rng.random() < 0.1:
        content = _compressed(rng, content)
    options = DecodeOptions(
        idle_timeout_s=rng.choice((60, 60, 1)),
        active_timeout_s=rng.choice((1800, 1800, 5)),
        max_carried_flows=rng.choice((65_536, 2)),
        carries=rng.random() < 0.9,
        packets=rng.random() < 0.5,
    )
    return Input(content, _piece(rng), options, packets, rng)


def _piece(rng: Random) -> int:
    return rng.choice((1, 2, 3, 16, 28, 100, rng.randrange(1, 200), rng.randrange(1, 5_000)))


def _some_packets(rng: Random, corpus: Corpus) -> list[Packet]:
    packets = _slice(rng, *corpus.place(rng))
    while rng.random() < 0.2:
        packets += _slice(rng, *corpus.place(rng))
    return packets


def _slice(rng: Random, seed: Seed, at: int) -> list[Packet]:
    """Neighbours, so that conversations stay whole; small frames mostly, so that many inputs are tried."""
    at = max(at - rng.choice((0, 0, 1, 4)), 0)
    chosen, room = [], rng.choice((400, 2_000, 2_000, 6_000, 40_000))
    for packet in seed.packets[at : at + rng.choice((2, 6, 12, 30, 100))]:
        room -= len(packet.frame) + 16
        if room < 0 and chosen:
            break
        chosen.append(packet)
    return chosen


def _written(rng: Random, packets: list[Packet]) -> tuple[bytes, list[Packet] | None]:
    """In one container or the other, which is broken too every third time."""
    if rng.random() < 0.4:
        blocks = pcapng_blocks(packets, rng)
        broken = rng.random() < 0.35
        content = _broken_blocks(rng, blocks) if broken else b"".join(map(write_block, blocks))
        return content, None if broken else packets
    content = write_pcap(packets, *rng.choice(_MAGICS))
    if rng.random() < 0.3:
        return _broken_pcap(rng, content, packets), None
    return content, [packet._replace(link=packets[0].link) for packet in packets]


def _broken_pcap(rng: Random, content: bytes, packets: list[Packet]) -> bytes:
    """A field of the file header or of a record's is another; or bytes are, anywhere."""
    if rng.random() < 0.4:
        return damaged(rng, content)
    starts = [24]
    for packet in packets[:50]:
        starts.append(starts[-1] + 16 + len(packet.frame))
    at = (
        rng.choice((0, 4, 6, 16, 20))
        if rng.random() < 0.2
        else rng.choice(starts[:-1] or [20]) + rng.choice((0, 4, 8, 8, 8, 12))
    )
    octets = 2 if at in (4, 6) else 4
    order = "big" if content[0] == 0xA1 else "little"
    old = int.from_bytes(content[at : at + octets], order)
    new = rng.choice((value(rng, old, octets, len(content) - at), 262_144, 262_145, len(content)))
    new %= 1 << (8 * octets)
    return content[:at] + new.to_bytes(octets, order) + content[at + octets :]


def _broken_blocks(rng: Random, blocks: list[Block]) -> bytes:
    """Blocks in another order, twice, missing, of another kind, with other lengths or other bodies; sections within."""
    for _ in range(rng.choice((1, 2, 4))):
        if not blocks:
            break
        at, kind = rng.randrange(len(blocks)), rng.randrange(6)
        block = blocks[at]
        if kind == 0:
            blocks.insert(rng.randrange(len(blocks) + 1), block)
        elif kind == 1:
            blocks.pop(at)
        elif kind == 2:
            blocks[at] = block._replace(kind=rng.choice((1, 2, 3, 4, 5, 6, 10, 0x0A0D0D0A, 0xBAD, 0x8000_0001)))
        elif kind == 3:
            blocks[at] = block._replace(order=rng.choice("<>"))
        else:
            blocks[at] = block._replace(body=_broken_body(rng, block))
    content = b"".join(map(write_block, blocks))
    if rng.random() < 0.4 and content:
        at = rng.randrange(0, len(content), 4)
        old = int.from_bytes(content[at : at + 4], "little")
        content = content[:at] + value(rng, old, 4, len(content) - at).to_bytes(4, "little") + content[at + 4 :]
    return content if rng.random() < 0.8 else damaged(rng, content)


def _broken_body(rng: Random, block: Block) -> bytes:
    """One of its words, or any byte."""
    if len(block.body) < 4 or rng.random() < 0.3:
        return damaged(rng, block.body)
    at = 4 * rng.randrange(min(len(block.body) // 4, 8))
    octets = rng.choice((2, 4))
    order = "<H" if octets == 2 else "<I"
    old = struct.unpack_from(order, block.body, at)[0]
    new = struct.pack(order.replace("<", block.order), value(rng, old, octets, len(block.body)))
    return block.body[:at] + new + block.body[at + octets :]


def _broken_file(rng: Random, seed: Seed) -> bytes:
    """A public file with its own peculiarities, broken further."""
    content = seed.content[: rng.choice((400, 4_000, 40_000))]
    if seed.blocks and rng.random() < 0.7:
        return _broken_blocks(rng, seed.blocks[: rng.choice((4, 12, 40))])
    for _ in range(rng.choice((1, 2, 5))):
        content = damaged(rng, content)
    return content


def _compressed(rng: Random, content: bytes) -> bytes:
    """In one stream or two, with what follows, or broken."""
    packed = rng.choices(_COMPRESSIONS, (8, 8, 8, 2, 1))[0]
    if rng.random() < 0.2:
        at = rng.randrange(len(content) + 1)
        result = packed(content[:at]) + packed(content[at:])
    else:
        result = packed(content)
    kind = rng.random()
    if kind < 0.4:
        return damaged(rng, result)
    return packed(result) if kind < 0.45 else result

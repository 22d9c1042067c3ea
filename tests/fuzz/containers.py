"""Captures taken apart and written again, by code of the fuzzer's own: pcap in every variant, pcapng block by block."""

import struct
from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple


class Packet(NamedTuple):
    """One record. `ts`: Unix nanoseconds; `wire`: its length on the wire, whatever the frame has."""

    ts: int
    wire: int
    link: int
    frame: bytes


class Block(NamedTuple):
    """A pcapng block; `order` is that of its section."""

    kind: int
    body: bytes
    order: str


PCAP_MAGIC = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}  # magic: nanoseconds in a fraction
SECTION, INTERFACE, SIMPLE, STATISTICS, ENHANCED, OLD_PACKET = 0x0A0D0D0A, 1, 3, 5, 6, 2
_PCAP_BYTES = {struct.pack(order + "I", magic): (order, scale) for magic, scale in PCAP_MAGIC.items() for order in "<>"}
_NS = 1_000_000_000
PCAP_SPAN_NS = (1 << 32) * _NS  # a pcap's time goes round after so long


def read_packets(content: bytes, limit: int) -> list[Packet]:
    """The first packets of a capture, as far as it is in order."""
    if content[:4] in _PCAP_BYTES:
        return _read_pcap(content, limit)
    return list(_packets_of(read_blocks(content, 2 * limit)))[:limit]


def _read_pcap(content: bytes, limit: int) -> list[Packet]:
    order, scale = _PCAP_BYTES[content[:4]]
    packets: list[Packet] = []
    if len(content) < 24:
        return packets
    link = struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(content) and len(packets) < limit:
        seconds, fraction, captured, wire = struct.unpack_from(order + "IIII", content, at)
        frame = content[at + 16 : at + 16 + captured]
        if len(frame) < captured:
            break
        packets.append(Packet(seconds * _NS + fraction * scale, wire, link, frame))
        at += 16 + captured
    return packets


def read_blocks(content: bytes, limit: int) -> list[Block]:
    """The first blocks of a pcapng file, as far as it is in order."""
    blocks: list[Block] = []
    at, order = 0, "<"
    while at + 12 <= len(content) and len(blocks) < limit:
        if content[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = ">" if content[at + 8 : at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
        kind, length = struct.unpack_from(order + "II", content, at)
        if length < 12 or at + length > len(content):
            break
        blocks.append(Block(kind, content[at + 8 : at + length - 4], order))
        at += length
    return blocks


def _packets_of(blocks: Iterable[Block]) -> Iterator[Packet]:
    """Of enhanced, old and simple packet blocks; times as far as interfaces count in powers of ten, down to nanoseconds."""
    interfaces: list[tuple[int, int]] = []  # link type, nanoseconds in a tick
    for kind, body, order in blocks:
        if kind == SECTION:
            interfaces = []
        elif kind == INTERFACE and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], _tick(body, order)))
        elif kind == SIMPLE and len(body) >= 4 and interfaces:
            wire = struct.unpack_from(order + "I", body)[0]
            yield Packet(0, wire, interfaces[0][0], body[4 : 4 + wire])
        elif kind in (ENHANCED, OLD_PACKET) and len(body) >= 20:
            interface, high, low, captured, wire = struct.unpack_from(order + "IIIII", body)
            interface = interface if kind == ENHANCED else interface & 0xFFFF
            link, tick = interfaces[interface] if interface < len(interfaces) else (1, 1_000)
            yield Packet((high << 32 | low) * tick, wire, link, body[20 : 20 + captured])


def _tick(body: bytes, order: str) -> int:
    """Nanoseconds in a unit of an interface's time: `if_tsresol`, where it comes first."""
    if body[8:10] == struct.pack(order + "H", 9) and len(body) > 12 and body[12] <= 9:
        return 10 ** int(9 - body[12])
    return 1_000


def write_pcap(packets: list[Packet], magic: int = 0xA1B2C3D4, order: str = "<") -> bytes:
    """All with the first one's link type."""
    scale = PCAP_MAGIC[magic]
    link = packets[0].link if packets else 1
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link)]
    for packet in packets:
        seconds, rest = divmod(packet.ts, _NS)
        head = (seconds & 0xFFFFFFFF, rest // scale, len(packet.frame), packet.wire & 0xFFFFFFFF)
        parts += (struct.pack(order + "IIII", *head), packet.frame)
    return b"".join(parts)


def write_block(block: Block) -> bytes:
    """With padding; whatever its body is."""
    padded = block.body + bytes(-len(block.body) % 4)
    length = len(padded) + 12
    return struct.pack(block.order + "II", block.kind, length) + padded + struct.pack(block.order + "I", length)


def section(order: str) -> Block:
    """A section header of unknown length."""
    return Block(SECTION, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str, link: int, options: bytes = b"") -> Block:
    """An interface without a snap length."""
    return Block(INTERFACE, struct.pack(order + "HHI", link, 0, 0) + options, order)


def option(order: str, code: int, value: bytes) -> bytes:
    """One option, padded."""
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def enhanced(order: str, number: int, packet: Packet, ticks: int, options: bytes = b"") -> Block:
    """A packet of the interface with this number, its time in that interface's ticks."""
    head = struct.pack(
        order + "IIIII", number, (ticks >> 32) & 0xFFFFFFFF, ticks & 0xFFFFFFFF, len(packet.frame), packet.wire & 0xFFFFFFFF
    )
    return Block(ENHANCED, head + packet.frame + bytes(-len(packet.frame) % 4) + options, order)


_RESOLUTIONS = ((None, _NS // 1_000_000), (b"\x09", 1), (b"\x06", 1_000), (b"\x03", 1_000_000))  # if_tsresol: nanoseconds
NANOSECONDS = b"\x09"


def pcapng_blocks(packets: list[Packet], rng: Random, *, exact: bool = False) -> list[Block]:
    """Every packet in a pcapng file of one section, an interface for each link type, options and other blocks strewn in.

    `exact`: in nanoseconds, so that no time is rounded.
    """
    order = rng.choice("<>")
    links = sorted({packet.link for packet in packets}) or [1]
    choices = [_RESOLUTIONS[1] if exact else rng.choice(_RESOLUTIONS) for _ in links]
    blocks = [section(order)]
    for link, (code, _) in zip(links, choices, strict=True):
        options = option(order, 9, code) + option(order, 0, b"") if code else b""
        blocks.append(interface(order, link, options))
    for packet in packets:
        number = links.index(packet.link)
        options = option(order, 1, rng.randbytes(rng.randrange(12))) if rng.random() < 0.3 else b""
        blocks.append(enhanced(order, number, packet, packet.ts // choices[number][1], options))
        if rng.random() < 0.1:
            kind = rng.choice((STATISTICS, 4, 10, 0x0BAD, 0x80000001))
            blocks.append(Block(kind, rng.randbytes(4 * rng.randrange(4, 10)), order))
    return blocks

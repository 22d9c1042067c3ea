"""Mutations of packets: of one frame's fields and bytes, and of the order, times and lengths of many."""

import struct
from collections.abc import Callable
from itertools import accumulate
from random import Random

from tests.fuzz import payloads
from tests.fuzz.containers import Packet
from tests.fuzz.fields import fields_of
from tests.fuzz.payloads import damaged
from tests.fuzz.wrapping import LINKS, fragmented, linked, relinked, segmented, tunnelled, with_length
from tests.loader.decode import said_wire as said

_NS = 1_000_000_000
_MAX_FRAME = 70_000
# Numbers that headers choose a path by.
_KINDS = {
    1: (0, 1, 2, 4, 6, 17, 22, 41, 43, 44, 47, 50, 51, 58, 59, 60, 63, 64, 103, 132, 33, 0x45, 0x46, 0x4F, 0x60, 0xC0, 0xFF),
    2: (
        0x0800, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x8847, 0x8848, 0x8863, 0x8864, 0x0806, 0x6558, 0x880B, 0x88BE, 0x894F, 53, 443,
        80, 5353, 5355, 4789, 6081, 2152, 3544, 1701, 0x2000, 0x8180, 0xC00C, 0x0301, 0x0303, 1, 28, 5, 41, 1500, 1501,
    ),
    4: (0, 1, 0x0A000001, 0x0A000002, 0x08080808, 0xFF020000, 0x6B3343CF, 0x00000001, 2, 24, 30, 0x02000000),
}  # fmt: skip
_STEPS = (
    0,
    1,
    -1,
    1_000,
    _NS,
    -_NS,
    61 * _NS,
    -61 * _NS,
    3_601 * _NS,
    -3_601 * _NS,
    86_401 * _NS,
    1 << 60,
    -(1 << 60),
    1 << 63,
)

Frames = list[Packet]


def _with_frame(packet: Packet, frame: bytes) -> Packet:
    return packet._replace(frame=frame, wire=len(frame))


def value(rng: Random, old: int, octets: int, left: int) -> int:
    """A number to put in place of another one that is `left` octets before its frame's end."""
    top = (1 << (8 * octets)) - 1
    kind = rng.randrange(8)
    if kind < 3:
        return rng.choice((0, 1, top, old + 1, old - 1, top >> 1, left, left - octets, left + 1)) & top
    if kind < 5 and octets in _KINDS:
        return rng.choice(_KINDS[octets])
    if kind < 7:
        return old ^ (1 << rng.randrange(8 * octets))
    return rng.randrange(top + 1)


def _field(rng: Random, packet: Packet) -> Packet:
    frame = packet.frame
    places = fields_of(packet.link, frame).places
    if not places:
        return _octets(rng, packet)
    at, octets = rng.choice(places)
    old = int.from_bytes(frame[at : at + octets], "big")
    new = value(rng, old, octets, len(frame) - at).to_bytes(octets, "big")
    return packet._replace(frame=frame[:at] + new + frame[at + octets :])


def _octets(rng: Random, packet: Packet) -> Packet:
    return packet._replace(frame=damaged(rng, packet.frame))


def _cut(rng: Random, packet: Packet) -> Packet:
    """By the snap length: the wire had more."""
    found = fields_of(packet.link, packet.frame)
    borders = (0, found.link_end, found.transport, found.payload, len(packet.frame))
    at = max(rng.choice(borders) + rng.choice((-1, 0, 1, 4, 12)), 0)
    return packet._replace(frame=packet.frame[:at])


def _lengths(rng: Random, packet: Packet) -> Packet:
    wire = rng.choice((0, 1, len(packet.frame) - 1, len(packet.frame) + 1, 65_535, 0x7FFFFFFF, 0xFFFFFFFF))
    return packet._replace(wire=max(wire, 0))


def _long(rng: Random, packet: Packet) -> Packet:
    return _with_frame(packet, packet.frame + rng.choice((bytes, rng.randbytes))(rng.choice((1, 60, 1_500, 5_000))))


def _ports(rng: Random, packet: Packet) -> Packet:
    at = fields_of(packet.link, packet.frame).transport
    if not 0 <= at <= len(packet.frame) - 4:
        return packet
    known = (53, 53, 5353, 5355, 443, 80, 4789, 6081, 2152, 3544, 8080, 40_000, 0)
    new = struct.pack(">HH", rng.choice(known), rng.choice(known))
    return packet._replace(frame=packet.frame[:at] + new + packet.frame[at + 4 :])


def _other_payload(rng: Random, packet: Packet) -> Packet:
    """Something that decoders look for, nearly right, behind the ports that it goes to."""
    found = fields_of(packet.link, packet.frame)
    if found.protocol not in (6, 17) or not found.transport + 8 <= found.payload <= len(packet.frame):
        return packet
    tcp = found.protocol == 6
    body = (payloads.stream if tcp else payloads.datagram)(rng)
    frame = packet.frame[: found.transport + 2] + struct.pack(">H", rng.choice((53, 443, 80, 5353)))
    frame += packet.frame[found.transport + 4 : found.payload] + body
    if not tcp:
        frame = frame[: found.transport + 4] + struct.pack(">H", (8 + len(body)) & 0xFFFF) + frame[found.transport + 6 :]
    return _with_frame(packet, with_length(frame, found.ip))


def _conversation(rng: Random, packets: Frames) -> Frames:
    """A client's end of a TCP connection in segments, or its datagrams, among the others."""
    base = packets[0]._replace(link=1)
    if rng.random() < 0.3:
        made = [said.datagram(payloads.quic(rng), dport=443) for _ in range(rng.choice((1, 3)))]
    else:
        port, said_all = rng.choice((443, 53, 80)), payloads.stream(rng)
        size = max(len(said_all) // rng.choice((1, 2, 4, 9, 30)), 1)
        parts = [(1 + at, said_all[at : at + size]) for at in range(0, len(said_all), size)]
        if rng.random() < 0.4:
            rng.shuffle(parts)
        made = [said.segment(b"", 0, said.SYN, dport=port)] if rng.random() < 0.8 else []
        made += [said.segment(part, sequence, said.ACK, dport=port) for sequence, part in parts[:40]]
    new = [Packet(base.ts + n * rng.choice((0, 1_000, _NS)), len(frame), 1, frame) for n, frame in enumerate(made)]
    if rng.random() < 0.2:
        new = [relinked(rng, packet, base.link) for packet in new]
    at = rng.randrange(len(packets) + 1)
    return packets[:at] + new + packets[at:]


def _relink(rng: Random, packet: Packet) -> Packet:
    return relinked(rng, packet, rng.choice(LINKS))


def _false_link(rng: Random, packet: Packet) -> Packet:
    return packet._replace(link=rng.choice((*LINKS, 6, 9, 50, 105, 127, 147, 220, 0xFFFF)))


def _random_content(rng: Random, packet: Packet) -> Packet:
    """Random behind a link header and, mostly, behind the first half of an IP header."""
    head = rng.choice((b"", b"\x45\0\0\x40\0\1\0\0\x40", b"\x60\0\0\0\0\x30", b"\x45\0\0\0\0\1\x20\0\x40\x11"))
    content = head + rng.randbytes(rng.choice((0, 1, 8, 40, 200)))
    return _with_frame(packet, linked(packet.link, content, rng.choice((None, None, None, *_KINDS[2][:14]))))


_OF_ONE: tuple[tuple[int, Callable[[Random, Packet], Packet]], ...] = (
    (30, _field), (12, _octets), (6, _cut), (4, _lengths), (3, _long), (6, _ports), (6, _other_payload), (5, _relink),
    (2, _false_link), (5, _random_content), (10, tunnelled),
)  # fmt: skip
_ONE_WEIGHTS = list(accumulate(weight for weight, _ in _OF_ONE))
_ONE = [change for _, change in _OF_ONE]


def _one(rng: Random, packets: Frames) -> Frames:
    at = rng.randrange(len(packets))
    changed = rng.choices(_ONE, cum_weights=_ONE_WEIGHTS)[0](rng, packets[at])
    packets[at] = changed if len(changed.frame) <= _MAX_FRAME else packets[at]
    return packets


def _each(rng: Random, packets: Frames) -> Frames:
    """One kind of change to every packet."""
    change = rng.choices(_ONE, cum_weights=_ONE_WEIGHTS)[0]
    return [change(rng, packet) if len(packet.frame) < 2_000 else packet for packet in packets]


def _in_parts(rng: Random, packets: Frames) -> Frames:
    at = rng.randrange(len(packets))
    return packets[:at] + rng.choice((fragmented, segmented))(rng, packets[at]) + packets[at + 1 :]


def _all_in_parts(rng: Random, packets: Frames) -> Frames:
    cut = rng.choice((fragmented, segmented))
    return [part for packet in packets[:12] for part in cut(rng, packet)]


def _order(rng: Random, packets: Frames) -> Frames:
    kind = rng.randrange(4)
    at = rng.randrange(len(packets))
    if kind == 0:
        rng.shuffle(packets)
    elif kind == 1:
        packets.insert(rng.randrange(len(packets) + 1), packets[at])
    elif kind == 2 and len(packets) > 1:
        packets.pop(at)
    else:
        packets += packets[:20]
    return packets


def _times(rng: Random, packets: Frames) -> Frames:
    """One packet's time jumps, or that of all behind it."""
    at, step = rng.randrange(len(packets)), rng.choice(_STEPS)
    until = at + 1 if rng.random() < 0.5 else len(packets)
    for n in range(at, until):
        packets[n] = packets[n]._replace(ts=(packets[n].ts + step) % (1 << 64))
    return packets


def _flood(rng: Random, packets: Frames) -> Frames:
    """One packet many times, from other ports and addresses each time."""
    packet = rng.choice(packets)
    found = fields_of(packet.link, packet.frame)
    at = rng.choice((found.transport, found.ip + 12))
    if not 0 <= at <= len(packet.frame) - 4 or len(packet.frame) > 200:
        return packets
    head, tail = packet.frame[:at], packet.frame[at + 4 :]
    return packets + [packet._replace(frame=head + rng.randbytes(4) + tail) for _ in range(rng.choice((5, 20, 100)))]


_OF_MANY: tuple[tuple[int, Callable[[Random, Frames], Frames]], ...] = (
    (50, _one), (6, _each), (12, _in_parts), (3, _all_in_parts), (10, _order), (12, _times), (4, _flood), (6, _conversation),
)  # fmt: skip
_MANY_WEIGHTS = list(accumulate(weight for weight, _ in _OF_MANY))
_MANY = [change for _, change in _OF_MANY]


def mutated(rng: Random, packets: Frames) -> Frames:
    """A few changes, one after the other."""
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        if not packets:
            break
        packets = rng.choices(_MANY, cum_weights=_MANY_WEIGHTS)[0](rng, packets)
    return packets

"""Packets put into other links and into tunnels, cut into fragments and segments: as the RFCs have it, or nearly."""

import struct
from collections.abc import Callable
from random import Random

from tests.fuzz.containers import Packet
from tests.fuzz.fields import fields_of

LINKS = (1, 113, 276, 101, 12, 14, 228, 229, 0, 108)
_IPV4, _IPV6, _ETHERNET = 0x0800, 0x86DD, 0x6558
_Wrap = Callable[[Random, bytes], bytes]


def _type_of(ip: bytes) -> int:
    return _IPV6 if ip[:1] and ip[0] >> 4 == 6 else _IPV4


def ethernet(ip: bytes, ethertype: int | None = None) -> bytes:
    """A frame; the EtherType by the IP version unless told."""
    return b"\2\0\0\0\0\1\2\0\0\0\0\2" + struct.pack(">H", ethertype or _type_of(ip)) + ip


def linked(link: int, content: bytes, ethertype: int | None = None) -> bytes:
    """A frame of one of LINKS (others: as Ethernet)."""
    kind = ethertype or _type_of(content)
    if link == 113:
        return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), kind) + content
    if link == 276:
        return struct.pack(">HHIHBB8s", kind, 0, 1, 1, 0, 6, bytes(8)) + content
    if link in (0, 108):
        family = 2 if kind == _IPV4 else 30
        return struct.pack("<I" if link == 0 else ">I", family) + content
    return content if link in (12, 14, 101, 228, 229) else ethernet(content, kind)


def _ipv4(rng: Random, protocol: int, payload: bytes) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, (20 + len(payload)) & 0xFFFF, rng.randrange(65_536), 0, 64, protocol, 0)
    return head + bytes((10, 0, rng.randrange(3), 1, 10, 9, rng.randrange(3), 2)) + payload


def _ipv6(rng: Random, protocol: int, payload: bytes) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(payload) & 0xFFFF, protocol, 64)
    return head + bytes(15) + bytes([rng.randrange(3)]) + bytes(15) + bytes([rng.randrange(3)]) + payload


def _ip(rng: Random, protocol: int, payload: bytes) -> bytes:
    return (_ipv4 if rng.random() < 0.7 else _ipv6)(rng, protocol, payload)


def _udp(rng: Random, port: int, payload: bytes) -> bytes:
    return _ip(rng, 17, struct.pack(">HHHH", rng.choice((port, 49_152)), port, (8 + len(payload)) & 0xFFFF, 0) + payload)


def _ip_in_ip(rng: Random, ip: bytes) -> bytes:
    return _ip(rng, 41 if _type_of(ip) == _IPV6 else 4, ip)


def _gre(rng: Random, ip: bytes) -> bytes:
    flags = rng.choice((0, 0, 0x8000, 0x2000, 0x1000, 0xB000, 0x4000, 0x3081, 0x2001))
    options = 4 * ((flags & 0xC000 > 0) + (flags & 0x2000 > 0) + (flags & 0x1000 > 0) + (flags & 0x80 > 0))
    whole = rng.random() < 0.3
    kind = _ETHERNET if whole else rng.choice((_type_of(ip), _type_of(ip), 0x880B, 0x88BE, 0x8847))
    return _ip(rng, 47, struct.pack(">HH", flags, kind) + rng.randbytes(options) + (ethernet(ip) if whole else ip))


def _vxlan(rng: Random, ip: bytes) -> bytes:
    return _udp(rng, 4789, struct.pack(">BBHI", 8, 0, 0, rng.randrange(4) << 8) + ethernet(ip))


def _geneve(rng: Random, ip: bytes) -> bytes:
    whole = rng.random() < 0.5
    options = rng.randrange(3)
    kind = _ETHERNET if whole else _type_of(ip)
    head = struct.pack(">BBHI", options, 0, kind, rng.randrange(4) << 8) + bytes(4 * options)
    return _udp(rng, 6081, head + (ethernet(ip) if whole else ip))


def _gtp(rng: Random, ip: bytes) -> bytes:
    flags = rng.choice((0x30, 0x30, 0x32, 0x34, 0x36))
    options = b"\0\0\0" + bytes([0x85 if flags & 4 else 0]) if flags & 7 else b""
    options += b"\1\0\0\0" if flags & 4 else b""
    return _udp(rng, 2152, struct.pack(">BBHI", flags, 255, (len(options) + len(ip)) & 0xFFFF, rng.randrange(4)) + options + ip)


def _teredo(rng: Random, ip: bytes) -> bytes:
    return _udp(rng, 3544, rng.choice((b"", b"\0\0" + bytes(6), b"\0\1\0\0" + bytes(9))) + ip)


def _authenticated(rng: Random, ip: bytes) -> bytes:
    return _ip(rng, 51, struct.pack(">BBHII", 41 if _type_of(ip) == _IPV6 else 4, 4, 0, 1, 1) + bytes(12) + ip)


def _encrypted(rng: Random, ip: bytes) -> bytes:
    return _ip(rng, 50, struct.pack(">II", 1, 1) + ip)


_TUNNELS: tuple[_Wrap, ...] = (_ip_in_ip, _ip_in_ip, _gre, _gre, _vxlan, _geneve, _gtp, _teredo, _authenticated, _encrypted)


def _in_vlan(rng: Random, content: bytes, kind: int) -> tuple[bytes, int]:
    tag = rng.choice((0x8100, 0x8100, 0x88A8, 0x9100))
    return struct.pack(">HH", rng.randrange(65_536), kind) + content, tag


def _in_mpls(rng: Random, content: bytes, _kind: int) -> tuple[bytes, int]:
    labels = [rng.randrange(1 << 20) << 12 for _ in range(rng.randrange(1, 4))]
    labels[-1] |= 0x100
    return struct.pack(f">{len(labels)}I", *labels) + rng.choice((b"", b"", bytes(4))) + content, 0x8847


def _in_pppoe(_rng: Random, content: bytes, kind: int) -> tuple[bytes, int]:
    head = struct.pack(">BBHHH", 0x11, 0, 1, (len(content) + 2) & 0xFFFF, 0x57 if kind == _IPV6 else 0x21)
    return head + content, 0x8864


def _in_snap(_rng: Random, content: bytes, kind: int) -> tuple[bytes, int]:
    return b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", kind) + content, min(len(content) + 8, 1500)


def tunnelled(rng: Random, packet: Packet) -> Packet:
    """Its IP packet inside one tunnel or many, each layer perhaps behind tags and labels."""
    ip = packet.frame[fields_of(packet.link, packet.frame).link_end :]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 40))):
        if len(ip) > 9_000:
            break
        ip = rng.choice(_TUNNELS)(rng, ip)
    content, kind = ip, _type_of(ip)
    while rng.random() < 0.4:
        content, kind = rng.choice((_in_vlan, _in_vlan, _in_mpls, _in_pppoe, _in_snap))(rng, content, kind)
    frame = linked(packet.link, content, kind)
    return packet._replace(frame=frame, wire=len(frame))


def relinked(rng: Random, packet: Packet, link: int) -> Packet:
    """The same IP packet on another link."""
    frame = linked(link, packet.frame[fields_of(packet.link, packet.frame).link_end :])
    return packet._replace(frame=frame, wire=len(frame), link=link)


def fragmented(rng: Random, packet: Packet) -> list[Packet]:
    """Its IP packet in pieces: in order, shuffled, some twice, some missing, some overlapping."""
    found = fields_of(packet.link, packet.frame)
    head, ip = packet.frame[: found.link_end], packet.frame[found.link_end :]
    size = 8 * rng.choice((1, 1, 2, 3, 8, 64))
    if found.ip < 0 or found.transport < found.ip + 20 or len(ip) > 4_000:
        return [packet]
    pieces = (_pieces_of_ipv4 if ip[0] >> 4 == 4 else _pieces_of_ipv6)(rng, ip, size)
    if rng.random() < 0.4:
        rng.shuffle(pieces)
    if pieces and rng.random() < 0.3:
        pieces.insert(rng.randrange(len(pieces)), rng.choice(pieces))
    if len(pieces) > 1 and rng.random() < 0.3:
        pieces.pop(rng.randrange(len(pieces)))
    return [packet._replace(frame=head + piece, wire=len(head + piece)) for piece in pieces[:40]]


def _cuts(rng: Random, body: bytes, size: int) -> list[tuple[int, bytes, bool]]:
    """(offset in eights, piece, more follow?); sometimes an offset is off by one."""
    starts = range(0, max(len(body), 1), size)
    off = rng.choice((0, 0, 0, 1, -1))
    return [(max(at // 8 + (off if at else 0), 0), body[at : at + size], at + size < len(body)) for at in starts]


def _pieces_of_ipv4(rng: Random, ip: bytes, size: int) -> list[bytes]:
    octets = (ip[0] & 15) * 4
    head = bytearray(ip[:octets])
    pieces = []
    for offset, body, more in _cuts(rng, ip[octets:], size):
        struct.pack_into(">H", head, 2, octets + len(body))
        struct.pack_into(">H", head, 6, (0x2000 if more else 0) | (offset & 0x1FFF))
        pieces.append(bytes(head) + body)
    return pieces


def _pieces_of_ipv6(rng: Random, ip: bytes, size: int) -> list[bytes]:
    number = rng.randrange(1 << 32)
    pieces = []
    for offset, body, more in _cuts(rng, ip[40:], size):
        piece = struct.pack(">BBHI", ip[6], 0, (offset << 3 | more) & 0xFFFF, number) + body
        pieces.append(ip[:4] + struct.pack(">HB", len(piece), 44) + ip[7:40] + piece)
    return pieces


def segmented(rng: Random, packet: Packet) -> list[Packet]:
    """A TCP segment as several: in order, shuffled, overlapping, some twice, some missing."""
    found = fields_of(packet.link, packet.frame)
    body = packet.frame[found.payload :]
    if found.protocol != 6 or not found.transport + 20 <= found.payload < len(packet.frame) or len(body) > 4_000:
        return [packet]
    sequence = int.from_bytes(packet.frame[found.transport + 4 : found.transport + 8], "big")
    size = max(len(body) // rng.choice((2, 3, 5, 20)), 1)
    parts = [(at, body[at : at + size + rng.choice((0, 0, 0, 3))]) for at in range(0, len(body), size)]
    if rng.random() < 0.4:
        rng.shuffle(parts)
    if rng.random() < 0.3:
        parts.insert(rng.randrange(len(parts)), rng.choice(parts))
    if rng.random() < 0.2:
        parts.pop(rng.randrange(len(parts)))
    return [_segment(packet, found.ip, found.transport, found.payload, sequence + at, part) for at, part in parts[:40]]


def _segment(packet: Packet, ip: int, transport: int, payload: int, sequence: int, body: bytes) -> Packet:
    frame = bytearray(packet.frame[:payload] + body)
    struct.pack_into(">I", frame, transport + 4, sequence & 0xFFFFFFFF)
    whole = with_length(bytes(frame), ip)
    return packet._replace(frame=whole, wire=len(whole))


def with_length(frame: bytes, ip: int) -> bytes:
    """The frame, whose IP header at `ip` says now that the packet ends where the frame does."""
    if frame[ip] >> 4 == 4:
        return frame[: ip + 2] + struct.pack(">H", (len(frame) - ip) & 0xFFFF) + frame[ip + 4 :]
    return frame[: ip + 4] + struct.pack(">H", max(len(frame) - ip - 40, 0) & 0xFFFF) + frame[ip + 6 :]

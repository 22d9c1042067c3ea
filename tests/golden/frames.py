"""Headers written by hand: links, IPv6 and its extension headers, ICMP. Lengths can be made to lie."""

import struct
from ipaddress import ip_address

from tests.loader.decode.captures import ethernet, ipv4, udp

HOST, SERVER = "192.0.2.10", "198.51.100.53"
HOST6, SERVER6 = "2001:db8::10", "2001:db8::53"
MAPPED_HOST, MAPPED_SERVER = "::ffff:192.0.2.10", "::ffff:198.51.100.53"


def ipv6(source: str, destination: str, next_header: int, payload: bytes, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    head = struct.pack(">IHBB", 0x6000_0000, size, next_header, 64)
    return head + ip_address(source).packed + ip_address(destination).packed + payload


def extension(next_header: int, body: bytes = bytes(6)) -> bytes:
    """Hop-by-hop, routing or destination options: 8 octets, or more by eights."""
    return bytes([next_header, (len(body) + 2) // 8 - 1]) + body


def fragment_header(next_header: int, offset: int, more: bool) -> bytes:
    return struct.pack(">BBHI", next_header, 0, offset << 3 | more, 99)


def authentication(next_header: int) -> bytes:
    return struct.pack(">BBHII", next_header, 2, 0, 1, 1) + bytes(4)


def icmp(kind: int, code: int = 0, rest: bytes = bytes(4)) -> bytes:
    return bytes([kind, code, 0, 0]) + rest


def cooked(packet: bytes, ethertype: int = 0x0800) -> bytes:
    """Linux cooked v1: packet type, ARPHRD, address, EtherType."""
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), ethertype) + packet


def cooked2(packet: bytes, ethertype: int = 0x0800) -> bytes:
    """Linux cooked v2: the EtherType comes first."""
    return struct.pack(">HHIHBB8s", ethertype, 0, 1, 1, 0, 6, bytes(8)) + packet


def family(number: int, packet: bytes, order: str = "<") -> bytes:
    """BSD loopback."""
    return struct.pack(order + "I", number) + packet


def asked(sport: int = 40_000, dport: int = 443, payload: bytes = b"hello") -> bytes:
    """A datagram over IPv4."""
    return ipv4(HOST, SERVER, 17, udp(sport, dport, payload))


def asked6(sport: int = 40_000, dport: int = 443, payload: bytes = b"hello") -> bytes:
    """A datagram over IPv6."""
    return ipv6(HOST6, SERVER6, 17, udp(sport, dport, payload))


def told(message: bytes, client_port: int = 40_000) -> bytes:
    """A DNS message from the resolver to the host, in Ethernet."""
    return ethernet(ipv4(SERVER, HOST, 17, udp(53, client_port, message)))

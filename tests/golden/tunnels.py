"""Tunnels and what else stands between a link and an IP header, written by hand: each wraps the bytes of what is in it."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.golden import frames as f
from tests.loader.decode.captures import ethernet, ipv4, udp

Inner = Literal["ip", "ethernet"]
A, B = "203.0.113.1", "203.0.113.2"
A6, B6 = "2001:db8:ffff::1", "2001:db8:ffff::2"
# One that names no protocol of its own: the source of tunnels over UDP.
_SOURCE = 50_000


@dataclass(frozen=True)
class Header:
    """A layer that carries an IP packet or an Ethernet frame over IP."""

    takes: Inner
    wrap: Callable[[bytes], bytes]  # bytes of an inner packet or frame -> an IP packet


def version(packet: bytes) -> int:
    return packet[0] >> 4


def ethertype(packet: bytes) -> int:
    return 0x0800 if version(packet) == 4 else 0x86DD


def framed(packet: bytes, tags: tuple[int, ...] = ()) -> bytes:
    return ethernet(packet, ethertype(packet), tags)


def over_udp(port: int, header: bytes, payload: bytes, *, source: int = _SOURCE) -> bytes:
    return ipv4(A, B, 17, udp(source, port, header + payload))


def over_udp6(port: int, header: bytes, payload: bytes) -> bytes:
    return f.ipv6(A6, B6, 17, udp(_SOURCE, port, header + payload))


def gre(kind: int, payload: bytes, *, key: int | None = None, checksum: bool = False, sequence: bool = False) -> bytes:
    flags = (0x8000 if checksum else 0) | (0x2000 if key is not None else 0) | (0x1000 if sequence else 0)
    fields = (
        (bytes(4) if checksum else b"") + (b"" if key is None else struct.pack(">I", key)) + (bytes(4) if sequence else b"")
    )
    return ipv4(A, B, 47, struct.pack(">HH", flags, kind) + fields + payload)


def gre_routed(payload: bytes) -> bytes:
    """RFC 1701: one route of an address family, and the empty one that ends the list."""
    routes = struct.pack(">HBB4s", 0x0800, 0, 4, bytes(4)) + bytes(4)
    return ipv4(A, B, 47, struct.pack(">HHI", 0x4000, 0x0800, 0) + routes + payload)


def pptp(packet: bytes) -> bytes:
    frame = b"\xff\x03" + ppp(packet)
    return ipv4(A, B, 47, struct.pack(">HHHHII", 0x3081, 0x880B, len(frame), 7, 1, 1) + frame)


def ppp(packet: bytes) -> bytes:
    return struct.pack(">H", 0x21 if version(packet) == 4 else 0x57) + packet


def pppoe(packet: bytes) -> bytes:
    return struct.pack(">BBHH", 0x11, 0, 9, len(packet) + 2) + ppp(packet)


def labels(payload: bytes, *numbers: int) -> bytes:
    stack = [number << 12 | (0x100 if number == numbers[-1] else 0) | 64 for number in numbers]
    return b"".join(struct.pack(">I", entry) for entry in stack) + payload


def llc(payload: bytes, *head: int) -> bytes:
    body = bytes(head) + payload
    return bytes(12) + struct.pack(">H", len(body)) + body


def snap(packet: bytes, organisation: int = 0) -> bytes:
    return llc(struct.pack(">IH", 0x0300_0000 | organisation, ethertype(packet)) + packet, 0xAA, 0xAA)


def erspan_2(frame: bytes) -> bytes:
    return gre(0x88BE, struct.pack(">II", 0x1000_0007, 0) + frame, sequence=True)


def erspan_3(frame: bytes, *, platform: bool = False) -> bytes:
    head = struct.pack(">IIHBB", 0x2000_0007, 0, 0, 0, int(platform)) + (bytes(8) if platform else b"")
    return gre(0x22EB, head + frame, sequence=True)


def vxlan(frame: bytes, network: int = 42, port: int = 4789) -> bytes:
    return over_udp(port, struct.pack(">II", 0x0800_0000, network << 8), frame)


def vxlan_gpe(payload: bytes, following: int) -> bytes:
    return over_udp(4790, struct.pack(">II", 0x0C00_0000 | following, 42 << 8), payload)


def geneve(payload: bytes, kind: int = 0x6558, options: bytes = b"", network: int = 42) -> bytes:
    return over_udp(6081, struct.pack(">BBHI", len(options) // 4, 0, kind, network << 8) + options, payload)


def gtp(packet: bytes, extensions: bytes = b"", tunnel: int = 7) -> bytes:
    optional = b"" if not extensions else struct.pack(">HB", 0, 0) + extensions
    flags = 0x34 if extensions else 0x30
    return over_udp(2152, struct.pack(">BBHI", flags, 255, len(optional) + len(packet), tunnel) + optional, packet, source=2152)


def teredo(packet: bytes, *, authentication: bool = False, origin: bool = False) -> bytes:
    head = (b"\0\1\0\0" + bytes(9) if authentication else b"") + (bytes(8) if origin else b"")
    return over_udp(3544, head, packet)


def l2tp(packet: bytes, *, length: bool = False, sequence: bool = False, offset: bool = False) -> bytes:
    frame = (b"\0\3" + bytes(3) if offset else b"") + b"\xff\x03" + ppp(packet)
    body = struct.pack(">HH", 7, 9) + (bytes(4) if sequence else b"") + frame
    flags = 2 | (0x4000 if length else 0) | (0x0800 if sequence else 0) | (0x0200 if offset else 0)
    size = struct.pack(">H", len(body) + 4) if length else b""
    return over_udp(1701, struct.pack(">H", flags) + size, body, source=1701)


def service_chain(payload: bytes, following: int) -> bytes:
    """NSH with context of a fixed length (RFC 8300 2.4)."""
    return struct.pack(">BBBBI", 0x0F, 0xC6, 1, following, 0x0000_07FF) + bytes(16) + payload


def ip_in_ip(packet: bytes) -> bytes:
    return ipv4(A, B, 4 if version(packet) == 4 else 41, packet)


def ip_in_ip6(packet: bytes) -> bytes:
    return f.ipv6(A6, B6, 4 if version(packet) == 4 else 41, packet)


def pim_register(packet: bytes) -> bytes:
    return ipv4(A, B, 103, struct.pack(">BBHI", 0x21, 0, 0, 0) + packet)


HEADERS: dict[str, Header] = {
    "ip-in-ip": Header("ip", ip_in_ip),
    "ip-in-ip6": Header("ip", ip_in_ip6),
    "ah": Header("ip", lambda p: ipv4(A, B, 51, f.authentication(4 if version(p) == 4 else 41) + p)),
    "gre": Header("ip", lambda p: gre(ethertype(p), p)),
    "gre-key": Header("ip", lambda p: gre(ethertype(p), p, key=9, checksum=True, sequence=True)),
    "gre-bridge": Header("ethernet", lambda frame: gre(0x6558, frame, key=9)),
    "gre-mpls": Header("ip", lambda p: gre(0x8847, labels(p, 16, 17))),
    "gre-in-udp": Header("ip", lambda p: over_udp(4754, struct.pack(">HH", 0, ethertype(p)), p)),
    "pptp": Header("ip", pptp),
    "erspan-1": Header("ethernet", lambda frame: gre(0x88BE, frame)),
    "erspan-2": Header("ethernet", erspan_2),
    "erspan-3": Header("ethernet", erspan_3),
    "erspan-3-platform": Header("ethernet", lambda frame: erspan_3(frame, platform=True)),
    "etherip": Header("ethernet", lambda frame: ipv4(A, B, 97, b"\x30\0" + frame)),
    "ethernet-143": Header("ethernet", lambda frame: f.ipv6(A6, B6, 143, frame)),
    "mpls-in-ip": Header("ip", lambda p: ipv4(A, B, 137, labels(p, 16))),
    "mpls-in-udp": Header("ip", lambda p: over_udp(6635, b"", labels(p, 16))),
    "vxlan": Header("ethernet", vxlan),
    "vxlan-linux": Header("ethernet", lambda frame: vxlan(frame, port=8472)),
    "vxlan6": Header("ethernet", lambda frame: over_udp6(4789, struct.pack(">II", 0x0800_0000, 42 << 8), frame)),
    "vxlan-gpe": Header("ethernet", lambda frame: vxlan_gpe(frame, 3)),
    "vxlan-gpe-ip": Header("ip", lambda p: vxlan_gpe(p, 1 if version(p) == 4 else 2)),
    "vxlan-gpe-nsh": Header("ip", lambda p: vxlan_gpe(service_chain(p, 1 if version(p) == 4 else 2), 4)),
    "geneve": Header("ethernet", geneve),
    "geneve-options": Header("ip", lambda p: geneve(p, ethertype(p), bytes(12))),
    "gtp": Header("ip", gtp),
    "gtp-extensions": Header("ip", lambda p: gtp(p, b"\x85\x01\x00\x05\x85\x01\x00\x05\x00")),
    "l2tp": Header("ip", l2tp),
    "l2tp-fields": Header("ip", lambda p: l2tp(p, length=True, sequence=True, offset=True)),
    "pim-register": Header("ip", pim_register),
}

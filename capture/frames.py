"""Ethernet frames with correct checksums: IPv4 and IPv6, TCP, UDP, ICMP echo, ARP. Bytes out; knows no clock and no file.

One's complement sums are taken as remainders modulo 65,535 (RFC 1071 1: the sum is associative), which Python does at the
speed of one big-integer division, so a payload is summed once however often it is sent.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NamedTuple

_MODULUS = 0xFFFF
_IPV4_VERSION_AND_LENGTH = 0x4500
_DONT_FRAGMENT = 0x4000
_TTL = 64
_VLAN = 0x8100
_WINDOW = 64_240


class EtherType(IntEnum):
    """EtherTypes in use here."""

    IPV4 = 0x0800
    ARP = 0x0806
    IPV6 = 0x86DD
    LLDP = 0x88CC


class Protocol(IntEnum):
    """IP protocol numbers in use here."""

    ICMP = 1
    IGMP = 2
    TCP = 6
    UDP = 17
    ICMPV6 = 58


class Tcp(IntFlag):
    """TCP header flags (RFC 9293 3.1)."""

    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16


class Payload(NamedTuple):
    """Bytes and their one's complement sum."""

    content: bytes
    total: int

    @classmethod
    def of(cls, content: bytes) -> "Payload":
        """Sum once, send often."""
        return cls(content, _sum(content))


EMPTY = Payload(b"", 0)


def _sum(content: bytes) -> int:
    """Sum of 16-bit words modulo 65,535; an odd end is padded with zero (RFC 1071)."""
    if len(content) & 1:
        content += b"\0"
    return int.from_bytes(content, "big") % _MODULUS


def ethernet(destination: bytes, source: bytes, ether_type: int, vlan: int | None = None) -> bytes:
    """A link header, with an 802.1Q tag where `vlan` is given."""
    tag = b"" if vlan is None else struct.pack(">HH", _VLAN, vlan)
    return destination + source + tag + struct.pack(">H", ether_type)


def arp_request(sender_mac: bytes, sender: bytes, target: bytes) -> bytes:
    """The body of `who has TARGET` (RFC 826), padded to the least an Ethernet frame carries."""
    return struct.pack(">HHBBH6s4s6s4s18x", 1, EtherType.IPV4, 6, 4, 1, sender_mac, sender, bytes(6), target)


def igmp_report(sender: bytes, group: bytes) -> bytes:
    """An IPv4 packet with an IGMPv2 membership report (RFC 2236): IP, but none of the protocols that make flows."""
    body = struct.pack(">BBH4s", 0x16, 0, -(0x1600 + _sum(group)) % _MODULUS, group)
    return _ipv4_header(sender, group, Protocol.IGMP, len(body), 0) + body


def _ipv4_header(source: bytes, destination: bytes, protocol: int, length: int, identification: int) -> bytes:
    total = (
        _IPV4_VERSION_AND_LENGTH + 20 + length + identification + _DONT_FRAGMENT + (_TTL << 8 | protocol)
        + _sum(source) + _sum(destination)
    )  # fmt: skip
    return struct.pack(
        ">HHHHBBH4s4s", _IPV4_VERSION_AND_LENGTH, 20 + length, identification, _DONT_FRAGMENT, _TTL, protocol,
        -total % _MODULUS, source, destination,
    )  # fmt: skip


@dataclass(slots=True)
class Dialogue:
    """Two hosts and the link between them: makes frames of either direction.

    Every frame comes with the length of its IP packet, as a flow row counts it.
    """

    source: bytes
    destination: bytes
    outward: bytes  # link header from source to destination
    inward: bytes
    identification: int = 0

    def udp(self, forward: bool, ports: tuple[int, int], payload: Payload) -> tuple[bytes, int]:
        """`ports`: of source and destination of the dialogue, whichever direction is sent."""
        near, far = ports if forward else (ports[1], ports[0])
        length = 8 + len(payload.content)
        total = self._pseudo_sum(Protocol.UDP, length) + near + far + length + payload.total
        checksum = -total % _MODULUS or 0xFFFF  # RFC 768: a sum of zero is sent as all ones
        header = struct.pack(">HHHH", near, far, length, checksum)
        return self._packet(forward, Protocol.UDP, header, payload)

    def tcp(
        self, forward: bool, ports: tuple[int, int], flags: int, numbers: tuple[int, int], payload: Payload = EMPTY
    ) -> tuple[bytes, int]:
        """`numbers`: sequence and acknowledgement."""
        near, far = ports if forward else (ports[1], ports[0])
        total = self._pseudo_sum(Protocol.TCP, 20 + len(payload.content)) + payload.total
        total += near + far + numbers[0] + numbers[1] + (0x5000 | flags) + _WINDOW  # 2**16 = 1 (mod 65,535)
        header = struct.pack(">HHIIHHHH", near, far, *numbers, 0x5000 | flags, _WINDOW, -total % _MODULUS, 0)
        return self._packet(forward, Protocol.TCP, header, payload)

    def echo(self, forward: bool, identifier: int, sequence: int, payload: Payload) -> tuple[bytes, int]:
        """ICMP echo request (forward) or reply (RFC 792, RFC 4443 4)."""
        if len(self.source) == 4:
            kind, protocol, pseudo = (8 if forward else 0), Protocol.ICMP, 0
        else:
            kind, protocol = (128 if forward else 129), Protocol.ICMPV6
            pseudo = self._pseudo_sum(protocol, 8 + len(payload.content))
        total = pseudo + (kind << 8) + identifier + sequence + payload.total
        header = struct.pack(">BBHHH", kind, 0, -total % _MODULUS, identifier, sequence)
        return self._packet(forward, protocol, header, payload)

    def _pseudo_sum(self, protocol: int, length: int) -> int:
        """Of the pseudo header (RFC 9293 3.1, RFC 8200 8.1): both directions have the same."""
        return _sum(self.source) + _sum(self.destination) + protocol + length

    def _packet(self, forward: bool, protocol: int, header: bytes, payload: Payload) -> tuple[bytes, int]:
        length = len(header) + len(payload.content)
        link = self.outward if forward else self.inward
        near, far = (self.source, self.destination) if forward else (self.destination, self.source)
        if len(near) == 16:
            ip = struct.pack(">IHBB16s16s", 6 << 28, length, protocol, _TTL, near, far)
        else:
            self.identification = self.identification + 1 & 0xFFFF
            ip = _ipv4_header(near, far, protocol, length, self.identification)
        return b"".join((link, ip, header, payload.content)), len(ip) + length

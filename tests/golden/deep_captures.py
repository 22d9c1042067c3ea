"""Link types that only the deep decoder reads, each in a capture of its own."""

import struct

from tests.golden import frames as f
from tests.golden.writing import Frames, capture
from tests.loader.decode import dns_wire as dns
from tests.loader.decode.captures import ipv4, tcp, udp

IPV4, IPV6 = 0x0800, 0x86DD
_WWW = dns.dotted("www.example.com")


def _packets() -> list[tuple[int, bytes]]:
    """A name is asked for, told, and called; then what is no flow, or cut, or in a tunnel."""
    answer = dns.message(dns.question(_WWW, dns.A), [dns.address(dns.pointer(12), f.SERVER)])
    return [
        (IPV4, ipv4(f.HOST, f.SERVER, 17, udp(40_000, 53, dns.message(dns.question(_WWW, dns.A), [], flags=0x0100)))),
        (IPV4, ipv4(f.SERVER, f.HOST, 17, udp(53, 40_000, answer))),
        (IPV4, ipv4(f.HOST, f.SERVER, 6, tcp(40_001, 443, 0x02))),
        (IPV4, ipv4(f.SERVER, f.HOST, 6, tcp(443, 40_001, 0x12))),
        (IPV6, f.asked6()),
        (IPV4, ipv4(f.HOST, f.SERVER, 89, bytes(24))),
        (IPV4, ipv4(f.HOST, f.SERVER, 17, bytes(16), fragment=3)),
        (IPV4, ipv4(f.HOST, f.SERVER, 17, udp(40_000, 443))[:24]),
        (IPV4, f.asked()[:16]),
        (0x0806, bytes(28)),
    ]


def radiotap(ethertype: int, packet: bytes) -> bytes:
    """A data frame from the access point: radiotap, 802.11, LLC/SNAP."""
    wlan = struct.pack("<HH", 0x0208, 0) + bytes(18) + struct.pack("<H", 16)
    return struct.pack("<BBHI", 0, 0, 8, 0) + wlan + b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", ethertype) + packet


def frame_relay(ethertype: int, packet: bytes) -> bytes:
    """Frame relay (RFC 2427): circuit, control, the protocol's number: IPv4, IPv6, or SNAP for what has none."""
    number = {IPV4: b"\xcc", IPV6: b"\x8e"}.get(ethertype, b"\0\x80\0\0\0" + struct.pack(">H", ethertype))
    return b"\x18\x41\x03" + number + packet


def infiniband(ethertype: int, packet: bytes) -> bytes:
    """IP over InfiniBand: a global routing header, the EtherType, two octets of nothing (RFC 4391 6)."""
    return bytes(40) + struct.pack(">HH", ethertype, 0) + packet


def sunatm(ethertype: int, packet: bytes) -> bytes:
    """ATM as SunATM writes it: four octets that tshark takes off, then LLC/SNAP."""
    return struct.pack(">BBH", 2, 0, 100) + b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", ethertype) + packet


def _beacons() -> Frames:
    head = struct.pack("<BBHI", 0, 0, 8, 0)
    return [head + b"\x80\x00" + bytes(40), head, b"", b"\xff" * 60, head + b"\x08\x42" + bytes(30) + f.asked()]


CAPTURES = {
    "deep-radiotap": capture([radiotap(*packet) for packet in _packets()], 127),
    "deep-frame-relay": capture([frame_relay(*packet) for packet in _packets()], 107),
    "deep-infiniband": capture([infiniband(*packet) for packet in _packets()], 242),
    "deep-sunatm": capture([sunatm(*packet) for packet in _packets()], 123),
    "deep-tunnel": capture(
        [frame_relay(IPV4, ipv4("203.0.113.1", "203.0.113.2", 4, f.asked(40_000 + n))) for n in range(3)], 107
    ),
    "deep-no-ip": capture(_beacons(), 127),
    "deep-unknown": capture([f.asked()] * 3, 299),
}

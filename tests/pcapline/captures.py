"""Small captures made by hand: classic pcap, Ethernet, IPv4, UDP; DNS answers."""

import ipaddress
import struct
from collections.abc import Iterable, Sequence

START_S = 1_700_000_000
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)


def capture(frames: Iterable[bytes], *, start_s: int = START_S) -> bytes:
    """A whole file, a frame a millisecond."""
    return HEADER + b"".join(
        record(frame, start_s + number // 1000, number % 1000 * 1000) for number, frame in enumerate(frames)
    )


def record(frame: bytes, second: int, microsecond: int) -> bytes:
    return struct.pack("<IIII", second, microsecond, len(frame), len(frame)) + frame


def udp(source: str, destination: str, ports: tuple[int, int], payload: bytes = b"") -> bytes:
    """An Ethernet frame."""
    datagram = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(destination).packed
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0) + addresses
    return bytes(12) + b"\x08\x00" + header + datagram


def arp() -> bytes:
    return bytes(12) + b"\x08\x06" + bytes(28)


def dns_answer(client: str, name: str, address: str, *, ttl: int = 300) -> bytes:
    """A resolver tells a client where a name is."""
    qname = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    message = struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0) + qname + struct.pack(">HH", 1, 1)
    message += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, ttl, 4) + ipaddress.IPv4Address(address).packed
    return udp("10.0.0.53", client, (53, 40_053), message)


def conversation(name: str = "www.example.com", packets: int = 3, *, client: str = "10.0.0.7") -> Sequence[bytes]:
    """A client is told where a name is, then talks to it; one ARP frame beside it."""
    calls = [udp(client, "93.184.216.34", (50_000, 443), b"x" * number) for number in range(packets)]
    return [arp(), dns_answer(client, name, "93.184.216.34"), *calls]


def some(number: int = 0) -> bytes:
    """A capture of 5 + `number` packets, an ARP frame and a DNS answer among them, each with its own content and time."""
    return capture(conversation(packets=3 + number), start_s=START_S + 60 * number)

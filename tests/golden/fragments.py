"""IP packets cut into fragments, over IPv4 and IPv6."""

import struct
from ipaddress import ip_address
from itertools import pairwise

from tests.golden import frames as f


def cut4(source: str, destination: str, protocol: int, payload: bytes, span: tuple[int, int], identification: int = 1) -> bytes:
    """The IPv4 fragment with payload[span]; the last one says that it is."""
    first, last = span
    flags = first // 8 | (0x2000 if last < len(payload) else 0)
    body = payload[first:last]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), identification, flags, 64, protocol, 0)
    return head + ip_address(source).packed + ip_address(destination).packed + body


def cut6(source: str, destination: str, protocol: int, payload: bytes, span: tuple[int, int], identification: int = 1) -> bytes:
    """The IPv6 fragment with payload[span]."""
    first, last = span
    head = struct.pack(">BBHI", protocol, 0, first | (last < len(payload)), identification)
    return f.ipv6(source, destination, 44, head + payload[first:last])


def spans(size: int, *borders: int) -> list[tuple[int, int]]:
    """Between borders, in order."""
    edges = [0, *borders, size]
    return list(pairwise(edges))

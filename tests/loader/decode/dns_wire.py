"""DNS messages written octet by octet, so that a test can also write what no library would."""

import struct
from ipaddress import ip_address

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, OPT, NSEC, SVCB, CAA = 1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 47, 64, 257
SHAPED = (A, NS, SOA, MX, TXT, AAAA, SRV, NSEC, SVCB, CAA)  # whose data has a form that the decoder knows


def name(*labels: bytes | str) -> bytes:
    """A name of these labels, uncompressed."""
    raw = [label.encode() if isinstance(label, str) else label for label in labels]
    return b"".join(bytes([len(label)]) + label for label in raw) + b"\0"


def dotted(text: str) -> bytes:
    """A name without anything to escape."""
    return name(*text.split("."))


def pointer(offset: int) -> bytes:
    return struct.pack(">H", 0xC000 | offset)


def question(owner: bytes, kind: int = A) -> bytes:
    return owner + struct.pack(">HH", kind, 1)


def record(owner: bytes, kind: int, rdata: bytes, ttl: int = 300, length: int | None = None) -> bytes:
    """`length`: what the record says of its data, where that is a lie."""
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(rdata) if length is None else length) + rdata


def address(owner: bytes, text: str, ttl: int = 300) -> bytes:
    """An A or AAAA record."""
    packed = ip_address(text).packed
    return record(owner, A if len(packed) == 4 else AAAA, packed, ttl)


def message(
    questions: bytes = b"",
    answers: list[bytes] | None = None,
    *,
    flags: int = 0x8180,
    txid: int = 7,
    counts: tuple[int, int, int, int] | None = None,
) -> bytes:
    """A response with one question, if any; `counts`: what its header claims, where that is a lie."""
    answers = answers or []
    return struct.pack(">HH4H", txid, flags, *(counts or (bool(questions), len(answers), 0, 0))) + questions + b"".join(answers)

"""DNS messages as a resolver and its client exchange them (RFC 1035 4), with name compression. Bytes out, nothing else."""

import struct
from enum import IntEnum
from typing import NamedTuple

_CLASS_IN = 1
_QNAME_POINTER = b"\xc0\x0c"  # the question's name begins behind the 12 bytes of the header


class RecordType(IntEnum):
    """Record types in use here."""

    A = 1
    CNAME = 5
    SOA = 6
    AAAA = 28


class Answer(NamedTuple):
    """One resource record. `address` for A and AAAA; `target` for CNAME, and for SOA its text: two names, five numbers."""

    owner: str
    type: RecordType
    ttl: int
    address: bytes | None = None
    target: str | None = None


class Response(NamedTuple):
    """What a resolver says."""

    qname: str
    qtype: RecordType
    rcode: int
    answers: tuple[Answer, ...]
    authority: tuple[Answer, ...] = ()  # of a negative answer: the zone's SOA (RFC 2308 3)


def wire_name(name: str) -> bytes:
    """Labels with their lengths, uncompressed."""
    return b"".join(bytes((len(label),)) + label.encode("ascii") for label in name.split(".")) + b"\0"


def query_tail(qname: str, qtype: int) -> bytes:
    """A query behind its transaction id: flags RD, one question."""
    return struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + wire_name(qname) + struct.pack(">HH", qtype, _CLASS_IN)


def response_tail(response: Response) -> bytes:
    """A response behind its transaction id: flags QR RD RA, the question, the answers, the authority."""
    head = struct.pack(">HHHHH", 0x8180 | response.rcode, 1, len(response.answers), len(response.authority), 0)
    question = wire_name(response.qname) + struct.pack(">HH", response.qtype, _CLASS_IN)
    records = (*response.answers, *response.authority)
    return head + question + b"".join(_record(record, response.qname) for record in records)


def _record(answer: Answer, qname: str) -> bytes:
    owner = _QNAME_POINTER if answer.owner == qname else wire_name(answer.owner)
    rdata = answer.address if answer.address is not None else _data(answer)
    return owner + struct.pack(">HHIH", answer.type, _CLASS_IN, answer.ttl, len(rdata)) + rdata


def _data(answer: Answer) -> bytes:
    if answer.type is not RecordType.SOA:
        return wire_name(answer.target or "")
    mname, rname, *numbers = (answer.target or "").split()
    return wire_name(mname) + wire_name(rname) + struct.pack(">IIIII", *map(int, numbers))

"""What one capture hands to the next of its sensor, as bytes that the store keeps: sections side by side.

A magic and the number of sections, then for each its tag (4 octets), its length (32 bits, little endian) and so many octets,
which its owner encodes and reads. A section that is not there carries nothing.
"""

import struct
from collections.abc import Mapping

_MAGIC = b"PLS1"
_HEAD = struct.Struct("<4sI")

CLOCK = b"clck"  # that all the others' times are of
FLOWS = b"flow"
QUERIES = b"dnsq"
TEXTS = b"said"  # what flows said: their words number these
STARTS = b"tcps"  # TCP streams whose hello or head is not whole
DNS_STREAMS = b"tdns"
QUIC = b"quic"
FRAGMENTS = b"frag"
SECTIONS = (CLOCK, FLOWS, QUERIES, FRAGMENTS, TEXTS, STARTS, DNS_STREAMS, QUIC)


class UnreadableState(ValueError):  # noqa: N818 - named as the container's `Unreadable`
    """Carried bytes that no decoder of this version made: no fault of the capture that they were to be used for."""


def pack(sections: Mapping[bytes, bytes]) -> bytes:
    """The sections that say something, in the order of `SECTIONS`, so that equal state is equal bytes."""
    held = [(tag, sections[tag]) for tag in SECTIONS if sections.get(tag)]
    return _HEAD.pack(_MAGIC, len(held)) + b"".join(_HEAD.pack(tag, len(content)) + content for tag, content in held)


def unpack(carried: bytes) -> dict[bytes, bytes]:
    """The sections that `pack` wrote; raises `UnreadableState` for other bytes."""
    magic, count, at = *_head(carried, 0), _HEAD.size
    if magic != _MAGIC:
        raise UnreadableState("the carried state is of a format that this version does not know")
    sections: dict[bytes, bytes] = {}
    for _ in range(count):
        tag, length = _head(carried, at)
        if tag not in SECTIONS or tag in sections:
            raise UnreadableState("the carried state has a section that this version does not know")
        at += _HEAD.size + length
        sections[tag] = carried[at - length : at]
    if at != len(carried):
        raise UnreadableState("the carried state is cut")
    return sections


def _head(carried: bytes, at: int) -> tuple[bytes, int]:
    if len(carried) < at + _HEAD.size:
        raise UnreadableState("the carried state is cut")
    tag, number = _HEAD.unpack_from(carried, at)
    return tag, number

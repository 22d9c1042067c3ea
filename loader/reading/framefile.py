"""Frames as a pcapng file, an interface a link type (draft-ietf-opsawg-pcapng): how other programs are handed them."""

import struct
from collections.abc import Iterable
from typing import IO

from loader.decode.held import HeldFrame

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_NANOSECONDS = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # if_tsresol, end of options


def write_frames(file: IO[bytes], frames: Iterable[HeldFrame]) -> None:
    """The whole file; an interface stands before its first frame."""
    file.write(_block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    interfaces: dict[int, int] = {}
    for frame in frames:
        if frame.link_type not in interfaces:
            interfaces[frame.link_type] = len(interfaces)
            file.write(_block(_INTERFACE, struct.pack("<HHI", frame.link_type, 0, 0) + _NANOSECONDS))
        high, low = divmod(frame.ts_ns, 1 << 32)
        lengths = (len(frame.data), max(frame.wire, len(frame.data)))
        head = struct.pack("<IIIII", interfaces[frame.link_type], high & 0xFFFF_FFFF, low, *lengths)
        file.write(_block(_PACKET, head + frame.data))


def _block(kind: int, body: bytes) -> bytes:
    """A block with its type, its length before and behind, and padding (section 3.1)."""
    length = 12 + (len(body) + 3 & ~3)
    return struct.pack("<II", kind, length) + body.ljust(length - 12, b"\0") + struct.pack("<I", length)

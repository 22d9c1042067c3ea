"""The classic capture file: header, records, and where records begin in a stream of bytes (draft-ietf-opsawg-pcap).

Pure: bytes in, bytes out. Only lengths and times are read; what a packet holds is not looked at.
"""

import struct
from dataclasses import dataclass

_NS_MAGIC = 0xA1B23C4D
_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000), b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}  # fmt: skip
FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
MAX_PACKET_BYTES = 262_144  # the largest snap length that libpcap knows
LINK_ETHERNET = 1
_NS = 1_000_000_000
_RECORD = struct.Struct("<IIII")


def file_header(link_type: int = LINK_ETHERNET, snaplen: int = MAX_PACKET_BYTES) -> bytes:
    """Of a little-endian file with nanosecond times."""
    return struct.pack("<IHHiIII", _NS_MAGIC, 2, 4, 0, 0, snaplen, link_type)


def record(ts_ns: int, frame: bytes) -> bytes:
    """One packet of such a file, captured whole."""
    second, ns = divmod(ts_ns, _NS)
    return _RECORD.pack(second, ns, len(frame), len(frame)) + frame


class PcapStreamError(ValueError):
    """These bytes are no classic capture, or its records have come apart."""


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What the file header says: byte order, and nanoseconds in one unit of the fraction of a second."""

    order: str
    fraction_ns: int

    @classmethod
    def of(cls, header: bytes) -> "StreamFormat":
        """From the first 24 bytes."""
        if len(header) < FILE_HEADER_BYTES or header[:4] not in _MAGICS:
            raise PcapStreamError("these bytes do not begin with the header of a classic capture file")
        return cls(*_MAGICS[header[:4]])


@dataclass(frozen=True, slots=True)
class Records:
    """Whole records at the beginning of some bytes. `end`: offset behind the last; `full`: the next one is too much."""

    count: int = 0
    end: int = 0
    first_ns: int = 0  # time of the first, 0 without records
    full: bool = False


def whole_records(content: bytes, form: StreamFormat, room: int, *, least_one: bool = True) -> Records:
    """Walk over record headers until a record is incomplete, or would end behind `room`; with `least_one` the first is
    taken however small the room. Raises `PcapStreamError` where the first has a length that no packet has."""
    unpack, size = struct.Struct(form.order + "IIII").unpack_from, len(content)
    offset = count = first_ns = 0
    full = False
    while size - offset >= RECORD_HEADER_BYTES:
        second, fraction, captured, _ = unpack(content, offset)
        if captured > MAX_PACKET_BYTES:
            if count:  # what stands before it is whole
                break
            raise PcapStreamError(f"a record of {captured} bytes: the stream has come apart")
        end = offset + RECORD_HEADER_BYTES + captured
        full = end > room and (count > 0 or not least_one)
        if full or end > size:
            break
        if not count:
            first_ns = second * _NS + fraction * form.fraction_ns
        offset, count = end, count + 1
    return Records(count, offset, first_ns, full)

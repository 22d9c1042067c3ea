# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"

"""Classic pcap: the file header, and the kernel that walks records in a buffer (draft-ietf-opsawg-pcap)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

try:
    import cython
except ModuleNotFoundError:
    from loader.decode import plain as cython

from loader.decode import layout

HEADER_BYTES = 24
RECORD_BYTES = 16
# No capture program writes longer packets (libpcap's MAXIMUM_SNAPLEN): a longer one is a corrupt header.
MAX_PACKET_BYTES = 262_144
# Plausible records in a row that make a position in a corrupt file credible again.
CHAIN_RECORDS = 4
# How far a corrupt place is searched before the rest of the file is given up.
MAX_RESYNC_BYTES = 16 * 1024 * 1024

_MAGIC = {
    b"\xd4\xc3\xb2\xa1": (False, 1000),
    b"\x4d\x3c\xb2\xa1": (False, 1),
    b"\xa1\xb2\xc3\xd4": (True, 1000),
    b"\xa1\xb2\x3c\x4d": (True, 1),
}
_OTHER_FORMATS = {
    b"\x0a\x0d\x0d\x0a": "pcapng",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zX": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
    b"snoop": "snoop",
    b"\xa1\xb2\xcd\x34": "modified pcap",
    b"\x34\xcd\xb2\xa1": "modified pcap",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureHeader:
    """What a capture says of itself."""

    big_endian: bool
    nanoseconds_per_fraction: int  # 1 or 1000
    link_type: int
    snap_length: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why nothing of a file can be read: a counted word and a sentence for people."""

    reason: str
    detail: str


def read_header(head: bytes) -> CaptureHeader | Unreadable:
    """The header of a capture from its first 24 bytes, or why these are none."""
    order = _MAGIC.get(head[:4])
    if order is None:
        return _other_format(head)
    if len(head) < HEADER_BYTES:
        return Unreadable("not_a_capture", f"the pcap header needs {HEADER_BYTES} bytes, the file has {len(head)}")
    big_endian, scale = order
    spelling: Literal["big", "little"] = "big" if big_endian else "little"
    major = int.from_bytes(head[4:6], spelling)
    if major != 2:
        return Unreadable("unsupported_format", f"pcap of version {major} is not known; version 2 is")
    return CaptureHeader(
        big_endian=big_endian,
        nanoseconds_per_fraction=scale,
        link_type=int.from_bytes(head[20:24], spelling) & 0xFFFF,
        snap_length=int.from_bytes(head[16:20], spelling),
    )


def _other_format(head: bytes) -> Unreadable:
    for magic, name in _OTHER_FORMATS.items():
        if head.startswith(magic):
            detail = f"{name} is not read yet: convert it with `editcap -F pcap IN OUT`"
            return Unreadable("unsupported_format", detail)
    return Unreadable("not_a_capture", "the first bytes are not those of a packet capture")


_TS = cython.declare(cython.int, layout.PACKET_TS)
_AT = cython.declare(cython.int, layout.PACKET_AT)
_CAPTURED = cython.declare(cython.int, layout.PACKET_CAPTURED)
_WIRE = cython.declare(cython.int, layout.PACKET_WIRE)
_LINK = cython.declare(cython.int, layout.PACKET_LINK)
_FRAME = cython.declare(cython.int, layout.PACKET_FRAME)
_MAX = cython.declare(cython.Py_ssize_t, MAX_PACKET_BYTES)
_CHAIN = cython.declare(cython.int, CHAIN_RECORDS)
_DAY_S = cython.declare(cython.longlong, 86_400)
_NANO = cython.declare(cython.ulonglong, 1_000_000_000)

# Why a walk ended.
WALK_MORE = 0  # the next record is not whole: more bytes are needed, or it is the cut tail
WALK_FULL = 1  # the chunk is full
WALK_CORRUPT = 2  # the next record's header cannot be true


@cython.cfunc
@cython.inline
@cython.nogil
def _word(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, big: cython.bint) -> cython.longlong:
    """The unsigned 32-bit number at a position, in the file's byte order."""
    first: cython.longlong = buf[at]
    second: cython.longlong = buf[at + 1]
    third: cython.longlong = buf[at + 2]
    fourth: cython.longlong = buf[at + 3]
    if big:
        return (first << 24) | (second << 16) | (third << 8) | fourth
    return (fourth << 24) | (third << 16) | (second << 8) | first


def walk(
    buf: cython.const[cython.uchar][::1],
    start: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    header: tuple[int, int, int],
    packets: cython.ulonglong[:, ::1],
    frame: cython.ulonglong,
) -> tuple[int, int, int]:
    """Fill `packets` with the whole records in buf[start:end]: (how many, offset behind them, why the walk ended).

    `header`: (big endian?, nanoseconds in a fraction, link type); `frame`: number of the first packet.
    """
    big: cython.bint = header[0]
    scale: cython.ulonglong = header[1]
    link: cython.ulonglong = header[2]
    capacity: cython.Py_ssize_t = packets.shape[0]
    count: cython.Py_ssize_t = 0
    at: cython.Py_ssize_t = start
    captured: cython.longlong
    fraction: cython.longlong
    seconds: cython.ulonglong
    why: cython.int = WALK_FULL
    with cython.nogil:
        while count < capacity:
            if at + 16 > end:
                why = 0
                break
            fraction = _word(buf, at + 4, big)
            captured = _word(buf, at + 8, big)
            if captured > _MAX or fraction >= 1_000_000_000:
                why = 2
                break
            if at + 16 + captured > end:
                why = 0
                break
            seconds = _word(buf, at, big)
            packets[count, _TS] = seconds * _NANO + fraction * scale
            packets[count, _AT] = at + 16
            packets[count, _CAPTURED] = captured
            packets[count, _WIRE] = _word(buf, at + 12, big)
            packets[count, _LINK] = link
            packets[count, _FRAME] = frame + cython.cast(cython.ulonglong, count)
            at += 16 + captured
            count += 1
    return count, at, why


@cython.cfunc
@cython.nogil
def _plausible(
    buf: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
    big: cython.bint,
    limit: cython.longlong,
) -> cython.longlong:
    """Length of the record at a position if its header can be true, else 0."""
    captured: cython.longlong = _word(buf, at + 8, big)
    wire: cython.longlong
    if captured == 0 or captured > _MAX:
        return 0
    wire = _word(buf, at + 12, big)
    if wire < captured or wire > _MAX or _word(buf, at + 4, big) >= limit:
        return 0
    return captured + 16


def resynchronise(
    buf: cython.const[cython.uchar][::1],
    span: tuple[int, int],
    header: tuple[int, int, int],
    final: cython.bint,
) -> tuple[bool, int]:
    """Look in buf[span] for a chain of plausible records: (found, its offset), or (False, where to look on with more bytes).

    A chain is `CHAIN_RECORDS` records, each within a day of the one before it, or fewer that end exactly at the end of the
    file (`final`). Its times are not compared with those before the corrupt place: there may be none, or a wrong one.
    """
    big: cython.bint = header[0]
    limit: cython.longlong = 1_000_000_000 if header[1] == 1 else 1_000_000
    at: cython.Py_ssize_t = span[0]
    end: cython.Py_ssize_t = span[1]
    next_at: cython.Py_ssize_t
    length: cython.longlong
    seconds: cython.longlong
    near: cython.longlong = 0
    links: cython.int
    found: cython.bint = False
    with cython.nogil:
        while at + 16 <= end:
            next_at, links = at, 0
            while links < _CHAIN and next_at + 16 <= end:
                length = _plausible(buf, next_at, big, limit)
                seconds = _word(buf, next_at, big)
                if length == 0 or (links > 0 and (seconds > near + _DAY_S or seconds + _DAY_S < near)):
                    break
                near = seconds
                next_at += length
                links += 1
            if links == _CHAIN or (links > 0 and final and next_at == end):
                found = True
                break
            if not final and links > 0 and next_at + 16 > end:
                break  # the chain may go on in bytes that are not here yet
            at += 1
    return bool(found), at

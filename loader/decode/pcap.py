# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"

"""Classic pcap: the file header, and the kernel that walks records in a buffer (draft-ietf-opsawg-pcap).

Its kin differ in the length of the record header, which only some of them tell by their magic (libpcap's sf-pcap.c and
Wireshark's libpcap.c describe them): what follows time and lengths there (an interface's index, a direction) is not read.
"""

from __future__ import annotations

from typing import Literal

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

from loader.decode import layout, walking
from loader.decode.record import Record
from loader.decode.walking import Unreadable

HEADER_BYTES = 24
# Records that tell kin of one magic apart: fewer may fit by chance.
_TELLING_RECORDS = 2


class _Kind(Record):
    """What a magic number says."""

    nanoseconds: int = 1000  # in a fraction
    header_bytes: int = HEADER_BYTES
    record_bytes: tuple[int, ...] = (16,)  # lengths of record headers that there are, the usual first


_KINDS = {
    0xA1B2C3D4: _Kind(record_bytes=(16, 24, 20)),  # also Alexey Kuznetzov's first patch (Red Hat 6.1), and Nokia
    0xA1B23C4D: _Kind(nanoseconds=1),
    0xA1B2CD34: _Kind(record_bytes=(24, 28)),  # his later patches; the longer one was in SuSE 6.3
    0x1C0001AB: _Kind(header_bytes=28),  # Ixia, captured by software; the header ends with the length of all records
    0x1C0001AC: _Kind(header_bytes=28, nanoseconds=1),  # by hardware
}
# RFC 1573 interface types: in a file of version 2.2 they tell that it is AIX's, with rules of its own.
_AIX_LINK_TYPES = (6, 9, 15, 24)

_AS_WRITTEN, _SWAPPED, _IN_DOUBT = 0, 1, 2  # order of the two lengths in a record


class PcapContainer(Record):
    """A classic pcap file, as its header says it is written."""

    big_endian: bool
    nanoseconds_per_fraction: int  # 1 or 1000
    link_type: int
    header_bytes: int = HEADER_BYTES
    record_bytes: int = 16  # of a record's header
    lengths: int = _AS_WRITTEN
    corrupt: str = "corrupt_record"

    def _how(self) -> tuple[int, int, int, int, int]:
        return self.big_endian, self.nanoseconds_per_fraction, self.link_type, self.record_bytes, self.lengths

    def walk(self, buffer: memoryview, span: tuple[int, int], packets: memoryview, frame: int) -> tuple[int, int, int]:
        """As `Container.walk`."""
        return walk(buffer, span, self._how(), packets, frame)

    def search(self, buffer: memoryview, span: tuple[int, int], final: bool) -> tuple[bool, int]:
        """As `Container.search`."""
        return search(buffer, span, self._how(), final)

    def is_cut(self) -> bool:
        """The walk goes from record to record."""
        return False

    def link_types(self) -> tuple[int, ...]:
        """One for the whole file."""
        return (self.link_type,)

    def counters(self) -> dict[str, int]:
        """Nothing but packets is in it."""
        return {}


def is_pcap(head: bytes) -> bool:
    """Whether the first four bytes are the magic of one that is read."""
    return _order(head) is not None


def _order(head: bytes) -> Literal["big", "little"] | None:
    if int.from_bytes(head[:4], "little") in _KINDS:
        return "little"
    return "big" if int.from_bytes(head[:4], "big") in _KINDS else None


def open_pcap(head: memoryview, final: bool) -> PcapContainer | Unreadable:
    """The container that begins with these bytes, or why it is none; `final`: no others follow."""
    order = _order(bytes(head[:4])) or "little"
    kind = _KINDS[int.from_bytes(head[:4], order)]
    if len(head) < kind.header_bytes:
        return Unreadable("not_a_capture", f"the pcap header needs {kind.header_bytes} bytes, the file has {len(head)}")
    major, minor = int.from_bytes(head[4:6], order), int.from_bytes(head[6:8], order)
    link_type = int.from_bytes(head[20:24], order) & 0xFFFF  # above it: length of the frame check sequence
    if (major, minor) == (2, 2) and link_type in _AIX_LINK_TYPES:
        return Unreadable("unsupported_format", "pcap as AIX writes it is not read: convert it with `editcap -F pcap IN OUT`")
    if major not in (2, 543):  # DG/UX's tcpdump
        return Unreadable("unsupported_format", f"pcap of version {major} is not known; version 2 is")
    lengths = _IN_DOUBT if (major, minor) == (2, 3) else _AS_WRITTEN if (major, minor) > (2, 3) and major == 2 else _SWAPPED
    how = (int(order == "big"), kind.nanoseconds, link_type)
    current = lengths == _AS_WRITTEN
    record_bytes = _record_bytes(head, kind, how, final) if current else kind.record_bytes[0]
    return PcapContainer(
        big_endian=order == "big",
        nanoseconds_per_fraction=kind.nanoseconds,
        link_type=link_type,
        header_bytes=kind.header_bytes,
        record_bytes=record_bytes,
        lengths=lengths,
    )


def _record_bytes(head: memoryview, kind: _Kind, how: tuple[int, int, int], final: bool) -> int:
    """The first length of record headers with which the records at the beginning are plausible; else the usual one."""
    span = (kind.header_bytes, len(head))
    for length in kind.record_bytes:
        records, at_end = chain(head, span, (*how, length, _AS_WRITTEN), final)
        if records == walking.CHAIN_RECORDS or (records >= _TELLING_RECORDS and at_end):
            return length
    return kind.record_bytes[0]


_TS = cython.declare(cython.int, layout.PACKET_TS)
_AT = cython.declare(cython.int, layout.PACKET_AT)
_CAPTURED = cython.declare(cython.int, layout.PACKET_CAPTURED)
_WIRE = cython.declare(cython.int, layout.PACKET_WIRE)
_FRAME = cython.declare(cython.int, layout.PACKET_FRAME)
_MAX = cython.declare(cython.Py_ssize_t, walking.MAX_PACKET_BYTES)
_CHAIN = cython.declare(cython.int, walking.CHAIN_RECORDS)
_MORE = cython.declare(cython.int, walking.WALK_MORE)
_FULL = cython.declare(cython.int, walking.WALK_FULL)
_CORRUPT = cython.declare(cython.int, walking.WALK_CORRUPT)
_DOUBT = cython.declare(cython.int, _IN_DOUBT)
_DAY_S = cython.declare(cython.longlong, 86_400)
_NANO = cython.declare(cython.ulonglong, 1_000_000_000)


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


@cython.cfunc
@cython.inline
@cython.nogil
def _are_swapped(captured: cython.longlong, wire: cython.longlong, lengths: cython.int) -> cython.bint:
    """Before version 2.3 the length on the wire came first; in files of 2.3 it may (what is captured is never longer)."""
    return lengths != _DOUBT or captured > wire


def walk(
    buf: cython.const[cython.uchar][::1],
    span: tuple[int, int],
    how: tuple[int, int, int, int, int],
    packets: cython.ulonglong[:, ::1],
    frame: cython.ulonglong,
) -> tuple[int, int, int]:
    """As `Container.walk`.

    `how`: (big endian?, nanoseconds in a fraction, link type, bytes of a record's header, order of its lengths).
    """
    big: cython.bint = how[0]
    scale: cython.ulonglong = how[1]
    link: cython.ulonglong = how[2] << layout.LINK_SHIFT
    header: cython.Py_ssize_t = how[3]
    lengths: cython.int = how[4]
    end: cython.Py_ssize_t = span[1]
    capacity: cython.Py_ssize_t = packets.shape[0]
    count: cython.Py_ssize_t = 0
    at: cython.Py_ssize_t = span[0]
    captured: cython.longlong
    wire: cython.longlong
    fraction: cython.longlong
    seconds: cython.ulonglong
    why: cython.int = _FULL
    with cython.nogil:
        while count < capacity:
            if at + header > end:
                why = _MORE
                break
            fraction = _word(buf, at + 4, big)
            captured = _word(buf, at + 8, big)
            wire = _word(buf, at + 12, big)
            if lengths and _are_swapped(captured, wire, lengths):
                captured, wire = wire, captured
            if captured > _MAX or fraction >= 1_000_000_000:
                why = _CORRUPT
                break
            if at + header + captured > end:
                why = _MORE
                break
            seconds = _word(buf, at, big)
            packets[count, _TS] = seconds * _NANO + fraction * scale
            packets[count, _AT] = at + header
            packets[count, _CAPTURED] = cython.cast(cython.ulonglong, captured) | link
            packets[count, _WIRE] = wire
            packets[count, _FRAME] = frame + cython.cast(cython.ulonglong, count)
            at += header + captured
            count += 1
    return count, at, why


@cython.cfunc
@cython.nogil
def _plausible(
    buf: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
    big: cython.bint,
    limit: cython.longlong,
    lengths: cython.int,
) -> cython.longlong:
    """Bytes of the packet at a position if its record's header can be true, else 0."""
    captured: cython.longlong = _word(buf, at + 8, big)
    wire: cython.longlong = _word(buf, at + 12, big)
    if lengths and _are_swapped(captured, wire, lengths):
        captured, wire = wire, captured
    if captured == 0 or captured > _MAX:
        return 0
    if wire < captured or wire > _MAX or _word(buf, at + 4, big) >= limit:
        return 0
    return captured


@cython.cfunc
@cython.nogil
def _chain(
    buf: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
    end: cython.Py_ssize_t,
    big: cython.bint,
    limit: cython.longlong,
    header: cython.Py_ssize_t,
    lengths: cython.int,
) -> cython.longlong:
    """Plausible records in a row at a position, at most `CHAIN_RECORDS`: 8 * the offset behind them + their number."""
    links: cython.int = 0
    length: cython.longlong
    seconds: cython.longlong
    near: cython.longlong = 0
    while links < _CHAIN and at + header <= end:
        length = _plausible(buf, at, big, limit, lengths)
        seconds = _word(buf, at, big)
        if length == 0 or (links > 0 and (seconds > near + _DAY_S or seconds + _DAY_S < near)):
            break
        near = seconds
        at += header + length
        links += 1
    return at * 8 + links


def chain(
    buf: cython.const[cython.uchar][::1], span: tuple[int, int], how: tuple[int, int, int, int, int], final: cython.bint
) -> tuple[int, bool]:
    """Plausible records at the beginning of buf[span]: (how many of `CHAIN_RECORDS`, whether the file ends with them)."""
    limit: cython.longlong = 1_000_000_000 if how[1] == 1 else 1_000_000
    found: cython.longlong = _chain(buf, span[0], span[1], how[0], limit, how[3], how[4])
    return found % 8, bool(final) and found // 8 == span[1]


def search(
    buf: cython.const[cython.uchar][::1],
    span: tuple[int, int],
    how: tuple[int, int, int, int, int],
    final: cython.bint,
) -> tuple[bool, int]:
    """As `Container.search`: looks for a chain of plausible records.

    A chain is `CHAIN_RECORDS` records, each within a day of the one before it, or fewer that end exactly at the end of the
    file (`final`). Its times are not compared with those before the corrupt place: there may be none, or a wrong one.
    """
    big: cython.bint = how[0]
    limit: cython.longlong = 1_000_000_000 if how[1] == 1 else 1_000_000
    header: cython.Py_ssize_t = how[3]
    lengths: cython.int = how[4]
    at: cython.Py_ssize_t = span[0]
    end: cython.Py_ssize_t = span[1]
    behind: cython.longlong
    links: cython.int
    found: cython.bint = False
    with cython.nogil:
        while at + header <= end:
            behind = _chain(buf, at, end, big, limit, header, lengths)
            links = behind & 7
            behind >>= 3
            if links == _CHAIN or (links > 0 and final and behind == end):
                found = True
                break
            if not final and links > 0 and behind + header > end:
                break  # the chain may go on in bytes that are not here yet
            at += 1
    return bool(found), at

# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
# ruff: noqa: C901

"""pcapng: the kernel that walks blocks in a buffer (draft-ietf-opsawg-pcapng), and the container around it.

A section has its own byte order and its own interfaces; a packet's link type, and what its time counts in, are its interface's.
Blocks that hold no packet are counted by kind and passed over.
"""

from __future__ import annotations

from array import array
from typing import Literal

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

from loader.decode import layout, walking
from loader.decode.tables import table_of
from loader.decode.walking import Unreadable

_MAGIC = b"\x0a\x0d\x0d\x0a"
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"\x4d\x3c\x2b\x1a": "little", b"\x1a\x2b\x3c\x4d": "big"}
_SECTION_HEADER_BYTES = 28
# Interfaces of one section that are remembered; packets of those beyond have the reason `unknown_interface`.
MAX_INTERFACES = 65_536
# Kinds of link that are told of a capture.
_MAX_LINK_TYPES = 64
# A block that says something here must be whole in the buffer; another is passed over unseen, up to libpcap's largest block.
_MAX_WHOLE_BYTES = 1_048_576
_MAX_BLOCK_BYTES = 16_777_216
# Longer blocks are not credible behind a corrupt place: four in a row must fit in what the reader keeps.
_MAX_CREDIBLE_BYTES = 270_336
# The last second of a packet: what is later, or before 1970, is moved to the nearest and counted.
_LAST_SECOND = 9_223_372_035

_COUNTERS = (
    "pcapng_blocks/SHB",
    "pcapng_blocks/IDB",
    "pcapng_blocks/PB",
    "pcapng_blocks/SPB",
    "pcapng_blocks/NRB",
    "pcapng_blocks/ISB",
    "pcapng_blocks/EPB",
    "pcapng_blocks/SJE",  # systemd journal export
    "pcapng_blocks/DSB",
    "pcapng_blocks/CB",
    "pcapng_blocks/DCB",  # a custom block not to be copied
    "pcapng_blocks/other",
    "packets_without_time",  # of a simple packet block or an unknown interface: they have that of the packet before
    "clamped_times",
    "isb_ifdrop",  # as the interface statistics say: dropped for lack of resources
    "isb_osdrop",
    "interfaces_beyond_bound",
)
_SHB = cython.declare(cython.int, 0)
_IDB = cython.declare(cython.int, 1)
_PB = cython.declare(cython.int, 2)
_SPB = cython.declare(cython.int, 3)
_NRB = cython.declare(cython.int, 4)
_ISB = cython.declare(cython.int, 5)
_EPB = cython.declare(cython.int, 6)
_SJE = cython.declare(cython.int, 7)
_DSB = cython.declare(cython.int, 8)
_CB = cython.declare(cython.int, 9)
_DCB = cython.declare(cython.int, 10)
_OTHER = cython.declare(cython.int, 11)
_UNTIMED = cython.declare(cython.int, 12)
_CLAMPED = cython.declare(cython.int, 13)
_IF_DROPS = cython.declare(cython.int, 14)
_OS_DROPS = cython.declare(cython.int, 15)
_BEYOND = cython.declare(cython.int, 16)

# An interface.
_I_LINK = cython.declare(cython.int, 0)
_I_SNAP = cython.declare(cython.int, 1)
_I_FACTOR = cython.declare(cython.int, 2)  # nanoseconds in its unit of time; 0: it takes more than a multiplication
_I_LATEST = cython.declare(cython.int, 3)  # latest time in its units for which the factor holds
_I_RESOLUTION = cython.declare(cython.int, 4)  # if_tsresol
_I_OFFSET = cython.declare(cython.int, 5)  # if_tsoffset, two's complement
_I_IF_DROPS = cython.declare(cython.int, 6)  # as last told
_I_OS_DROPS = cython.declare(cython.int, 7)
_INTERFACE_WIDTH = 8

_TS = cython.declare(cython.int, layout.PACKET_TS)
_AT = cython.declare(cython.int, layout.PACKET_AT)
_CAPTURED = cython.declare(cython.int, layout.PACKET_CAPTURED)
_WIRE = cython.declare(cython.int, layout.PACKET_WIRE)
_LINK_SHIFT = cython.declare(cython.int, layout.LINK_SHIFT)
_FRAME = cython.declare(cython.int, layout.PACKET_FRAME)
_NO_LINK = cython.declare(cython.ulonglong, layout.LINK_UNKNOWN)
_MAX_PACKET = cython.declare(cython.longlong, walking.MAX_PACKET_BYTES)
_CHAIN = cython.declare(cython.int, walking.CHAIN_RECORDS)
_MORE = cython.declare(cython.int, walking.WALK_MORE)
_FULL = cython.declare(cython.int, walking.WALK_FULL)
_CORRUPT = cython.declare(cython.int, walking.WALK_CORRUPT)
_WHOLE = cython.declare(cython.longlong, _MAX_WHOLE_BYTES)
_LONGEST = cython.declare(cython.longlong, _MAX_BLOCK_BYTES)
_CREDIBLE = cython.declare(cython.longlong, _MAX_CREDIBLE_BYTES)
_INTERFACES = cython.declare(cython.longlong, MAX_INTERFACES)
_LINKS = cython.declare(cython.Py_ssize_t, _MAX_LINK_TYPES)
_LAST_S = cython.declare(cython.ulonglong, _LAST_SECOND)
_NANO = cython.declare(cython.ulonglong, 1_000_000_000)
_WORD = cython.declare(cython.ulonglong, 0xFFFF_FFFF_FFFF_FFFF)
_LOW32 = cython.declare(cython.ulonglong, 0xFFFF_FFFF)
_SIGN = cython.declare(cython.ulonglong, 1 << 63)
# More drops than that were never counted: a statistics block that says so is not believed.
_MAX_DROPS = cython.declare(cython.ulonglong, 1 << 48)


@cython.cfunc
@cython.inline
@cython.nogil
def _word(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, big: cython.bint) -> cython.longlong:
    """The unsigned 32-bit number at a position, in the section's byte order."""
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
def _half(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, big: cython.bint) -> cython.int:
    """The unsigned 16-bit number at a position."""
    first: cython.int = buf[at]
    second: cython.int = buf[at + 1]
    return (first << 8) | second if big else (second << 8) | first


@cython.cfunc
@cython.nogil
def _long(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, big: cython.bint) -> cython.ulonglong:
    """The unsigned 64-bit number at a position, as options hold it."""
    first: cython.ulonglong = _word(buf, at, big)
    second: cython.ulonglong = _word(buf, at + 4, big)
    return (first << 32) | second if big else (second << 32) | first


@cython.cfunc
@cython.nogil
def _kind(block_type: cython.longlong) -> cython.int:
    """Number of a block's type among the counters."""
    if 0 < block_type < 7:
        return cython.cast(cython.int, block_type)
    if block_type == 0x0A0D0D0A:
        return _SHB
    if block_type == 9:
        return _SJE
    if block_type == 10:
        return _DSB
    if block_type == 0x0BAD:
        return _CB
    if block_type == 0x40000BAD:
        return _DCB
    return _OTHER


@cython.cfunc
@cython.nogil
def _shortest(kind: cython.int) -> cython.longlong:
    """Bytes that a block of a kind has at least."""
    if kind == _SHB:
        return 28
    if kind in (_EPB, _PB):
        return 32
    if kind == _IDB:
        return 20
    if kind == _ISB:
        return 24
    return 16 if kind == _SPB else 12


@cython.cfunc
@cython.nogil
def _is_read(kind: cython.int) -> cython.bint:
    """Whether what is in a block matters: then it must be whole."""
    return kind in (_EPB, _SPB, _PB, _SHB, _IDB, _ISB)


@cython.cfunc
@cython.nogil
def _order(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.int:
    """Byte order of the section whose header is at a position: 1 big, 0 little, -1 neither."""
    magic: cython.longlong = _word(buf, at + 8, True)
    if magic == 0x1A2B3C4D:
        return 1
    return 0 if magic == 0x4D3C2B1A else -1


@cython.cfunc
@cython.nogil
def _power(exponent: cython.ulonglong) -> cython.ulonglong:
    """Of ten; the exponent is at most 19."""
    value: cython.ulonglong = 1
    while exponent > 0:
        value *= 10
        exponent -= 1
    return value


@cython.cfunc
@cython.nogil
def _decimal_part(units: cython.ulonglong, exponent: cython.ulonglong) -> cython.ulonglong:
    """Nanoseconds in units of 10**-exponent seconds that make less than a second."""
    if exponent <= 9:
        return units * _power(9 - exponent)
    return units // _power(exponent - 9) if exponent <= 28 else 0


@cython.cfunc
@cython.nogil
def _binary_part(units: cython.ulonglong, exponent: cython.ulonglong) -> cython.ulonglong:
    """Nanoseconds in units of 2**-exponent seconds that make less than a second, exact though the product has 94 bits."""
    if exponent <= 32:
        return (units * _NANO) >> exponent
    units = (units >> 32) * _NANO + (((units & _LOW32) * _NANO) >> 32)
    return units >> (exponent - 32) if exponent < 96 else 0


@cython.cclass
class PcapngKernel:
    """Where a section's blocks are, and what its interfaces are like."""

    interfaces: cython.ulonglong[:, ::1]
    counts: cython.ulonglong[::1]  # in the order of `_COUNTERS`
    links: cython.ulonglong[::1]  # link types so far, plus one
    big: cython.bint
    described: cython.longlong  # interfaces of the section
    last_ts: cython.ulonglong
    skip: cython.longlong  # bytes to pass over before the last four of a long block
    long_block: cython.longlong  # its length; 0: the walk is between blocks
    long_kind: cython.int

    def __init__(
        self,
        interfaces: cython.ulonglong[:, ::1],
        counts: cython.ulonglong[::1],
        links: cython.ulonglong[::1],
        big: cython.bint,
    ) -> None:
        self.interfaces, self.counts, self.links, self.big = interfaces, counts, links, big
        self.described = self.skip = self.long_block = 0
        self.last_ts = 0
        self.long_kind = 0

    def is_cut(self) -> bool:
        """Whether the walk is somewhere within a long block."""
        return self.long_block > 0

    @cython.cfunc
    @cython.nogil
    def _time(self, interface: cython.longlong, units: cython.ulonglong) -> cython.ulonglong:
        """Unix nanoseconds (draft 4.2, if_tsresol and if_tsoffset)."""
        resolution: cython.ulonglong = self.interfaces[interface, _I_RESOLUTION]
        offset: cython.ulonglong = self.interfaces[interface, _I_OFFSET]
        exponent: cython.ulonglong = resolution & 0x7F
        seconds: cython.ulonglong = 0
        part: cython.ulonglong
        if resolution & 0x80:
            if exponent < 64:
                seconds = units >> exponent
                units -= seconds << exponent
            part = _binary_part(units, exponent)
        else:
            if exponent <= 19:
                seconds = units // _power(exponent)
                units -= seconds * _power(exponent)
            part = _decimal_part(units, exponent)
        if offset & _SIGN:
            offset = _WORD - offset + 1
            if offset > seconds:
                self.counts[_CLAMPED] += 1
                return 0
            seconds -= offset
        elif offset > _LAST_S or seconds > _LAST_S:
            seconds = _LAST_S + 1
        else:
            seconds += offset
        if seconds > _LAST_S:
            self.counts[_CLAMPED] += 1
            return _LAST_S * _NANO + _NANO - 1
        return seconds * _NANO + part

    @cython.cfunc
    @cython.nogil
    def _begin_section(self, big: cython.bint) -> cython.int:
        self.big = big
        self.described = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _remembered(self) -> cython.longlong:
        """Interfaces of the section that are in the table."""
        return self.described if self.described < _INTERFACES else _INTERFACES

    @cython.cfunc
    @cython.nogil
    def _add_interface(self, link: cython.ulonglong, snap: cython.ulonglong) -> cython.longlong:
        """Its row, with the resolution that holds where none is given (microseconds); -1 beyond the bound."""
        row: cython.longlong = self.described
        n: cython.Py_ssize_t
        self.described += 1
        if row >= _INTERFACES:
            self.counts[_BEYOND] += 1
            return -1
        for n in range(self.interfaces.shape[1]):
            self.interfaces[row, n] = 0
        self.interfaces[row, _I_LINK] = link
        self.interfaces[row, _I_SNAP] = snap
        self.interfaces[row, _I_RESOLUTION] = 6
        if link != _NO_LINK:
            for n in range(_LINKS):
                if self.links[n] == 0:
                    self.links[n] = link + 1
                if self.links[n] == link + 1:
                    break
        return row

    @cython.cfunc
    @cython.nogil
    def _describe(self, buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """Interface description block; `end`: of its options."""
        row: cython.longlong = self._add_interface(_half(buf, at + 8, self.big), _word(buf, at + 12, self.big))
        resolution: cython.ulonglong
        code: cython.int
        length: cython.Py_ssize_t
        if row < 0:
            return 0
        at += 16
        while at + 4 <= end:
            code = _half(buf, at, self.big)
            length = _half(buf, at + 2, self.big)
            if code == 0 or at + 4 + length > end:
                break
            if code == 9 and length >= 1:
                self.interfaces[row, _I_RESOLUTION] = buf[at + 4]
            elif code == 14 and length >= 8:
                self.interfaces[row, _I_OFFSET] = _long(buf, at + 4, self.big)
            at += 4 + ((length + 3) & ~3)
        resolution = self.interfaces[row, _I_RESOLUTION]
        if resolution <= 9 and self.interfaces[row, _I_OFFSET] == 0:
            self.interfaces[row, _I_FACTOR] = _power(9 - resolution)
            self.interfaces[row, _I_LATEST] = _LAST_S * _power(resolution)
        return 0

    @cython.cfunc
    @cython.nogil
    def _add_drops(self, row: cython.longlong, column: cython.int, counter: cython.int, drops: cython.ulonglong) -> cython.int:
        """What an interface says it dropped since its capture began, of which a part was told before."""
        before: cython.ulonglong = self.interfaces[row, column]
        if drops < _MAX_DROPS and drops > before and self.counts[counter] < _MAX_DROPS:
            self.counts[counter] += drops - before
            self.interfaces[row, column] = drops
        return 0

    @cython.cfunc
    @cython.nogil
    def _tell_drops(self, buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """Interface statistics block; `end`: of its options."""
        row: cython.longlong = _word(buf, at + 8, self.big)
        code: cython.int
        length: cython.Py_ssize_t
        if row >= self._remembered():
            return 0
        at += 20
        while at + 4 <= end:
            code = _half(buf, at, self.big)
            length = _half(buf, at + 2, self.big)
            if code == 0 or at + 4 + length > end:
                break
            if code == 5 and length == 8:
                self._add_drops(row, _I_IF_DROPS, _IF_DROPS, _long(buf, at + 4, self.big))
            elif code == 7 and length == 8:
                self._add_drops(row, _I_OS_DROPS, _OS_DROPS, _long(buf, at + 4, self.big))
            at += 4 + ((length + 3) & ~3)
        return 0

    @cython.cfunc
    @cython.nogil
    def _block(self, buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.longlong:
        """Length of the block at a position; 0: it is not whole; -1: it cannot be true; -2: it is too long to be kept whole."""
        big: cython.bint = self.big
        kind: cython.int = _kind(_word(buf, at, big))
        total: cython.longlong
        order: cython.int
        if kind == _SHB:
            order = _order(buf, at)
            if order < 0:
                return -1
            big = order == 1
        total = _word(buf, at + 4, big)
        if total & 3 or total < _shortest(kind) or total > _LONGEST:
            return -1
        if total > _WHOLE:
            return -1 if _is_read(kind) else -2
        if at + total > end:
            return 0
        if _word(buf, at + total - 4, big) != total:
            return -1
        if kind == _SHB and (_half(buf, at + 12, big) != 1 or _half(buf, at + 14, big) & ~2):
            return -1  # of a version that is not known (1.2 is 1.0)
        return total

    @cython.cfunc
    @cython.nogil
    def _note_corrupt(self, buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.int:
        """A block that cannot be true still tells, by its type, what the packets behind it no longer refer to."""
        kind: cython.int = _kind(_word(buf, at, self.big))
        order: cython.int
        if kind == _SHB:
            order = _order(buf, at)
            self._begin_section(self.big if order < 0 else order == 1)
        elif kind == _IDB:
            self._add_interface(_NO_LINK, 0)
        return 0

    @cython.cfunc
    @cython.nogil
    def _pass_long(self, buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """The end of a long block, of which `skip` bytes have been passed over: a reason to stop, or FULL."""
        total: cython.longlong = self.long_block
        if at + 4 > end:
            return _MORE
        self.long_block = 0
        if _word(buf, at, self.big) != total:
            return _CORRUPT
        self.counts[self.long_kind] += 1
        return _FULL

    @cython.cfunc
    @cython.nogil
    def _packet(
        self,
        buf: cython.const[cython.uchar][::1],
        at: cython.Py_ssize_t,
        total: cython.longlong,
        kind: cython.int,
        packets: cython.ulonglong[:, ::1],
        count: cython.Py_ssize_t,
    ) -> cython.bint:
        """Fill a row from a packet's block; false where its lengths contradict each other."""
        big: cython.bint = self.big
        interface: cython.longlong = 0
        captured: cython.longlong
        snap: cython.longlong
        units: cython.ulonglong
        link: cython.ulonglong
        known: cython.bint
        if kind == _SPB:
            captured = _word(buf, at + 8, big)
            packets[count, _WIRE] = captured
            packets[count, _AT] = at + 12
            if captured > total - 16:
                captured = total - 16
        else:
            interface = _word(buf, at + 8, big) if kind == _EPB else _half(buf, at + 8, big)
            captured = _word(buf, at + 20, big)
            packets[count, _WIRE] = _word(buf, at + 24, big)
            packets[count, _AT] = at + 28
            if captured > total - 32:
                return False
        known = interface < self._remembered() and self.interfaces[interface, _I_LINK] != _NO_LINK
        if known and kind == _SPB:
            snap = self.interfaces[0, _I_SNAP]
            if 0 < snap < captured:
                captured = snap
        if captured > _MAX_PACKET:
            return False
        link = self.interfaces[interface, _I_LINK] if known else _NO_LINK
        packets[count, _CAPTURED] = cython.cast(cython.ulonglong, captured) | (link << _LINK_SHIFT)
        if known and kind != _SPB:
            units = _word(buf, at + 12, big)
            units = (units << 32) | cython.cast(cython.ulonglong, _word(buf, at + 16, big))
            if self.interfaces[interface, _I_FACTOR] and units <= self.interfaces[interface, _I_LATEST]:
                self.last_ts = units * self.interfaces[interface, _I_FACTOR]
            else:
                self.last_ts = self._time(interface, units)
        else:
            self.counts[_UNTIMED] += 1
        packets[count, _TS] = self.last_ts
        return True

    def walk(
        self,
        buf: cython.const[cython.uchar][::1],
        span: tuple[int, int],
        packets: cython.ulonglong[:, ::1],
        frame: cython.ulonglong,
    ) -> tuple[int, int, int]:
        """As `Container.walk`. Of an enhanced packet block that has nothing odd all is read in place: they are nearly all."""
        interfaces: cython.ulonglong[:, ::1] = self.interfaces
        capacity: cython.Py_ssize_t = packets.shape[0]
        count: cython.Py_ssize_t = 0
        plain: cython.ulonglong = 0
        at: cython.Py_ssize_t = span[0]
        end: cython.Py_ssize_t = span[1]
        big: cython.bint = self.big
        known: cython.longlong = self._remembered()
        total: cython.longlong
        captured: cython.longlong
        number: cython.longlong
        step: cython.longlong
        units: cython.ulonglong
        kind: cython.int
        why: cython.int = _FULL
        with cython.nogil:
            while count < capacity:
                if at + 32 <= end and self.long_block == 0 and _word(buf, at, big) == _EPB:
                    total = _word(buf, at + 4, big)
                    number = _word(buf, at + 8, big)
                    captured = _word(buf, at + 20, big)
                    if (
                        (total & 3) == 0
                        and captured + 32 <= total
                        and captured <= _MAX_PACKET
                        and total <= _WHOLE
                        and at + total <= end
                        and _word(buf, at + total - 4, big) == total
                        and number < known
                    ):
                        units = _word(buf, at + 12, big)
                        units = (units << 32) | cython.cast(cython.ulonglong, _word(buf, at + 16, big))
                        if interfaces[number, _I_FACTOR] and units <= interfaces[number, _I_LATEST]:
                            self.last_ts = units * interfaces[number, _I_FACTOR]
                            packets[count, _TS] = self.last_ts
                            packets[count, _AT] = at + 28
                            packets[count, _CAPTURED] = cython.cast(cython.ulonglong, captured) | (
                                interfaces[number, _I_LINK] << _LINK_SHIFT
                            )
                            packets[count, _WIRE] = _word(buf, at + 24, big)
                            packets[count, _FRAME] = frame + cython.cast(cython.ulonglong, count)
                            at += total
                            count += 1
                            plain += 1
                            continue
                if self.long_block:
                    step = self.skip if self.skip < end - at else end - at
                    self.skip -= step
                    at += step
                    why = self._pass_long(buf, at, end)
                    if why != _FULL:
                        break
                    at += 4
                if at + 12 > end:
                    why = _MORE
                    break
                total = self._block(buf, at, end)
                kind = _kind(_word(buf, at, self.big))
                if total > 0 and kind in (_EPB, _SPB, _PB):
                    if not self._packet(buf, at, total, kind, packets, count):
                        why = _CORRUPT
                        break
                    packets[count, _FRAME] = frame + cython.cast(cython.ulonglong, count)
                    count += 1
                elif total == 0:
                    why = _MORE
                    break
                elif total == -1:
                    self._note_corrupt(buf, at)
                    why = _CORRUPT
                    break
                elif total == -2:
                    self.long_block = _word(buf, at + 4, self.big)
                    self.long_kind = kind
                    self.skip = self.long_block - 4
                    continue
                elif kind == _SHB:
                    self._begin_section(_order(buf, at) == 1)
                elif kind == _IDB:
                    self._describe(buf, at, at + total - 4)
                elif kind == _ISB:
                    self._tell_drops(buf, at, at + total - 4)
                self.counts[kind] += 1
                at += total
                big, known = self.big, self._remembered()
            self.counts[_EPB] += plain
        return count, at, why

    @cython.cfunc
    @cython.nogil
    def _credible(
        self, buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t, end: cython.Py_ssize_t, big: cython.bint
    ) -> cython.longlong:
        """Length of the block at a position if it is one for sure, else 0; -1: more bytes would tell."""
        kind: cython.int = _kind(_word(buf, at, big))
        total: cython.longlong = _word(buf, at + 4, big)
        if kind == _OTHER or total & 3 or total < _shortest(kind) or total > _CREDIBLE:
            return 0
        if at + total > end:
            return -1
        if _word(buf, at + total - 4, big) != total:
            return 0
        if kind in (_EPB, _PB) and _word(buf, at + 20, big) > total - 32:
            return 0
        return total

    def search(self, buf: cython.const[cython.uchar][::1], span: tuple[int, int], final: cython.bint) -> tuple[bool, int]:
        """As `Container.search`: looks for a chain of blocks of known kinds that end with the length they begin with.

        A chain is `CHAIN_RECORDS` blocks, or fewer that end exactly at the end of the file (`final`).
        """
        at: cython.Py_ssize_t = span[0]
        end: cython.Py_ssize_t = span[1]
        next_at: cython.Py_ssize_t
        length: cython.longlong
        big: cython.bint
        links: cython.int
        found: cython.bint = False
        with cython.nogil:
            while at + 12 <= end:
                next_at, links, length, big = at, 0, 0, self.big
                while links < _CHAIN and next_at + 12 <= end:
                    if _kind(_word(buf, next_at, big)) == _SHB:
                        big = _order(buf, next_at) == 1
                    length = self._credible(buf, next_at, end, big)
                    if length <= 0:
                        break
                    next_at += length
                    links += 1
                if links == _CHAIN or (links > 0 and final and next_at == end):
                    found = True
                    break
                if not final and (length < 0 or (links > 0 and next_at + 12 > end)):
                    break  # the chain may go on in bytes that are not here yet
                at += 1
        return bool(found), at


class PcapngContainer:
    """A pcapng file: sections, interfaces, packets."""

    header_bytes = 0  # the first section's header is a block as others
    corrupt = "corrupt_block"

    def __init__(self, big_endian: bool) -> None:
        """`big_endian`: the first section."""
        self._counts = array("Q", bytes(8 * len(_COUNTERS)))
        self._links = array("Q", bytes(8 * _MAX_LINK_TYPES))
        self._kernel = PcapngKernel(table_of(MAX_INTERFACES, _INTERFACE_WIDTH), self._counts, self._links, big_endian)

    def walk(self, buffer: memoryview, span: tuple[int, int], packets: memoryview, frame: int) -> tuple[int, int, int]:
        """As `Container.walk`."""
        return self._kernel.walk(buffer, span, packets, frame)

    def search(self, buffer: memoryview, span: tuple[int, int], final: bool) -> tuple[bool, int]:
        """As `Container.search`."""
        return self._kernel.search(buffer, span, final)

    def is_cut(self) -> bool:
        """As `Container.is_cut`."""
        return self._kernel.is_cut()

    def link_types(self) -> tuple[int, ...]:
        """Of the interfaces so far, in the order in which they were described; at most 64."""
        return tuple(link - 1 for link in self._links if link)

    def counters(self) -> dict[str, int]:
        """Blocks by kind, and what was odd about them."""
        return dict(zip(_COUNTERS, self._counts, strict=True))


def is_pcapng(head: bytes) -> bool:
    """Whether a section header begins here."""
    return head[:4] == _MAGIC


def open_pcapng(head: memoryview) -> PcapngContainer | Unreadable:
    """The container that begins with these bytes, or why it is none."""
    order = _ORDERS.get(bytes(head[8:12]))
    if order is None or len(head) < _SECTION_HEADER_BYTES:
        return Unreadable("not_a_capture", "it begins as a pcapng, and has no whole section header")
    major, minor = (int.from_bytes(head[at : at + 2], order) for at in (12, 14))
    if major != 1 or minor not in (0, 2):  # 1.2 is 1.0 (draft 4.1)
        return Unreadable("unsupported_format", f"pcapng of version {major}.{minor} is not known; version 1.0 is")
    return PcapngContainer(order == "big")

# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
# ruff: noqa: C901
"""The kernel that reads link, IP and transport headers of a chunk of packets."""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from loader.decode import plain as cython

from loader.decode import layout, reasons

_AT = cython.declare(cython.int, layout.PACKET_AT)
_CAPTURED = cython.declare(cython.int, layout.PACKET_CAPTURED)
_WIRE = cython.declare(cython.int, layout.PACKET_WIRE)
_LINK = cython.declare(cython.int, layout.PACKET_LINK)
_REASON = cython.declare(cython.int, layout.PACKET_REASON)
_SRC_HI = cython.declare(cython.int, layout.PACKET_SRC_HI)
_SRC_LO = cython.declare(cython.int, layout.PACKET_SRC_LO)
_DST_HI = cython.declare(cython.int, layout.PACKET_DST_HI)
_DST_LO = cython.declare(cython.int, layout.PACKET_DST_LO)
_SPORT = cython.declare(cython.int, layout.PACKET_SPORT)
_DPORT = cython.declare(cython.int, layout.PACKET_DPORT)
_PROTOCOL = cython.declare(cython.int, layout.PACKET_PROTOCOL)
_IP_LENGTH = cython.declare(cython.int, layout.PACKET_IP_LENGTH)
_TCP_FLAGS = cython.declare(cython.int, layout.PACKET_TCP_FLAGS)
_PAYLOAD = cython.declare(cython.int, layout.PACKET_PAYLOAD)
_PAYLOAD_END = cython.declare(cython.int, layout.PACKET_PAYLOAD_END)
_SEQUENCE = cython.declare(cython.int, layout.PACKET_SEQUENCE)
_TUNNEL_KEY = cython.declare(cython.int, layout.PACKET_TUNNEL)
_OUTER = cython.declare(cython.int, layout.PACKET_OUTER)
_NAME = cython.declare(cython.int, layout.PACKET_NAME)
_VLAN = cython.declare(cython.int, layout.PACKET_VLAN)
_KIND = cython.declare(cython.int, layout.PACKET_KIND)

_KIND_IP = cython.declare(cython.ulonglong, layout.KIND_IP)
_KIND_FRAGMENT = cython.declare(cython.ulonglong, layout.KIND_FRAGMENT)
_KIND_TRANSPORT = cython.declare(cython.ulonglong, layout.KIND_TRANSPORT)
_KIND_ONE_WAY = cython.declare(cython.ulonglong, layout.KIND_ONE_WAY)
_KIND_CUT = cython.declare(cython.ulonglong, layout.KIND_CUT)

_ARP = cython.declare(cython.int, reasons.ARP)
_LLC = cython.declare(cython.int, reasons.LLC)
_NOT_IP = cython.declare(cython.int, reasons.NOT_IP)
_LINK_TYPE = cython.declare(cython.int, reasons.LINK_TYPE)
_LATER_FRAGMENT = cython.declare(cython.int, reasons.LATER_FRAGMENT)
_IP_PROTOCOL = cython.declare(cython.int, reasons.IP_PROTOCOL)
_TUNNEL = cython.declare(cython.int, reasons.TUNNEL)
_HEADER_CUT = cython.declare(cython.int, reasons.HEADER_CUT)
_MALFORMED_LINK = cython.declare(cython.int, reasons.MALFORMED_LINK)
_MALFORMED_IP = cython.declare(cython.int, reasons.MALFORMED_IP)
_MALFORMED_TRANSPORT = cython.declare(cython.int, reasons.MALFORMED_TRANSPORT)
_UNKNOWN_INTERFACE = cython.declare(cython.int, reasons.UNKNOWN_INTERFACE)
_NO_LINK = cython.declare(cython.int, layout.LINK_UNKNOWN)

_MAPPED = cython.declare(cython.ulonglong, 0xFFFF_0000_0000)  # the upper half of an IPv4-mapped address's low word
_MAX_VLAN_TAGS = cython.declare(cython.int, 4)


def _counterparts() -> bytes:
    """Message type -> type of its answer plus one, 0 for none: ICMP, then ICMPv6 (Community ID specification, version 1)."""
    table = bytearray(512)
    icmp = ((8, 0), (13, 14), (15, 16), (17, 18), (10, 9))
    icmp6 = ((128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145))
    for base, pairs in ((0, icmp), (256, icmp6)):
        for request, reply in pairs:
            table[base + request], table[base + reply] = reply + 1, request + 1
    return bytes(table)


COUNTERPARTS = _counterparts()


@cython.cfunc
@cython.inline
@cython.nogil
def _be16(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.int:
    high: cython.int = buf[at]
    return (high << 8) | buf[at + 1]


@cython.cfunc
@cython.inline
@cython.nogil
def _be32(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    first: cython.ulonglong = buf[at]
    second: cython.ulonglong = buf[at + 1]
    third: cython.ulonglong = buf[at + 2]
    return (first << 24) | (second << 16) | (third << 8) | buf[at + 3]


@cython.cfunc
@cython.inline
@cython.nogil
def _be64(buf: cython.const[cython.uchar][::1], at: cython.Py_ssize_t) -> cython.ulonglong:
    return (_be32(buf, at) << 32) | _be32(buf, at + 4)


@cython.cfunc
@cython.inline
@cython.nogil
def _missing(packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, malformed: cython.int) -> cython.int:
    """Why a header is not there: the snap length cut it, or the frame never had it."""
    return _HEADER_CUT if packets[i, _WIRE] > packets[i, _CAPTURED] else malformed


@cython.cfunc
@cython.nogil
def _transport(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """Ports, flags and payload of the header at `at`; returns the reason. PAYLOAD_END is where the IP packet ends."""
    protocol: cython.ulonglong = packets[i, _PROTOCOL]
    end: cython.Py_ssize_t = packets[i, _AT] + packets[i, _CAPTURED]
    ip_end: cython.Py_ssize_t = packets[i, _PAYLOAD_END]
    need: cython.int
    answer: cython.int
    if protocol == 6:
        need = 14
    elif protocol == 17:
        need = 8
    elif protocol == 1 or protocol == 58:
        need = 2
    elif protocol == 4 or protocol == 41 or protocol == 47:
        return _TUNNEL
    else:
        return _IP_PROTOCOL
    if at + need > ip_end:
        return _MALFORMED_TRANSPORT
    if at + need > end:
        return _missing(packets, i, _MALFORMED_TRANSPORT)
    packets[i, _KIND] |= _KIND_TRANSPORT
    if need == 2:
        answer = answers[buf[at] + (256 if protocol == 58 else 0)]
        packets[i, _SPORT] = buf[at]
        packets[i, _DPORT] = answer - 1 if answer else buf[at + 1]
        if answer == 0:
            packets[i, _KIND] |= _KIND_ONE_WAY
        return 0
    packets[i, _SPORT] = _be16(buf, at)
    packets[i, _DPORT] = _be16(buf, at + 2)
    if protocol == 6:
        packets[i, _TCP_FLAGS] = buf[at + 13]
        packets[i, _SEQUENCE] = _be32(buf, at + 4)
        at += (buf[at + 12] >> 4) * 4
        if at > ip_end or at > end:
            return 0
        packets[i, _PAYLOAD] = at
    else:
        packets[i, _PAYLOAD] = at + 8
    if ip_end > end:
        packets[i, _PAYLOAD_END] = end
        packets[i, _KIND] |= _KIND_CUT
    return 0


@cython.cfunc
@cython.nogil
def _ipv4(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """RFC 791. A total length of 0 (segmentation offload) is what the frame holds."""
    frame_end: cython.Py_ssize_t = packets[i, _AT] + packets[i, _CAPTURED]
    wire_end: cython.Py_ssize_t = packets[i, _AT] + packets[i, _WIRE]
    header: cython.int
    total: cython.Py_ssize_t
    fragment: cython.int
    if at + 20 > frame_end:
        return _missing(packets, i, _MALFORMED_IP)
    header = (buf[at] & 15) * 4
    total = _be16(buf, at + 2)
    if total == 0:
        total = wire_end - at
    if header < 20 or total < header:
        return _MALFORMED_IP
    packets[i, _KIND] = _KIND_IP
    packets[i, _SRC_HI] = 0
    packets[i, _SRC_LO] = _MAPPED | _be32(buf, at + 12)
    packets[i, _DST_HI] = 0
    packets[i, _DST_LO] = _MAPPED | _be32(buf, at + 16)
    packets[i, _PROTOCOL] = buf[at + 9]
    packets[i, _IP_LENGTH] = total
    packets[i, _PAYLOAD_END] = at + total
    fragment = _be16(buf, at + 6) & 0x3FFF
    if fragment:
        packets[i, _KIND] |= _KIND_FRAGMENT | _KIND_CUT
        if fragment & 0x1FFF:
            return _LATER_FRAGMENT
    return _transport(buf, packets, i, answers, at + header)


@cython.cfunc
@cython.nogil
def _ipv6(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """RFC 8200. A payload length of 0 (jumbogram, segmentation offload) is what the frame holds."""
    frame_end: cython.Py_ssize_t = packets[i, _AT] + packets[i, _CAPTURED]
    wire_end: cython.Py_ssize_t = packets[i, _AT] + packets[i, _WIRE]
    length: cython.Py_ssize_t
    if at + 40 > frame_end:
        return _missing(packets, i, _MALFORMED_IP)
    length = _be16(buf, at + 4)
    if length == 0:
        length = wire_end - at - 40
    packets[i, _KIND] = _KIND_IP
    packets[i, _SRC_HI] = _be64(buf, at + 8)
    packets[i, _SRC_LO] = _be64(buf, at + 16)
    packets[i, _DST_HI] = _be64(buf, at + 24)
    packets[i, _DST_LO] = _be64(buf, at + 32)
    packets[i, _PROTOCOL] = buf[at + 6]
    packets[i, _IP_LENGTH] = length + 40
    packets[i, _PAYLOAD_END] = at + 40 + length
    return _ipv6_extensions(buf, packets, i, answers, at + 40)


@cython.cfunc
@cython.nogil
def _ipv6_extensions(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """Hop-by-hop, routing, destination options, fragment and authentication headers (RFC 8200 4, RFC 4302).

    Each takes eight bytes or more of the packet, which bounds their number.
    """
    frame_end: cython.Py_ssize_t = packets[i, _AT] + packets[i, _CAPTURED]
    ip_end: cython.Py_ssize_t = packets[i, _PAYLOAD_END]
    protocol: cython.int = packets[i, _PROTOCOL]
    fragment: cython.int
    while protocol == 0 or protocol == 43 or protocol == 44 or protocol == 60 or protocol == 51:
        if at + 8 > ip_end:
            return _MALFORMED_IP
        if at + 8 > frame_end:
            return _missing(packets, i, _MALFORMED_IP)
        if protocol == 44:
            fragment = _be16(buf, at + 2) & 0xFFF9
            if fragment:
                packets[i, _KIND] |= _KIND_FRAGMENT | _KIND_CUT
            protocol = buf[at]
            packets[i, _PROTOCOL] = protocol
            if fragment & 0xFFF8:
                return _LATER_FRAGMENT
            at += 8
            continue
        if protocol == 51:
            fragment = (buf[at + 1] + 2) * 4
        else:
            fragment = (buf[at + 1] + 1) * 8
        protocol = buf[at]
        packets[i, _PROTOCOL] = protocol
        at += fragment
    return _transport(buf, packets, i, answers, at)


@cython.cfunc
@cython.nogil
def _by_version(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """An IP header whose version is its own first half byte."""
    if at >= cython.cast(cython.Py_ssize_t, packets[i, _AT] + packets[i, _CAPTURED]):
        return _missing(packets, i, _MALFORMED_LINK)
    if buf[at] >> 4 == 4:
        return _ipv4(buf, packets, i, answers, at)
    if buf[at] >> 4 == 6:
        return _ipv6(buf, packets, i, answers, at)
    return _MALFORMED_IP


@cython.cfunc
@cython.nogil
def _by_ethertype(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """What follows the EtherType at `at`: VLAN tags (802.1Q, 802.1ad), then IP or a reason."""
    end: cython.Py_ssize_t = packets[i, _AT] + packets[i, _CAPTURED]
    ethertype: cython.int
    tags: cython.ulonglong = 0
    count: cython.int = 0
    if at + 2 > end:
        return _missing(packets, i, _MALFORMED_LINK)
    ethertype = _be16(buf, at)
    while ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100:
        if at + 6 > end:
            return _missing(packets, i, _MALFORMED_LINK)
        if count == _MAX_VLAN_TAGS:
            return _NOT_IP
        tags = (tags << 12) | (_be16(buf, at + 2) & 0xFFF)
        count += 1
        packets[i, _VLAN] = (cython.cast(cython.ulonglong, count) << 48) | tags
        at += 4
        ethertype = _be16(buf, at)
    if ethertype == 0x0800 or ethertype == 0x86DD:
        if at + 2 < end and (buf[at + 2] >> 4) != (4 if ethertype == 0x0800 else 6):
            return _MALFORMED_IP
        return _by_version(buf, packets, i, answers, at + 2)
    if ethertype == 0x0806 or ethertype == 0x8035:
        return _ARP
    return _LLC if ethertype <= 1500 else _NOT_IP


@cython.cfunc
@cython.nogil
def _by_family(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """BSD loopback: a protocol family in the byte order of the capturing host (null) or of the network (loop)."""
    family: cython.ulonglong
    if at + 4 > cython.cast(cython.Py_ssize_t, packets[i, _AT] + packets[i, _CAPTURED]):
        return _missing(packets, i, _MALFORMED_LINK)
    family = _be32(buf, at)
    if family > 0xFFFF:
        family = (family >> 24) | ((family >> 8) & 0xFF00)
    if family == 2 or family == 10 or family == 24 or family == 28 or family == 30:
        return _by_version(buf, packets, i, answers, at + 4)
    return _NOT_IP


@cython.cfunc
@cython.nogil
def _by_link(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
) -> cython.int:
    """The reason of one packet, by its link type (tcpdump.org/linktypes)."""
    at: cython.Py_ssize_t = packets[i, _AT]
    link_type: cython.int = packets[i, _LINK]
    if link_type == 1:
        return _by_ethertype(buf, packets, i, answers, at + 12)
    if link_type == 113:
        return _by_ethertype(buf, packets, i, answers, at + 14)
    if link_type == 276:
        return _cooked_v2(buf, packets, i, answers, at)
    if link_type == 101 or link_type == 12 or link_type == 14:
        return _by_version(buf, packets, i, answers, at)
    if link_type == 228 or link_type == 229:
        if packets[i, _CAPTURED] and (buf[at] >> 4) != (4 if link_type == 228 else 6):
            return _MALFORMED_IP
        return _by_version(buf, packets, i, answers, at)
    if link_type == 0 or link_type == 108:
        return _by_family(buf, packets, i, answers, at)
    return _UNKNOWN_INTERFACE if link_type == _NO_LINK else _LINK_TYPE


@cython.cfunc
@cython.nogil
def _cooked_v2(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    i: cython.Py_ssize_t,
    answers: cython.const[cython.uchar][::1],
    at: cython.Py_ssize_t,
) -> cython.int:
    """Linux cooked v2: the EtherType comes first, 20 bytes before what it names."""
    ethertype: cython.int
    if at + 20 > cython.cast(cython.Py_ssize_t, packets[i, _AT] + packets[i, _CAPTURED]):
        return _missing(packets, i, _MALFORMED_LINK)
    ethertype = _be16(buf, at)
    if ethertype == 0x0800 or ethertype == 0x86DD:
        return _by_version(buf, packets, i, answers, at + 20)
    if ethertype == 0x0806 or ethertype == 0x8035:
        return _ARP
    if ethertype == 0x8100 or ethertype == 0x88A8:
        return _by_ethertype(buf, packets, i, answers, at + 22)
    return _LLC if ethertype <= 1500 else _NOT_IP


def parse(
    buf: cython.const[cython.uchar][::1],
    packets: cython.ulonglong[:, ::1],
    count: cython.Py_ssize_t,
    by_reason: cython.ulonglong[::1],
) -> None:
    """Read the headers of the first `count` packets into their rows; adds to the counts of `by_reason`."""
    answers: cython.const[cython.uchar][::1] = COUNTERPARTS
    i: cython.Py_ssize_t
    reason: cython.int
    with cython.nogil:
        for i in range(count):
            packets[i, _SRC_HI] = packets[i, _SRC_LO] = packets[i, _DST_HI] = packets[i, _DST_LO] = 0
            packets[i, _SPORT] = packets[i, _DPORT] = packets[i, _PROTOCOL] = packets[i, _IP_LENGTH] = 0
            packets[i, _TCP_FLAGS] = packets[i, _SEQUENCE] = packets[i, _PAYLOAD] = packets[i, _VLAN] = packets[i, _KIND] = 0
            packets[i, _TUNNEL_KEY] = packets[i, _OUTER] = packets[i, _NAME] = 0
            reason = _by_link(buf, packets, i, answers)
            packets[i, _REASON] = reason
            by_reason[reason] += 1

# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call,no-redef"
# ruff: noqa: C901

"""The kernel that reads the headers of a chunk of packets, layer by layer, down to the innermost IP header and its ports.

Each layer is a method: it reads the header at `at`, moves `at` behind it, and returns what comes next: the number of another
layer, or the packet's reason (0: it is in a flow). `_frame` is the loop. A layer relies on `end`, where the captured bytes end,
and on `wire`, where they would end uncut; both shrink to those of each IP packet.

Where several IP headers are in one another, the last one that could be read makes the row; the address pairs of those around it
go to the table `outer`, the outermost first. A tunnel over UDP is known by its port alone, so what is in it must be right down
to the inner IP header, else the packet stays an ordinary datagram.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

from loader.decode import assigned

if cython.compiled:
    import cython.cimports.loader.decode.layers as layers
    import cython.cimports.loader.decode.layout as layout
    import cython.cimports.loader.decode.reasons as reasons
else:
    from loader.decode import layers, layout, reasons

_MAPPED = cython.declare(cython.ulonglong, 0xFFFF_0000_0000)  # the upper half of an IPv4-mapped address's low word
_WORD = cython.declare(cython.ulonglong, 0xFFFF_FFFF_FFFF_FFFF)
_MIX = cython.declare(cython.ulonglong, 0x9E37_79B9_7F4A_7C15)
_INNER_TAGS = cython.declare(cython.ulonglong, 0xF_FFFF_FFFF)  # room for one more in front of them


@cython.final
@cython.cclass
class HeaderKernel:
    """Reads chunk after chunk; owns the table of address pairs around the innermost ones."""

    words: cython.ulonglong[::1]  # of all packets, in one row
    buf: cython.const[cython.uchar][::1]
    outer: cython.ulonglong[:, ::1]
    counts: cython.ulonglong[::1]
    answers: cython.const[cython.uchar][::1]
    no_ip: cython.const[cython.uchar][::1]
    known_lsap: cython.const[cython.uchar][::1]
    row: cython.Py_ssize_t  # where the packet's words begin
    at: cython.Py_ssize_t  # where the next header begins
    end: cython.Py_ssize_t  # behind the last captured byte of the layer
    wire: cython.Py_ssize_t  # behind its last byte on the wire
    snapped: cython.bint  # the innermost IP packet is longer than what was captured of it
    ethertype: cython.int  # of the layer that begins at `at`
    protocol: cython.int  # of the IP payload that begins at `at`
    tunnel: cython.ulonglong  # what carries the next IP header: `_T_*`
    network: cython.ulonglong  # VXLAN or Geneve network, GRE key
    guessed: cython.bint  # a tunnel known by its port alone has been entered, and no IP header seen in it yet
    tags: cython.ulonglong  # VLAN tags in front of it
    outer_used: cython.Py_ssize_t
    fragments: cython.Py_ssize_t

    def __init__(self, outer: cython.ulonglong[:, ::1], counts: cython.ulonglong[::1]) -> None:
        """`outer` has `layout.MAX_OUTER` rows for each packet of a chunk; `counts`: see `layout.HEADERS_WIDTH`."""
        self.outer, self.counts = outer, counts
        self.answers, self.no_ip, self.known_lsap = assigned.COUNTERPARTS, assigned.NO_IP, assigned.KNOWN_LSAP

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _u16(self, at: cython.Py_ssize_t) -> cython.int:
        high: cython.int = self.buf[at]
        return (high << 8) | self.buf[at + 1]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _u32(self, at: cython.Py_ssize_t) -> cython.ulonglong:
        first: cython.ulonglong = self.buf[at]
        second: cython.ulonglong = self.buf[at + 1]
        third: cython.ulonglong = self.buf[at + 2]
        return (first << 24) | (second << 16) | (third << 8) | self.buf[at + 3]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _u64(self, at: cython.Py_ssize_t) -> cython.ulonglong:
        return (self._u32(at) << 32) | self._u32(at + 4)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _lacks(self, need: cython.Py_ssize_t) -> cython.bint:
        """Fewer bytes than a header needs are there."""
        return self.at + need > self.end

    @cython.cfunc
    @cython.nogil
    def _missing(self, need: cython.Py_ssize_t, malformed: cython.int) -> cython.int:
        """Why a header is not there: the snap length cut it, or the frame never had it."""
        return malformed if self.at + need > self.wire else reasons.HEADER_CUT

    @cython.cfunc
    @cython.nogil
    def _frame(self) -> cython.int:
        """The reason of one frame: layer after layer, until one is the last."""
        step: cython.int = self._link()
        while step >= layers.FIRST_LAYER:
            if step == layers.IPV4:
                step = self._ipv4()
            elif step == layers.IPV6:
                step = self._ipv6()
            elif step == layers.IP:
                step = self._ip()
            elif step == layers.VLAN:
                step = self._vlan()
            elif step == layers.ETHERNET:
                step = self._ethernet()
            elif step == layers.MPLS:
                step = self._mpls()
            elif step == layers.PPPOE:
                step = self._pppoe()
            elif step == layers.PPP:
                step = self._ppp()
            elif step == layers.LLC_HEADER:
                step = self._llc()
            elif step == layers.CISCO_HDLC:
                step = self._cisco_hdlc()
            elif step == layers.COOKED:
                step = self._cooked()
            elif step == layers.COOKED_2:
                step = self._cooked_2()
            elif step == layers.FAMILY:
                step = self._family()
            elif step == layers.METADATA:
                step = self._metadata()
            elif step == layers.TIME_STAMP:
                step = self._time_stamp()
            elif step == layers.SERVICE_CHAIN:
                step = self._service_chain()
            elif step == layers.GRE:
                step = self._gre()
            elif step == layers.PIM:
                step = self._pim()
            elif step == layers.GRE_IN_UDP:
                step = self._gre_in_udp()
            elif step == layers.ERSPAN_2:
                step = self._erspan_2()
            elif step == layers.ERSPAN_3:
                step = self._erspan_3()
            elif step == layers.MPLS_IN_UDP:
                step = self._mpls_in_udp()
            elif step == layers.VXLAN:
                step = self._vxlan()
            elif step == layers.VXLAN_GPE:
                step = self._vxlan_gpe()
            elif step == layers.GENEVE:
                step = self._geneve()
            elif step == layers.GTP:
                step = self._gtp()
            elif step == layers.L2TP:
                step = self._l2tp()
            else:
                step = self._teredo()
        if self.guessed:
            self.words[self.row + layout.PACKET_VLAN] = self.tags
            return 0
        return step

    # Links (tcpdump.org/linktypes).

    @cython.cfunc
    @cython.nogil
    def _link(self) -> cython.int:
        """The first layer of a frame, by its link type."""
        link: cython.int = self.words[self.row + layout.PACKET_CAPTURED] >> layout.LINK_SHIFT
        if link == 1:
            return self._ethernet()
        if link == 101 or link == 12 or link == 14:
            return layers.IP
        if link == 228:
            return layers.IPV4
        if link == 229:
            return layers.IPV6
        if link == 113:
            return layers.COOKED
        if link == 276:
            return layers.COOKED_2
        if link == 0 or link == 108:
            return layers.FAMILY
        if link == 9 or link == 50:
            if self.at < self.end and (self.buf[self.at] == 0x0F or self.buf[self.at] == 0x8F):
                return layers.CISCO_HDLC
            return layers.PPP
        if link == 51:
            return layers.PPPOE
        if link == 104:
            return layers.CISCO_HDLC
        return reasons.UNKNOWN_INTERFACE if link == layout.LINK_UNKNOWN else reasons.LINK_TYPE

    @cython.cfunc
    @cython.nogil
    def _ethernet(self) -> cython.int:
        """IEEE 802.3: two addresses, then an EtherType or a length."""
        if self._lacks(14):
            return self._missing(14, reasons.MALFORMED_LINK)
        self.ethertype = self._u16(self.at + 12)
        self.at += 14
        return self._by_ethertype()

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _by_ethertype(self) -> cython.int:
        """The layer that an EtherType names; a number up to 1500 is a length, and IEEE 802.2 follows."""
        kind: cython.int = self.ethertype
        if kind == 0x0800:
            return layers.IPV4
        if kind == 0x86DD:
            return layers.IPV6
        return self._by_other_ethertype()

    @cython.cfunc
    @cython.nogil
    def _by_other_ethertype(self) -> cython.int:
        kind: cython.int = self.ethertype
        if kind == 0x8100 or kind == 0x88A8 or kind == 0x9100 or kind == 0x9200:
            return layers.VLAN
        if kind == 0x0806 or kind == 0x8035:
            return reasons.ARP
        if kind <= 1500:
            return layers.LLC_HEADER
        if kind == 0x8847 or kind == 0x8848:
            return layers.MPLS
        if kind == 0x8864:
            return layers.PPPOE
        if kind == 0x6558:
            return layers.ETHERNET
        if kind == 0x880B:
            return layers.PPP
        if kind == 0x8909:
            return layers.METADATA
        if kind == 0x894F:
            return layers.SERVICE_CHAIN
        if kind == 0xD28B:
            return layers.TIME_STAMP
        return reasons.NOT_IP if self.no_ip[kind >> 3] & (1 << (kind & 7)) else reasons.UNKNOWN_ETHERTYPE

    @cython.cfunc
    @cython.nogil
    def _vlan(self) -> cython.int:
        """IEEE 802.1Q, 802.1ad and what they were before: every tag of the frame is listed, those in tunnels too."""
        tags: cython.ulonglong = self.words[self.row + layout.PACKET_VLAN]
        if self._lacks(4):
            return self._missing(4, reasons.MALFORMED_LINK)
        if tags >> 48 == layers.MAX_VLAN_TAGS:
            return reasons.TOO_MANY_LAYERS
        self.words[self.row + layout.PACKET_VLAN] = (
            (((tags >> 48) + 1) << 48)
            | ((tags & _INNER_TAGS) << 12)
            | cython.cast(cython.ulonglong, self._u16(self.at) & 0xFFF)
        )
        self.ethertype = self._u16(self.at + 2)
        self.at += 4
        return self._by_ethertype()

    @cython.cfunc
    @cython.nogil
    def _llc(self) -> cython.int:
        """IEEE 802.2, with SNAP (RFC 1042): an EtherType where the organisation is none, or that of old Cisco bridges."""
        at: cython.Py_ssize_t = self.at
        organisation: cython.ulonglong
        if self._lacks(3):
            return self._missing(3, reasons.LLC)
        if self.buf[at] == 0x06 and self.buf[at + 1] == 0x06 and self.buf[at + 2] == 3:
            self.at += 3
            return layers.IPV4
        if self.buf[at] == 0xAA and self.buf[at + 1] == 0xAA and self.buf[at + 2] == 3:
            if self._lacks(8):
                return self._missing(8, reasons.MALFORMED_LINK)
            organisation = self._u32(at + 2) & 0xFF_FFFF
            self.ethertype = self._u16(at + 6)
            self.at += 8
            if (organisation == 0 or organisation == 0xF8) and self.ethertype > 1500:
                return self._by_ethertype()
            return reasons.LLC
        return reasons.LLC if self.known_lsap[self.buf[at] >> 3] & (1 << (self.buf[at] & 7)) else reasons.UNKNOWN_LLC

    @cython.cfunc
    @cython.nogil
    def _cooked(self) -> cython.int:
        """Linux cooked v1: in place of an EtherType 4 stands for IEEE 802.2, other small numbers for frames without IP."""
        if self._lacks(16):
            return self._missing(16, reasons.MALFORMED_LINK)
        self.ethertype = self._u16(self.at + 14)
        self.at += 16
        return self._by_cooked_protocol(self._u16(self.at - 14))

    @cython.cfunc
    @cython.nogil
    def _cooked_2(self) -> cython.int:
        """Linux cooked v2: the EtherType comes first."""
        if self._lacks(20):
            return self._missing(20, reasons.MALFORMED_LINK)
        self.ethertype = self._u16(self.at)
        self.at += 20
        return self._by_cooked_protocol(self._u16(self.at - 12))

    @cython.cfunc
    @cython.nogil
    def _by_cooked_protocol(self, hardware: cython.int) -> cython.int:
        """`hardware`: the interface's ARPHRD number; the protocol of netlink (824) is no EtherType."""
        if hardware == 824 or (self.ethertype <= 1500 and self.ethertype != 4):
            return reasons.NOT_IP
        return layers.LLC_HEADER if self.ethertype == 4 else self._by_ethertype()

    @cython.cfunc
    @cython.nogil
    def _family(self) -> cython.int:
        """BSD loopback: a protocol family in the byte order of the capturing host (null) or of the network (loop).

        Some systems write an EtherType in its place, or PPP's address and control octets.
        """
        family: cython.ulonglong
        if self._lacks(4):
            return self._missing(4, reasons.MALFORMED_LINK)
        family = self._u32(self.at)
        if family >> 16 == 0xFF03:
            return layers.PPP
        self.ethertype = self._u16(self.at + 2)
        self.at += 4
        if family > 0xFFFF:
            family = (family >> 24) | ((family >> 8) & 0xFF00)
        if family == 2 or family == 10 or family == 24 or family == 28 or family == 30:
            return layers.IP
        return self._by_ethertype() if self.ethertype > 1500 else reasons.NOT_IP

    @cython.cfunc
    @cython.nogil
    def _cisco_hdlc(self) -> cython.int:
        """Cisco HDLC: address, control, then an EtherType; that of RARP stands for its keepalives here."""
        if self._lacks(4):
            return self._missing(4, reasons.MALFORMED_LINK)
        self.ethertype = self._u16(self.at + 2)
        self.at += 4
        if self.ethertype == 0x8035 or self.ethertype == 0xFEFE or self.ethertype <= 1500:
            return reasons.NOT_IP
        return self._by_ethertype()

    @cython.cfunc
    @cython.nogil
    def _pppoe(self) -> cython.int:
        """A PPPoE session (RFC 2516 4): version and type 1, code 0, session, length."""
        if self._lacks(6):
            return self._missing(6, reasons.MALFORMED_LINK)
        if self.buf[self.at] != 0x11 or self.buf[self.at + 1]:
            return reasons.NOT_IP
        self.at += 6
        return layers.PPP

    @cython.cfunc
    @cython.nogil
    def _ppp(self) -> cython.int:
        """PPP (RFC 1661 2), with or without address and control (RFC 1662 3.1), the protocol in two octets or one (6.5)."""
        protocol: cython.int
        if self._lacks(2):
            return self._missing(2, reasons.MALFORMED_LINK)
        if self._u16(self.at) == 0xFF03:
            self.at += 2
            if self._lacks(2):
                return self._missing(2, reasons.MALFORMED_LINK)
        if self.buf[self.at] & 1:
            protocol = self.buf[self.at]
            self.at += 1
        else:
            protocol = self._u16(self.at)
            self.at += 2
        if protocol == 0x21:
            return layers.IPV4
        if protocol == 0x57:
            return layers.IPV6
        return layers.MPLS if protocol == 0x281 or protocol == 0x283 else reasons.NOT_IP

    @cython.cfunc
    @cython.nogil
    def _mpls(self) -> cython.int:
        """Labels down to the bottom of the stack (RFC 3032 2.1). Nothing says what follows: IP, by its version and lengths,
        or an Ethernet pseudowire (RFC 4448), with or without its control word, by its EtherType.
        """
        labels: cython.int = 0
        bottom: cython.int = 0
        version: cython.int
        while not bottom:
            if self._lacks(4):
                return self._missing(4, reasons.MALFORMED_LINK)
            if labels == layers.MAX_LABELS:
                return reasons.TOO_MANY_LAYERS
            labels += 1
            bottom = self.buf[self.at + 2] & 1
            self.at += 4
        if self._lacks(1):
            return self._missing(1, reasons.MALFORMED_LINK)
        version = self.buf[self.at] >> 4
        if (version == 4 or version == 6) and self._fits():
            return layers.IP
        if self._credible_ethernet(self.at):
            return layers.ETHERNET
        if version == 0 and self._credible_ethernet(self.at + 4):
            self.at += 4
            return layers.ETHERNET
        return layers.IP if version == 4 or version == 6 else reasons.NOT_IP

    @cython.cfunc
    @cython.nogil
    def _fits(self) -> cython.bint:
        """The IP header at `at` has lengths that the bytes around it can hold."""
        total: cython.Py_ssize_t
        if self._lacks(6):
            return False
        if self.buf[self.at] >> 4 == 6:
            return self.at + 40 + self._u16(self.at + 4) <= self.wire
        total = self._u16(self.at + 2)
        return (self.buf[self.at] & 15) >= 5 and total >= 20 and self.at + total <= self.wire

    @cython.cfunc
    @cython.nogil
    def _credible_ethernet(self, at: cython.Py_ssize_t) -> cython.bint:
        kind: cython.int
        if at + 15 > self.end:
            return False
        kind = self._u16(at + 12)
        if kind == 0x0800 or kind == 0x86DD:
            return (self.buf[at + 14] >> 4) == (4 if kind == 0x0800 else 6)
        return kind == 0x0806 or kind == 0x8100 or kind == 0x88A8

    @cython.cfunc
    @cython.nogil
    def _metadata(self) -> cython.int:
        """Cisco MetaData of one security group tag: version 1, length 1, option, tag; an EtherType follows, in GRE it leads."""
        if self._lacks(8):
            return self._missing(8, reasons.MALFORMED_LINK)
        if self._u16(self.at) == 0x0101:
            self.ethertype = self._u16(self.at + 6)
        elif self._u16(self.at + 2) == 0x0101:
            self.ethertype = self._u16(self.at)
        else:
            return reasons.UNKNOWN_ETHERTYPE
        self.at += 8
        return self._by_ethertype()

    @cython.cfunc
    @cython.nogil
    def _time_stamp(self) -> cython.int:
        """Arista's header of subtype 1: its version tells whether the time has 64 bits or 48; an EtherType follows."""
        octets: cython.int
        if self._lacks(4):
            return self._missing(4, reasons.MALFORMED_LINK)
        if self._u16(self.at) != 1 or (self.buf[self.at + 3] != 0x10 and self.buf[self.at + 3] != 0x20):
            return reasons.UNKNOWN_ETHERTYPE
        octets = 8 if self.buf[self.at + 3] == 0x10 else 6
        self.at += 4 + octets
        if self._lacks(2):
            return self._missing(2, reasons.MALFORMED_LINK)
        self.ethertype = self._u16(self.at)
        self.at += 2
        return self._by_ethertype()

    @cython.cfunc
    @cython.nogil
    def _service_chain(self) -> cython.int:
        """Network service header (RFC 8300 2.2): version 0, its length in words, what follows."""
        following: cython.int
        length: cython.int
        if self._lacks(8):
            return self._missing(8, reasons.MALFORMED_LINK)
        length = (self.buf[self.at + 1] & 63) * 4
        if self.buf[self.at] >> 6 or length < 8:
            return reasons.UNKNOWN_ETHERTYPE
        following = self.buf[self.at + 3]
        self.at += length
        return self._by_next_protocol(following)

    @cython.cfunc
    @cython.nogil
    def _by_next_protocol(self, number: cython.int) -> cython.int:
        """The layer that a next protocol of NSH (RFC 8300 2.2) or VXLAN-GPE names: both have the same numbers."""
        if number == 1:
            return layers.IPV4
        if number == 2:
            return layers.IPV6
        if number == 3:
            return layers.ETHERNET
        if number == 4:
            return layers.SERVICE_CHAIN
        return layers.MPLS if number == 5 else reasons.UNKNOWN_ETHERTYPE

    # IP.

    @cython.cfunc
    @cython.nogil
    def _ip(self) -> cython.int:
        """An IP header whose version is its own first half byte."""
        if self._lacks(1):
            return self._missing(1, reasons.MALFORMED_LINK)
        if self.buf[self.at] >> 4 == 4:
            return self._ipv4()
        return self._ipv6() if self.buf[self.at] >> 4 == 6 else reasons.MALFORMED_IP

    @cython.cfunc
    @cython.nogil
    def _ipv4(self) -> cython.int:
        """RFC 791. A total length of 0 (segmentation offload) is what the frame holds."""
        row: cython.Py_ssize_t = self.row
        at: cython.Py_ssize_t = self.at
        header: cython.int
        total: cython.Py_ssize_t
        fragment: cython.int
        if at + 20 > self.end:
            return self._missing(20, reasons.MALFORMED_IP)
        header = (self.buf[at] & 15) * 4
        total = self._u16(at + 2)
        if total == 0:
            total = self.wire - at
        if self.buf[at] >> 4 != 4 or header < 20 or total < header:
            return reasons.MALFORMED_IP
        if self.words[row + layout.PACKET_KIND]:
            fragment = self._wrap(at + total)
            if fragment:
                return fragment
        self.words[row + layout.PACKET_KIND] = layout.KIND_IP
        self.words[row + layout.PACKET_SRC_HI] = 0
        self.words[row + layout.PACKET_SRC_LO] = _MAPPED | self._u32(at + 12)
        self.words[row + layout.PACKET_DST_HI] = 0
        self.words[row + layout.PACKET_DST_LO] = _MAPPED | self._u32(at + 16)
        self.protocol = self.buf[at + 9]
        self.words[row + layout.PACKET_PROTOCOL] = self.protocol
        self.words[row + layout.PACKET_IP_LENGTH] = total
        self._bound(at + total)
        self.at = at + header
        fragment = self._u16(at + 6) & 0x3FFF
        if fragment:
            self._fragment(fragment & 0x1FFF, fragment >> 13, self._u16(at + 4))
            if fragment & 0x1FFF:
                return reasons.LATER_FRAGMENT
        if self.protocol == 51:
            return self._extensions(False)
        return self._transport()

    @cython.cfunc
    @cython.nogil
    def _ipv6(self) -> cython.int:
        """RFC 8200. A payload length of 0 (jumbogram, segmentation offload) is what the frame holds."""
        row: cython.Py_ssize_t = self.row
        at: cython.Py_ssize_t = self.at
        total: cython.Py_ssize_t
        wrapped: cython.int
        if at + 40 > self.end:
            return self._missing(40, reasons.MALFORMED_IP)
        if self.buf[at] >> 4 != 6:
            return reasons.MALFORMED_IP
        total = self._u16(at + 4) + 40
        if total == 40:
            total = self.wire - at
        if self.words[row + layout.PACKET_KIND]:
            wrapped = self._wrap(at + total)
            if wrapped:
                return wrapped
        self.words[row + layout.PACKET_KIND] = layout.KIND_IP
        self.words[row + layout.PACKET_SRC_HI] = self._u64(at + 8)
        self.words[row + layout.PACKET_SRC_LO] = self._u64(at + 16)
        self.words[row + layout.PACKET_DST_HI] = self._u64(at + 24)
        self.words[row + layout.PACKET_DST_LO] = self._u64(at + 32)
        self.protocol = self.buf[at + 6]
        self.words[row + layout.PACKET_PROTOCOL] = self.protocol
        self.words[row + layout.PACKET_IP_LENGTH] = total
        self._bound(at + total)
        self.at = at + 40
        return self._extensions(True)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _bound(self, end: cython.Py_ssize_t) -> cython.int:
        """What follows is within an IP packet that ends here."""
        self.snapped = end > self.end
        if end < self.end:
            self.end = end
        if end < self.wire:
            self.wire = end
        return 0

    @cython.cfunc
    @cython.nogil
    def _wrap(self, end: cython.Py_ssize_t) -> cython.int:
        """An IP packet that ends at `end` is within the one read last: list that one's addresses and hash what carries it."""
        row: cython.Py_ssize_t = self.row
        pairs: cython.ulonglong = self.words[row + layout.PACKET_OUTER] >> layout.OUTER_COUNT_SHIFT
        value: cython.ulonglong
        first: cython.int = 0
        k: cython.int
        if self.guessed and end > self.wire:
            return reasons.MALFORMED_IP
        self.guessed = False
        if pairs == layout.MAX_OUTER:
            return reasons.TOO_MANY_LAYERS
        if pairs == 0:
            self.words[row + layout.PACKET_OUTER] = cython.cast(cython.ulonglong, self.outer_used)
        self.words[row + layout.PACKET_OUTER] += cython.cast(cython.ulonglong, 1) << layout.OUTER_COUNT_SHIFT
        for k in range(4):
            self.outer[self.outer_used, k] = self.words[row + layout.PACKET_SRC_HI + k]
        self.outer_used += 1
        if self.words[row + layout.PACKET_SRC_HI] > self.words[row + layout.PACKET_DST_HI] or (
            self.words[row + layout.PACKET_SRC_HI] == self.words[row + layout.PACKET_DST_HI]
            and self.words[row + layout.PACKET_SRC_LO] > self.words[row + layout.PACKET_DST_LO]
        ):
            first = 2
        value = self.words[row + layout.PACKET_TUNNEL] ^ self.tunnel ^ (self.network << 8)
        for k in range(4):
            value = ((value ^ (value >> 29) ^ self.words[row + layout.PACKET_SRC_HI + (k ^ first)]) * _MIX) & _WORD
        value ^= value >> 32
        self.words[row + layout.PACKET_TUNNEL] = value if value else 1
        self.words[row + layout.PACKET_SPORT] = self.words[row + layout.PACKET_DPORT] = self.words[
            row + layout.PACKET_TCP_FLAGS
        ] = 0
        self.words[row + layout.PACKET_SEQUENCE] = self.words[row + layout.PACKET_PAYLOAD] = self.words[
            row + layout.PACKET_PAYLOAD_END
        ] = 0
        self.tunnel = self.network = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _fragment(self, offset: cython.ulonglong, more: cython.ulonglong, identification: cython.ulonglong) -> cython.int:
        """A fragment whose data begins at `at`: the row says where it belongs."""
        row: cython.Py_ssize_t = self.row
        self.words[row + layout.PACKET_KIND] |= layout.KIND_FRAGMENT | layout.KIND_CUT
        self.words[row + layout.PACKET_SEQUENCE] = (
            identification | (offset << layout.FRAGMENT_OFFSET_SHIFT) | (layout.FRAGMENT_MORE if more else 0)
        )
        if self.snapped or self.at > self.end:
            self.words[row + layout.PACKET_SEQUENCE] |= layout.FRAGMENT_SNAPPED
        if self.at <= self.end:
            self.words[row + layout.PACKET_PAYLOAD] = self.at
            self.words[row + layout.PACKET_PAYLOAD_END] = self.end
        self.fragments += 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _extensions(self, version6: cython.bint) -> cython.int:
        """Authentication header (RFC 4302), and hop-by-hop, routing, destination options and fragment headers (RFC 8200 4).

        Each takes eight bytes or more of the packet, which bounds their number.
        """
        protocol: cython.int = self.protocol
        fragment: cython.int
        length: cython.int
        while protocol == 51 or (version6 and (protocol == 0 or protocol == 43 or protocol == 44 or protocol == 60)):
            if self._lacks(8):
                return self._missing(8, reasons.MALFORMED_IP)
            self.protocol = self.buf[self.at]
            self.words[self.row + layout.PACKET_PROTOCOL] = self.protocol
            if protocol == 44:
                fragment = self._u16(self.at + 2)
                self.at += 8
                if fragment & 0xFFF9:
                    self._fragment(fragment >> 3, fragment & 1, self._u32(self.at - 4))
                if fragment & 0xFFF8:
                    return reasons.LATER_FRAGMENT
            else:
                length = self.buf[self.at + 1]
                self.at += (length + 2) * 4 if protocol == 51 else (length + 1) * 8
            protocol = self.protocol
        return self._transport()

    # What IP carries.

    @cython.cfunc
    @cython.nogil
    def _transport(self) -> cython.int:
        """Ports, flags and payload; or the tunnel that the IP protocol or the port names."""
        row: cython.Py_ssize_t = self.row
        at: cython.Py_ssize_t = self.at
        protocol: cython.int = self.protocol
        need: cython.int
        if protocol == 6:
            need = 14
        elif protocol == 17 or protocol == 136:
            need = 8
        elif protocol == 1 or protocol == 58:
            return self._icmp()
        elif protocol == 132 or protocol == 33:
            need = 12
        else:
            return self._by_protocol()
        if at + need > self.end and not self._is_split():
            return self._missing(need, reasons.MALFORMED_TRANSPORT)
        self.words[row + layout.PACKET_KIND] |= layout.KIND_TRANSPORT
        self.words[row + layout.PACKET_SPORT] = self._u16(at)
        self.words[row + layout.PACKET_DPORT] = self._u16(at + 2)
        if at + need > self.end:
            self.words[row + layout.PACKET_SEQUENCE] |= layout.FRAGMENT_TINY
            self.words[row + layout.PACKET_PAYLOAD] = 0
            return 0
        if protocol == 6:
            self.words[row + layout.PACKET_TCP_FLAGS] = self.buf[at + 13]
            need = (self.buf[at + 12] >> 4) * 4
            if not self.words[row + layout.PACKET_KIND] & layout.KIND_FRAGMENT:
                self.words[row + layout.PACKET_SEQUENCE] = self._u32(at + 4)
            if need < 20 or at + need > self.end:
                self.words[row + layout.PACKET_PAYLOAD] = 0
                return 0
        elif protocol != 17:
            self.words[row + layout.PACKET_PAYLOAD] = 0
            return 0
        self.words[row + layout.PACKET_PAYLOAD] = at + need
        self.words[row + layout.PACKET_PAYLOAD_END] = self.end
        if self.snapped:
            self.words[row + layout.PACKET_KIND] |= layout.KIND_CUT
        return self._by_port() if protocol == 17 else 0

    @cython.cfunc
    @cython.nogil
    def _is_split(self) -> cython.bint:
        """The header goes on in the next fragment, and the ports are here."""
        return self.words[self.row + layout.PACKET_KIND] & layout.KIND_FRAGMENT != 0 and self.at + 8 <= self.end

    @cython.cfunc
    @cython.nogil
    def _icmp(self) -> cython.int:
        """Type and code in place of ports; an answer is told by the ports of its question (Community ID, version 1)."""
        row: cython.Py_ssize_t = self.row
        answer: cython.int
        if self._lacks(2):
            return self._missing(2, reasons.MALFORMED_TRANSPORT)
        answer = self.answers[self.buf[self.at] + (256 if self.protocol == 58 else 0)]
        self.words[row + layout.PACKET_PAYLOAD] = 0
        self.words[row + layout.PACKET_SPORT] = self.buf[self.at]
        self.words[row + layout.PACKET_DPORT] = answer - 1 if answer else self.buf[self.at + 1]
        self.words[row + layout.PACKET_KIND] |= layout.KIND_TRANSPORT if answer else layout.KIND_TRANSPORT | layout.KIND_ONE_WAY
        return 0

    @cython.cfunc
    @cython.nogil
    def _by_protocol(self) -> cython.int:
        """The tunnel that an IP protocol number names (IANA), or why there is none."""
        protocol: cython.int = self.protocol
        if self.words[self.row + layout.PACKET_KIND] & layout.KIND_FRAGMENT == 0:
            self.words[self.row + layout.PACKET_PAYLOAD] = 0
        if protocol == 4 or protocol == 41:
            self.tunnel = layers.IN_IP_IN_IP
            return layers.IPV4 if protocol == 4 else layers.IPV6
        if protocol == 47:
            return layers.GRE
        if protocol == 137:
            self.tunnel = layers.IN_MPLS
            return layers.MPLS
        if protocol == 103:
            return layers.PIM
        if protocol == 143:  # Ethernet (RFC 8986 4.9)
            self.tunnel = layers.IN_ETHERNET
            return layers.ETHERNET
        if protocol == 97:  # EtherIP (RFC 3378): version 3, and 12 bits that are zero
            if self._lacks(2):
                return self._missing(2, reasons.MALFORMED_TRANSPORT)
            self.tunnel = layers.IN_ETHERNET
            self.at += 2
            return layers.ETHERNET if self._u16(self.at - 2) == 0x3000 else reasons.TUNNEL
        return reasons.ESP if protocol == 50 else reasons.IP_PROTOCOL

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _by_port(self) -> cython.int:
        """The tunnel that a UDP port names; each looks itself whether it is one, and is a datagram (0) if not."""
        source: cython.ulonglong = self.words[self.row + layout.PACKET_SPORT]
        destination: cython.ulonglong = self.words[self.row + layout.PACKET_DPORT]
        step: cython.int = 0
        if destination >= 1701 and destination <= 8472:  # those below
            step = self._by_tunnel_port(destination)
        if step == 0 and (source == 3544 or source == 1701):  # whose answers come from there to any port
            step = self._by_tunnel_port(source)
        return step

    @cython.cfunc
    @cython.nogil
    def _by_tunnel_port(self, port: cython.ulonglong) -> cython.int:
        self.at = cython.cast(cython.Py_ssize_t, self.words[self.row + layout.PACKET_PAYLOAD])
        if port == 4789 or port == 8472:
            return layers.VXLAN
        if port == 4790:
            return layers.VXLAN_GPE
        if port == 6081:
            return layers.GENEVE
        if port == 2152:
            return layers.GTP
        if port == 4754:
            return layers.GRE_IN_UDP
        if port == 6635:
            return layers.MPLS_IN_UDP
        if port == 1701:
            return layers.L2TP
        return layers.TEREDO if port == 3544 else 0

    # Tunnels: each says what carries the inner header (`tunnel`, `network`), and what comes next.

    @cython.cfunc
    @cython.nogil
    def _enter(self, tunnel: cython.ulonglong, network: cython.ulonglong, header: cython.Py_ssize_t) -> cython.int:
        """Go behind the header of a tunnel that its UDP port alone told of."""
        self.tunnel, self.network = tunnel, network
        self.guessed, self.tags = True, self.words[self.row + layout.PACKET_VLAN]
        self.at += header
        return 0

    @cython.cfunc
    @cython.nogil
    def _gre(self) -> cython.int:
        """GRE (RFC 2784, 2890, routing of RFC 1701), version 1 for PPTP (RFC 2637 4.1)."""
        flags: cython.int
        version: cython.int
        last: cython.bint = False
        if self._lacks(4):
            return self._missing(4, reasons.MALFORMED_TRANSPORT)
        flags = self._u16(self.at)
        version = flags & 7
        self.ethertype = self._u16(self.at + 2)
        self.at += 4
        self.tunnel = layers.IN_GRE
        if version == 1:
            if self.ethertype != 0x880B:
                return reasons.TUNNEL
            self.at += 4 + (4 if flags & 0x1000 else 0) + (4 if flags & 0x80 else 0)
            return layers.PPP if self.at < self.wire else reasons.TUNNEL  # an acknowledgement carries nothing
        if version:
            return reasons.TUNNEL
        if flags & 0xC000:
            self.at += 4
        if flags & 0x2000:
            if self._lacks(4):
                return self._missing(4, reasons.MALFORMED_TRANSPORT)
            self.network = self._u32(self.at)
            self.at += 4
        if flags & 0x1000:
            self.at += 4
        while flags & 0x4000 and not last:
            if self._lacks(4):
                return self._missing(4, reasons.MALFORMED_TRANSPORT)
            last = self._u16(self.at) == 0 and self.buf[self.at + 3] == 0
            self.at += 4 + self.buf[self.at + 3]
        return self._by_gre_type(flags)

    @cython.cfunc
    @cython.nogil
    def _by_gre_type(self, flags: cython.int) -> cython.int:
        """An EtherType, or ERSPAN: type I has no sequence number and no header of its own."""
        step: cython.int
        if self.ethertype == 0x88BE:
            return layers.ERSPAN_2 if flags & 0x1000 else layers.ETHERNET
        if self.ethertype == 0x22EB:
            return layers.ERSPAN_3
        if self.ethertype == 0x883E:  # WCCP: version 1 has no header of its own, version 2 one of four octets
            if self.at < self.end and self.buf[self.at] >> 4 != 4:
                self.at += 4
            return layers.IPV4
        if self.ethertype <= 1500:
            return reasons.TUNNEL
        step = self._by_ethertype()
        return reasons.TUNNEL if step == reasons.UNKNOWN_ETHERTYPE else step

    @cython.cfunc
    @cython.nogil
    def _erspan_2(self) -> cython.int:
        """ERSPAN type II (draft-foschiano-erspan 4.2): 8 octets, then Ethernet."""
        if self._lacks(8):
            return self._missing(8, reasons.MALFORMED_TRANSPORT)
        if self.buf[self.at] >> 4 != 1:
            return reasons.TUNNEL
        self.at += 8
        return layers.ETHERNET

    @cython.cfunc
    @cython.nogil
    def _erspan_3(self) -> cython.int:
        """ERSPAN type III (draft-foschiano-erspan 4.3): 12 octets, 8 more if the O bit says so; a frame or an IP packet."""
        kind: cython.int
        if self._lacks(12):
            return self._missing(12, reasons.MALFORMED_TRANSPORT)
        if self.buf[self.at] >> 4 != 2:
            return reasons.TUNNEL
        kind = (self.buf[self.at + 10] >> 2) & 31
        self.at += 20 if self.buf[self.at + 11] & 1 else 12
        if kind == 0:
            return layers.ETHERNET
        return layers.IP if kind == 2 else reasons.TUNNEL

    @cython.cfunc
    @cython.nogil
    def _pim(self) -> cython.int:
        """A PIM register (RFC 7761 4.9.3) carries a multicast packet to the rendezvous point; other messages carry none."""
        if self._lacks(1) or self.buf[self.at] != 0x21:
            return reasons.IP_PROTOCOL
        self.tunnel = layers.IN_PIM
        self.at += 8
        return layers.IP

    @cython.cfunc
    @cython.nogil
    def _mpls_in_udp(self) -> cython.int:
        """RFC 7510."""
        self._enter(layers.IN_MPLS, 0, 0)
        return layers.MPLS

    @cython.cfunc
    @cython.nogil
    def _gre_in_udp(self) -> cython.int:
        """RFC 8086: GRE of version 0 without routing; bits that are reserved are zero."""
        if self._lacks(4) or self._u16(self.at) & 0x4FFF:
            return 0
        self._enter(layers.IN_GRE, 0, 0)
        return layers.GRE

    @cython.cfunc
    @cython.nogil
    def _vxlan(self) -> cython.int:
        """RFC 7348 5: the I flag alone, or with the G flag of a group policy; the last octet is reserved."""
        if self._lacks(8) or self.buf[self.at] & 0x7F != 8 or self.buf[self.at + 7]:
            return 0
        self._enter(layers.IN_VXLAN, self._u32(self.at + 4) >> 8, 8)
        return layers.ETHERNET

    @cython.cfunc
    @cython.nogil
    def _vxlan_gpe(self) -> cython.int:
        """draft-ietf-nvo3-vxlan-gpe 3: version 0, the I flag; with the P flag the fourth octet is a protocol."""
        following: cython.int
        if self._lacks(8) or self.buf[self.at] & 0xF8 != 8 or self._u16(self.at + 1) or self.buf[self.at + 7]:
            return 0
        following = self.buf[self.at + 3] if self.buf[self.at] & 4 else 3
        self._enter(layers.IN_VXLAN, self._u32(self.at + 4) >> 8, 8)
        return self._by_next_protocol(following)

    @cython.cfunc
    @cython.nogil
    def _geneve(self) -> cython.int:
        """RFC 8926 3.4: version 0, options of so many words, an EtherType, the network; reserved bits are zero."""
        options: cython.Py_ssize_t
        if self._lacks(8) or self.buf[self.at] & 0xC0 or self.buf[self.at + 1] & 0x3F or self.buf[self.at + 7]:
            return 0
        options = (self.buf[self.at] & 0x3F) * 4
        self.ethertype = self._u16(self.at + 2)
        if self.ethertype <= 1500:
            return 0
        self._enter(layers.IN_GENEVE, self._u32(self.at + 4) >> 8, 8 + options)
        return self._by_ethertype()

    @cython.cfunc
    @cython.nogil
    def _gtp(self) -> cython.int:
        """GTP-U (3GPP TS 29.281 5): version 1, a user packet (255), and extension headers, each of so many words.

        The tunnel's id differs by direction and is no part of the hash.
        """
        flags: cython.int
        following: cython.int = 0
        if self._lacks(8):
            return 0
        flags = self.buf[self.at]
        if flags & 0xF8 != 0x30 or self.buf[self.at + 1] != 255 or self.at + 8 + self._u16(self.at + 2) > self.wire:
            return 0
        if flags & 7:
            if self._lacks(12):
                return 0
            following = self.buf[self.at + 11] if flags & 4 else 0
            self.at += 4
        self._enter(layers.IN_GTP, 0, 8)
        while following:
            if self._lacks(1) or self.buf[self.at] == 0 or self._lacks(self.buf[self.at] * 4):
                return 0
            self.at += self.buf[self.at] * 4
            following = self.buf[self.at - 1]
        return layers.IP

    @cython.cfunc
    @cython.nogil
    def _l2tp(self) -> cython.int:
        """L2TP version 2 (RFC 2661 3.1), data messages: length, sequence numbers and an offset at will, then PPP.

        Tunnel and session differ by direction and are no part of the hash.
        """
        flags: cython.int
        header: cython.Py_ssize_t = 6
        if self._lacks(8):
            return 0
        flags = self._u16(self.at)
        if flags & 0xB4FF != 2:  # a control message, another version, or a bit that is reserved
            return 0
        if flags & 0x4000:
            if self.at + self._u16(self.at + 2) > self.wire:
                return 0
            header += 2
        if flags & 0x0800:
            header += 4
        if flags & 0x0200:
            if self._lacks(header + 2):
                return 0
            header += 2 + self._u16(self.at + header)
        self._enter(layers.IN_L2TP, 0, header)
        return layers.PPP

    @cython.cfunc
    @cython.nogil
    def _teredo(self) -> cython.int:
        """RFC 4380 5.1.1: authentication, then origin, both at will, then IPv6."""
        if self._lacks(4):
            return 0
        if self._u16(self.at) == 1:
            self.at += 13 + self.buf[self.at + 2] + self.buf[self.at + 3]
            if self._lacks(2):
                return 0
        if self._u16(self.at) == 0:
            self.at += 8
        if self._lacks(40) or self.buf[self.at] >> 4 != 6:
            return 0
        self._enter(layers.IN_TEREDO, 0, 0)
        return layers.IPV6

    def read(
        self,
        buf: cython.const[cython.uchar][::1],
        words: cython.ulonglong[::1],
        count: cython.Py_ssize_t,
        by_reason: cython.ulonglong[::1],
    ) -> int:
        """Read the headers of the first `count` packets of a table (its words in one row); adds to the counts of `by_reason`.

        Returns how many of them are fragments.
        """
        row: cython.Py_ssize_t
        k: cython.int
        reason: cython.int
        at: cython.Py_ssize_t
        captured: cython.ulonglong
        self.buf, self.words = buf, words
        self.outer_used = self.fragments = 0
        self.counts[layout.HEADERS_UNREAD] = 0
        with cython.nogil:
            row = 0
            while row < count * layout.PACKET_WIDTH:
                for k in range(layout.PACKET_KIND, layout.PACKET_WIDTH):
                    words[row + k] = 0
                at = words[row + layout.PACKET_AT]
                self.row, self.at = row, at
                captured = words[row + layout.PACKET_CAPTURED] & layout.LOW_HALF
                self.end = self.wire = at + cython.cast(cython.Py_ssize_t, captured)
                if words[row + layout.PACKET_WIRE] > layout.MAX_WIRE_BYTES:
                    words[row + layout.PACKET_WIRE] = layout.MAX_WIRE_BYTES
                    self.counts[layout.HEADERS_CLAMPED] += 1
                if words[row + layout.PACKET_WIRE] > captured:
                    self.wire = at + cython.cast(cython.Py_ssize_t, words[row + layout.PACKET_WIRE])
                self.tunnel = self.network = 0
                self.guessed = False
                reason = self._frame()
                words[row + layout.PACKET_REASON] = reason
                by_reason[reason] += 1
                if reason == reasons.LINK_TYPE:
                    self.counts[layout.HEADERS_UNREAD] += words[row + layout.PACKET_KIND] == 0
                row += layout.PACKET_WIDTH
        return self.fragments

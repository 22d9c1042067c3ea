# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
# ruff: noqa: C901
"""The kernel that reads DNS messages (RFC 1035; mDNS RFC 6762, LLMNR RFC 4795) out of a chunk of packets.

Of a response all records, of a query its question. Names are written lower case without the last dot into an arena, each once;
dots within labels, backslashes and what is not printable are escaped as in master files. What else a record's data holds is
copied there as it is; `recorddata.py` makes text of it when somebody asks. Records of a message and its text are bounded.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

if cython.compiled:
    import cython.cimports.loader.decode.layout as layout
else:
    from loader.decode import layout


def _forms() -> bytes:
    """What record data is made of, by type: octets before its names, number of names from bit 3, what follows them from bit 5.

    (RFC 1035 3.3; SVCB RFC 9460, CAA RFC 8659, NSEC RFC 4034); any other: octets (RFC 3597)."""
    forms = bytearray([layout.DATA_OCTETS << 5] * layout.DNS_FORMS)
    for kind in (2, 3, 4, 5, 7, 8, 9, 12, 39):  # NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        forms[kind] = 1 << 3
    for kind in (14, 17):  # MINFO, RP
        forms[kind] = 2 << 3
    for kind in (15, 18, 21, 36):  # MX, AFSDB, RT, KX
        forms[kind] = 2 | 1 << 3
    for kind in (13, 16, 99):  # HINFO, TXT, SPF
        forms[kind] = layout.DATA_STRINGS << 5
    for kind in (64, 65):  # SVCB, HTTPS
        forms[kind] = 2 | 1 << 3 | layout.DATA_PARAMETERS << 5
    forms[6] = 2 << 3 | layout.DATA_SOA_NUMBERS << 5
    forms[33] = 6 | 1 << 3  # SRV
    forms[47] = 1 << 3 | layout.DATA_BITMAPS << 5
    forms[257] = layout.DATA_PROPERTY << 5
    return bytes(forms)


def _plain() -> bytes:
    """Octet of a label -> how it is written; 0: escaped."""
    written = bytearray(256)
    for octet in range(33, 127):
        written[octet] = octet + 32 if 65 <= octet <= 90 else octet
    written[46] = written[92] = 0
    return bytes(written)


FORMS = _forms()
PLAIN = _plain()


@cython.final
@cython.cclass
class DnsKernel:
    """Reads into arrays of the caller's: messages, records, the arena, where each name lies in it, and counts (`words`)."""

    messages: cython.ulonglong[:, ::1]
    records: cython.ulonglong[:, ::1]
    arena: cython.uchar[::1]
    spans: cython.ulonglong[:, ::1]  # of a name: offset in the arena, length, hash
    index: cython.uint[::1]  # number of the name plus one, by hash; 0: empty
    words: cython.ulonglong[::1]
    forms: cython.const[cython.uchar][::1]
    plain: cython.const[cython.uchar][::1]
    memo: cython.ulonglong[::1]  # names of this message, by where they begin: offset plus one from bit 32, number plus one
    seed: cython.ulonglong
    buf: cython.const[cython.uchar][::1]
    base: cython.Py_ssize_t  # of the message, in the buffer
    end: cython.Py_ssize_t
    at: cython.Py_ssize_t  # what is read next
    name: cython.ulonglong  # the last name read, plus one
    text: cython.ulonglong  # arena text of this message so far, repeated names included
    frame: cython.ulonglong  # of the last message: a frame may hold several (RFC 7766 6.2.1.1)
    number: cython.ulonglong  # its records so far
    blanks: cython.ulonglong  # its messages without records so far
    options: cython.ulonglong  # TTL of the OPT record, plus 2**32; 0: there is none

    def __init__(
        self,
        tables: tuple[memoryview, memoryview, memoryview],
        arena: cython.uchar[::1],
        index: cython.uint[::1],
        words: cython.ulonglong[::1],
        memo: cython.ulonglong[::1],
        seed: int,
    ) -> None:
        """`memo`: 32 words of the kernel's own."""
        self.messages, self.records, self.spans = tables
        self.arena, self.index, self.words, self.memo = arena, index, words, memo
        self.forms, self.plain = FORMS, PLAIN
        self.seed = seed
        self.frame = self.number = self.blanks = 0

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
        high: cython.ulonglong = self._u16(at)
        return (high << 16) | cython.cast(cython.ulonglong, self._u16(at + 2))

    @cython.cfunc
    @cython.nogil
    def _put(self, to: cython.ulonglong, octet: cython.int) -> cython.ulonglong:
        """Write one octet of a label that has to be escaped; returns where the next one goes."""
        self.arena[to] = 92
        if octet == 46 or octet == 92:
            self.arena[to + 1] = octet
            return to + 2
        self.arena[to + 1] = 48 + octet // 100
        self.arena[to + 2] = 48 + octet // 10 % 10
        self.arena[to + 3] = 48 + octet % 10
        return to + 4

    @cython.cfunc
    @cython.nogil
    def _read_name(self) -> cython.int:
        """Read the name at `at` into the arena and intern it as `name`; moves `at` behind it (RFC 1035 4.1.4)."""
        start: cython.ulonglong = self.words[layout.DNS_ARENA]
        to: cython.ulonglong = start
        at: cython.Py_ssize_t = self.at
        behind: cython.Py_ssize_t = 0
        lowest: cython.Py_ssize_t = at
        length: cython.int
        octet: cython.int
        octets: cython.int = 0
        jumps: cython.int = 0
        known: cython.ulonglong
        value: cython.ulonglong = self.seed
        k: cython.Py_ssize_t
        while True:
            if at >= self.end:
                return layout.DNS_BAD
            length = self.buf[at]
            if length >= 192:
                if at + 2 > self.end:
                    return layout.DNS_BAD
                if behind == 0:
                    behind = at + 2
                at = self._u16(at) & 0x3FFF
                known = self.memo[at & (layout.DNS_MEMO - 1)]
                if to == start and (known >> 32) == cython.cast(cython.ulonglong, at + 1):
                    self.at = behind
                    return self._again(known & layout.LOW_HALF)
                at += self.base
                jumps += 1
                if at >= lowest or jumps > layout.DNS_MAX_JUMPS:
                    return layout.DNS_BAD  # a pointer goes back, or it could go round in circles
                lowest = at
                continue
            if length > 63 or at + 1 + length > self.end:
                return layout.DNS_BAD
            if length == 0:
                break
            octets += length + 1
            if octets > 254:
                return layout.DNS_BAD
            if to > start:
                self.arena[to] = 46
                to += 1
                value = ((value ^ 256) * layout.DNS_HASH_PRIME) & layout.WORD
            for k in range(at + 1, at + 1 + length):
                octet = self.plain[self.buf[k]]
                if octet:
                    self.arena[to] = octet
                    to += 1
                else:
                    octet = self.buf[k]
                    to = self._put(to, octet)
                value = ((value ^ octet) * layout.DNS_HASH_PRIME) & layout.WORD
            at += 1 + length
        k = self.at - self.base
        self.at = behind if behind else at + 1
        if to == start:
            self.arena[to] = 46
            to += 1
        self.text += to - start
        if self.text > layout.DNS_MAX_TEXT:
            return layout.DNS_LARGE
        self._intern(start, to - start, value)
        if k <= 0x3FFF:
            self.memo[k & (layout.DNS_MEMO - 1)] = (cython.cast(cython.ulonglong, k + 1) << 32) | self.name
        return layout.DNS_OK

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _again(self, name: cython.ulonglong) -> cython.int:
        """A name that this message has had already."""
        self.name = name
        self.text += self.spans[name - 1, 1]
        return layout.DNS_LARGE if self.text > layout.DNS_MAX_TEXT else layout.DNS_OK

    @cython.cfunc
    @cython.nogil
    def _intern(self, start: cython.ulonglong, length: cython.ulonglong, value: cython.ulonglong) -> cython.int:
        """Give the text at the arena's end the number of an equal name, or the next one."""
        k: cython.ulonglong
        mask: cython.ulonglong = self.index.shape[0] - 1
        place: cython.ulonglong = (value ^ (value >> 32)) & mask
        other: cython.ulonglong
        row: cython.ulonglong
        while self.index[place]:
            row = self.index[place] - 1
            if self.spans[row, 2] == value and self.spans[row, 1] == length:
                other = self.spans[row, 0]
                k = 0
                while k < length and self.arena[other + k] == self.arena[start + k]:
                    k += 1
                if k == length:
                    self.name = row + 1
                    return 0
            place = (place + 1) & mask
        row = self.words[layout.DNS_NAMES]
        self.spans[row, 0] = start
        self.spans[row, 1] = length
        self.spans[row, 2] = value
        self.index[place] = row + 1
        self.words[layout.DNS_NAMES] = row + 1
        self.words[layout.DNS_ARENA] = start + length
        self.name = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _questions(self, message: cython.ulonglong) -> cython.int:
        """The first question is kept; the others are skipped."""
        k: cython.int
        fault: cython.int
        self.messages[message, layout.MESSAGE_QNAME] = 0
        self.messages[message, layout.MESSAGE_QTYPE] = 0
        self.at = self.base + 12
        for k in range(self._u16(self.base + 4)):
            fault = self._read_name()
            if fault:
                return fault
            if self.at + 4 > self.end:
                return layout.DNS_BAD
            if k == 0:
                self.messages[message, layout.MESSAGE_QNAME] = self.name
                self.messages[message, layout.MESSAGE_QTYPE] = self._u16(self.at)
            self.at += 4
        return layout.DNS_OK

    @cython.cfunc
    @cython.nogil
    def _text_of(self, tail: cython.int, at: cython.Py_ssize_t, behind: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Characters at most that the end of record data becomes; -1: it is not of the form of its type."""
        cost: cython.Py_ssize_t = 0
        octet: cython.int
        key: cython.int = -1
        if tail == layout.DATA_NOTHING:
            return 0 if at == behind else -1
        if tail == layout.DATA_SOA_NUMBERS:
            return 55 if at + 20 == behind else -1
        if tail == layout.DATA_OCTETS:
            return 2 * min(behind - at, layout.DNS_SHOWN_OCTETS) + 12
        if tail == layout.DATA_PROPERTY or tail == layout.DATA_STRINGS:
            if tail == layout.DATA_PROPERTY and (
                at + 2 > behind or self.buf[at + 1] == 0 or at + 2 + self.buf[at + 1] > behind
            ):
                return -1
            octet = 0  # how many of the string are left
            while at < behind:
                if tail == layout.DATA_STRINGS and octet == 0:
                    octet = self.buf[at]
                    cost += 3
                else:
                    octet -= 1
                    cost += 1 if 32 <= self.buf[at] < 127 and self.buf[at] != 34 and self.buf[at] != 92 else 4
                at += 1
            return cost + 8 if tail == layout.DATA_PROPERTY or octet == 0 else -1
        if tail == layout.DATA_PARAMETERS:
            cost = 8 * (behind - at)
            while at < behind:
                if at + 4 > behind or self._u16(at) <= key:
                    return -1
                key = self._u16(at)
                at += 4 + self._u16(at + 2)
        else:
            cost = 88 * (behind - at)
            while at < behind:
                if at + 2 > behind or self.buf[at] <= key or self.buf[at + 1] == 0 or self.buf[at + 1] > 32:
                    return -1
                key = self.buf[at]
                at += 2 + self.buf[at + 1]
        return cost if at == behind else -1

    @cython.cfunc
    @cython.nogil
    def _keep(self, row: cython.ulonglong, lead: cython.Py_ssize_t, before: cython.int, count: cython.Py_ssize_t) -> cython.int:
        """Copy record data to the arena: `before` octets at `lead`, then `count` at `at`."""
        start: cython.ulonglong = self.words[layout.DNS_ARENA]
        to: cython.ulonglong = start
        k: cython.Py_ssize_t
        for k in range(lead, lead + before):
            self.arena[to] = self.buf[k]
            to += 1
        for k in range(self.at, self.at + count):
            self.arena[to] = self.buf[k]
            to += 1
        self.words[layout.DNS_ARENA] = to
        self.records[row, layout.RECORD_DATA] = ((to - start + 1) << layout.DATA_LENGTH_SHIFT) | start
        return 0

    @cython.cfunc
    @cython.nogil
    def _data(self, row: cython.ulonglong, form: cython.int, behind: cython.Py_ssize_t) -> cython.int:
        """Read the record data from `at` to `behind`; `layout.DNS_BAD`: it is not of its type's form."""
        lead: cython.Py_ssize_t = self.at
        before: cython.int = form & 7
        tail: cython.int = form >> 5
        cost: cython.Py_ssize_t
        fault: cython.int
        k: cython.int
        self.at = lead + before
        if self.at > behind:
            return layout.DNS_BAD
        for k in range((form >> 3) & 3):
            fault = self._read_name()
            if fault:
                return fault
            if self.at > behind:
                return layout.DNS_BAD
            self.records[row, layout.RECORD_TARGET + k] = self.name
        cost = self._text_of(tail, self.at, behind)
        if cost < 0:
            return layout.DNS_BAD
        self.text += cost + 7 * before
        if self.text > layout.DNS_MAX_TEXT:
            return layout.DNS_LARGE
        if tail == layout.DATA_OCTETS:  # how many there are, then as many as are shown
            self._keep(row, lead - 2, 2, min(behind - lead, layout.DNS_SHOWN_OCTETS))
        else:
            self._keep(row, lead, before, behind - self.at)
        return layout.DNS_OK

    @cython.cfunc
    @cython.nogil
    def _address(self, row: cython.ulonglong, kind: cython.int, length: cython.int) -> cython.int:
        if length != (4 if kind == 1 else 16):
            return layout.DNS_BAD
        if kind == 1:
            self.records[row, layout.RECORD_LO] = layout.MAPPED_IPV4 | self._u32(self.at)
        else:
            self.records[row, layout.RECORD_HI] = (self._u32(self.at) << 32) | self._u32(self.at + 4)
            self.records[row, layout.RECORD_LO] = (self._u32(self.at + 8) << 32) | self._u32(self.at + 12)
        self.records[row, layout.RECORD_DATA] = cython.cast(cython.ulonglong, 1) << layout.DATA_LENGTH_SHIFT
        return layout.DNS_OK

    @cython.cfunc
    @cython.nogil
    def _record(self, message: cython.ulonglong, section: cython.ulonglong) -> cython.int:
        """Read the resource record at `at`; OPT, which is no record of a name (RFC 6891 6.1.1), gives no row."""
        row: cython.ulonglong = self.words[layout.DNS_RECORDS]
        kind: cython.int
        length: cython.int
        behind: cython.Py_ssize_t
        fault: cython.int = self._read_name()
        if fault:
            return fault
        if self.at + 10 > self.end:
            return layout.DNS_BAD
        kind = self._u16(self.at)
        length = self._u16(self.at + 8)
        behind = self.at + 10 + length
        if behind > self.end:
            return layout.DNS_BAD
        if kind == 41:
            if self.options == 0:
                self.options = self._u32(self.at + 4) | (cython.cast(cython.ulonglong, 1) << 32)
            self.number += 1
            self.at = behind
            return layout.DNS_OK
        self.records[row, layout.RECORD_MESSAGE] = message
        self.records[row, layout.RECORD_SECTION] = section
        self.records[row, layout.RECORD_INDEX] = self.number
        self.records[row, layout.RECORD_NAME] = self.name
        self.records[row, layout.RECORD_TYPE] = kind
        self.records[row, layout.RECORD_TTL] = self._u32(self.at + 4)
        self.records[row, layout.RECORD_HI] = self.records[row, layout.RECORD_LO] = 0
        self.records[row, layout.RECORD_TARGET] = self.records[row, layout.RECORD_SECOND] = 0
        self.records[row, layout.RECORD_DATA] = self.records[row, layout.RECORD_NAMES] = 0
        self.at += 10
        if kind == 1 or kind == 28:
            fault = self._address(row, kind, length)
        else:
            fault = self._data(row, self.forms[kind if kind < layout.DNS_FORMS else 0], behind)
        if fault == layout.DNS_LARGE:
            return fault
        if fault:
            self.words[layout.DNS_MALFORMED_RDATA] += 1
            self.records[row, layout.RECORD_TARGET] = self.records[row, layout.RECORD_SECOND] = 0
        self.at = behind
        self.number += 1
        self.words[layout.DNS_RECORDS] = row + 1
        return layout.DNS_OK

    @cython.cfunc
    @cython.nogil
    def _sections(self, message: cython.ulonglong) -> cython.int:
        """All records of the message; what is wrong with it."""
        section: cython.int
        _: cython.int
        count: cython.ulonglong = 0
        fault: cython.int = self._questions(message)
        if fault:
            return fault
        for section in range(1, 4):
            for _ in range(self._u16(self.base + 4 + 2 * section)):
                if count >= layout.DNS_MAX_RECORDS:
                    return layout.DNS_LARGE
                fault = self._record(message, section)
                if fault:
                    return fault
                count += 1
        return layout.DNS_OK

    @cython.cfunc
    @cython.nogil
    def _follow(self, message: cython.ulonglong, first: cython.ulonglong) -> cython.int:
        """Mark the answers whose address belongs to the name asked for, through the CNAME chain.

        A CNAME reached is marked too; a pass that reaches no new one ends the search, and so do 16 passes.
        """
        qname: cython.ulonglong = self.messages[message, layout.MESSAGE_QNAME]
        last: cython.ulonglong = self.words[layout.DNS_RECORDS]
        owner: cython.ulonglong = qname
        alias: cython.ulonglong
        kind: cython.ulonglong
        row: cython.ulonglong
        _: cython.int
        if qname == 0:
            return 0
        for _ in range(16):
            alias = 0
            for row in range(first, last):
                if self.records[row, layout.RECORD_SECTION] != 1:
                    break
                if self.records[row, layout.RECORD_NAME] != owner or self.records[row, layout.RECORD_DATA] == 0:
                    continue
                kind = self.records[row, layout.RECORD_TYPE]
                if kind == 1 or kind == 28:
                    self.records[row, layout.RECORD_NAMES] = qname
                elif kind == 5 and alias == 0:
                    alias = self.records[row, layout.RECORD_TARGET]
            if alias == 0:
                return 0
            owner = alias
        return 0

    @cython.cfunc
    @cython.nogil
    def _announced(self, first: cython.ulonglong) -> cython.int:
        """Mark the addresses of an mDNS response: it answers no question of its own, each host tells its own addresses, often
        beside the record that was asked for (RFC 6762 6, 7.2)."""
        row: cython.ulonglong
        for row in range(first, self.words[layout.DNS_RECORDS]):
            if self.records[row, layout.RECORD_TYPE] != 1 and self.records[row, layout.RECORD_TYPE] != 28:
                continue
            if self.records[row, layout.RECORD_DATA] and self.records[row, layout.RECORD_SECTION] != 2:
                self.records[row, layout.RECORD_NAMES] = self.records[row, layout.RECORD_NAME]
        return 0

    @cython.cfunc
    @cython.nogil
    def _heading(
        self, message: cython.ulonglong, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, kind: cython.ulonglong
    ) -> cython.int:
        """What the packet says of a message: a query comes from its client, a response goes to it."""
        response: cython.int = self.buf[self.base + 2] >> 7
        client: cython.int = layout.PACKET_DST_HI if response else layout.PACKET_SRC_HI
        resolver: cython.int = layout.PACKET_SRC_HI if response else layout.PACKET_DST_HI
        transport: cython.ulonglong = 1 if packets[i, layout.PACKET_PROTOCOL] == 6 else 0
        txid: cython.ulonglong = self._u16(self.base)
        self.messages[message, layout.MESSAGE_FRAME] = packets[i, layout.PACKET_FRAME]
        self.messages[message, layout.MESSAGE_TS] = packets[i, layout.PACKET_TS]
        self.messages[message, layout.MESSAGE_CLIENT_HI] = packets[i, client]
        self.messages[message, layout.MESSAGE_CLIENT_LO] = packets[i, client + 1]
        self.messages[message, layout.MESSAGE_RESOLVER_HI] = packets[i, resolver]
        self.messages[message, layout.MESSAGE_RESOLVER_LO] = packets[i, resolver + 1]
        self.messages[message, layout.MESSAGE_ENDS] = (
            packets[i, layout.PACKET_DPORT if response else layout.PACKET_SPORT]
            | (txid << layout.ENDS_TXID_SHIFT)
            | (kind << layout.ENDS_KIND_SHIFT)
            | (transport << layout.ENDS_TRANSPORT_SHIFT)
        )
        self.messages[message, layout.MESSAGE_TUNNEL] = packets[i, layout.PACKET_TUNNEL]
        self.messages[message, layout.MESSAGE_CLOCK] = packets[i, layout.PACKET_CLOCK]
        self.messages[message, layout.MESSAGE_LATENCY] = 0
        return 0

    @cython.cfunc
    @cython.nogil
    def _query(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, kind: cython.ulonglong) -> cython.int:
        """Read a query's question. What is asked of a group is answered by anybody, or nobody: it waits for no response."""
        message: cython.ulonglong = self.words[layout.DNS_MESSAGES]
        high: cython.ulonglong = packets[i, layout.PACKET_DST_HI]
        low: cython.ulonglong = packets[i, layout.PACKET_DST_LO]
        fault: cython.int
        self.words[layout.DNS_QUERIES] += 1
        if kind == 1 or (high >> 56) == 255 or (high == 0 and (low >> 28) == 0xFFFFE):
            self.words[layout.DNS_MULTICAST_QUERIES] += 1
            return 0
        self._heading(message, packets, i, kind)
        self.messages[message, layout.MESSAGE_RCODE] = layout.NO_RCODE
        self.messages[message, layout.MESSAGE_BLANK] = self.blanks
        fault = self._questions(message)
        if fault == layout.DNS_OK:
            self.blanks += 1
            self.words[layout.DNS_MESSAGES] = message + 1
        elif fault == layout.DNS_LARGE:
            self.words[layout.DNS_TOO_LARGE] += 1
        else:
            self.words[layout.DNS_CUT if packets[i, layout.PACKET_KIND] & layout.KIND_CUT else layout.DNS_MALFORMED] += 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _response(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, kind: cython.ulonglong) -> cython.int:
        """Read one response: its rows, or those before its fault, which name nothing unless the rest was only cut off."""
        message: cython.ulonglong = self.words[layout.DNS_MESSAGES]
        first: cython.ulonglong = self.words[layout.DNS_RECORDS]
        rcode: cython.ulonglong = self.buf[self.base + 3] & 15
        k: cython.int
        fault: cython.int
        self.options = 0
        self._heading(message, packets, i, kind)
        fault = self._sections(message)
        self.words[layout.DNS_MESSAGES] = message + 1
        if self.options:
            rcode |= ((self.options >> 24) & 255) << 4
            self.words[layout.DNS_EDNS] += 1
            self.words[layout.DNS_EDNS_DO] += (self.options >> 15) & 1
        self.messages[message, layout.MESSAGE_RCODE] = rcode
        k = rcode
        self.words[layout.DNS_RCODES + min(k, layout.DNS_RCODE_COUNT - 1)] += 1
        self.words[layout.DNS_TRUNCATED] += (self.buf[self.base + 2] >> 1) & 1
        if fault == layout.DNS_BAD and not packets[i, layout.PACKET_KIND] & layout.KIND_CUT:
            self.words[layout.DNS_MALFORMED] += 1
            return 0
        if fault == layout.DNS_BAD:
            self.words[layout.DNS_CUT] += 1
        elif fault == layout.DNS_LARGE:
            self.words[layout.DNS_TOO_LARGE] += 1
        if kind == 1:
            self._announced(first)
        else:
            self._follow(message, first)
        if fault == layout.DNS_OK and self.words[layout.DNS_RECORDS] == first:
            self._no_record(message)
        return 0

    @cython.cfunc
    @cython.nogil
    def _no_record(self, message: cython.ulonglong) -> cython.int:
        """The row of a response that has none."""
        row: cython.ulonglong = self.words[layout.DNS_RECORDS]
        k: cython.int
        for k in range(layout.RECORD_NAMES + 1):
            self.records[row, k] = 0
        self.records[row, layout.RECORD_MESSAGE] = message
        self.records[row, layout.RECORD_INDEX] = self.blanks
        self.blanks += 1
        self.words[layout.DNS_RECORDS] = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _message(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, kind: cython.ulonglong) -> cython.int:
        k: cython.int
        self.base = packets[i, layout.PACKET_PAYLOAD]
        self.end = packets[i, layout.PACKET_PAYLOAD_END]
        if self.base + 12 > self.end:
            self.words[layout.DNS_CUT if packets[i, layout.PACKET_KIND] & layout.KIND_CUT else layout.DNS_MALFORMED] += 1
            return 0
        if (self.buf[self.base + 2] >> 3) & 15:
            self.words[layout.DNS_OTHER_OPCODE] += 1
            return 0
        if packets[i, layout.PACKET_FRAME] != self.frame:
            self.frame = packets[i, layout.PACKET_FRAME]
            self.number = self.blanks = 0
        self.text = 0
        for k in range(layout.DNS_MEMO):
            self.memo[k] = 0
        if self.buf[self.base + 2] & 128:
            return self._response(packets, i, kind)
        return self._query(packets, i, kind)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _kind(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t) -> cython.int:
        """Which of the three protocols a packet's ports tell; -1: none."""
        source: cython.ulonglong = packets[i, layout.PACKET_SPORT]
        destination: cython.ulonglong = packets[i, layout.PACKET_DPORT]
        kind: cython.int = -1
        if source == 53 or destination == 53:
            kind = 0
        elif source == 5353 or destination == 5353:
            kind = 1
        elif source == 5355 or destination == 5355:
            kind = 2
        if kind < 0 or packets[i, layout.PACKET_PAYLOAD] == 0 or packets[i, layout.PACKET_REASON]:
            return -1
        if packets[i, layout.PACKET_PROTOCOL] == 6 and not packets[i, layout.PACKET_KIND] & (
            layout.KIND_WHOLE | layout.KIND_MESSAGE
        ):
            return -1
        return kind

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _has_room(self) -> cython.bint:
        """Whether a message fits whatever it holds."""
        messages: cython.ulonglong = self.messages.shape[0]
        records: cython.ulonglong = self.records.shape[0]
        names: cython.ulonglong = self.spans.shape[0]
        arena: cython.ulonglong = self.arena.shape[0]
        return (
            self.words[layout.DNS_MESSAGES] < messages
            and self.words[layout.DNS_RECORDS] + layout.DNS_MAX_RECORDS < records
            and self.words[layout.DNS_NAMES] + layout.DNS_MAX_NAMES <= names
            and self.words[layout.DNS_ARENA] + layout.DNS_MAX_TEXT + layout.DNS_MAX_NAME_TEXT <= arena
        )

    def read(
        self,
        buf: cython.const[cython.uchar][::1],
        packets: cython.ulonglong[:, ::1],
        first: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
    ) -> int:
        """Read the messages among packets[first:count]; returns where it stopped for want of room."""
        i: cython.Py_ssize_t = first
        kind: cython.int
        self.buf = buf
        with cython.nogil:
            while i < count:
                kind = self._kind(packets, i)
                if kind >= 0 and not self._has_room():
                    break
                if kind >= 0:
                    self._message(packets, i, kind)
                i += 1
            if i > first:
                self.words[layout.DNS_CLOCK] = packets[i - 1, layout.PACKET_CLOCK]
        return i

    def forget(self) -> None:
        """All rows have been taken: the tables are empty again."""
        row: cython.ulonglong
        mask: cython.ulonglong = self.index.shape[0] - 1
        place: cython.ulonglong
        for row in range(self.words[layout.DNS_NAMES]):
            # What hash collisions moved on lies behind without a gap: it is emptied with the first of its run.
            place = (self.spans[row, 2] ^ (self.spans[row, 2] >> 32)) & mask
            while self.index[place]:
                self.index[place] = 0
                place = (place + 1) & mask
        self.words[layout.DNS_MESSAGES] = self.words[layout.DNS_RECORDS] = self.words[layout.DNS_NAMES] = self.words[
            layout.DNS_ARENA
        ] = 0

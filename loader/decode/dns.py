# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
# ruff: noqa: C901, SIM102
"""The kernel that reads DNS responses (RFC 1035; mDNS RFC 6762, LLMNR RFC 4795) out of a chunk of packets.

Names are written lower case without the last dot into an arena, each once; dots within labels, backslashes and what is not
printable are escaped as in master files. Records of a message and the text of its names are bounded.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from loader.decode import plain as cython

from loader.decode import layout

_P_TS = cython.declare(cython.int, layout.PACKET_TS)
_P_FRAME = cython.declare(cython.int, layout.PACKET_FRAME)
_P_REASON = cython.declare(cython.int, layout.PACKET_REASON)
_P_SRC_HI = cython.declare(cython.int, layout.PACKET_SRC_HI)
_P_SRC_LO = cython.declare(cython.int, layout.PACKET_SRC_LO)
_P_DST_HI = cython.declare(cython.int, layout.PACKET_DST_HI)
_P_DST_LO = cython.declare(cython.int, layout.PACKET_DST_LO)
_P_SPORT = cython.declare(cython.int, layout.PACKET_SPORT)
_P_DPORT = cython.declare(cython.int, layout.PACKET_DPORT)
_P_PAYLOAD = cython.declare(cython.int, layout.PACKET_PAYLOAD)
_P_PAYLOAD_END = cython.declare(cython.int, layout.PACKET_PAYLOAD_END)
_P_KIND = cython.declare(cython.int, layout.PACKET_KIND)
_CUT = cython.declare(cython.ulonglong, layout.KIND_CUT)
_WHOLE = cython.declare(cython.ulonglong, layout.KIND_WHOLE)
_P_PROTOCOL = cython.declare(cython.int, layout.PACKET_PROTOCOL)

_RECORD_WORDS = cython.declare(cython.int, layout.RECORD_WIDTH)
_R_MESSAGE = cython.declare(cython.int, layout.RECORD_MESSAGE)
_R_SECTION = cython.declare(cython.int, layout.RECORD_SECTION)
_R_INDEX = cython.declare(cython.int, layout.RECORD_INDEX)
_R_NAME = cython.declare(cython.int, layout.RECORD_NAME)
_R_TYPE = cython.declare(cython.int, layout.RECORD_TYPE)
_R_TTL = cython.declare(cython.int, layout.RECORD_TTL)
_R_HI = cython.declare(cython.int, layout.RECORD_HI)
_R_LO = cython.declare(cython.int, layout.RECORD_LO)
_R_TARGET = cython.declare(cython.int, layout.RECORD_TARGET)
_R_NAMES = cython.declare(cython.int, layout.RECORD_NAMES)

_M_FRAME = cython.declare(cython.int, layout.MESSAGE_FRAME)
_M_TS = cython.declare(cython.int, layout.MESSAGE_TS)
_M_CLIENT_HI = cython.declare(cython.int, layout.MESSAGE_CLIENT_HI)
_M_CLIENT_LO = cython.declare(cython.int, layout.MESSAGE_CLIENT_LO)
_M_CLIENT_PORT = cython.declare(cython.int, layout.MESSAGE_CLIENT_PORT)
_M_RESOLVER_HI = cython.declare(cython.int, layout.MESSAGE_RESOLVER_HI)
_M_RESOLVER_LO = cython.declare(cython.int, layout.MESSAGE_RESOLVER_LO)
_M_KIND = cython.declare(cython.int, layout.MESSAGE_KIND)
_M_TXID = cython.declare(cython.int, layout.MESSAGE_TXID)
_M_RCODE = cython.declare(cython.int, layout.MESSAGE_RCODE)
_M_QNAME = cython.declare(cython.int, layout.MESSAGE_QNAME)
_M_QTYPE = cython.declare(cython.int, layout.MESSAGE_QTYPE)

_MESSAGES = cython.declare(cython.int, layout.DNS_MESSAGES)
_RECORDS = cython.declare(cython.int, layout.DNS_RECORDS)
_NAMES = cython.declare(cython.int, layout.DNS_NAMES)
_ARENA = cython.declare(cython.int, layout.DNS_ARENA)
_MALFORMED = cython.declare(cython.int, layout.DNS_MALFORMED)
_TOO_LARGE = cython.declare(cython.int, layout.DNS_TOO_LARGE)
_CUT_COUNT = cython.declare(cython.int, layout.DNS_CUT)
_OTHER_OPCODE = cython.declare(cython.int, layout.DNS_OTHER_OPCODE)
_RCODES = cython.declare(cython.int, layout.DNS_RCODES)

_MAX_RECORDS = cython.declare(cython.ulonglong, layout.DNS_MAX_RECORDS)
_MAX_TEXT = cython.declare(cython.ulonglong, layout.DNS_MAX_TEXT)
_MAX_NAME_TEXT = cython.declare(cython.ulonglong, layout.DNS_MAX_NAME_TEXT)
_MAX_JUMPS = cython.declare(cython.int, layout.DNS_MAX_JUMPS)
_WORD32 = cython.declare(cython.ulonglong, 0xFFFF_FFFF)
_MAPPED = cython.declare(cython.ulonglong, 0xFFFF_0000_0000)

_OK = cython.declare(cython.int, 0)
_BAD = cython.declare(cython.int, 1)
_LARGE = cython.declare(cython.int, 2)


@cython.cclass
class DnsKernel:
    """Reads into arrays of the caller's: messages, records, the arena, where each name lies in it, and counts (`words`)."""

    messages: cython.ulonglong[:, ::1]
    records: cython.ulonglong[:, ::1]
    arena: cython.uchar[::1]
    spans: cython.ulonglong[:, ::1]  # of a name: offset in the arena, length, hash
    index: cython.uint[::1]  # number of the name plus one, by hash; 0: empty
    words: cython.ulonglong[::1]
    buf: cython.const[cython.uchar][::1]
    base: cython.Py_ssize_t  # of the message, in the buffer
    end: cython.Py_ssize_t
    at: cython.Py_ssize_t  # what is read next
    name: cython.ulonglong  # the last name read, plus one
    text: cython.ulonglong  # arena text of this message so far, repeated names included

    def __init__(
        self,
        tables: tuple[memoryview, memoryview, memoryview],
        arena: cython.uchar[::1],
        index: cython.uint[::1],
        words: cython.ulonglong[::1],
    ) -> None:
        self.messages, self.records, self.spans = tables
        self.arena, self.index, self.words = arena, index, words

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
        """Write one octet of a label; returns where the next one goes."""
        if octet == 46 or octet == 92:
            self.arena[to] = 92
            self.arena[to + 1] = octet
            return to + 2
        if octet <= 32 or octet >= 127:
            self.arena[to] = 92
            self.arena[to + 1] = 48 + octet // 100
            self.arena[to + 2] = 48 + octet // 10 % 10
            self.arena[to + 3] = 48 + octet % 10
            return to + 4
        self.arena[to] = octet + 32 if 65 <= octet <= 90 else octet
        return to + 1

    @cython.cfunc
    @cython.nogil
    def _read_name(self) -> cython.int:
        """Read the name at `at` into the arena and intern it as `name`; moves `at` behind it (RFC 1035 4.1.4)."""
        start: cython.ulonglong = self.words[_ARENA]
        to: cython.ulonglong = start
        at: cython.Py_ssize_t = self.at
        behind: cython.Py_ssize_t = 0
        lowest: cython.Py_ssize_t = at
        length: cython.int
        octets: cython.int = 0
        jumps: cython.int = 0
        k: cython.Py_ssize_t
        while True:
            if at >= self.end:
                return _BAD
            length = self.buf[at]
            if length >= 192:
                if at + 2 > self.end:
                    return _BAD
                if behind == 0:
                    behind = at + 2
                at = self.base + (self._u16(at) & 0x3FFF)
                jumps += 1
                if at >= lowest or jumps > _MAX_JUMPS:
                    return _BAD  # a pointer goes back, or it could go round in circles
                lowest = at
                continue
            if length > 63 or at + 1 + length > self.end:
                return _BAD
            if length == 0:
                break
            octets += length + 1
            if octets > 254:
                return _BAD
            if to > start:
                self.arena[to] = 46
                to += 1
            for k in range(at + 1, at + 1 + length):
                to = self._put(to, self.buf[k])
            at += 1 + length
        self.at = behind if behind else at + 1
        if to == start:
            self.arena[to] = 46
            to += 1
        self.text += to - start
        if self.text > _MAX_TEXT:
            return _LARGE
        return self._intern(start, to - start)

    @cython.cfunc
    @cython.nogil
    def _intern(self, start: cython.ulonglong, length: cython.ulonglong) -> cython.int:
        """Give the text at the arena's end the number of an equal name, or the next one."""
        value: cython.ulonglong = 0x811C_9DC5
        k: cython.ulonglong
        mask: cython.ulonglong = self.index.shape[0] - 1
        place: cython.ulonglong
        other: cython.ulonglong
        row: cython.ulonglong
        for k in range(start, start + length):
            value = ((value ^ self.arena[k]) * 0x0100_0193) & _WORD32
        place = (value ^ (value >> 15)) & mask
        while self.index[place]:
            row = self.index[place] - 1
            if self.spans[row, 2] == value and self.spans[row, 1] == length:
                other = self.spans[row, 0]
                k = 0
                while k < length and self.arena[other + k] == self.arena[start + k]:
                    k += 1
                if k == length:
                    self.name = row + 1
                    return _OK
            place = (place + 1) & mask
        row = self.words[_NAMES]
        self.spans[row, 0] = start
        self.spans[row, 1] = length
        self.spans[row, 2] = value
        self.index[place] = row + 1
        self.words[_NAMES] = row + 1
        self.words[_ARENA] = start + length
        self.name = row + 1
        return _OK

    @cython.cfunc
    @cython.nogil
    def _questions(self, message: cython.ulonglong, count: cython.int) -> cython.int:
        """The first question is kept; the others are skipped."""
        k: cython.int
        fault: cython.int
        self.messages[message, _M_QNAME] = 0
        self.messages[message, _M_QTYPE] = 0
        for k in range(count):
            fault = self._read_name()
            if fault:
                return fault
            if self.at + 4 > self.end:
                return _BAD
            if k == 0:
                self.messages[message, _M_QNAME] = self.name
                self.messages[message, _M_QTYPE] = self._u16(self.at)
            self.at += 4
        return _OK

    @cython.cfunc
    @cython.nogil
    def _record(self, message: cython.ulonglong, section: cython.ulonglong, number: cython.ulonglong) -> cython.int:
        """Read the resource record at `at`; OPT, which is no record of a name (RFC 6891 6.1.1), gives no row."""
        row: cython.ulonglong = self.words[_RECORDS]
        kind: cython.int
        length: cython.int
        behind: cython.Py_ssize_t
        k: cython.int
        fault: cython.int = self._read_name()
        if fault:
            return fault
        if self.at + 10 > self.end:
            return _BAD
        kind = self._u16(self.at)
        length = self._u16(self.at + 8)
        behind = self.at + 10 + length
        if behind > self.end:
            return _BAD
        for k in range(_RECORD_WORDS):
            self.records[row, k] = 0
        self.records[row, _R_MESSAGE] = message
        self.records[row, _R_SECTION] = section
        self.records[row, _R_INDEX] = number
        self.records[row, _R_NAME] = self.name
        self.records[row, _R_TYPE] = kind
        self.records[row, _R_TTL] = self._u32(self.at + 4)
        self.at += 10
        if kind == 1:
            if length != 4:
                return _BAD
            self.records[row, _R_LO] = _MAPPED | self._u32(self.at)
        elif kind == 28:
            if length != 16:
                return _BAD
            self.records[row, _R_HI] = (self._u32(self.at) << 32) | self._u32(self.at + 4)
            self.records[row, _R_LO] = (self._u32(self.at + 8) << 32) | self._u32(self.at + 12)
        elif kind == 5:
            fault = self._read_name()
            if fault:
                return fault
            if self.at != behind:
                return _BAD
            self.records[row, _R_TARGET] = self.name
        self.at = behind
        if kind != 41:
            self.words[_RECORDS] = row + 1
        return _OK

    @cython.cfunc
    @cython.nogil
    def _sections(self, message: cython.ulonglong) -> cython.int:
        """All records of the message; what is wrong with it."""
        section: cython.int
        _: cython.int
        number: cython.ulonglong = 0
        fault: cython.int
        base: cython.Py_ssize_t = self.base
        self.at = base + 12
        fault = self._questions(message, self._u16(base + 4))
        if fault:
            return fault
        for section in range(1, 4):
            for _ in range(self._u16(base + 4 + 2 * section)):
                if number >= _MAX_RECORDS:
                    return _LARGE
                fault = self._record(message, section, number)
                if fault:
                    return fault
                number += 1
        return _OK

    @cython.cfunc
    @cython.nogil
    def _follow(self, message: cython.ulonglong, first: cython.ulonglong) -> cython.int:
        """Mark the answers whose address belongs to the name asked for, through the CNAME chain.

        A CNAME reached is marked too; a pass that reaches no new one ends the search, and so do 16 passes.
        """
        qname: cython.ulonglong = self.messages[message, _M_QNAME]
        last: cython.ulonglong = self.words[_RECORDS]
        owner: cython.ulonglong = qname
        row: cython.ulonglong
        _: cython.int
        if qname == 0:
            return 0
        for _ in range(16):
            for row in range(first, last):
                if self.records[row, _R_SECTION] == 1 and self.records[row, _R_NAME] == owner:
                    if self.records[row, _R_TYPE] == 1 or self.records[row, _R_TYPE] == 28:
                        self.records[row, _R_NAMES] = qname
            for row in range(first, last):
                if (
                    self.records[row, _R_SECTION] == 1
                    and self.records[row, _R_TYPE] == 5
                    and self.records[row, _R_NAME] == owner
                ):
                    break
            else:
                return 0
            owner = self.records[row, _R_TARGET]
        return 0

    @cython.cfunc
    @cython.nogil
    def _message(self, packets: cython.ulonglong[:, ::1], i: cython.Py_ssize_t, kind: cython.ulonglong) -> cython.int:
        """Read one response: its rows, or those before its fault, which name nothing unless the rest was only cut off."""
        message: cython.ulonglong = self.words[_MESSAGES]
        first: cython.ulonglong = self.words[_RECORDS]
        k: cython.int
        fault: cython.int
        self.base = packets[i, _P_PAYLOAD]
        self.end = packets[i, _P_PAYLOAD_END]
        if self.base + 12 > self.end:
            self.words[_CUT_COUNT if packets[i, _P_KIND] & _CUT else _MALFORMED] += 1
            return 0
        if not self.buf[self.base + 2] & 0x80:
            return 0
        if (self.buf[self.base + 2] >> 3) & 15:
            self.words[_OTHER_OPCODE] += 1
            return 0
        self.text = 0
        self.messages[message, _M_FRAME] = packets[i, _P_FRAME]
        self.messages[message, _M_TS] = packets[i, _P_TS]
        self.messages[message, _M_CLIENT_HI] = packets[i, _P_DST_HI]
        self.messages[message, _M_CLIENT_LO] = packets[i, _P_DST_LO]
        self.messages[message, _M_CLIENT_PORT] = packets[i, _P_DPORT]
        self.messages[message, _M_RESOLVER_HI] = packets[i, _P_SRC_HI]
        self.messages[message, _M_RESOLVER_LO] = packets[i, _P_SRC_LO]
        self.messages[message, _M_KIND] = kind
        self.messages[message, _M_TXID] = self._u16(self.base)
        k = self.buf[self.base + 3] & 15
        self.messages[message, _M_RCODE] = k
        self.words[_RCODES + k] += 1
        fault = self._sections(message)
        self.words[_MESSAGES] = message + 1
        if fault == _BAD and not packets[i, _P_KIND] & _CUT:
            self.words[_MALFORMED] += 1
            return 0
        if fault == _BAD:
            self.words[_CUT_COUNT] += 1
        elif fault == _LARGE:
            self.words[_TOO_LARGE] += 1
        self._follow(message, first)
        if fault == _OK and self.words[_RECORDS] == first:
            for k in range(_RECORD_WORDS):
                self.records[first, k] = 0
            self.records[first, _R_MESSAGE] = message
            self.words[_RECORDS] = first + 1
        return 0

    def read(
        self,
        buf: cython.const[cython.uchar][::1],
        packets: cython.ulonglong[:, ::1],
        first: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
    ) -> int:
        """Read the responses among packets[first:count]; returns where it stopped for want of room."""
        i: cython.Py_ssize_t
        done: cython.Py_ssize_t = count
        source: cython.ulonglong
        destination: cython.ulonglong
        kind: cython.ulonglong
        messages: cython.ulonglong = self.messages.shape[0]
        records: cython.ulonglong = self.records.shape[0]
        names: cython.ulonglong = self.spans.shape[0]
        arena: cython.ulonglong = self.arena.shape[0]
        self.buf = buf
        with cython.nogil:
            for i in range(first, count):
                if packets[i, _P_PAYLOAD] == 0 or packets[i, _P_REASON]:
                    continue
                if packets[i, _P_PROTOCOL] == 6 and not packets[i, _P_KIND] & _WHOLE:
                    continue
                source = packets[i, _P_SPORT]
                destination = packets[i, _P_DPORT]
                if source == 53 or destination == 53:
                    kind = 0
                elif source == 5353 or destination == 5353:
                    kind = 1
                elif source == 5355 or destination == 5355:
                    kind = 2
                else:
                    continue
                if (
                    self.words[_MESSAGES] >= messages
                    or self.words[_RECORDS] + _MAX_RECORDS + 1 > records
                    or self.words[_NAMES] + 2 * _MAX_RECORDS + 65536 // 5 > names
                    or self.words[_ARENA] + _MAX_TEXT + _MAX_NAME_TEXT > arena
                ):
                    done = i
                    break
                self._message(packets, i, kind)
        return done

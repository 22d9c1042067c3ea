# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call,no-redef"
# ruff: noqa: C901, SIM110
"""The kernel that reads what flows say of their destination: TLS ClientHello (RFC 8446 4.1.2; names RFC 6066 3, protocols
RFC 7301) and HTTP/1 request heads (RFC 9112 2 and 3), by their first bytes and on any port.

What is whole within a packet is read here. At a packet of a stream that begins so and is not whole, or with a QUIC Initial the
kernel stops, and the caller looks at it; packets of DNS over TCP are listed for the next pass. Names are written as DNS names
are, into an arena, each once for the whole capture.
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


@cython.final
@cython.cclass
class EvidenceKernel:
    """Works on arrays of the caller's: the book of texts (`arena`, `spans`, `index`), streams (`slots`, `tags`), `words`."""

    arena: cython.uchar[::1]
    spans: cython.ulonglong[:, ::1]  # of a text: offset in the arena, length, hash
    index: cython.uint[::1]  # number of the text plus one, by hash; 0: empty
    words: cython.ulonglong[::1]
    slots: cython.ulonglong[:, ::1]
    tags: cython.uint[::1]  # by slot: part of the hash of its stream; 0: empty
    filled: cython.uchar[::1]  # slots in use, by hash: small enough to stay near while packets pass
    buf: cython.const[cython.uchar][::1]
    packets: cython.ulonglong[::1]  # of the chunk, their words one behind the other; `i` is where those of one begin
    seed: cython.ulonglong
    idle: cython.ulonglong
    word: cython.ulonglong  # what was said last, as PACKET_NAME has it

    def __init__(
        self,
        words: cython.ulonglong[::1],
        slots: cython.ulonglong[:, ::1],
        tags: cython.uint[::1],
        filled: cython.uchar[::1],
        seed: int,
        idle_ns: int,
    ) -> None:
        self.words, self.slots, self.tags, self.filled = words, slots, tags, filled
        self.seed, self.idle, self.word = seed, idle_ns, 0

    def attach(self, arena: cython.uchar[::1], spans: cython.ulonglong[:, ::1], index: cython.uint[::1]) -> None:
        """Take the book's arrays, enlarged or new; `index` is empty, with twice as many places as spans."""
        row: cython.ulonglong
        place: cython.ulonglong
        mask: cython.ulonglong = index.shape[0] - 1
        self.arena, self.spans, self.index = arena, spans, index
        for row in range(self.words[layout.SAID_TEXTS]):
            place = spans[row, 2] & mask
            while index[place]:
                place = (place + 1) & mask
            index[place] = row + 1

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _u16(self, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        high: cython.Py_ssize_t = self.buf[at]
        return (high << 8) | self.buf[at + 1]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _u24(self, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        high: cython.Py_ssize_t = self.buf[at]
        return (high << 16) | self._u16(at + 1)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _room(self) -> cython.bint:
        """Whether the book takes the texts of one more packet, or never will."""
        spans: cython.ulonglong = self.spans.shape[0]
        arena: cython.ulonglong = self.arena.shape[0]
        return (self.words[layout.SAID_TEXTS] + 2 <= spans or spans >= layout.MAX_SAID_TEXTS) and (
            self.words[layout.SAID_ARENA] + 3 * layout.SAID_SCRATCH <= arena or arena >= layout.MAX_SAID_BYTES
        )

    @cython.cfunc
    @cython.nogil
    def _intern(self, length: cython.ulonglong) -> cython.ulonglong:
        """Number, plus one, of the text that stands behind the arena's last one; 0: there is no room for it."""
        start: cython.ulonglong = self.words[layout.SAID_ARENA]
        value: cython.ulonglong = self.seed
        mask: cython.ulonglong = self.index.shape[0] - 1
        spans: cython.ulonglong = self.spans.shape[0]
        arena: cython.ulonglong = self.arena.shape[0]
        place: cython.ulonglong
        other: cython.ulonglong
        row: cython.ulonglong
        k: cython.ulonglong
        for k in range(start, start + length):
            value = ((value ^ self.arena[k]) * layout.FLOW_MIX) & layout.WORD
            value ^= value >> 29
        value ^= value >> 32
        place = value & mask
        while self.index[place]:
            row = self.index[place] - 1
            if self.spans[row, 2] == value and self.spans[row, 1] == length:
                other = self.spans[row, 0]
                k = 0
                while k < length and self.arena[other + k] == self.arena[start + k]:
                    k += 1
                if k == length:
                    return row + 1
            place = (place + 1) & mask
        row = self.words[layout.SAID_TEXTS]
        if row >= spans or start + length + layout.SAID_SCRATCH > arena:
            self.words[layout.SAID_NOT_KEPT] += 1
            return 0
        self.spans[row, 0] = start
        self.spans[row, 1] = length
        self.spans[row, 2] = value
        self.index[place] = row + 1
        self.words[layout.SAID_TEXTS] = row + 1
        self.words[layout.SAID_ARENA] = start + length
        return row + 1

    @cython.cfunc
    @cython.nogil
    def _put(self, to: cython.ulonglong, octet: cython.int, escaped: cython.int) -> cython.ulonglong:
        """Write one octet, with a backslash before `escaped`; returns where the next one goes (RFC 1035 5.1)."""
        if octet == escaped or octet == 92:
            self.arena[to] = 92
            self.arena[to + 1] = octet
            return to + 2
        if octet <= 32 or octet >= 127:
            self.arena[to] = 92
            self.arena[to + 1] = 48 + octet // 100
            self.arena[to + 2] = 48 + octet // 10 % 10
            self.arena[to + 3] = 48 + octet % 10
            return to + 4
        self.arena[to] = octet
        return to + 1

    @cython.cfunc
    @cython.nogil
    def _name(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.ulonglong:
        """Number, plus one, of the host name in buf[at:end]; 0 for what is none: labels of 1 to 63 octets, 255 in all, and the
        last one not a number, or it is an address."""
        to: cython.ulonglong = self.words[layout.SAID_ARENA]
        octet: cython.int
        label: cython.int = 0
        digits: cython.int = 0
        if end > at and self.buf[end - 1] == 46:
            end -= 1
        if end <= at or end - at > layout.MAX_SAID_TEXT:
            return 0
        while at < end:
            octet = self.buf[at]
            at += 1
            if octet == 46:
                if label == 0:
                    return 0
                label = digits = 0
                self.arena[to] = 46
                to += 1
                continue
            if octet == 58:  # a colon: an IPv6 address
                return 0
            label += 1
            if label > 63:
                return 0
            if 48 <= octet <= 57:
                digits += 1
            elif 65 <= octet <= 90:
                octet += 32
            to = self._put(to, octet, 92)
        if label == digits:
            return 0
        return self._intern(to - self.words[layout.SAID_ARENA])

    @cython.cfunc
    @cython.nogil
    def _protocols(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.ulonglong:
        """Number, plus one, of the ALPN list in buf[at:end] (RFC 7301 3.1), its names joined by commas; 0: it is none."""
        to: cython.ulonglong = self.words[layout.SAID_ARENA]
        behind: cython.Py_ssize_t
        if end - at < 2 or end - at > layout.MAX_SAID_TEXT or self._u16(at) != end - at - 2:
            return 0
        at += 2
        while at < end:
            behind = at + 1 + self.buf[at]
            if behind > end or behind == at + 1:
                return 0
            at += 1
            while at < behind:
                to = self._put(to, self.buf[at], 44)
                at += 1
            if at < end:
                self.arena[to] = 44
                to += 1
        return self._intern(to - self.words[layout.SAID_ARENA]) if to > self.words[layout.SAID_ARENA] else 0

    @cython.cfunc
    @cython.nogil
    def _server_name(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.ulonglong:
        """The first host_name of a server_name extension (RFC 6066 3)."""
        length: cython.Py_ssize_t
        at += 2
        while at + 3 <= end:
            length = self._u16(at + 1)
            if at + 3 + length > end:
                return 0
            if self.buf[at] == 0:
                return self._name(at + 3, at + 3 + length)
            at += 3 + length
        return 0

    @cython.cfunc
    @cython.nogil
    def _extensions(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, limit: cython.Py_ssize_t) -> cython.bint:
        """Read the extensions in buf[at:end], of which bytes up to `limit` are there; whether they add up."""
        kind: cython.Py_ssize_t
        length: cython.Py_ssize_t
        name: cython.ulonglong = 0
        protocols: cython.ulonglong = 0
        sni: cython.ulonglong = layout.SAID_SNI
        while at + 4 <= limit:
            kind = self._u16(at)
            length = self._u16(at + 2)
            at += 4
            if at + length > limit:
                break
            if kind == 0 and name == 0:
                name = self._server_name(at, at + length)
            elif kind == 16 and protocols == 0:
                protocols = self._protocols(at, at + length)
            elif kind == 0xFE0D:
                self.words[layout.SAID_HELLOS_ECH] += 1
            at += length
        if name or protocols:
            self.word = name | (protocols << layout.NAME_ALPN_SHIFT) | (sni << layout.NAME_EVIDENCE_SHIFT)
        if name == 0:
            self.words[layout.SAID_HELLOS_UNNAMED] += 1
        return at == end

    @cython.cfunc
    @cython.nogil
    def _hello(self, at: cython.Py_ssize_t, limit: cython.Py_ssize_t) -> cython.int:
        """Read the ClientHello whose handshake header is at `at`: what of it is there, if `limit` comes before its end."""
        end: cython.Py_ssize_t = at + 4 + self._u24(at + 1)
        fault: cython.bint = 1
        whole: cython.bint = end <= limit
        if whole:
            limit = end
        self.word = 0
        self.words[layout.SAID_HELLOS] += 1
        at += 38  # handshake header, version, random
        if at < limit:
            at += 1 + self.buf[at]  # session id
            if at + 2 <= limit:
                at += 2 + self._u16(at)  # cipher suites
                if at < limit:
                    at += 1 + self.buf[at]  # compression methods
                    fault = at != end
                    if at + 2 <= limit:
                        fault = at + 2 + self._u16(at) != end
                        at += 2
        if fault:
            self.words[layout.SAID_HELLOS_MALFORMED] += whole
            self.words[layout.SAID_HELLOS_UNNAMED] += 1
        elif at >= end:
            self.words[layout.SAID_HELLOS_UNNAMED] += 1
        elif not self._extensions(at, end, limit):
            self.words[layout.SAID_HELLOS_MALFORMED] += whole
        return layout.BEGINS_SAID

    @cython.cfunc
    @cython.nogil
    def _record(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, first: cython.bint, cut: cython.bint) -> cython.int:
        """What buf[at:end], which begins with 22, is if it is a TLS record (RFC 8446 5.1). `first`: nothing comes before it;
        `cut`: what follows will not be seen."""
        have: cython.Py_ssize_t = end - at
        length: cython.Py_ssize_t
        size: cython.Py_ssize_t
        if have >= 2 and self.buf[at + 1] != 3:
            return layout.BEGINS_NOTHING
        if have < 6:
            return layout.BEGINS_PART if first and not cut else layout.BEGINS_NOTHING
        length = self._u16(at + 3)
        if self.buf[at + 5] != 1 or length < 1 or length > 16640:
            return layout.BEGINS_NOTHING
        if length >= 4 and have >= 9:
            size = self._u24(at + 6)
            if size > layout.MAX_HELLO or size < 38:
                return layout.BEGINS_NOTHING
            if length >= 6 and have >= 10 and self.buf[at + 9] != 3:
                return layout.BEGINS_NOTHING
            if length >= 4 + size and (have >= 9 + size or cut):
                return self._hello(at + 5, end)
        return layout.BEGINS_NOTHING if cut else layout.BEGINS_PART

    @cython.cfunc
    @cython.nogil
    def _authority(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.ulonglong:
        """Number, plus one, of the name in `host:port` or `user@host:port` (RFC 3986 3.2); 0: it is an address, or nothing."""
        k: cython.Py_ssize_t
        for k in range(at, end):
            if self.buf[k] == 64:
                at = k + 1
        k = end
        while k > at and 48 <= self.buf[k - 1] <= 57:
            k -= 1
        if k > at and self.buf[k - 1] == 58:
            end = k - 1
        if at < end and self.buf[at] == 91:
            return 0
        return self._name(at, end)

    @cython.cfunc
    @cython.nogil
    def _begins(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, word: cython.ulonglong, length: cython.int) -> cython.bint:
        """Whether buf[at:end] begins with a word of up to eight lower-case letters, in any case."""
        k: cython.int
        if end - at < length:
            return False
        for k in range(length):
            if (self.buf[at + k] | 32) != ((word >> (8 * (length - 1 - k))) & 255):
                return False
        return True

    @cython.cfunc
    @cython.nogil
    def _absolute(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.ulonglong:
        """The name in a request target in absolute form (RFC 9112 3.2.2); 0: it is in another."""
        k: cython.Py_ssize_t
        if self._begins(at, end, layout.WORD_HTTPS, 8):
            at += 8
        elif self._begins(at, end, layout.WORD_HTTP, 7):
            at += 7
        else:
            return 0
        k = at
        while k < end and self.buf[k] != 47 and self.buf[k] != 63 and self.buf[k] != 35:
            k += 1
        return self._authority(at, k)

    @cython.cfunc
    @cython.nogil
    def _line_end(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Where the line feed is; `end`: there is none."""
        while at < end and self.buf[at] != 10:
            at += 1
        return at

    @cython.cfunc
    @cython.nogil
    def _head(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, first: cython.bint) -> cython.int:
        """What buf[at:end], which begins with a capital letter, is if it is a request head (RFC 9112 3).

        A method of 2 to 20 capitals and hyphens (the registered ones and those like them), a target, `HTTP/1.`; then lines.
        """
        k: cython.Py_ssize_t = at
        target: cython.Py_ssize_t
        name: cython.ulonglong = 0
        http: cython.ulonglong = layout.SAID_HTTP
        part: cython.int = layout.BEGINS_PART if first else layout.BEGINS_NOTHING
        while k < end and k - at < 20 and (65 <= self.buf[k] <= 90 or self.buf[k] == 45):
            k += 1
        if k == end:
            return part
        if self.buf[k] != 32 or k - at < 2:
            return layout.BEGINS_NOTHING
        k += 1
        target = k
        while k < end and self.buf[k] > 32 and self.buf[k] != 127:
            k += 1
        if k == end:
            return layout.BEGINS_PART if k > target else part
        if self.buf[k] != 32 or k == target:
            return layout.BEGINS_NOTHING
        at = k + 1
        for k in range(7):
            if at + k >= end:
                return layout.BEGINS_PART
            if self.buf[at + k] != ((layout.WORD_VERSION >> (8 * (6 - k))) & 255):
                return layout.BEGINS_NOTHING
        k = self._line_end(at, end)
        if k > at + 9 or (k == at + 9 and self.buf[k - 1] != 13):
            return layout.BEGINS_NOTHING
        if k == end:
            return layout.BEGINS_PART
        name = self._absolute(target, at - 1)
        while name == 0:
            at = k + 1
            k = self._line_end(at, end)
            if k == end:
                return layout.BEGINS_PART
            if k == at or (k == at + 1 and self.buf[at] == 13):
                break
            if self._begins(at, k, layout.WORD_HOST, 5):
                name = self._host(at + 5, k)
                break
        self.words[layout.SAID_HEADS] += 1
        self.words[layout.SAID_HEADS_UNNAMED] += name == 0
        self.word = name | (http << layout.NAME_EVIDENCE_SHIFT) if name else 0
        return layout.BEGINS_SAID

    @cython.cfunc
    @cython.nogil
    def _host(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.ulonglong:
        """The name in the value of a Host field (RFC 9110 7.2), white space around it aside."""
        while at < end and (self.buf[at] == 32 or self.buf[at] == 9):
            at += 1
        while end > at and (self.buf[end - 1] == 32 or self.buf[end - 1] == 9 or self.buf[end - 1] == 13):
            end -= 1
        return self._authority(at, end)

    @cython.cfunc
    @cython.nogil
    def _beginning(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t, first: cython.bint, cut: cython.bint) -> cython.int:
        """What buf[at:end] begins with: a BEGINS_ word. `first`: nothing comes before it, so that less is proof."""
        octet: cython.int = self.buf[at]
        verdict: cython.int
        if octet == 22:
            return self._record(at, end, first, cut)
        if octet < 65 or octet > 90:
            return layout.BEGINS_NOTHING
        verdict = self._head(at, end, first)
        return layout.BEGINS_NOTHING if cut and verdict == layout.BEGINS_PART else verdict

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _key(self, i: cython.Py_ssize_t) -> cython.ulonglong:
        """Hash of the packet's direction of its connection. It is the same in every process: it decides what is given up."""
        ports: cython.ulonglong = (self.packets[i + layout.PACKET_SPORT] << 16) | self.packets[i + layout.PACKET_DPORT]
        low: cython.ulonglong = (self.packets[i + layout.PACKET_SRC_LO] * 3) ^ (self.packets[i + layout.PACKET_DST_LO] * 5)
        high: cython.ulonglong = (self.packets[i + layout.PACKET_SRC_HI] * 7) ^ (self.packets[i + layout.PACKET_DST_HI] * 11)
        value: cython.ulonglong = low ^ high ^ self.packets[i + layout.PACKET_TUNNEL] ^ (ports << 20)
        value = ((value & layout.WORD) * layout.FLOW_MIX) & layout.WORD
        return value ^ (value >> 32)

    @cython.cfunc
    @cython.nogil
    def _find(self, i: cython.Py_ssize_t, value: cython.ulonglong) -> cython.Py_ssize_t:
        """The slot of the packet's stream, unless that was silent for too long; -1: none."""
        tag: cython.ulonglong = (value >> 32) | 1
        at: cython.Py_ssize_t = value & (layout.SLOT_SETS - 1)
        k: cython.Py_ssize_t
        ports: cython.ulonglong
        if self.filled[at] == 0:
            return -1
        at *= layout.SLOT_WAYS
        for k in range(at, at + layout.SLOT_WAYS):
            if self.tags[k] != tag:
                continue
            ports = (self.packets[i + layout.PACKET_SPORT] << 16) | self.packets[i + layout.PACKET_DPORT]
            if (
                (self.slots[k, layout.SLOT_PORTS] & layout.LOW_HALF) == ports
                and self.slots[k, layout.SLOT_SRC_LO] == self.packets[i + layout.PACKET_SRC_LO]
                and self.slots[k, layout.SLOT_DST_LO] == self.packets[i + layout.PACKET_DST_LO]
                and self.slots[k, layout.SLOT_SRC_HI] == self.packets[i + layout.PACKET_SRC_HI]
                and self.slots[k, layout.SLOT_DST_HI] == self.packets[i + layout.PACKET_DST_HI]
                and self.slots[k, layout.SLOT_TUNNEL] == self.packets[i + layout.PACKET_TUNNEL]
            ):
                if not self._silent(k, self.packets[i + layout.PACKET_CLOCK]):
                    return k
                self._drop(k)
                return -1
        return -1

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _silent(self, slot: cython.Py_ssize_t, now: cython.ulonglong) -> cython.bint:
        """Whether a slot's last packet came longer ago than a flow may be silent."""
        return now - self.slots[slot, layout.SLOT_SEEN] > self.idle

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _touch(self, slot: cython.Py_ssize_t, now: cython.ulonglong) -> cython.int:
        """A packet of a slot's stream came."""
        self.slots[slot, layout.SLOT_SEEN] = now
        self.words[layout.SAID_TOUCHED] = slot + 1
        return 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _empty(self, slot: cython.Py_ssize_t) -> cython.int:
        self.tags[slot] = 0
        self.filled[slot // layout.SLOT_WAYS] -= 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _drop(self, slot: cython.Py_ssize_t) -> cython.int:
        """Empty a slot; what the caller holds of its stream is to go too."""
        self._empty(slot)
        if self.slots[slot, layout.SLOT_SERIAL] & layout.SLOT_OPEN:
            self.words[layout.SAID_DROPPED] = slot + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _fill(self, i: cython.Py_ssize_t, value: cython.ulonglong, sequence: cython.ulonglong) -> cython.Py_ssize_t:
        """A slot for the packet's stream, whose first byte has this number: an empty one, else that filled longest ago."""
        at: cython.Py_ssize_t = (value & (layout.SLOT_SETS - 1)) * layout.SLOT_WAYS
        slot: cython.Py_ssize_t = at
        k: cython.Py_ssize_t
        for k in range(at, at + layout.SLOT_WAYS):
            if self.tags[k] == 0:
                slot = k
                break
            if self.slots[k, layout.SLOT_SERIAL] < self.slots[slot, layout.SLOT_SERIAL]:
                slot = k
        if self.tags[slot]:
            self.words[layout.SAID_EVICTED] += not self._silent(slot, self.packets[i + layout.PACKET_CLOCK])
            self._drop(slot)
        self.tags[slot] = (value >> 32) | 1
        self.filled[slot // layout.SLOT_WAYS] += 1
        self.slots[slot, layout.SLOT_SRC_HI] = self.packets[i + layout.PACKET_SRC_HI]
        self.slots[slot, layout.SLOT_SRC_LO] = self.packets[i + layout.PACKET_SRC_LO]
        self.slots[slot, layout.SLOT_DST_HI] = self.packets[i + layout.PACKET_DST_HI]
        self.slots[slot, layout.SLOT_DST_LO] = self.packets[i + layout.PACKET_DST_LO]
        self.slots[slot, layout.SLOT_PORTS] = (
            ((sequence & layout.LOW_HALF) << 32)
            | (self.packets[i + layout.PACKET_SPORT] << 16)
            | self.packets[i + layout.PACKET_DPORT]
        )
        self.slots[slot, layout.SLOT_TUNNEL] = self.packets[i + layout.PACKET_TUNNEL]
        self._touch(slot, self.packets[i + layout.PACKET_CLOCK])
        self.words[layout.SAID_SERIAL] += 1
        self.slots[slot, layout.SLOT_SERIAL] = self.words[layout.SAID_SERIAL] << 1
        return slot

    @cython.cfunc
    @cython.nogil
    def _segment(self, i: cython.Py_ssize_t, value: cython.ulonglong) -> cython.ulonglong:
        """A TCP segment that bears data, or a client's SYN, and the hash of its key: why the caller is to look at it, or 0."""
        at: cython.Py_ssize_t = self.packets[i + layout.PACKET_PAYLOAD]
        end: cython.Py_ssize_t = self.packets[i + layout.PACKET_PAYLOAD_END]
        sequence: cython.ulonglong = self.packets[i + layout.PACKET_SEQUENCE]
        syn: cython.ulonglong = self.packets[i + layout.PACKET_TCP_FLAGS] & 2
        slot: cython.Py_ssize_t = self._find(i, value)
        ahead: cython.ulonglong = 0
        verdict: cython.int
        if syn:
            sequence = (sequence + 1) & layout.LOW_HALF
            if slot >= 0:
                self._drop(slot)
            slot = self._fill(i, value, sequence)
            if at >= end:
                return 0
        if slot >= 0:
            self._touch(slot, self.packets[i + layout.PACKET_CLOCK])
            ahead = (sequence - (self.slots[slot, layout.SLOT_PORTS] >> 32)) & layout.LOW_HALF
            if self.slots[slot, layout.SLOT_SERIAL] & layout.SLOT_OPEN or ahead > 0:
                if ahead > layout.MAX_HELLO and ahead < layout.HALF32:
                    self._drop(slot)
                    return 0
                self.slots[slot, layout.SLOT_SERIAL] |= layout.SLOT_OPEN
                self.words[layout.SAID_SLOT] = slot
                return layout.STOP_STREAM
        verdict = self._beginning(at, end, slot >= 0, self.packets[i + layout.PACKET_KIND] & layout.KIND_CUT != 0)
        if verdict == layout.BEGINS_PART:
            if slot < 0:
                slot = self._fill(i, value, sequence)
            self.slots[slot, layout.SLOT_SERIAL] |= layout.SLOT_OPEN
            self.words[layout.SAID_SLOT] = slot
            return layout.STOP_STREAM
        if slot >= 0:
            self._empty(slot)
        if verdict == layout.BEGINS_SAID:
            self.packets[i + layout.PACKET_NAME] = self.word
        return 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _initial(self, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
        """Whether a datagram begins as a QUIC Initial of version 1 or 2 does (RFC 9000 17.2.2, RFC 9369 3.2)."""
        version: cython.ulonglong
        if end - at < 20:
            return False
        version = (self._u16(at + 1) << 16) | self._u16(at + 3)
        if version == layout.QUIC_1 or version == layout.QUIC_DRAFT_29:
            return self.buf[at] & 0xF0 == 0xC0
        return version == layout.QUIC_2 and self.buf[at] & 0xF0 == 0xD0

    def scan(
        self,
        buf: cython.const[cython.uchar][::1],
        packets: cython.ulonglong[::1],
        listed: cython.ulonglong[::1],
        first: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
    ) -> int:
        """Set the NAME of packets[first:count], and list those of DNS over TCP with data or a SYN (`listed`: their numbers;
        room for all); returns where it stopped, and the STOP word why: at `count` with 0, else at the packet that the caller is
        to look at before going on behind it (with STOP_ROOM: before it)."""
        i: cython.Py_ssize_t = first * layout.PACKET_WIDTH
        last: cython.Py_ssize_t = count * layout.PACKET_WIDTH
        at: cython.Py_ssize_t
        end: cython.Py_ssize_t
        octet: cython.int
        value: cython.ulonglong
        why: cython.ulonglong = 0
        self.buf, self.packets = buf, packets
        self.words[layout.SAID_DROPPED] = 0
        with cython.nogil:
            while i < last:
                at = packets[i + layout.PACKET_PAYLOAD]
                if at == 0 or packets[i + layout.PACKET_REASON] or packets[i + layout.PACKET_KIND] & layout.KIND_FRAGMENT:
                    i += layout.PACKET_WIDTH
                    continue
                end = packets[i + layout.PACKET_PAYLOAD_END]
                if packets[i + layout.PACKET_PROTOCOL] == 6:
                    if at >= end and packets[i + layout.PACKET_TCP_FLAGS] & 2 == 0:
                        i += layout.PACKET_WIDTH
                        continue
                    if packets[i + layout.PACKET_SPORT] == 53 or packets[i + layout.PACKET_DPORT] == 53:
                        listed[self.words[layout.SAID_LISTED]] = i // layout.PACKET_WIDTH
                        self.words[layout.SAID_LISTED] += 1
                        i += layout.PACKET_WIDTH
                        continue
                    if at >= end and packets[i + layout.PACKET_TCP_FLAGS] & 0x10:
                        i += layout.PACKET_WIDTH
                        continue
                    value = self._key(i)
                    if self.filled[value & (layout.SLOT_SETS - 1)] == 0 and packets[i + layout.PACKET_TCP_FLAGS] & 2 == 0:
                        octet = buf[at]
                        if octet != 22 and (
                            octet < 65 or octet > 90
                        ):  # most segments: nobody waits for them, nor do they begin
                            i += layout.PACKET_WIDTH
                            continue
                    if not self._room():
                        why = layout.STOP_ROOM
                        break
                    why = self._segment(i, value)
                    if why:
                        break
                    if self.words[layout.SAID_DROPPED]:
                        why = layout.STOP_DROPPED
                        break
                elif packets[i + layout.PACKET_PROTOCOL] == 17 and at < end and buf[at] >= 0xC0 and self._initial(at, end):
                    why = layout.STOP_QUIC
                    break
                i += layout.PACKET_WIDTH
            self.words[layout.SAID_STOP] = why
        return i // layout.PACKET_WIDTH

    def examine(self, data: cython.const[cython.uchar][::1]) -> int:
        """What the first bytes of a stream are: BEGINS_NOTHING, _PART or _SAID. The book must have room (`has_room`)."""
        verdict: cython.int
        self.buf = data
        with cython.nogil:
            verdict = self._beginning(0, data.shape[0], True, False)
        return verdict

    def hello(self, message: cython.const[cython.uchar][::1]) -> None:
        """Read one whole ClientHello, its handshake header included. The book must have room."""
        self.buf = message
        with cython.nogil:
            self._hello(0, message.shape[0])

    def said(self) -> int:
        """What the last hello or head says, as PACKET_NAME has it (of a QUIC one the caller puts the evidence right)."""
        return self.word

    def has_room(self) -> bool:
        """Whether the book takes the texts of one more hello, or never will."""
        return self._room()

    def put(self, text: cython.const[cython.uchar][::1]) -> int:
        """Number, plus one, of a text as it is, at most a name's length with all its escapes; 0: there is no room for it."""
        k: cython.Py_ssize_t
        start: cython.Py_ssize_t = self.words[layout.SAID_ARENA]
        for k in range(text.shape[0]):
            self.arena[start + k] = text[k]
        return self._intern(text.shape[0])

    def close(self, slot: cython.Py_ssize_t) -> None:
        """The stream of this slot is done with."""
        self._empty(slot)

    def believe(self, doubted: cython.ulonglong, believed: cython.ulonglong) -> None:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said."""
        slot: cython.Py_ssize_t = self.words[layout.SAID_TOUCHED]
        if slot and self.slots[slot - 1, layout.SLOT_SEEN] == doubted:
            self.slots[slot - 1, layout.SLOT_SEEN] = believed

    def fill(self, packet: cython.ulonglong[::1], sequence: cython.ulonglong, is_open: bool) -> int:
        """A slot for the stream of a packet; its number (`is_open`: a part of the stream came)."""
        slot: cython.Py_ssize_t
        self.packets = packet
        slot = self._fill(0, self._key(0), sequence)
        if is_open:
            self.slots[slot, layout.SLOT_SERIAL] |= layout.SLOT_OPEN
        return slot

# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
"""The kernel that pairs DNS queries with their responses: a hash table over arrays that the caller owns.

A response takes the oldest query out that has its client, client's port, resolver, transport, id and question; one without a
question (RFC 1035 4.1.1: a server need not copy what it cannot read) is matched by the rest. A query that nobody answered
until the table's clock says that its time is up becomes a row of its own.
"""

from __future__ import annotations

try:
    import cython
except ModuleNotFoundError:
    from loader.decode import plain as cython

from loader.decode import layout

_M_FRAME = cython.declare(cython.int, layout.MESSAGE_FRAME)
_M_TS = cython.declare(cython.int, layout.MESSAGE_TS)
_M_CLIENT_HI = cython.declare(cython.int, layout.MESSAGE_CLIENT_HI)
_M_ENDS = cython.declare(cython.int, layout.MESSAGE_ENDS)
_M_RCODE = cython.declare(cython.int, layout.MESSAGE_RCODE)
_M_QNAME = cython.declare(cython.int, layout.MESSAGE_QNAME)
_M_QTYPE = cython.declare(cython.int, layout.MESSAGE_QTYPE)
_M_CLOCK = cython.declare(cython.int, layout.MESSAGE_CLOCK)
_M_LATENCY = cython.declare(cython.int, layout.MESSAGE_LATENCY)
_NO_RCODE = cython.declare(cython.ulonglong, layout.NO_RCODE)
_KIND_SHIFT = cython.declare(cython.int, layout.ENDS_KIND_SHIFT)
_R_MESSAGE = cython.declare(cython.int, layout.RECORD_MESSAGE)
_RECORD_WORDS = cython.declare(cython.int, layout.RECORD_WIDTH)

_MESSAGES = cython.declare(cython.int, layout.DNS_MESSAGES)
_RECORDS = cython.declare(cython.int, layout.DNS_RECORDS)
_NAMES = cython.declare(cython.int, layout.DNS_NAMES)
_ARENA = cython.declare(cython.int, layout.DNS_ARENA)
_CLOCK = cython.declare(cython.int, layout.DNS_CLOCK)

_HASH = cython.declare(cython.int, layout.QUERY_HASH)
_CLIENT_HI = cython.declare(cython.int, layout.QUERY_CLIENT_HI)
_ENDS = cython.declare(cython.int, layout.QUERY_ENDS)
_TS = cython.declare(cython.int, layout.QUERY_TS)
_SEEN = cython.declare(cython.int, layout.QUERY_CLOCK)
_FRAME = cython.declare(cython.int, layout.QUERY_FRAME)
_QTYPE = cython.declare(cython.int, layout.QUERY_QTYPE)
_NAME = cython.declare(cython.int, layout.QUERY_NAME)
_LENGTH = cython.declare(cython.int, layout.QUERY_NAME_LENGTH)
_NEXT = cython.declare(cython.int, layout.QUERY_NEXT)
_PREVIOUS = cython.declare(cython.int, layout.QUERY_PREVIOUS)

_OLDEST = cython.declare(cython.int, layout.QUERIES_OLDEST)
_NEWEST = cython.declare(cython.int, layout.QUERIES_NEWEST)
_USED = cython.declare(cython.int, layout.QUERIES_USED)
_HIGH = cython.declare(cython.int, layout.QUERIES_HIGH)
_FREE = cython.declare(cython.int, layout.QUERIES_FREE)
_ENDED = cython.declare(cython.int, layout.QUERIES_ENDED)
_ENDED_LAST = cython.declare(cython.int, layout.QUERIES_ENDED_LAST)
_TEXT = cython.declare(cython.int, layout.QUERIES_TEXT)
_TEXT_USED = cython.declare(cython.int, layout.QUERIES_TEXT_USED)
_TEXT_COMPACT = cython.declare(cython.int, layout.QUERIES_TEXT_COMPACT)
_UNANSWERED = cython.declare(cython.int, layout.QUERIES_UNANSWERED)
_CARRIED = cython.declare(cython.int, layout.QUERIES_CARRIED)
_REPEATED = cython.declare(cython.int, layout.QUERIES_REPEATED)
_EVICTED = cython.declare(cython.int, layout.QUERIES_EVICTED)
_UNASKED = cython.declare(cython.int, layout.QUERIES_UNASKED)

_WORD = cython.declare(cython.ulonglong, 0xFFFF_FFFF_FFFF_FFFF)
_MIX = cython.declare(cython.ulonglong, 0x9E37_79B9_7F4A_7C15)
_MAX_QUERIES = cython.declare(cython.ulonglong, layout.MAX_QUERIES)
_MAX_TEXT = cython.declare(cython.ulonglong, layout.MAX_QUERY_TEXT)
_TEXT_SLACK = cython.declare(cython.ulonglong, 65_536)
_TIMEOUT = cython.declare(cython.ulonglong, layout.QUERY_TIMEOUT_NS)


@cython.cclass
class QueryKernel:
    """Waiting queries in `rows`, oldest to newest a list, their names in `text`; messages and names are the DNS kernel's."""

    messages: cython.ulonglong[:, ::1]
    records: cython.ulonglong[:, ::1]
    spans: cython.ulonglong[:, ::1]
    arena: cython.uchar[::1]
    words: cython.ulonglong[::1]  # of the DNS kernel
    rows: cython.ulonglong[:, ::1]
    text: cython.uchar[::1]
    index: cython.uint[::1]  # row plus one, by hash; 0: empty
    table: cython.ulonglong[::1]  # own words
    mask: cython.ulonglong
    seed: cython.ulonglong

    def __init__(
        self,
        tables: tuple[memoryview, memoryview, memoryview],
        arena: cython.uchar[::1],
        words: cython.ulonglong[::1],
        own: tuple[memoryview, memoryview, memoryview, memoryview],
        seed: int,
    ) -> None:
        """`tables`: messages, records, spans; `own`: rows, text, index (a power of two of places), table."""
        self.messages, self.records, self.spans = tables
        self.arena, self.words = arena, words
        self.rows, self.text, self.index, self.table = own
        self.mask = self.index.shape[0] - 1
        self.seed = seed

    @cython.cfunc
    @cython.nogil
    def _hash(self, line: cython.ulonglong[:, ::1], at: cython.Py_ssize_t, client: cython.int) -> cython.ulonglong:
        """Of the five words of a message or a row that say who speaks with whom."""
        value: cython.ulonglong = self.seed
        k: cython.int
        for k in range(client, client + 5):
            value = ((value ^ line[at, k]) * _MIX) & _WORD
            value ^= value >> 32
        return value

    @cython.cfunc
    @cython.nogil
    def _same_question(self, row: cython.Py_ssize_t, message: cython.Py_ssize_t) -> cython.bint:
        """Whether a message asks what a row asks."""
        name: cython.ulonglong = self.messages[message, _M_QNAME]
        length: cython.ulonglong = self.rows[row, _LENGTH]
        ours: cython.ulonglong = self.rows[row, _NAME]
        other: cython.ulonglong
        k: cython.ulonglong = 0
        if name == 0 or length == 0:
            return name == 0 and length == 0
        if self.rows[row, _QTYPE] != self.messages[message, _M_QTYPE] or self.spans[name - 1, 1] != length:
            return False
        other = self.spans[name - 1, 0]
        while k < length and self.text[ours + k] == self.arena[other + k]:
            k += 1
        return k == length

    @cython.cfunc
    @cython.nogil
    def _find(self, message: cython.Py_ssize_t, value: cython.ulonglong, any_question: cython.bint) -> cython.Py_ssize_t:
        """The oldest row that waits with what the message says; -1: there is none."""
        place: cython.ulonglong = value & self.mask
        row: cython.Py_ssize_t
        found: cython.Py_ssize_t = -1
        k: cython.int
        while self.index[place]:
            row = self.index[place] - 1
            place = (place + 1) & self.mask
            if self.rows[row, _HASH] != value:
                continue
            k = 0
            while k < 5 and self.rows[row, _CLIENT_HI + k] == self.messages[message, _M_CLIENT_HI + k]:
                k += 1
            if k < 5 or not (any_question or self._same_question(row, message)):
                continue
            if found < 0 or self.rows[row, _SEEN] < self.rows[found, _SEEN]:
                found = row
        return found

    @cython.cfunc
    @cython.nogil
    def _leave(self, row: cython.Py_ssize_t) -> cython.int:
        """Take a row out of index and list; the index moves up what was displaced behind it."""
        mask: cython.ulonglong = self.mask
        place: cython.ulonglong = self.rows[row, _HASH] & mask
        hole: cython.ulonglong
        home: cython.ulonglong
        older: cython.ulonglong = self.rows[row, _PREVIOUS]
        younger: cython.ulonglong = self.rows[row, _NEXT]
        wanted: cython.ulonglong = row + 1
        while self.index[place] != wanted:
            place = (place + 1) & mask
        hole = place
        while True:
            place = (place + 1) & mask
            if self.index[place] == 0:
                break
            home = self.rows[self.index[place] - 1, _HASH] & mask
            if ((place - home) & mask) >= ((place - hole) & mask):
                self.index[hole] = self.index[place]
                hole = place
        self.index[hole] = 0
        if older:
            self.rows[older - 1, _NEXT] = younger
        else:
            self.table[_OLDEST] = younger
        if younger:
            self.rows[younger - 1, _PREVIOUS] = older
        else:
            self.table[_NEWEST] = older
        self.table[_USED] -= 1
        self.table[_TEXT_USED] -= self.rows[row, _LENGTH]
        return 0

    @cython.cfunc
    @cython.nogil
    def _release(self, row: cython.Py_ssize_t) -> cython.int:
        self.rows[row, _NEXT] = self.table[_FREE]
        self.table[_FREE] = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _end_oldest(self) -> cython.int:
        """The oldest query's time is up: it goes to the ended ones, which `emit` makes rows of."""
        row: cython.Py_ssize_t = self.table[_OLDEST] - 1
        self._leave(row)
        self.rows[row, _NEXT] = 0
        if self.table[_ENDED_LAST]:
            self.rows[self.table[_ENDED_LAST] - 1, _NEXT] = row + 1
        else:
            self.table[_ENDED] = row + 1
        self.table[_ENDED_LAST] = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _expire(self, clock: cython.ulonglong) -> cython.int:
        while self.table[_OLDEST] and clock - self.rows[self.table[_OLDEST] - 1, _SEEN] > _TIMEOUT:
            self._end_oldest()
        return 0

    @cython.cfunc
    @cython.nogil
    def _compact(self) -> cython.int:
        """Move the names together. Rows lie as their names do: the ended ones, then oldest to newest."""
        to: cython.ulonglong = 0
        at: cython.ulonglong
        k: cython.ulonglong
        turn: cython.int
        following: cython.ulonglong
        row: cython.Py_ssize_t
        for turn in range(2):
            following = self.table[_OLDEST] if turn else self.table[_ENDED]
            while following:
                row = following - 1
                at = self.rows[row, _NAME]
                self.rows[row, _NAME] = to
                for k in range(self.rows[row, _LENGTH]):
                    self.text[to + k] = self.text[at + k]
                to += self.rows[row, _LENGTH]
                following = self.rows[row, _NEXT]
        self.table[_TEXT] = self.table[_TEXT_COMPACT] = to
        return 0

    @cython.cfunc
    @cython.nogil
    def _enter(self, row: cython.Py_ssize_t) -> cython.int:
        """Put a row whose words are filled in into index and list, as the newest."""
        place: cython.ulonglong
        newest: cython.ulonglong = self.table[_NEWEST]
        self.rows[row, _HASH] = self._hash(self.rows, row, _CLIENT_HI)
        place = self.rows[row, _HASH] & self.mask
        while self.index[place]:
            place = (place + 1) & self.mask
        self.index[place] = row + 1
        self.rows[row, _PREVIOUS] = newest
        self.rows[row, _NEXT] = 0
        if newest:
            self.rows[newest - 1, _NEXT] = row + 1
        else:
            self.table[_OLDEST] = row + 1
        self.table[_NEWEST] = row + 1
        self.table[_USED] += 1
        self.table[_TEXT_USED] += self.rows[row, _LENGTH]
        return 0

    @cython.cfunc
    @cython.nogil
    def _make_room(self, length: cython.ulonglong) -> cython.bint:
        """Evict the oldest queries until one more with so long a name may wait; False: the ended ones fill the arrays."""
        rows: cython.ulonglong = self.rows.shape[0]
        octets: cython.ulonglong = self.text.shape[0]
        row: cython.Py_ssize_t
        while self.table[_USED] >= _MAX_QUERIES or self.table[_TEXT_USED] + length > _MAX_TEXT:
            row = self.table[_OLDEST] - 1
            self._leave(row)
            self._release(row)
            self.table[_EVICTED] += 1
        if self.table[_TEXT] + length > min(octets, 2 * self.table[_TEXT_COMPACT] + _TEXT_SLACK):
            self._compact()
        return (self.table[_FREE] or self.table[_HIGH] < rows) and self.table[_TEXT] + length <= octets

    @cython.cfunc
    @cython.nogil
    def _ask(self, message: cython.Py_ssize_t) -> cython.int:
        """A query begins to wait, unless the same one waits already: then the first stands."""
        value: cython.ulonglong = self._hash(self.messages, message, _M_CLIENT_HI)
        name: cython.ulonglong = self.messages[message, _M_QNAME]
        length: cython.ulonglong = self.spans[name - 1, 1] if name else 0
        at: cython.ulonglong
        k: cython.ulonglong
        row: cython.Py_ssize_t
        if self._find(message, value, False) >= 0:
            self.table[_REPEATED] += 1
            return 0
        if not self._make_room(length):
            self.table[_EVICTED] += 1
            return 0
        if self.table[_FREE]:
            row = self.table[_FREE] - 1
            self.table[_FREE] = self.rows[row, _NEXT]
        else:
            row = self.table[_HIGH]
            self.table[_HIGH] += 1
        for k in range(5):
            self.rows[row, _CLIENT_HI + k] = self.messages[message, _M_CLIENT_HI + k]
        self.rows[row, _TS] = self.messages[message, _M_TS]
        self.rows[row, _SEEN] = self.messages[message, _M_CLOCK]
        self.rows[row, _FRAME] = self.messages[message, _M_FRAME]
        self.rows[row, _QTYPE] = self.messages[message, _M_QTYPE]
        self.rows[row, _NAME] = self.table[_TEXT]
        self.rows[row, _LENGTH] = length
        if length:
            at = self.spans[name - 1, 0]
            for k in range(length):
                self.text[self.table[_TEXT] + k] = self.arena[at + k]
            self.table[_TEXT] += length
        self._enter(row)
        return 0

    @cython.cfunc
    @cython.nogil
    def _answer(self, message: cython.Py_ssize_t) -> cython.int:
        """A response takes its query out; the latency is told where both times make sense."""
        value: cython.ulonglong = self._hash(self.messages, message, _M_CLIENT_HI)
        row: cython.Py_ssize_t = self._find(message, value, self.messages[message, _M_QNAME] == 0)
        ts: cython.ulonglong = self.messages[message, _M_TS]
        asked: cython.ulonglong
        if row < 0:
            self.table[_UNASKED] += 1
            return 0
        asked = self.rows[row, _TS]
        if ts >= asked and ts - asked <= _TIMEOUT:
            self.messages[message, _M_LATENCY] = ts - asked + 1
        self._leave(row)
        self._release(row)
        return 0

    def match(self, first: cython.Py_ssize_t, count: cython.Py_ssize_t) -> None:
        """Pair messages[first:count], in their order, and end what nobody answered until now."""
        message: cython.Py_ssize_t
        with cython.nogil:
            for message in range(first, count):
                self._expire(self.messages[message, _M_CLOCK])
                if self.messages[message, _M_RCODE] == _NO_RCODE:
                    self._ask(message)
                elif ((self.messages[message, _M_ENDS] >> _KIND_SHIFT) & 255) != 1:
                    self._answer(message)
            self._expire(self.words[_CLOCK])

    def end(self) -> None:
        """Nobody will answer any more."""
        with cython.nogil:
            while self.table[_OLDEST]:
                self._end_oldest()

    def enter(self, row: cython.Py_ssize_t) -> None:
        """Put a row that the caller filled in (but for hash and list) into the table."""
        self._enter(row)

    @cython.cfunc
    @cython.nogil
    def _emit(self, row: cython.Py_ssize_t) -> cython.int:
        """An unanswered query as a message with a row of no record."""
        message: cython.ulonglong = self.words[_MESSAGES]
        record: cython.ulonglong = self.words[_RECORDS]
        name: cython.ulonglong = self.words[_NAMES]
        to: cython.ulonglong = self.words[_ARENA]
        at: cython.ulonglong = self.rows[row, _NAME]
        length: cython.ulonglong = self.rows[row, _LENGTH]
        k: cython.ulonglong
        for k in range(5):
            self.messages[message, _M_CLIENT_HI + k] = self.rows[row, _CLIENT_HI + k]
        self.table[_UNANSWERED] += 1
        self.messages[message, _M_FRAME] = self.rows[row, _FRAME]
        if self.rows[row, _FRAME] == 0:
            self.table[_CARRIED] += 1
            self.messages[message, _M_FRAME] = (_WORD - self.table[_CARRIED]) + 1
        self.messages[message, _M_TS] = self.rows[row, _TS]
        self.messages[message, _M_RCODE] = _NO_RCODE
        self.messages[message, _M_QTYPE] = self.rows[row, _QTYPE]
        self.messages[message, _M_LATENCY] = 0
        self.messages[message, _M_QNAME] = 0
        if length:
            for k in range(length):
                self.arena[to + k] = self.text[at + k]
            self.spans[name, 0] = to
            self.spans[name, 1] = length
            self.spans[name, 2] = 0
            self.messages[message, _M_QNAME] = name + 1
            self.words[_NAMES] = name + 1
            self.words[_ARENA] = to + length
        for k in range(_RECORD_WORDS):
            self.records[record, k] = 0
        self.records[record, _R_MESSAGE] = message
        self.words[_MESSAGES] = message + 1
        self.words[_RECORDS] = record + 1
        return 0

    def emit(self) -> bool:
        """Make rows of the ended queries; True: there was no room for all."""
        messages: cython.ulonglong = self.messages.shape[0]
        records: cython.ulonglong = self.records.shape[0]
        names: cython.ulonglong = self.spans.shape[0]
        arena: cython.ulonglong = self.arena.shape[0]
        row: cython.Py_ssize_t
        following: cython.ulonglong = self.table[_ENDED]
        with cython.nogil:
            while (
                following
                and self.words[_MESSAGES] < messages
                and self.words[_RECORDS] < records
                and self.words[_NAMES] < names
                and self.words[_ARENA] + self.rows[following - 1, _LENGTH] <= arena
            ):
                row = following - 1
                following = self.rows[row, _NEXT]
                self._emit(row)
                self._release(row)
            self.table[_ENDED] = following
            if following == 0:
                self.table[_ENDED_LAST] = 0
        return following != 0

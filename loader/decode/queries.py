# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
"""The kernel that pairs DNS queries with their responses: a hash table over arrays that the caller owns.

A response takes the oldest query out that has its client, client's port, resolver, transport, id, tunnel and question; one
without a question (RFC 1035 4.1.1: a server need not copy what it cannot read) is matched by the rest. That rest is what the
hash is of, so the queries that have it in common are few, and a search is short. A query that nobody answered until the
clock says that its time is up becomes a row of its own.
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
    alike: cython.int  # queries that differ from the last one looked for in their question at most
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
        self.alike = 0
        self.seed = seed

    @cython.cfunc
    @cython.nogil
    def _hash(self, line: cython.ulonglong[:, ::1], at: cython.Py_ssize_t, client: cython.int) -> cython.ulonglong:
        """Of the words of a message or a row that say who speaks with whom."""
        value: cython.ulonglong = self.seed
        k: cython.int
        for k in range(client, client + layout.QUERY_KEY_WORDS):
            value = ((value ^ line[at, k]) * layout.FLOW_MIX) & layout.WORD
            value ^= value >> 32
        return value

    @cython.cfunc
    @cython.nogil
    def _same_question(self, row: cython.Py_ssize_t, message: cython.Py_ssize_t) -> cython.bint:
        """Whether a message asks what a row asks."""
        name: cython.ulonglong = self.messages[message, layout.MESSAGE_QNAME]
        length: cython.ulonglong = self.rows[row, layout.QUERY_NAME_LENGTH]
        ours: cython.ulonglong = self.rows[row, layout.QUERY_NAME]
        other: cython.ulonglong
        k: cython.ulonglong = 0
        if name == 0 or length == 0:
            return name == 0 and length == 0
        if (
            self.rows[row, layout.QUERY_QTYPE] != self.messages[message, layout.MESSAGE_QTYPE]
            or self.spans[name - 1, 1] != length
        ):
            return False
        other = self.spans[name - 1, 0]
        while k < length and self.text[ours + k] == self.arena[other + k]:
            k += 1
        return k == length

    @cython.cfunc
    @cython.nogil
    def _find(self, message: cython.Py_ssize_t, value: cython.ulonglong, any_question: cython.bint) -> cython.Py_ssize_t:
        """The oldest row that waits with what the message says; -1: there is none. Counts those that are alike."""
        place: cython.ulonglong = value & self.mask
        row: cython.Py_ssize_t
        found: cython.Py_ssize_t = -1
        k: cython.int
        self.alike = 0
        while self.index[place]:
            row = self.index[place] - 1
            place = (place + 1) & self.mask
            if self.rows[row, layout.QUERY_HASH] != value:
                continue
            k = 0
            while (
                k < layout.QUERY_KEY_WORDS
                and self.rows[row, layout.QUERY_CLIENT_HI + k] == self.messages[message, layout.MESSAGE_CLIENT_HI + k]
            ):
                k += 1
            if k < layout.QUERY_KEY_WORDS:
                continue
            self.alike += 1
            if not (any_question or self._same_question(row, message)):
                continue
            if found < 0 or self.rows[row, layout.QUERY_CLOCK] < self.rows[found, layout.QUERY_CLOCK]:
                found = row
        return found

    @cython.cfunc
    @cython.nogil
    def _leave(self, row: cython.Py_ssize_t) -> cython.int:
        """Take a row out of index and list; the index moves up what was displaced behind it."""
        mask: cython.ulonglong = self.mask
        place: cython.ulonglong = self.rows[row, layout.QUERY_HASH] & mask
        hole: cython.ulonglong
        home: cython.ulonglong
        older: cython.ulonglong = self.rows[row, layout.QUERY_PREVIOUS]
        younger: cython.ulonglong = self.rows[row, layout.QUERY_NEXT]
        wanted: cython.ulonglong = row + 1
        while self.index[place] != wanted:
            place = (place + 1) & mask
        hole = place
        while True:
            place = (place + 1) & mask
            if self.index[place] == 0:
                break
            home = self.rows[self.index[place] - 1, layout.QUERY_HASH] & mask
            if ((place - home) & mask) >= ((place - hole) & mask):
                self.index[hole] = self.index[place]
                hole = place
        self.index[hole] = 0
        if older:
            self.rows[older - 1, layout.QUERY_NEXT] = younger
        else:
            self.table[layout.QUERIES_OLDEST] = younger
        if younger:
            self.rows[younger - 1, layout.QUERY_PREVIOUS] = older
        else:
            self.table[layout.QUERIES_NEWEST] = older
        self.table[layout.QUERIES_USED] -= 1
        self.table[layout.QUERIES_TEXT_USED] -= self.rows[row, layout.QUERY_NAME_LENGTH]
        return 0

    @cython.cfunc
    @cython.nogil
    def _release(self, row: cython.Py_ssize_t) -> cython.int:
        self.rows[row, layout.QUERY_NEXT] = self.table[layout.QUERIES_FREE]
        self.table[layout.QUERIES_FREE] = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _evict(self, row: cython.Py_ssize_t) -> cython.int:
        self._leave(row)
        self._release(row)
        self.table[layout.QUERIES_EVICTED] += 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _end_oldest(self) -> cython.int:
        """The oldest query's time is up: it goes to the ended ones, which `emit` makes rows of."""
        row: cython.Py_ssize_t = self.table[layout.QUERIES_OLDEST] - 1
        self._leave(row)
        self.rows[row, layout.QUERY_NEXT] = 0
        if self.table[layout.QUERIES_ENDED_LAST]:
            self.rows[self.table[layout.QUERIES_ENDED_LAST] - 1, layout.QUERY_NEXT] = row + 1
        else:
            self.table[layout.QUERIES_ENDED] = row + 1
        self.table[layout.QUERIES_ENDED_LAST] = row + 1
        return 0

    @cython.cfunc
    @cython.nogil
    def _expire(self, clock: cython.ulonglong) -> cython.int:
        while (
            self.table[layout.QUERIES_OLDEST]
            and clock - self.rows[self.table[layout.QUERIES_OLDEST] - 1, layout.QUERY_CLOCK] > layout.QUERY_TIMEOUT_NS
        ):
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
            following = self.table[layout.QUERIES_OLDEST] if turn else self.table[layout.QUERIES_ENDED]
            while following:
                row = following - 1
                at = self.rows[row, layout.QUERY_NAME]
                self.rows[row, layout.QUERY_NAME] = to
                for k in range(self.rows[row, layout.QUERY_NAME_LENGTH]):
                    self.text[to + k] = self.text[at + k]
                to += self.rows[row, layout.QUERY_NAME_LENGTH]
                following = self.rows[row, layout.QUERY_NEXT]
        self.table[layout.QUERIES_TEXT] = self.table[layout.QUERIES_TEXT_COMPACT] = to
        return 0

    @cython.cfunc
    @cython.nogil
    def _enter(self, row: cython.Py_ssize_t) -> cython.int:
        """Put a row whose words are filled in into index and list, as the newest."""
        place: cython.ulonglong
        newest: cython.ulonglong = self.table[layout.QUERIES_NEWEST]
        self.rows[row, layout.QUERY_HASH] = self._hash(self.rows, row, layout.QUERY_CLIENT_HI)
        place = self.rows[row, layout.QUERY_HASH] & self.mask
        while self.index[place]:
            place = (place + 1) & self.mask
        self.index[place] = row + 1
        self.rows[row, layout.QUERY_PREVIOUS] = newest
        self.rows[row, layout.QUERY_NEXT] = 0
        if newest:
            self.rows[newest - 1, layout.QUERY_NEXT] = row + 1
        else:
            self.table[layout.QUERIES_OLDEST] = row + 1
        self.table[layout.QUERIES_NEWEST] = row + 1
        self.table[layout.QUERIES_USED] += 1
        self.table[layout.QUERIES_TEXT_USED] += self.rows[row, layout.QUERY_NAME_LENGTH]
        return 0

    @cython.cfunc
    @cython.nogil
    def _make_room(self, length: cython.ulonglong) -> cython.bint:
        """Evict the oldest queries until one more with so long a name may wait; False: the ended ones fill the arrays."""
        rows: cython.ulonglong = self.rows.shape[0]
        octets: cython.ulonglong = self.text.shape[0]
        while (
            self.table[layout.QUERIES_USED] >= layout.MAX_QUERIES
            or self.table[layout.QUERIES_TEXT_USED] + length > layout.MAX_QUERY_TEXT
        ):
            self._evict(self.table[layout.QUERIES_OLDEST] - 1)
        if self.table[layout.QUERIES_TEXT] + length > min(
            octets, 2 * self.table[layout.QUERIES_TEXT_COMPACT] + layout.QUERY_TEXT_SLACK
        ):
            self._compact()
        return (self.table[layout.QUERIES_FREE] or self.table[layout.QUERIES_HIGH] < rows) and self.table[
            layout.QUERIES_TEXT
        ] + length <= octets

    @cython.cfunc
    @cython.nogil
    def _ask(self, message: cython.Py_ssize_t) -> cython.int:
        """A query begins to wait, unless the same one waits already: then the first stands."""
        value: cython.ulonglong = self._hash(self.messages, message, layout.MESSAGE_CLIENT_HI)
        name: cython.ulonglong = self.messages[message, layout.MESSAGE_QNAME]
        length: cython.ulonglong = self.spans[name - 1, 1] if name else 0
        at: cython.ulonglong
        k: cython.ulonglong
        row: cython.Py_ssize_t
        if self._find(message, value, False) >= 0:
            self.table[layout.QUERIES_REPEATED] += 1
            return 0
        if self.alike >= layout.MAX_ALIKE_QUERIES:
            self._evict(self._find(message, value, True))
        if not self._make_room(length):
            self.table[layout.QUERIES_EVICTED] += 1
            return 0
        if self.table[layout.QUERIES_FREE]:
            row = self.table[layout.QUERIES_FREE] - 1
            self.table[layout.QUERIES_FREE] = self.rows[row, layout.QUERY_NEXT]
        else:
            row = self.table[layout.QUERIES_HIGH]
            self.table[layout.QUERIES_HIGH] += 1
        for k in range(layout.QUERY_KEY_WORDS):
            self.rows[row, layout.QUERY_CLIENT_HI + k] = self.messages[message, layout.MESSAGE_CLIENT_HI + k]
        self.rows[row, layout.QUERY_TS] = self.messages[message, layout.MESSAGE_TS]
        self.rows[row, layout.QUERY_CLOCK] = self.messages[message, layout.MESSAGE_CLOCK]
        self.rows[row, layout.QUERY_FRAME] = self.messages[message, layout.MESSAGE_FRAME]
        self.rows[row, layout.QUERY_QTYPE] = self.messages[message, layout.MESSAGE_QTYPE]
        self.rows[row, layout.QUERY_BLANK] = self.messages[message, layout.MESSAGE_BLANK]
        self.rows[row, layout.QUERY_NAME] = self.table[layout.QUERIES_TEXT]
        self.rows[row, layout.QUERY_NAME_LENGTH] = length
        if length:
            at = self.spans[name - 1, 0]
            for k in range(length):
                self.text[self.table[layout.QUERIES_TEXT] + k] = self.arena[at + k]
            self.table[layout.QUERIES_TEXT] += length
        self._enter(row)
        return 0

    @cython.cfunc
    @cython.nogil
    def _answer(self, message: cython.Py_ssize_t) -> cython.int:
        """A response takes its query out; the latency is told where both times make sense."""
        value: cython.ulonglong = self._hash(self.messages, message, layout.MESSAGE_CLIENT_HI)
        row: cython.Py_ssize_t = self._find(message, value, self.messages[message, layout.MESSAGE_QNAME] == 0)
        ts: cython.ulonglong = self.messages[message, layout.MESSAGE_TS]
        asked: cython.ulonglong
        if row < 0:
            self.table[layout.QUERIES_UNASKED] += 1
            return 0
        asked = self.rows[row, layout.QUERY_TS]
        if ts >= asked and ts - asked <= layout.QUERY_TIMEOUT_NS:
            self.messages[message, layout.MESSAGE_LATENCY] = ts - asked + 1
        self._leave(row)
        self._release(row)
        return 0

    def match(self, first: cython.Py_ssize_t, count: cython.Py_ssize_t) -> None:
        """Pair messages[first:count], in their order, and end what nobody answered until now."""
        message: cython.Py_ssize_t
        with cython.nogil:
            for message in range(first, count):
                self._expire(self.messages[message, layout.MESSAGE_CLOCK])
                if self.messages[message, layout.MESSAGE_RCODE] == layout.NO_RCODE:
                    self._ask(message)
                elif ((self.messages[message, layout.MESSAGE_ENDS] >> layout.ENDS_KIND_SHIFT) & 255) != 1:
                    self._answer(message)
            self._expire(self.words[layout.DNS_CLOCK])

    def believe(self, doubted: cython.ulonglong, believed: cython.ulonglong) -> None:
        """The last packet's time, in doubt until now, is believed: what the clock said at it, and what it would have said."""
        younger: cython.ulonglong = self.table[layout.QUERIES_NEWEST]
        while younger and self.rows[younger - 1, layout.QUERY_CLOCK] == doubted:
            self.rows[younger - 1, layout.QUERY_CLOCK] = believed
            younger = self.rows[younger - 1, layout.QUERY_PREVIOUS]

    def end(self) -> None:
        """Nobody will answer any more."""
        with cython.nogil:
            while self.table[layout.QUERIES_OLDEST]:
                self._end_oldest()

    def enter(self, row: cython.Py_ssize_t) -> None:
        """Put a row that the caller filled in (but for hash and list) into the table."""
        self._enter(row)

    @cython.cfunc
    @cython.nogil
    def _emit(self, row: cython.Py_ssize_t) -> cython.int:
        """An unanswered query as a message with a row of no record."""
        message: cython.ulonglong = self.words[layout.DNS_MESSAGES]
        record: cython.ulonglong = self.words[layout.DNS_RECORDS]
        name: cython.ulonglong = self.words[layout.DNS_NAMES]
        to: cython.ulonglong = self.words[layout.DNS_ARENA]
        at: cython.ulonglong = self.rows[row, layout.QUERY_NAME]
        length: cython.ulonglong = self.rows[row, layout.QUERY_NAME_LENGTH]
        k: cython.ulonglong
        for k in range(layout.QUERY_KEY_WORDS):
            self.messages[message, layout.MESSAGE_CLIENT_HI + k] = self.rows[row, layout.QUERY_CLIENT_HI + k]
        self.table[layout.QUERIES_UNANSWERED] += 1
        self.messages[message, layout.MESSAGE_FRAME] = self.rows[row, layout.QUERY_FRAME]
        if self.rows[row, layout.QUERY_FRAME] == 0:
            self.table[layout.QUERIES_CARRIED] += 1
            self.messages[message, layout.MESSAGE_FRAME] = (layout.WORD - self.table[layout.QUERIES_CARRIED]) + 1
        self.messages[message, layout.MESSAGE_TS] = self.rows[row, layout.QUERY_TS]
        self.messages[message, layout.MESSAGE_RCODE] = layout.NO_RCODE
        self.messages[message, layout.MESSAGE_QTYPE] = self.rows[row, layout.QUERY_QTYPE]
        self.messages[message, layout.MESSAGE_LATENCY] = 0
        self.messages[message, layout.MESSAGE_QNAME] = 0
        if length:
            for k in range(length):
                self.arena[to + k] = self.text[at + k]
            self.spans[name, 0] = to
            self.spans[name, 1] = length
            self.spans[name, 2] = 0
            self.messages[message, layout.MESSAGE_QNAME] = name + 1
            self.words[layout.DNS_NAMES] = name + 1
            self.words[layout.DNS_ARENA] = to + length
        for k in range(layout.RECORD_WIDTH):
            self.records[record, k] = 0
        self.records[record, layout.RECORD_MESSAGE] = message
        self.records[record, layout.RECORD_INDEX] = self.rows[row, layout.QUERY_BLANK]
        self.words[layout.DNS_MESSAGES] = message + 1
        self.words[layout.DNS_RECORDS] = record + 1
        return 0

    def emit(self) -> bool:
        """Make rows of the ended queries; True: there was no room for all."""
        messages: cython.ulonglong = self.messages.shape[0]
        records: cython.ulonglong = self.records.shape[0]
        names: cython.ulonglong = self.spans.shape[0]
        arena: cython.ulonglong = self.arena.shape[0]
        row: cython.Py_ssize_t
        following: cython.ulonglong = self.table[layout.QUERIES_ENDED]
        with cython.nogil:
            while (
                following
                and self.words[layout.DNS_MESSAGES] < messages
                and self.words[layout.DNS_RECORDS] < records
                and self.words[layout.DNS_NAMES] < names
                and self.words[layout.DNS_ARENA] + self.rows[following - 1, layout.QUERY_NAME_LENGTH] <= arena
            ):
                row = following - 1
                following = self.rows[row, layout.QUERY_NEXT]
                self._emit(row)
                self._release(row)
            self.table[layout.QUERIES_ENDED] = following
            if following == 0:
                self.table[layout.QUERIES_ENDED_LAST] = 0
        return following != 0

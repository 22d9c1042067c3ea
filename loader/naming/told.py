# mypy: disable-error-code="valid-type,untyped-decorator,misc,no-any-return,no-untyped-call"
"""The kernel that keeps facts and finds the one that holds: hash tables over arrays that the caller owns.

A pair of client and address has two lines of facts, those that were asked for and the others, each linked from the newest to
the oldest. Two searches run along a line: back in time, and on to facts that end ever later. Both take links that skip (Myers,
"An applicative random-access stack", 1983): the steps grow with the logarithm of the line's length, whoever made it. Facts and
pairs are numbered from 1; 0: there is none.
"""

from __future__ import annotations

from array import array

try:
    import cython
except ModuleNotFoundError:
    from schema import plain as cython

# Words of a fact. Links: of time in the low half the next older one, in the high half one that skips; of endings likewise.
FROM = cython.declare(cython.int, 0)
TO = cython.declare(cython.int, 1)
OLDER = cython.declare(cython.int, 2)
LONGER = cython.declare(cython.int, 3)
DEPTHS = cython.declare(cython.int, 4)  # facts on the way to the last one, along either link
WHAT = cython.declare(cython.int, 5)  # numbers of its name and (from bit 32) of its capture
WHERE = cython.declare(cython.int, 6)  # frame, bit 31: it was asked for; from bit 32 number of its pair
# Words of a pair: client, address, newest fact that was asked for and (from bit 32) that was not, oldest fact (those that are
# numbered below were taken out).
HEADS = cython.declare(cython.int, 4)
FIRST = cython.declare(cython.int, 5)
# Words of the table: numbers of facts and pairs so far.
FACTS = cython.declare(cython.int, 0)
PAIRS = cython.declare(cython.int, 1)
# Words of a fact that is to be put in, as above.
_NEW_FROM = cython.declare(cython.int, 0)
_NEW_TO = cython.declare(cython.int, 1)
_NEW_WHAT = cython.declare(cython.int, 2)
_NEW_WHERE = cython.declare(cython.int, 3)
# How a fact names, the better the greater: from bit 32 of what `look` gives, its number below.
BEFORE = cython.declare(cython.ulonglong, 1 << 32)
LATER = cython.declare(cython.ulonglong, 2 << 32)
RUNNING = cython.declare(cython.ulonglong, 3 << 32)
_LOW = cython.declare(cython.ulonglong, 0xFFFF_FFFF)
_MIX = cython.declare(cython.ulonglong, 0x9E37_79B9_7F4A_7C15)
_WORD = cython.declare(cython.ulonglong, 0xFFFF_FFFF_FFFF_FFFF)
_ASKED = cython.declare(cython.ulonglong, 1 << 31)


@cython.final
@cython.cclass
class ToldKernel:
    """Facts in `facts`, pairs in `pairs`; `index` and `names` lead to a pair, and to the first fact that told a pair a name."""

    facts: cython.ulonglong[:, ::1]
    pairs: cython.ulonglong[:, ::1]
    index: cython.uint[::1]  # by hash; a power of two of places, never full
    names: cython.uint[::1]
    table: cython.ulonglong[::1]
    seed: cython.ulonglong
    grace: cython.ulonglong
    late: cython.ulonglong
    before: cython.ulonglong  # facts there were when `put` was called
    newer: cython.ulonglong  # what `_split` found on the other side

    def __init__(self, table: cython.ulonglong[::1], seed: int, grace_ns: int, late_ns: int) -> None:
        """`grace_ns`: how long after its end a fact holds; `late_ns`: how long before it was told it names."""
        self.table = table
        self.seed, self.grace, self.late = seed, grace_ns, late_ns
        self.before = self.newer = 0

    def attach(
        self,
        facts: cython.ulonglong[:, ::1],
        pairs: cython.ulonglong[:, ::1],
        index: cython.uint[::1],
        names: cython.uint[::1],
    ) -> None:
        """Work on these arrays from now on; `index` and `names` are empty, and filled from what the tables hold."""
        self.facts, self.pairs, self.index, self.names = facts, pairs, index, names
        number: cython.ulonglong
        for number in range(1, self.table[PAIRS] + 1):
            self.index[self._place(self.pairs, number, self.pairs, number, 2)] = number
        for number in range(1, self.table[FACTS] + 1):
            if self._stands(number):
                self._note_name(number)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _mixed(self, value: cython.ulonglong, word: cython.ulonglong) -> cython.ulonglong:
        value = ((value ^ word) * _MIX) & _WORD
        return value ^ value >> 32

    @cython.cfunc
    @cython.nogil
    def _place(
        self,
        client: cython.ulonglong[:, ::1],
        at: cython.Py_ssize_t,
        address: cython.ulonglong[:, ::1],
        beside: cython.Py_ssize_t,
        column: cython.int,
    ) -> cython.ulonglong:
        """Where in the index a pair is, or would be; `column`: where in its row the address begins."""
        high: cython.ulonglong = client[at, 0]
        low: cython.ulonglong = client[at, 1]
        far_high: cython.ulonglong = address[beside, column]
        far_low: cython.ulonglong = address[beside, column + 1]
        mask: cython.ulonglong = self.index.shape[0] - 1
        value: cython.ulonglong = self._mixed(self._mixed(self.seed, high), low)
        number: cython.ulonglong
        value = self._mixed(self._mixed(value, far_high), far_low)
        while True:
            number = self.index[value & mask]
            if number == 0 or (
                self.pairs[number, 3] == far_low
                and self.pairs[number, 1] == low
                and self.pairs[number, 2] == far_high
                and self.pairs[number, 0] == high
            ):
                return value & mask
            value = (value + 1) & _WORD

    @cython.cfunc
    @cython.nogil
    def _name_place(self, pair: cython.ulonglong, name: cython.ulonglong) -> cython.ulonglong:
        """Where among the names the first fact is that told a pair this name, or would be."""
        value: cython.ulonglong = self._mixed(self.seed, pair << 32 | name)
        mask: cython.ulonglong = self.names.shape[0] - 1
        number: cython.ulonglong
        while True:
            number = self.names[value & mask]
            if number == 0 or (self.facts[number, WHERE] >> 32 == pair and self.facts[number, WHAT] & _LOW == name):
                return value & mask
            value = (value + 1) & _WORD

    @cython.cfunc
    @cython.nogil
    def _note_name(self, number: cython.ulonglong) -> cython.int:
        place: cython.ulonglong = self._name_place(self.facts[number, WHERE] >> 32, self.facts[number, WHAT] & _LOW)
        if self.names[place] == 0 or not self._stands(self.names[place]):
            self.names[place] = number
        return 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _stands(self, number: cython.ulonglong) -> cython.bint:
        """Whether a fact was not taken out."""
        pair: cython.ulonglong = self.facts[number, WHERE] >> 32
        return self.pairs[pair, HEADS] != 0 and number >= self.pairs[pair, FIRST]

    @cython.cfunc
    @cython.nogil
    def _link(self, number: cython.ulonglong, parent: cython.ulonglong, links: cython.int, shift: cython.int) -> cython.int:
        """Put a fact in front of `parent` along one kind of link; `shift`: where in DEPTHS its depth is."""
        skip: cython.ulonglong = self.facts[parent, links] >> 32
        behind: cython.ulonglong = self.facts[skip, links] >> 32
        depth: cython.ulonglong = self.facts[parent, DEPTHS] >> shift & _LOW
        middle: cython.ulonglong = self.facts[skip, DEPTHS] >> shift & _LOW
        last: cython.ulonglong = self.facts[behind, DEPTHS] >> shift & _LOW
        to: cython.ulonglong = behind if depth - middle == middle - last else parent
        self.facts[number, links] = to << 32 | parent
        self.facts[number, DEPTHS] |= depth + 1 << shift
        return 0

    def put(
        self,
        clients: cython.ulonglong[:, ::1],
        addresses: cython.ulonglong[:, ::1],
        new: cython.ulonglong[:, ::1],
        refused: cython.uchar[::1],
    ) -> None:
        """Put in facts that stand in their order and for which there is room. To `refused` goes 1 for one that is not newer
        than all that its pair was told before this call."""
        row: cython.Py_ssize_t
        self.before = self.table[FACTS]
        with cython.nogil:
            for row in range(clients.shape[0]):
                refused[row] = not self._put(clients, addresses, new, row)

    def take(self, clients: cython.ulonglong[:, ::1], taken: cython.uchar[::1]) -> None:
        """Take out all that these clients (in order of their words) were told: to `taken` goes 1 for each fact of theirs, by
        its number. Their room is not used again."""
        number: cython.ulonglong
        with cython.nogil:
            for number in range(1, self.table[FACTS] + 1):
                taken[number] = self._stands(number) and self._is_among(clients, self.facts[number, WHERE] >> 32)
            for number in range(1, self.table[PAIRS] + 1):
                if self._is_among(clients, number):
                    self.pairs[number, HEADS] = 0

    @cython.cfunc
    @cython.nogil
    def _is_among(self, clients: cython.ulonglong[:, ::1], pair: cython.ulonglong) -> cython.bint:
        """Whether a pair is of one of these clients."""
        high: cython.ulonglong = self.pairs[pair, 0]
        low: cython.ulonglong = self.pairs[pair, 1]
        since: cython.Py_ssize_t = 0
        until: cython.Py_ssize_t = clients.shape[0]
        middle: cython.Py_ssize_t
        while since < until:
            middle = (since + until) >> 1
            if clients[middle, 0] < high or (clients[middle, 0] == high and clients[middle, 1] < low):
                since = middle + 1
            else:
                until = middle
        return since < clients.shape[0] and clients[since, 0] == high and clients[since, 1] == low

    @cython.cfunc
    @cython.nogil
    def _put(
        self,
        clients: cython.ulonglong[:, ::1],
        addresses: cython.ulonglong[:, ::1],
        new: cython.ulonglong[:, ::1],
        row: cython.Py_ssize_t,
    ) -> cython.bint:
        place: cython.ulonglong = self._place(clients, row, addresses, row, 0)
        pair: cython.ulonglong = self.index[place]
        number: cython.ulonglong = self.table[FACTS] + 1
        shift: cython.int = 0 if new[row, _NEW_WHERE] & _ASKED else 32
        head: cython.ulonglong
        last: cython.ulonglong
        k: cython.int
        if pair == 0:
            pair = self.table[PAIRS] + 1
            self.table[PAIRS] = pair
            self.index[place] = pair
            for k in range(2):
                self.pairs[pair, k] = clients[row, k]
                self.pairs[pair, 2 + k] = addresses[row, k]
            self.pairs[pair, HEADS] = 0
        last = self._last(pair)
        if last == 0:
            self.pairs[pair, FIRST] = number
        elif self.facts[last, FROM] > new[row, _NEW_FROM] or (
            self.facts[last, FROM] == new[row, _NEW_FROM] and last <= self.before
        ):
            return False
        head = self.pairs[pair, HEADS] >> shift & _LOW
        self.table[FACTS] = number
        self.facts[number, FROM] = new[row, _NEW_FROM]
        self.facts[number, TO] = new[row, _NEW_TO]
        self.facts[number, WHAT] = new[row, _NEW_WHAT]
        self.facts[number, WHERE] = pair << 32 | new[row, _NEW_WHERE] & _LOW
        self.facts[number, DEPTHS] = 0
        self._link(number, head, OLDER, 0)
        while head and self.facts[head, TO] <= self.facts[number, TO]:
            head = self._on_to(head, self.facts[number, TO])
        self._link(number, head, LONGER, 32)
        self.pairs[pair, HEADS] = self.pairs[pair, HEADS] & (_LOW << (32 - shift)) | number << shift
        self._note_name(number)
        return True

    @cython.cfunc
    @cython.nogil
    def _last(self, pair: cython.ulonglong) -> cython.ulonglong:
        """The newest fact that the pair was told."""
        heads: cython.ulonglong = self.pairs[pair, HEADS]
        return max(heads & _LOW, heads >> 32)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    def _on_to(self, number: cython.ulonglong, end: cython.ulonglong) -> cython.ulonglong:
        """The next fact on the way from one that ends by then to the newest before it that ends later."""
        skip: cython.ulonglong = self.facts[number, LONGER] >> 32
        if skip and self.facts[skip, TO] <= end:
            return skip
        return self.facts[number, LONGER] & _LOW

    @cython.cfunc
    @cython.nogil
    def _split(self, head: cython.ulonglong, at: cython.ulonglong) -> cython.ulonglong:
        """The newest fact of a line told by then; `newer` is the oldest one told later."""
        skip: cython.ulonglong
        self.newer = 0
        while head and self.facts[head, FROM] > at:
            skip = self.facts[head, OLDER] >> 32
            if skip and self.facts[skip, FROM] > at:
                head = skip
            else:
                self.newer = head
                head = self.facts[head, OLDER] & _LOW
        return head

    @cython.cfunc
    @cython.nogil
    def _running(self, number: cython.ulonglong, at: cython.ulonglong) -> cython.ulonglong:
        """The newest fact that holds, from this one back."""
        end: cython.ulonglong = at - self.grace - 1 if at > self.grace else 0
        if at <= self.grace:  # none that was told can be over
            return number
        while number and self.facts[number, TO] <= end:
            number = self._on_to(number, end)
        return number

    @cython.cfunc
    @cython.nogil
    def _choose(self, pair: cython.ulonglong, at: cython.ulonglong) -> cython.ulonglong:
        """What names a flow that started then: what holds before what came late before what is over, and what was asked for
        before what was not."""
        heads: cython.ulonglong = self.pairs[pair, HEADS]
        asked: cython.ulonglong = self._split(heads & _LOW, at)
        asked_later: cython.ulonglong = self.newer
        unasked: cython.ulonglong = self._split(heads >> 32, at)
        unasked_later: cython.ulonglong = self.newer
        found: cython.ulonglong = self._running(asked, at)
        if found == 0:
            found = self._running(unasked, at)
        if found:
            return RUNNING | found
        if asked_later and self.facts[asked_later, FROM] - at <= self.late:
            return LATER | asked_later
        if unasked_later and self.facts[unasked_later, FROM] - at <= self.late:
            return LATER | unasked_later
        if asked:
            return BEFORE | asked
        return BEFORE | unasked if unasked else 0

    def look(
        self,
        ends: tuple[memoryview, array[int], memoryview, array[int]],
        starts: cython.ulonglong[::1],
        found: cython.ulonglong[::1],
    ) -> None:
        """What names each flow goes to `found`. `ends`: clients, which of them is each flow's, addresses, and which is."""
        clients: cython.ulonglong[:, ::1] = ends[0]
        client: cython.uint[::1] = ends[1]
        addresses: cython.ulonglong[:, ::1] = ends[2]
        address: cython.uint[::1] = ends[3]
        i: cython.Py_ssize_t
        with cython.nogil:
            for i in range(starts.shape[0]):  # step by step, so that the processor waits for several flows' memory at once
                found[i] = self.index[self._place(clients, client[i], addresses, address[i], 0)]
            for i in range(starts.shape[0]):
                if found[i]:
                    found[i] = self._choose(found[i], starts[i])

    def tell(self, found: cython.ulonglong[::1], names: cython.ulonglong[::1]) -> None:
        """Of what `look` found: how each names (as there), and the number of its name; 0: not at all."""
        i: cython.Py_ssize_t
        with cython.nogil:
            for i in range(found.shape[0]):
                names[i] = 0
                if found[i]:
                    names[i] = found[i] & ~_LOW | self.facts[found[i] & _LOW, WHAT] & _LOW

    def compare(
        self,
        ends: tuple[memoryview, array[int], memoryview, array[int]],
        starts: cython.ulonglong[::1],
        said: cython.ulonglong[::1],
        found: cython.uchar[::1],
    ) -> None:
        """Of flows that say a name, said[i] being its number (all bits: it was never told): to `found` goes whether the client
        was told names by then (1), this one among them (2). `ends`: as in `look`."""
        clients: cython.ulonglong[:, ::1] = ends[0]
        client: cython.uint[::1] = ends[1]
        addresses: cython.ulonglong[:, ::1] = ends[2]
        address: cython.uint[::1] = ends[3]
        i: cython.Py_ssize_t
        pair: cython.ulonglong
        number: cython.ulonglong
        with cython.nogil:
            for i in range(starts.shape[0]):
                found[i] = 0
                pair = self.index[self._place(clients, client[i], addresses, address[i], 0)]
                if pair and self.pairs[pair, HEADS] and self.facts[self.pairs[pair, FIRST], FROM] <= starts[i]:
                    found[i] = 1
                    if said[i] != _WORD:
                        number = self.names[self._name_place(pair, said[i])]
                        if number and self._stands(number) and self.facts[number, FROM] <= starts[i]:
                            found[i] = 2

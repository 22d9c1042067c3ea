"""Tables of facts, in arrays: some 130 bytes a fact, its name aside."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, compress, groupby, islice
from operator import attrgetter
from typing import NamedTuple

from loader.decode.tables import enlarged, table_of, zeroed
from loader.naming.choice import LATER, Found, Name, NamingRules, named
from loader.naming.facts import GROUPS, Fact, Told, entries_of
from loader.naming.numbered import Numbered
from loader.naming.told import ToldKernel
from schema.coded import CodedColumn

_FIRST_ROWS = 256
_FACT_WORDS, _PAIR_WORDS, _NEW_WORDS = 7, 6, 4
_NEW_WHAT = 2  # word of a fact that is to be put in
_FACTS, _PAIRS = 0, 1  # words of the kernel's table: their numbers
_CLIENT, _OF = 0, 2  # words of a pair: to whom, of which address
_FROM, _TO, _WHAT, _WHERE = 0, 1, 5, 6  # words of a fact
_LOW = 0xFFFF_FFFF
_NEVER_TOLD = 0xFFFF_FFFF_FFFF_FFFF
_ASKED, _FRAME = 1 << 31, (1 << 31) - 1
_LATEST = (1 << 63) - 1  # stores keep no later time
_MAPPED = bytes(10) + b"\xff\xff"
_AS_OBJECTS = 4_096  # facts that are there as objects at once


# What `compare` gives where a client was told names, and the flow's own is none of them.
TOLD_OTHERS = 1


class Addresses(NamedTuple):
    """A column of addresses as the kernel has them: two words each distinct one, and for each row which one it is."""

    words: memoryview
    codes: "array[int]"


def addresses_of(column: Sequence[bytes]) -> Addresses:
    """Of 4 or 16 bytes each."""
    codes, values = column.parts() if isinstance(column, CodedColumn) else _coded(column)
    return Addresses(_words_of(values), array("I", codes))


def all_of(address: bytes, rows: int) -> Addresses:
    """A column that holds one address only."""
    return Addresses(_words_of([address]), array("I", bytes(4 * rows)))


def _coded(column: Sequence[bytes]) -> tuple[Sequence[int], Sequence[bytes]]:
    known: dict[bytes, int] = {}
    return [known.setdefault(address, len(known)) for address in column], list(known)


def _words_of(values: Collection[bytes]) -> memoryview:
    return _words(_octets_of(values))


def _octets_of(values: Iterable[bytes]) -> bytes:
    return b"".join([_as_long(value) for value in values])


def _words(octets: bytes | bytearray) -> memoryview:
    words = array("Q", bytes(octets))
    words.byteswap()
    return _table(words, 2)


def _as_long(address: bytes) -> bytes:
    return address if len(address) == 16 else _MAPPED + address


def _address(high: int, low: int) -> bytes:
    address = high.to_bytes(8, "big") + low.to_bytes(8, "big")
    return address.removeprefix(_MAPPED)


def _table(words: "array[int]", width: int) -> memoryview:
    return memoryview(words).cast("B").cast("Q", (len(words) // width, width))


class FactTable:
    """Grows as it needs. A pair's facts are put in from the oldest to the newest; those of whole clients are taken out."""

    def __init__(self, rules: NamingRules, names: Numbered[str] | None = None) -> None:
        """`names`: those that it shares with others."""
        self._table = array("Q", bytes(16))
        # The seed differs from process to process, so that nobody can make addresses that all collide.
        seed = hash("facts") & 0xFFFF_FFFF_FFFF_FFFF
        self._kernel = ToldKernel(self._table, seed, rules.grace_ns, rules.late_ns)
        self._facts, self._pairs = table_of(_FIRST_ROWS, _FACT_WORDS), table_of(_FIRST_ROWS, _PAIR_WORDS)
        self._attach()
        self._names: Numbered[str] = Numbered() if names is None else names
        self._captures: Numbered[bytes] = Numbered()
        self.entries = 0  # the room that they take: `Fact.entries`
        self.groups: list[bytes] = []  # of `GROUPS`, those that were told something here

    def __len__(self) -> int:
        return self._table[_FACTS]

    def add(self, facts: Iterable[Fact], capture_id: bytes | None = None) -> set[bytes]:
        """Put in facts, in any order; `capture_id`: of all of them, whatever they say. Returns the clients of facts that are
        not newer than all that their pair was told before: these are not in."""
        return self.add_ordered(sorted(facts, key=_told), capture_id)

    def add_ordered(self, facts: Iterable[Fact], capture_id: bytes | None = None) -> set[bytes]:
        """The same with facts in their order."""
        clients, addresses, rows = bytearray(), bytearray(), array("Q")
        come = iter(facts)
        while part := list(islice(come, _AS_OBJECTS)):
            of, at, told = zip(*part, strict=True)
            clients += _octets_of(of)
            addresses += _octets_of(at)
            rows.extend(chain.from_iterable(self._rows(told, capture_id)))
            self.groups = [group for group in GROUPS if group in self.groups or group in of]
            self.entries += sum(fact.entries for fact in part)
        return self._put(_words(clients), _words(addresses), _table(rows, _NEW_WORDS)) if rows else set()

    def _put(self, clients: memoryview, addresses: memoryview, rows: memoryview) -> set[bytes]:
        """Returns the clients of those that are not in."""
        self._make_room(len(rows))
        refused = bytearray(len(rows))
        self._kernel.put(clients, addresses, rows, memoryview(refused))
        not_in = list(compress(range(len(rows)), refused))
        self.entries -= sum(entries_of(self._names.values[rows[row, _NEW_WHAT] & _LOW]) for row in not_in)
        return {_address(clients[row, 0], clients[row, 1]) for row in not_in}

    def take(self, clients: Collection[bytes]) -> Iterator[Fact]:
        """Take out all that these clients were told."""
        if not clients:
            return iter(())
        taken = bytearray(len(self) + 1)
        self._kernel.take(_words_of(sorted(clients, key=_as_long)), memoryview(taken))
        return map(self._fact, compress(range(len(taken)), taken))

    def facts(self) -> Iterator[Fact]:
        """All that were put in, in that order; for a table that none is taken out of."""
        return map(self._fact, range(1, len(self) + 1))

    def told_to(self, clients: Collection[bytes]) -> Iterator[Fact]:
        """Of `facts`, those of these clients."""
        if not clients:
            return iter(())
        words = _words_of(clients)
        wanted = {(words[row, 0], words[row, 1]) for row in range(len(words))}
        pairs = self._pairs
        theirs = {pair for pair in range(1, self._table[_PAIRS] + 1) if (pairs[pair, 0], pairs[pair, 1]) in wanted}
        return map(self._fact, (number for number in range(1, len(self) + 1) if self._pair(number) in theirs))

    def times(self) -> Iterator[tuple[bytes, list[int]]]:
        """Of `facts`, when each address was told (Unix ns), in order of address."""
        for address, numbers in groupby(sorted(range(1, len(self) + 1), key=self._address_of), key=self._address_of):
            yield address, [self._facts[number, _FROM] for number in numbers]

    def _pair(self, number: int) -> int:
        return self._facts[number, _WHERE] >> 32

    def _end(self, pair: int, word: int) -> bytes:
        return _address(self._pairs[pair, word], self._pairs[pair, word + 1])

    def _address_of(self, number: int) -> bytes:
        return self._end(self._pair(number), _OF)

    def _fact(self, number: int) -> Fact:
        pair = self._pair(number)
        return Fact(self._end(pair, _CLIENT), self._end(pair, _OF), self.found(number).told)

    def _rows(self, told: Sequence[Told], capture_id: bytes | None) -> Iterator[tuple[int, int, int, int]]:
        """The words of facts that are to be put in."""
        for valid_from, told_in, frame, hostname, valid_to, asked in told:
            number = self._captures.number(told_in if capture_id is None else capture_id)
            what = number << 32 | self._names.number(hostname)
            yield clamped(valid_from), clamped(valid_to), what, frame & _FRAME | (_ASKED if asked else 0)

    def look(self, clients: Addresses, addresses: Addresses, starts: "array[int]") -> "array[int]":
        """What names each flow, of what its client was told of its destination, as a code; 0: nothing."""
        found = array("Q", bytes(8 * len(starts)))
        if starts:
            self._kernel.look((*clients, *addresses), memoryview(starts), memoryview(found))
        return found

    def found(self, code: int) -> Found:
        """What a code of `look` stands for."""
        row = code & _LOW
        facts = self._facts
        what, where = facts[row, _WHAT], facts[row, _WHERE]
        told = Told(
            facts[row, _FROM],
            self._captures.values[what >> 32],
            where & _FRAME,
            self._names.values[what & _LOW],
            facts[row, _TO],
            bool(where & _ASKED),
        )
        return Found(code >> 32, told)

    def names(self, codes: "array[int]") -> list[Name | None]:
        """The name that each code of `look` gives, if any."""
        keys = array("Q", bytes(8 * len(codes)))
        self._kernel.tell(memoryview(codes), memoryview(keys))
        of_keys: dict[int, Name | None] = {key: named(key >> 32, self._names.values[key & _LOW]) for key in set(keys) if key}
        of_keys[0] = None
        names = list(map(of_keys.__getitem__, keys))
        if any(key >> 32 == LATER for key in of_keys):
            for row, code in enumerate(codes):
                if code >> 32 == LATER:
                    found = self.found(code)
                    names[row] = named(LATER, found.told.hostname, found.told)
        return names

    def compare(self, clients: Addresses, addresses: Addresses, starts: "array[int]", said: Sequence[str]) -> bytearray:
        """Of flows that say a name: 0 where their client was told none of their destination by then, 2 where it was told this
        one, else 1."""
        result = bytearray(len(starts))
        if starts:
            known = map(self._names.known, said)
            numbers = array("Q", [_NEVER_TOLD if number is None else number for number in known])
            self._kernel.compare((*clients, *addresses), memoryview(starts), memoryview(numbers), memoryview(result))
        return result

    def _make_room(self, facts: int) -> None:
        """For so many more, each of a pair of its own."""
        rows = len(self._facts)
        if len(self) + facts + 1 <= rows:
            return
        while len(self) + facts + 1 > rows:
            rows *= 2
        self._facts = enlarged(self._facts, rows)
        self._pairs = enlarged(self._pairs, rows)
        self._attach()

    def _attach(self) -> None:
        places = 2 * len(self._facts)
        index, names = zeroed(4 * places).cast("I"), zeroed(4 * places).cast("I")
        self._kernel.attach(self._facts, self._pairs, index, names)


def clamped(time_ns: int) -> int:
    """A time (Unix ns) as facts keep it."""
    return time_ns if 0 <= time_ns <= _LATEST else 0 if time_ns < 0 else _LATEST


_told = attrgetter("told")

"""The facts of a capture of which more is to come, in some 140 bytes each, its name aside."""

from array import array
from collections.abc import Iterator
from struct import Struct

from loader.naming.facts import Fact, Told
from loader.naming.facttable import clamped
from loader.naming.numbered import Numbered

_KEY = Struct("<QIB")  # time, number of the name, length of the client's address; behind it client and address


class UnsettledFacts:
    """Each client, address, nanosecond and name once, in the order in which they came."""

    def __init__(self, names: Numbered[str]) -> None:
        """`names`: takes the names of the facts put in."""
        self._names = names
        self._keys: dict[bytes, None] = {}
        self._until, self._frames, self._asked = array("Q"), array("Q"), bytearray()

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, fact: Fact) -> bool:
        name = self._names.known(fact.told.hostname)
        return name is not None and _key(fact, name) in self._keys

    def add(self, fact: Fact) -> None:
        """One that is not here. Whose capture it is of is not kept."""
        self._keys[_key(fact, self._names.number(fact.told.hostname))] = None
        self._until.append(clamped(fact.told.valid_to_ns))
        self._frames.append(fact.told.frame)
        self._asked.append(fact.told.asked)

    def in_order(self) -> Iterator[Fact]:
        """All of them, in the order of facts."""
        keys = list(self._keys)
        times = array("Q", [_KEY.unpack_from(key)[0] for key in keys])
        order = sorted(range(len(keys)), key=lambda row: self._name(keys[row]))
        order.sort(key=self._frames.__getitem__)
        order.sort(key=times.__getitem__)  # keeps the order of those of one time
        return (self._fact(keys[row], row) for row in order)

    def _name(self, key: bytes) -> str:
        number: int = _KEY.unpack_from(key)[1]
        return self._names.values[number]

    def _fact(self, key: bytes, row: int) -> Fact:
        time_ns, name, length = _KEY.unpack_from(key)
        told = Told(time_ns, b"", self._frames[row], self._names.values[name], self._until[row], bool(self._asked[row]))
        behind = _KEY.size + length
        return Fact(key[_KEY.size : behind], key[behind:], told)


def _key(fact: Fact, name: int) -> bytes:
    return _KEY.pack(fact.told.valid_from_ns, name, len(fact.client)) + fact.client + fact.address

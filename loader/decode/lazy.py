"""Columns that become Python objects only when somebody looks at them: a summary never does."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

from schema.coded import CodedColumn

Item = TypeVar("Item")

_MAPPED = 0xFFFF
_MAX_INTERNED = 32_768


class LazyColumn(Sequence[Item], Generic[Item]):
    """A column of known length that is made on its first use, and reads like a list from then on."""

    __slots__ = ("_length", "_make", "_values")

    def __init__(self, length: int, make: Callable[[], list[Item]]) -> None:
        self._length = length
        self._make: Callable[[], list[Item]] | None = make
        self._values: list[Item] = []

    def _made(self) -> list[Item]:
        if self._make is not None:
            self._values, self._make = self._make(), None
        return self._values

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        return iter(self._made())

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        return self._made()[index]

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else self is other

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> "tuple[Callable[..., list[Item]], tuple[list[Item]]]":
        return list, (self._made(),)


class AddressBook:
    """One `bytes` object an address (4 or 16, canonical); begun again when it has grown large."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bytes] = {}

    def address(self, high: int, low: int) -> bytes:
        """The address of two words; an IPv4-mapped one is the IPv4 address."""
        return self._known.get((high, low)) or self._learn((high, low))

    def _learn(self, words: tuple[int, int]) -> bytes:
        if len(self._known) >= _MAX_INTERNED:
            self._known.clear()
        high, low = words
        mapped = high == 0 and low >> 32 == _MAPPED
        made = (low & 0xFFFF_FFFF).to_bytes(4, "big") if mapped else (high << 64 | low).to_bytes(16, "big")
        self._known[words] = made
        return made

    def column(self, highs: "array[int]", lows: "array[int]") -> CodedColumn[bytes]:
        """A column of addresses."""

        def parts() -> tuple[list[int], list[bytes]]:
            codes: dict[tuple[int, int], int] = {}
            numbers = [codes.setdefault(words, len(codes)) for words in zip(highs, lows, strict=True)]
            return numbers, [self.address(*words) for words in codes]

        return CodedColumn(len(lows), parts)

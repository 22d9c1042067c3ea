"""A column of few distinct values, as a code for each row and a list of what the codes stand for."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

Item = TypeVar("Item")
Turned = TypeVar("Turned")

Parts = tuple[Sequence[int], Sequence[Item]]


class CodedColumn(Sequence[Item], Generic[Item]):
    """Reads like a list: row r's value is `values[codes[r]]`. Both are made when they are first asked for."""

    __slots__ = ("_length", "_make", "_parts")

    def __init__(self, length: int, make: "Callable[[], Parts[Item]]") -> None:
        self._length = length
        self._make: Callable[[], Parts[Item]] | None = make
        self._parts: Parts[Item] = (), ()

    @classmethod
    def of(cls, codes: Sequence[int], values: Sequence[Item]) -> "CodedColumn[Item]":
        """A column whose parts are there."""
        return cls(len(codes), lambda: (codes, values))

    def parts(self) -> "Parts[Item]":
        """Codes, and the values that they stand for: not every value need have a code."""
        if self._make is not None:
            self._parts, self._make = self._make(), None
        return self._parts

    def turned(self, turn: Callable[[Item], Turned]) -> "CodedColumn[Turned]":
        """The column with each value turned into another: once a value, not once a row."""
        codes, values = self.parts()
        return CodedColumn.of(codes, [*map(turn, values)])

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Item]:
        codes, values = self.parts()
        return map(values.__getitem__, codes)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        codes, values = self.parts()
        return [values[code] for code in codes[index]] if isinstance(index, slice) else values[codes[index]]

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else self is other

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> "tuple[Callable[..., CodedColumn[Item]], tuple[array[int], Sequence[Item]]]":
        codes, values = self.parts()
        return CodedColumn.of, (array("I", codes), values)

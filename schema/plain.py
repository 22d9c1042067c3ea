"""What the kernels use of `cython`, for an interpreter that has neither a compiled kernel nor the cython package."""

from collections.abc import Callable
from typing import TypeVar

_Item = TypeVar("_Item")

compiled = False


def declare(_kind: object, value: _Item) -> _Item:
    """A typed module constant is its value."""
    return value


def cclass(item: _Item) -> _Item:
    """An extension type is a class."""
    return item


def final(item: _Item) -> _Item:
    """Nobody inherits from it: its methods are called without a look-up."""
    return item


def cfunc(item: _Item) -> _Item:
    """A C function is a function."""
    return item


def inline(item: _Item) -> _Item:
    """Nothing to inline."""
    return item


def exceptval(_value: object) -> Callable[[_Item], _Item]:
    """What a C function returns when it raises: here that is not needed."""
    return final


class _NoGil:
    """`with nogil:` and `@nogil` both do nothing."""

    def __call__(self, item: _Item) -> _Item:
        return item

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: object) -> None:
        return None


nogil = _NoGil()


def cast(_kind: object, value: _Item) -> _Item:
    """Integers have no width here."""
    return value


int = longlong = ulonglong = uint = uchar = Py_ssize_t = bint = object

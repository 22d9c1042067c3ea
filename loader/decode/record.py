"""Records whose classes are free to make: a dataclass takes its module's 10 ms, and one more each, of every start."""

from typing import Any, Self, dataclass_transform


@dataclass_transform()
class Record:
    """A dataclass to whoever uses it: its fields are the class's annotations, given in their order or by name.

    A field that is not given has the default that stands beside its annotation.
    """

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = type(self).__annotations__
        if len(values) > len(fields) or not named.keys() <= fields.keys():
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(fields)}")
        self.__dict__.update(zip(fields, values, strict=False), **named)

    def with_changes(self, **changes: Any) -> Self:
        """A copy, these fields aside."""
        return type(self)(**{**self.__dict__, **changes})

    def as_dict(self) -> dict[str, Any]:
        """Every field's name and value."""
        return {name: getattr(self, name) for name in type(self).__annotations__}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.as_dict().items())})"

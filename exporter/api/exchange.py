"""A request and its answer as they cross the door to HTTP: no framework on this side of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

PREFIX = "/api/v1"


def is_api_path(path: str) -> bool:
    """The prefix, or below it."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request for a path under the prefix, of somebody who may make it."""

    method: str
    path: str  # behind the prefix, decoded, without a final slash: "/flows"
    parameters: Sequence[tuple[str, str]] = ()  # of the query, decoded, in order
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names


class Parts(Protocol):
    """A body that comes bit by bit."""

    def next(self) -> bytes | None:
        """The next part, when there is one; None: that was all. Blocks for a second or so at most before an empty one."""

    def close(self) -> None:
        """Nobody takes any more. Harmless twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What goes back."""

    status: int
    body: bytes | Parts
    headers: Mapping[str, str]

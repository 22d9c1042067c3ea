"""What a store says of itself: that it is half a copy of another one, that it has moved. Who reads or loads asks first."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self

from schema.errors import StoreMovedError

COPYING, MOVED = "copying", "moved"


class CopyState(StrEnum):
    """How far a copy is."""

    PREPARING = "preparing"  # nothing is copied yet; the source may not be marked yet
    COPYING = "copying"
    COPIED = "copied"  # all is there, and not yet compared
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """The note of a store that is being made: which copy it is, and where it goes on."""

    copy_id: str  # 32 hexadecimal digits, the same in the source's mark
    source: str  # as it was named
    started_at_ms: int
    state: CopyState
    section: str = ""  # the one in hand
    after: str = ""  # cursor in it

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """As it was kept."""
        given = json.loads(text)
        return cls(**{**given, "state": CopyState(given["state"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The mark of a store that was copied: nobody loads here any more."""

    copy_id: str
    target: str  # as it was named
    at_ms: int
    done: bool

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """As it was kept."""
        return cls(**json.loads(text))


def refuse_reading(notes: Mapping[str, str]) -> None:
    """Raise `StoreMovedError` where the store is half a copy."""
    copying = _copying(notes)
    if copying is not None and copying.state in (CopyState.PREPARING, CopyState.COPYING):
        raise StoreMovedError(f"this store is half a copy of {copying.source}: finish it with pcapline store copy")


def refuse_loading(notes: Mapping[str, str]) -> None:
    """Raise `StoreMovedError` where nobody may load: the store has moved, or is a copy that is not done."""
    if text := notes.get(MOVED):
        moved = Moved.parse(text)
        how, then = ("was moved", "load there") if moved.done else ("is being copied", "finish that with pcapline store copy")
        raise StoreMovedError(f"this store {how} to {moved.target}: {then}, or pcapline store reopen makes this one load again")
    copying = _copying(notes)
    if copying is not None and copying.state is not CopyState.DONE:
        raise StoreMovedError(f"this store is a copy of {copying.source} that is not done: finish it with pcapline store copy")


def _copying(notes: Mapping[str, str]) -> Copying | None:
    text = notes.get(COPYING)
    return Copying.parse(text) if text else None

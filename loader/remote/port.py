"""What stands between a spool and where its captures come from: references in, acknowledgements out.

At least once is enough: a capture that comes twice is known by its content (`already_loaded`).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from schema.errors import PcaplineError


class SourceAwayError(PcaplineError):
    """A source, or the objects it points to, cannot be had now: wait and try again."""

    exit_code = 5


class RefusedError(PcaplineError):
    """One reference leads to nothing that can be loaded; `reason` is a word from a fixed set."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """What tells one state of an object from another."""

    size: int
    modified: datetime
    etag: str | None  # not every listing has it

    def is_same(self, other: "ObjectVersion") -> bool:
        """By the entity tag where both have one, else by size and time: to the second, as HTTP has it."""
        if self.etag is not None and other.etag is not None:
            return self.etag == other.etag
        return self.size == other.size and self.modified.replace(microsecond=0) == other.modified.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One capture that is elsewhere."""

    token: Hashable  # the source's own; no two that are held are equal
    root: str  # the URL below which it is, as settings name it
    key: str  # of the object, in its bucket
    sensor: str
    name: str  # of the file, as the spool will see it
    told: str  # where it was found, for people
    version: ObjectVersion | None = None  # as listed
    size: int | None = None  # as promised by a message
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that came and is no reference; the source has passed it over."""

    reason: str
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """What a source has to say."""

    references: Sequence[Reference] = ()
    refusals: Sequence[Refusal] = ()
    withdrawn: frozenset[Hashable] = field(default_factory=frozenset)  # tokens that are somebody else's now
    moved: bool = False  # sensors may be somebody else's now, whether references of theirs were held or not


class Fate(Enum):
    """What became of a reference."""

    DONE = "done"  # its packets count, durably
    QUARANTINED = "quarantined"
    REFUSED = "refused"  # nothing was fetched
    LEFT = "left"  # as DONE or QUARANTINED, but its object could not be taken away and stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A reference that needs nothing more."""

    reference: Reference
    fate: Fate
    reason: str = ""
    version: ObjectVersion | None = None  # that was fetched


class Source(Protocol):
    """Where references come from. One thread calls all of it."""

    def arrivals(self, room: int) -> Arrivals:
        """At most about `room` references that were not handed out yet; waits for a fraction of a second at most. To be called
        also when there is no room. Raises `SourceAwayError`."""

    def acknowledge(self, settled: Sequence[Settled]) -> Sequence[Settled]:
        """Take over what is settled; returns what will never be handed out again. The rest is kept, and tried again at the
        next call, also where this one raises `SourceAwayError`."""

    def close(self) -> None:
        """Let others have what is not settled."""

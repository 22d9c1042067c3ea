"""Which file of a sensor comes next: a pure rule over what waits."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

_LATE_NS = 1 << 63  # behind every packet time


class Candidate(Protocol):
    """A file of one sensor that waits."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def sequence(self) -> int | None:
        """Its number in the sensor's own order, where the name has one."""

    @property
    def first_ts_ns(self) -> int | None:
        """Packet time of its first packet (Unix ns), where that can be told."""

    def ready_at(self, now: float) -> float | None:
        """Since when it can be loaded, by the loader's clock (s); None: it may still grow, or is to be tried later."""


_File = TypeVar("_File", bound=Candidate)


def in_order(candidates: Iterable[_File]) -> list[_File]:
    """In the order in which the sensor made them: numbered files first, by number, then by first packet time, then by name."""
    return sorted(candidates, key=_order)


def next_file(ordered: Sequence[_File], expected_sequence: int | None, now: float, gap_wait_s: float) -> _File | None:
    """The file to load now, of those that `in_order` gave, or None while one that comes before it may still turn up.

    A missing number, or an earlier file that still grows, holds up those behind it, but none of them for longer than
    `gap_wait_s`. Numbers below the expected one are late, or of a count that began again: they come last, and wait for none.
    Looks at no more files than it must: thousands may wait, and it is asked for each.
    """
    in_time = 0 if expected_sequence is None else bisect_left(ordered, (False, expected_sequence), key=_place)
    head = _first_ready(ordered, range(in_time, len(ordered)), now)
    if head is not None:
        ahead = (ordered[at] for at in range(in_time, head))
        held_up = _leaves_gap(ordered[head], expected_sequence) or any(_has_place(file) for file in ahead)
        if not held_up or _one_has_waited(ordered, head, now, gap_wait_s):
            return ordered[head]
    late = _first_ready(ordered, range(in_time), now)
    return None if late is None else ordered[late]


def _order(candidate: Candidate) -> tuple[int, int, str]:
    if candidate.sequence is not None:
        return (0, candidate.sequence, str(candidate.path))
    return (1, _LATE_NS if candidate.first_ts_ns is None else candidate.first_ts_ns, str(candidate.path))


def _place(candidate: Candidate) -> tuple[bool, int]:
    """By its number; files without one come behind all others."""
    return (candidate.sequence is None, candidate.sequence or 0)


def _first_ready(ordered: Sequence[Candidate], places: range, now: float) -> int | None:
    return next((at for at in places if ordered[at].ready_at(now) is not None), None)


def _one_has_waited(ordered: Sequence[Candidate], head: int, now: float, gap_wait_s: float) -> bool:
    ready = (ordered[at].ready_at(now) for at in range(head, len(ordered)))
    return any(since is not None and now - since >= gap_wait_s for since in ready)


def _has_place(candidate: Candidate) -> bool:
    """Whether it is known where a file belongs: one without a number or a packet may be of any time."""
    return candidate.sequence is not None or candidate.first_ts_ns is not None


def _leaves_gap(candidate: Candidate, expected_sequence: int | None) -> bool:
    return candidate.sequence is not None and expected_sequence is not None and candidate.sequence > expected_sequence

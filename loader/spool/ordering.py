"""Which file of a sensor comes next: a pure rule over what waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LATE_NS = 1 << 63  # behind every packet time


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file of one sensor that waits. Times in seconds of the loader's clock, packet time in Unix ns."""

    path: Path
    sequence: int | None = None  # in the sensor's own order, where the name has one
    first_ts_ns: int | None = None  # of its first packet, where that can be told
    ready_since: float | None = None  # None: may still grow, or is to be tried later


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """In the order in which the sensor made them: numbered files first, by number, then by first packet time, then by name."""
    return sorted(candidates, key=_order)


def next_file(ordered: Sequence[Candidate], expected_sequence: int | None, now: float, gap_wait_s: float) -> Candidate | None:
    """The file to load now, of those that `in_order` gave, or None while one that comes before it may still turn up.

    A missing number, or an earlier file that still grows, holds up those behind it, but none of them for longer than
    `gap_wait_s`. Numbers below the expected one are late, or of a count that began again: they come last, and wait for none.
    """
    late = [candidate for candidate in ordered if _is_late(candidate, expected_sequence)]
    in_time = [candidate for candidate in ordered if not _is_late(candidate, expected_sequence)]
    head = next((candidate for candidate in in_time if candidate.ready_since is not None), None)
    if head is not None:
        ahead = in_time[: in_time.index(head)]
        held_up = _leaves_gap(head, expected_sequence) or any(_has_place(candidate) for candidate in ahead)
        if not held_up or now - _longest_ready(in_time) >= gap_wait_s:
            return head
    return next((candidate for candidate in late if candidate.ready_since is not None), None)


def _order(candidate: Candidate) -> tuple[int, int, str]:
    if candidate.sequence is not None:
        return (0, candidate.sequence, str(candidate.path))
    return (1, _LATE_NS if candidate.first_ts_ns is None else candidate.first_ts_ns, str(candidate.path))


def _longest_ready(candidates: Iterable[Candidate]) -> float:
    return min(candidate.ready_since for candidate in candidates if candidate.ready_since is not None)


def _is_late(candidate: Candidate, expected_sequence: int | None) -> bool:
    return candidate.sequence is not None and expected_sequence is not None and candidate.sequence < expected_sequence


def _has_place(candidate: Candidate) -> bool:
    """Whether it is known where a file belongs: one without a number or a packet may be of any time."""
    return candidate.sequence is not None or candidate.first_ts_ns is not None


def _leaves_gap(candidate: Candidate, expected_sequence: int | None) -> bool:
    return candidate.sequence is not None and expected_sequence is not None and candidate.sequence > expected_sequence

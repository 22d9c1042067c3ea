"""Which captures a check recounts: the newest, all, or a share that moves on until every capture with rows has had its turn."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Protocol

from exporter.reconciliation import MAX_NAMED, Reach
from schema.records import CommitRecord, LedgerTotals
from schema.store.reading import StoreReader
from schema.tables import TABLES, Ownership

# What lives the longest of a capture's own rows: behind it only the ledger's numbers are left to compare.
_ROWS_LAST_MS = 1000 * max(table.ttl_seconds for table in TABLES if table.ownership is Ownership.OWN)


class Selection(Protocol):
    """Chooses what is recounted, and is told how it came out."""

    def of(self, reader: StoreReader, ledger: LedgerTotals, now_ms: int) -> Iterator[CommitRecord]:
        """Commits of one sensor up to the ledger's position; each is recounted before the next is asked for."""

    def recounted(self, commit: CommitRecord, *, holds: bool) -> None:
        """Its numbers were compared."""


@dataclass(frozen=True, slots=True)
class Newest:
    """So many of each sensor, oldest first; None: all of them."""

    count: int | None = None

    def of(self, reader: StoreReader, ledger: LedgerTotals, now_ms: int) -> Iterator[CommitRecord]:  # noqa: ARG002  any age
        """Those of one sensor."""
        last = ledger.position.seq
        return _commits(reader, ledger.sensor, 1 if self.count is None else max(1, last - self.count + 1), last)

    def recounted(self, commit: CommitRecord, *, holds: bool) -> None:
        """Nothing to remember."""


ALL = Newest()


@dataclass(slots=True)
class Rounds:
    """The newest captures of each sensor, as many older ones by turns, and those that differed last time. What it remembers is
    gone with the process: the next one begins where a clock would have it, so that restarts do not keep it at the beginning."""

    share: int  # newest captures of a sensor, and older ones, a check
    period_s: float  # between two checks
    _sensors: dict[str, "_Round"] = field(default_factory=dict, init=False)

    def of(self, reader: StoreReader, ledger: LedgerTotals, now_ms: int) -> Iterator[CommitRecord]:
        """Those of one sensor, in no particular order."""
        if ledger.sensor not in self._sensors:
            first_turn = int(now_ms / 1000 / self.period_s) * self.share
            self._sensors[ledger.sensor] = _Round(share=self.share, first_turn=first_turn)
        return self._sensors[ledger.sensor].commits(reader, ledger, now_ms)

    def recounted(self, commit: CommitRecord, *, holds: bool) -> None:
        """One that differs is looked at in every check until it holds; beyond a bound it is found again in the next round."""
        differed = self._sensors[commit.sensor].differed
        if holds:
            differed.pop(commit.position.seq, None)
        elif len(differed) < MAX_NAMED:
            differed[commit.position.seq] = None

    def reach(self) -> Reach:
        """What was recounted so far, over all sensors."""
        rounds = self._sensors.values()
        whole = all(round_.covered() == round_.alive for round_ in rounds)
        times = [window.at_ms for round_ in rounds for window in round_.windows]
        return Reach(
            alive=sum(round_.alive for round_ in rounds),
            covered=sum(round_.covered() for round_ in rounds),
            since_ms=min(times) if whole and times else 0,
        )


@dataclass(frozen=True, slots=True)
class _Window:
    """Commits (first and last seq) that were recounted at one time."""

    first: int
    last: int
    at_ms: int

    def without(self, first: int, last: int) -> list["_Window"]:
        """What is left of it beside these."""
        pieces = ((self.first, min(self.last, first - 1)), (max(self.first, last + 1), self.last))
        return [_Window(*piece, self.at_ms) for piece in pieces if piece[0] <= piece[1]]


@dataclass(slots=True, kw_only=True)
class _Round:
    """One sensor's."""

    share: int
    first_turn: int  # captures that would have had their turn since 1970
    differed: dict[int, None] = field(default_factory=dict, init=False)
    windows: list[_Window] = field(default_factory=list, init=False)
    _oldest: int = field(default=1, init=False)  # seq of the first commit that is kept and whose rows have not all expired
    _without_commit: set[int] = field(default_factory=set, init=False)  # seqs in the windows: seals, and commits that were lost
    _last: int = field(default=0, init=False)
    _turn: int = field(default=0, init=False)  # seq of the next one; 0: not begun

    @property
    def alive(self) -> int:
        """Captures that can be recounted: their commits are kept, and their rows have not all expired. Seals count among them
        until a turn has passed over them."""
        return self._last - self._oldest + 1 - len(self._without_commit)

    def covered(self) -> int:
        """Of them, those that were recounted since this process began."""
        return sum(window.last - window.first + 1 for window in self.windows) - len(self._without_commit)

    def commits(self, reader: StoreReader, ledger: LedgerTotals, now_ms: int) -> Iterator[CommitRecord]:
        self._stand_at(reader, ledger, now_ms)
        newest = max(1, self._last - self.share + 1)
        turns = self._turns(newest)
        spans = [*turns, (newest, self._last)]
        for seq in [seq for seq in self.differed if not any(first <= seq <= last for first, last in spans)]:
            yield from _commits(reader, ledger.sensor, seq, seq)
        for first, last in spans:
            missing = set(range(first, last + 1))
            for commit in _commits(reader, ledger.sensor, first, last):
                yield commit
                missing.discard(commit.position.seq)
            self._note(first, last, missing, now_ms)
        if turns:
            self._turn = turns[-1][1] + 1

    def _stand_at(self, reader: StoreReader, ledger: LedgerTotals, now_ms: int) -> None:
        self._last = ledger.position.seq
        self._oldest = _oldest_alive(reader, ledger, min(self._oldest, self._last + 1), now_ms)
        self.windows = [piece for window in self.windows for piece in window.without(0, self._oldest - 1)]
        self.windows = [piece for window in self.windows for piece in window.without(self._last + 1, window.last)]
        self._without_commit = {seq for seq in self._without_commit if self._oldest <= seq <= self._last}
        self.differed = {seq: None for seq in self.differed if seq >= self._oldest}

    def _turns(self, newest: int) -> list[tuple[int, int]]:
        """The next share of those before the newest: first and last seq, twice where the round begins anew within it."""
        older = newest - self._oldest
        if older <= 0:
            return []
        turn = self._turn or self._oldest + self.first_turn % older
        turn = turn if self._oldest <= turn < newest else self._oldest
        last = min(turn + self.share, newest) - 1
        left = min(self.share, older) - (last - turn + 1)
        return [(turn, last), (self._oldest, self._oldest + left - 1)] if left else [(turn, last)]

    def _note(self, first: int, last: int, missing: set[int], at_ms: int) -> None:
        first = max(first, self._oldest)
        if first <= last:
            self._without_commit.difference_update(range(first, last + 1))
            self._without_commit.update(seq for seq in missing if seq >= first)
            others = [piece for window in self.windows for piece in window.without(first, last)]
            self.windows = [*others, _Window(first, last, at_ms)]


def _oldest_alive(reader: StoreReader, ledger: LedgerTotals, known: int, now_ms: int) -> int:
    """Seq of the first commit that is kept and whose rows have not all expired, from `known` on; behind the ledger: none.

    By bisection: a ledger may hold years. Commits are in the order of their time, but for what clocks do between loaders.
    """

    def from_seq(seq: int) -> CommitRecord | None:
        return next(islice(reader.commits(ledger.sensor, seq - 1), 1), None)

    def is_alive(seq: int) -> bool:
        commit = from_seq(seq)
        return commit is None or commit.loaded_at_ms + _ROWS_LAST_MS > now_ms

    first = from_seq(known)
    seqs = range(known if first is None else first.position.seq, ledger.position.seq + 1)
    if first is None or not seqs:
        return ledger.position.seq + 1
    return seqs[0] if is_alive(seqs[0]) else seqs[0] + bisect_left(seqs, True, key=is_alive)


def _commits(reader: StoreReader, sensor: str, first: int, last: int) -> Iterator[CommitRecord]:
    if first <= last:
        yield from takewhile(lambda commit: commit.position.seq <= last, reader.commits(sensor, first - 1))

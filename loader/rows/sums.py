"""Sums by key over one capture, whatever the number of keys.

In memory up to a number of keys; beyond, sorted runs in temporary files, merged in the end. When a run is written depends on
counts alone, and what is summed does not depend on it at all.
"""

import pickle
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import IO, Any, Generic, TypeVar

from loader.rows.spill import temporary_file

Key = TypeVar("Key")
Sum = TypeVar("Sum")

_BLOCK = 1_024  # keys that a run is read by
_FAN_IN = 16  # runs that are merged at a time: so many blocks are in memory, and at most so many files of each level open
_key: Callable[[Any], Any] = itemgetter(0)


class Sums(Generic[Key, Sum]):
    """Count into `held`, call `relieve` now and then, and go through all of it in the end, as often as needed. Close it: it may
    hold files."""

    def __init__(self, held: MutableMapping[Key, Sum], add: Callable[[Sum, Sum], Sum], keys_in_memory: int) -> None:
        """`held`: an empty mapping; `add` makes one sum of two, and leaves both as they are."""
        self.held = held
        self._add, self._limit = add, keys_in_memory
        self._levels: list[list[IO[bytes]]] = []  # of runs: one of a level holds the keys of `_FAN_IN` of the level before

    def relieve(self) -> None:
        """If more keys are held than may be, let a file have them."""
        if len(self.held) > self._limit:
            self._put(0, _blocks(sorted(self.held.items(), key=_key)))
            self.held.clear()

    def __iter__(self) -> Iterator[tuple[Key, Sum]]:
        """Every key once, in order if there are files, else in the order in which they came."""
        runs = list(chain.from_iterable(self._levels))
        if not runs:
            return iter(self.held.items())
        return self._merged([*map(_read, runs), _blocks(sorted(self.held.items(), key=_key))])

    def close(self) -> None:
        """Let go of the files."""
        for run in chain.from_iterable(self._levels):
            run.close()
        self._levels.clear()

    def _put(self, level: int, blocks: Iterable[list[tuple[Key, Sum]]]) -> None:
        """A further run; when a level is full its runs become one of the next."""
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(_written(blocks))
        if len(self._levels[level]) == _FAN_IN:
            full = self._levels[level]
            self._put(level + 1, _blocks(self._merged(list(map(_read, full)))))
            for run in full:
                run.close()
            full.clear()

    def _merged(self, runs: Sequence[Iterator[list[tuple[Key, Sum]]]]) -> Iterator[tuple[Key, Sum]]:
        for part in _in_order(runs):
            last, total = part[0]
            for key, summed in part[1:]:
                if key == last:
                    total = self._add(total, summed)
                else:
                    yield last, total
                    last, total = key, summed
            yield last, total


def _in_order(runs: Iterable[Iterator[list[Any]]]) -> Iterator[list[Any]]:
    """What several runs hold, in order, a part at a time; all that one key has is in one part."""
    heads = [(block, run) for run in runs if (block := next(run, []))]
    while heads:
        bound = min(block[-1][0] for block, _ in heads)  # up to here nothing can follow in any run
        part: list[Any] = []
        left = []
        for block, run in heads:
            at = bisect_right(block, bound, key=_key)
            part += block[:at]
            rest = block[at:] or next(run, [])
            if rest:
                left.append((rest, run))
        heads = left
        part.sort(key=_key)  # of sorted pieces: a merge
        yield part


def _blocks(items: Iterable[tuple[Key, Sum]]) -> Iterator[list[tuple[Key, Sum]]]:
    block: list[tuple[Key, Sum]] = []
    for item in items:
        block.append(item)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _written(blocks: Iterable[Any]) -> IO[bytes]:
    run = temporary_file()
    for block in blocks:
        pickle.dump(block, run, protocol=pickle.HIGHEST_PROTOCOL)
    return run


def _read(run: IO[bytes]) -> Iterator[list[Any]]:
    """The blocks of one of our own files, made a moment ago."""
    end = run.seek(0, 2)
    at = 0
    while at < end:
        run.seek(at)  # whoever goes through the same run meanwhile has moved it
        block = pickle.load(run)
        at = run.tell()
        yield block

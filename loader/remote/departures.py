"""Objects that wait to be taken away: one that its bucket will not let go holds up nobody behind it."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from loader.backoff import BackOff
from loader.remote.leaving import Leaving, StuckError
from loader.remote.port import Fate, Reference, Settled, SourceAwayError

_IN_A_ROW = 3  # so many stuck and none gone: no object's own trouble any more
_MAX_STUCK = 1024  # tried again and again; the longest stuck beyond stays where it is


@dataclass(slots=True)
class _Stuck:
    one: Settled
    back_off: BackOff = field(default_factory=lambda: BackOff(random.random))
    retry_at: float = 0.0


@dataclass(slots=True)
class Departures:
    """Takes them away in order. One that is stuck (a legal hold, a right that lacks) is tried again by its own back-off."""

    leaving: Leaving
    clock: Callable[[], float]
    failed: Callable[[], None]  # an attempt, to be counted
    max_stuck: int = _MAX_STUCK
    _fresh: deque[Settled] = field(default_factory=deque, init=False)
    _stuck: deque[_Stuck] = field(default_factory=deque, init=False)
    _ever_stuck: int = field(default=0, init=False)

    def add(self, settled: Iterable[Settled]) -> None:
        """More of them, behind the others."""
        self._fresh.extend(settled)

    def stuck(self) -> Iterable[Reference]:
        """Those whose objects are where they were, though they were tried."""
        return (stuck.one.reference for stuck in self._stuck)

    def go(self) -> Sequence[Settled]:
        """Those that need nothing more; `Fate.LEFT` where an object stays for good. Raises `SourceAwayError` where a
        bucket does not answer, or lets none of several go, and nothing else was done."""
        done: list[Settled] = []
        try:
            self._retry_one(done)
            self._take_fresh(done)
        except SourceAwayError:
            if not done:
                raise
        return done

    def _retry_one(self, done: list[Settled]) -> None:
        """One at a time, the longest waiting first: retries leave time for what is fresh."""
        now = self.clock()
        stuck = next((stuck for stuck in self._stuck if now >= stuck.retry_at), None)
        if stuck is None:
            return
        self._stuck.remove(stuck)
        try:
            self.leaving.dispose(stuck.one)
            done.append(stuck.one)
        except StuckError:
            self.failed()
            self._wait(stuck)
        except SourceAwayError:
            self._wait(stuck)
            raise

    def _take_fresh(self, done: list[Settled]) -> None:
        failures = 0
        while self._fresh:
            try:
                self.leaving.dispose(self._fresh[0])
            except StuckError as error:
                failures += 1
                self._is_stuck(self._fresh.popleft(), error, done)
                if failures < _IN_A_ROW:
                    continue
                raise SourceAwayError(str(error)) from error
            done.append(self._fresh.popleft())

    def _is_stuck(self, one: Settled, error: StuckError, done: list[Settled]) -> None:
        self.failed()
        self._ever_stuck += 1
        if self._ever_stuck.bit_count() == 1:  # the 1st, 2nd, 4th ...: there may be many
            what = "it is tried again, the others go on"
            self.leaving.tell(f"{one.reference.told} cannot be taken away: {error}; {what} ({self._ever_stuck} so far)")
        self._wait(_Stuck(one))
        if len(self._stuck) > self.max_stuck:
            left = self._stuck.popleft().one
            self.leaving.tell(f"{left.reference.told} stays where it is: more than {self.max_stuck} cannot be taken away")
            done.append(replace(left, fate=Fate.LEFT))

    def _wait(self, stuck: _Stuck) -> None:
        stuck.retry_at = self.clock() + stuck.back_off.failed()
        self._stuck.append(stuck)

"""A lease that is kept by whoever thinks of it: the timer of a watch, and the work that is done under it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from schema.store.writing import SensorLease

_A_TICK = 0.35  # of the lease's time: a little more than the third after which a timer comes again


class KeptLease:
    """Renewed long before it ends. A timer may use it beside the work. They take turns: an end that was chosen earlier and
    lands later would move the lease's end back, unseen by whoever moved it on."""

    def __init__(self, lease: SensorLease, lease_s: float, clock: Callable[[], float]) -> None:
        """`lease_s`: how long it is had for each time, by this clock. How much is left of it nobody says: the first who thinks
        of it renews it."""
        self._lease, self._lease_s, self._clock = lease, lease_s, clock
        self._moving = Lock()  # whoever moves its end, from choosing the new one to knowing what became of it
        self.until = clock()  # it is had so long at least
        self._committed_until = self.until  # the same, by commits alone

    def keep(self) -> None:
        """Renew it where half of its time is over: may be called as often as one likes. Raises `LeaseLostError`."""
        if self._is_gone(1 / 2, self.until):
            with self._moving:
                if self._is_gone(1 / 2, self.until):  # nobody did meanwhile
                    self._renew()

    def keep_in_time(self) -> None:
        """The same for a timer that calls it thrice in the lease's time, so that no capture waits for a renewal: renews it but
        where a commit was made since its last call, or is being made. Raises `LeaseLostError`."""
        if self._moving.acquire(blocking=False):
            try:
                if self._is_gone(_A_TICK, self._committed_until):
                    self._renew()
            finally:
                self._moving.release()

    def renew(self) -> None:
        """Have it for its whole time from now on. Raises `LeaseLostError`."""
        with self._moving:
            self._renew()

    @contextmanager
    def by_commit(self) -> Iterator[float]:
        """Around the commit that keeps it until then: nobody renews it beside that. Left without an error, it is kept."""
        with self._moving:
            until = self._clock() + self._lease_s
            yield until
            self.until = self._committed_until = until

    def _is_gone(self, share: float, until: float) -> bool:
        return until - self._clock() <= self._lease_s * (1 - share)

    def _renew(self) -> None:
        until = self._clock() + self._lease_s
        self._lease.renew(int(until * 1000))
        self.until = until

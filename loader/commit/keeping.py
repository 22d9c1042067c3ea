"""A lease that is kept by whoever thinks of it: the timer of a watch, and the work that is done under it."""

from collections.abc import Callable

from schema.store.writing import SensorLease


class KeptLease:
    """Renewed long before it ends."""

    def __init__(self, lease: SensorLease, lease_s: float, clock: Callable[[], float]) -> None:
        """`lease_s`: how long it is had for each time, by this clock. How much is left of it nobody says: the first who thinks
        of it renews it."""
        self._lease, self._lease_s, self._clock = lease, lease_s, clock
        self.until = clock()  # it is had so long at least

    def keep(self) -> None:
        """Renew it where half of its time is over: may be called as often as one likes. Raises `LeaseLostError`."""
        self._renew_after(1 / 2)

    def keep_in_time(self) -> None:
        """The same for a timer that calls it thrice in the lease's time, so that no capture waits for a renewal; a commit that
        was just made has kept it. Raises `LeaseLostError`."""
        self._renew_after(1 / 10)

    def longest(self) -> float:
        """Until when it may be had from now on."""
        return self._clock() + self._lease_s

    def is_kept(self, until: float) -> None:
        """A commit has kept it so long."""
        self.until = until

    def _renew_after(self, share: float) -> None:
        if self.until - self._clock() <= self._lease_s * (1 - share):
            self.renew()

    def renew(self) -> None:
        """Have it for its whole time from now on. Raises `LeaseLostError`."""
        until = self.longest()
        self._lease.renew(int(until * 1000))
        self.until = until

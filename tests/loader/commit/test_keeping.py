"""A lease is renewed when a third of its time is over, and by nobody before that."""

from typing import cast

from loader.commit.keeping import KeptLease
from schema.store.writing import SensorLease


class Renewals:
    """The lease's part that is asked for."""

    def __init__(self) -> None:
        self.until_ms: list[int] = []

    def renew(self, until_ms: int) -> None:
        self.until_ms.append(until_ms)


def test_it_is_renewed_first_and_then_by_thirds() -> None:
    now, renewals = [1_000.0], Renewals()
    kept = KeptLease(cast(SensorLease, renewals), 30, lambda: now[0])
    for at in (1_000.0, 1_001.0, 1_009.9, 1_010.0, 1_019.9, 1_050.0):
        now[0] = at
        kept.keep()
    assert renewals.until_ms == [1_030_000, 1_040_000, 1_080_000]
    assert kept.until == 1_080.0
    now[0] = 1_051.0
    kept.renew()  # a timer's, which asks nobody
    assert renewals.until_ms[-1] == 1_081_000

"""A lease is renewed by the work when half of its time is over, and by nobody but a timer before that."""

from typing import cast

from loader.commit.keeping import KeptLease
from schema.store.writing import SensorLease


class Renewals:
    """The lease's part that is asked for."""

    def __init__(self) -> None:
        self.until_ms: list[int] = []

    def renew(self, until_ms: int) -> None:
        self.until_ms.append(until_ms)


def test_it_is_renewed_first_and_then_by_halves() -> None:
    now, renewals = [1_000.0], Renewals()
    kept = KeptLease(cast(SensorLease, renewals), 30, lambda: now[0])
    for at in (1_000.0, 1_001.0, 1_014.9, 1_015.0, 1_029.9, 1_050.0):
        now[0] = at
        kept.keep()
    assert renewals.until_ms == [1_030_000, 1_045_000, 1_080_000]
    assert kept.until == 1_080.0
    now[0] = 1_051.0
    kept.renew()
    assert renewals.until_ms[-1] == 1_081_000


def test_a_timer_renews_what_no_commit_has_just_kept() -> None:
    now, renewals = [1_000.0], Renewals()
    kept = KeptLease(cast(SensorLease, renewals), 30, lambda: now[0])
    kept.keep_in_time()
    for at, commits in ((1_010.0, True), (1_020.0, False), (1_030.0, True), (1_040.0, True)):
        if commits:
            now[0] = at - 1
            kept.is_kept(kept.longest())
        now[0] = at
        kept.keep_in_time()
        kept.keep()
    assert renewals.until_ms == [1_030_000, 1_050_000]

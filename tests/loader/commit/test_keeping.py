"""A lease is renewed by the work when half of its time is over, and by nobody but a timer before that."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from loader.commit.keeping import KeptLease
from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.settings import LoaderSettings
from schema.store.sqlite import open_sqlite
from schema.store.writing import Attempt, Claim, Commit, LedgerHead, SensorLease
from tests.loader.commit.test_pipeline import pcap
from tests.schema.store.samples import owner


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


@pytest.mark.parametrize("before_s", [1, 3.5, 7, 9.9, 10.4], ids=lambda seconds: f"{seconds} s before the tick")
def test_a_timer_renews_what_no_commit_kept_since_it_last_came(before_s: float) -> None:
    now, renewals = [1_000.0], Renewals()
    kept = KeptLease(cast(SensorLease, renewals), 30, lambda: now[0])
    kept.keep_in_time()
    for at, commits in ((1_010.0, True), (1_020.0, False), (1_030.0, False), (1_040.0, True), (1_050.0, True)):
        if commits:
            now[0] = at - before_s
            with kept.by_commit() as until:
                assert until == now[0] + 30
            assert kept.until == until
        now[0] = at
        kept.keep_in_time()
    assert renewals.until_ms == [1_030_000, 1_050_000, 1_060_000]


def test_a_commit_that_failed_has_kept_nothing() -> None:
    now, renewals = [1_000.0], Renewals()
    kept = KeptLease(cast(SensorLease, renewals), 30, lambda: now[0])
    with pytest.raises(ZeroDivisionError), kept.by_commit():
        raise ZeroDivisionError
    assert kept.until == 1_000.0
    kept.keep_in_time()
    assert renewals.until_ms == [1_030_000]


def test_the_end_that_a_commit_chose_waits_for_a_renewal_under_way() -> None:
    """What lands last is what was chosen last."""
    now, begun, answers, landed = [1_000.0], Event(), Event(), list[float]()

    class Slow:
        def renew(self, until_ms: int) -> None:
            begun.set()
            answers.wait()
            landed.append(until_ms / 1000)

    kept = KeptLease(cast(SensorLease, Slow()), 30, lambda: now[0])

    def commit() -> None:
        begun.wait()
        now[0] = 1_010.0
        with kept.by_commit() as until:
            landed.append(until)
        answers.set()

    with ThreadPoolExecutor(2) as threads:
        renewed, committed = threads.submit(kept.keep_in_time), threads.submit(commit)
        begun.wait()
        answers.wait(0.2)  # time for a commit that does not wait
        answers.set()
        renewed.result()
        committed.result()
    assert landed == [1_030.0, 1_040.0]
    assert kept.until == 1_040.0


class WaitingLease:
    """A store's lease whose commits wait before they are sent, with the end that they were given."""

    def __init__(self, lease: SensorLease, meanwhile: Callable[[], None]) -> None:
        self._lease, self._meanwhile = lease, meanwhile
        self.ends_ms: list[int] = []  # in the order in which they were sent

    def __getattr__(self, name: str) -> object:
        return getattr(self._lease, name)

    def renew(self, until_ms: int) -> None:
        self._lease.renew(until_ms)
        self.ends_ms.append(until_ms)

    @contextmanager
    def begin(self, claim: Claim) -> object:  # type: ignore[misc]
        with self._lease.begin(claim) as attempt:  # type: ignore[union-attr]
            yield WaitingAttempt(attempt, self)

    def commit(self, attempt: Attempt, commit: Commit) -> LedgerHead:
        self._meanwhile()
        self.ends_ms.append(commit.lease_until_ms)
        return attempt.commit(commit)


class WaitingAttempt:
    def __init__(self, attempt: Attempt, lease: WaitingLease) -> None:
        self._attempt, self._lease = attempt, lease

    def __getattr__(self, name: str) -> object:
        return getattr(self._attempt, name)

    def commit(self, commit: Commit) -> LedgerHead:
        return self._lease.commit(self._attempt, commit)


def test_a_timer_does_not_renew_beside_a_commit(tmp_path: Path) -> None:
    """Its end would be overwritten by the earlier one of the commit, and believed longer than the ledger says."""
    now = [1_000.0]
    store = open_sqlite(tmp_path / "store.db", lambda: now[0])
    store.apply_schema()

    def stall() -> None:
        now[0] += 11
        with ThreadPoolExecutor(1) as timer:
            timer.submit(loader.kept.keep_in_time).result()

    lease = WaitingLease(store.take_sensor("edge-1", "office", owner(), 1_030_000), stall)
    settings = LoaderSettings(lease_s=30)
    loader = SensorLoader(store, cast(SensorLease, lease), settings, lambda: now[0], Shared.of(store, settings, print))
    (tmp_path / "a.pcap").write_bytes(pcap([(10**12, bytes(60))]))
    assert loader.load(tmp_path / "a.pcap").packets == 1
    assert lease.ends_ms == [1_030_000, 1_030_000]  # of the work before it, and of the commit
    assert loader.kept.until == 1_030.0
    loader.kept.keep_in_time()
    assert lease.ends_ms[-1] == 1_041_000
    store.close()

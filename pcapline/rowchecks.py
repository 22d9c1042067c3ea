"""Wires what `verify` knows of a differing capture to what decoding it again knows of its rows."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from exporter.reconciliation import Reconciliation
from loader.archive.finding import CaptureFiles, archive_of
from loader.commit.keeping import KeptLease
from loader.commit.sensornames import inventory_of
from loader.review.again import Decoding
from loader.review.openflows import OpenFlowsAgain
from loader.review.recheck import Findings, by_partition, examine, repair
from loader.review.then import NotTheSameError, Then
from loader.settings import LoaderSettings
from pcapline.text import printable
from schema.errors import LeaseHeldError, StoreError
from schema.objects import uuid_text
from schema.records import DEFAULT_NETWORK
from schema.store.writing import SensorLease, Store

_MOST_TOLD = 5  # captures that are not compared: one reason holds for many


@dataclass(slots=True)
class RowChecks:
    """Looks at the captures of a verdict, and puts their rows right."""

    store: Store
    decoding: Decoding
    files: CaptureFiles | None
    archive: Path | None
    tell: Callable[[str], None]
    not_compared: int = field(default=0, init=False)  # captures that no number accuses, and that cannot be decoded again

    @classmethod
    def of(cls, store: Store, settings: LoaderSettings, archive: Path | None, tell: Callable[[str], None]) -> "RowChecks":
        """`archive`: a watched directory, or any other that captures are kept in."""
        files = CaptureFiles(archive_of(archive)) if archive else None
        open_flows = OpenFlowsAgain(store, settings, files)
        decoding = Decoding(store=store, settings=settings, inventory=inventory_of(settings, tell), open_flows=open_flows)
        return cls(store, decoding, files, archive, tell)

    def findings(self, verdict: Reconciliation, sensors: Collection[str], *, every: bool) -> Iterator[Findings]:
        """One for each capture whose rows the verdict says to differ. `every`: and of each other capture of these sensors (of
        none: of all) that can be decoded again, whatever comes out; of those that cannot be, the first are told of."""
        differing = {each.capture_id: each for each in verdict.differing if each.identity in ("rows", "packets")}
        for capture_id in differing:
            if (then := self._then(capture_id)) is not None:
                found = self._examined(then)
                yield by_partition(self.store, found, _now_ms()) if found.inexact else found
        for capture_id in self._captures(sensors) if every else ():
            if capture_id not in differing and (then := self._then(capture_id)) is not None:
                found = self._examined(then)
                if not found.inexact:
                    yield found
                else:
                    self._leave_out(found)

    def _leave_out(self, found: Findings) -> None:
        self.not_compared += 1
        if self.not_compared <= _MOST_TOLD:
            self.tell(f"{printable(found.then.record.facts.file_name)} is not compared: {printable(found.inexact)}")

    def _captures(self, sensors: Collection[str]) -> Iterator[bytes]:
        for record in self.store.sensors():
            if not sensors or record.sensor in sensors:
                yield from (commit.capture_id for commit in self.store.commits(record.sensor, 0))

    def _examined(self, then: Then) -> Findings:
        file = self.files.of(then.record) if self.files else None
        found = examine(self.decoding, file, then, _now_ms())
        where = "--archive DIR names where it is kept" if self.archive is None else f"{self.archive} does not have it"
        return found if file is not None else replace(found, inexact=f"{found.inexact}: {where}")

    def _then(self, capture_id: bytes) -> Then | None:
        record = self.store.capture(capture_id)
        if record is None or record.position is None:
            self.tell(f"capture {uuid_text(capture_id)} has no record of its own: its rows cannot be told")
            return None
        commits = self.store.commits(record.sensor, record.position.seq - 1, deltas=True)
        commit = next(commits, None)
        if commit is None or commit.capture_id != capture_id:
            self.tell(f"capture {uuid_text(capture_id)} is not where its record says it was committed: its rows cannot be told")
            return None
        return Then(record=record, commit=commit)

    def repair(self, findings: Findings, owner: str) -> int | None:
        """How many rows were put right; None, and why is told, where they cannot be."""
        name = findings.then.record.facts.file_name
        if findings.inexact:
            self.tell(f"{name} is not repaired: {findings.inexact}")
            return None
        sensor, lease_s = findings.then.record.sensor, self.decoding.settings.lease_s
        try:
            self.decoding.open_flows.before(findings.then)  # the whole way back, while nobody waits for the lease
            with _leased(self.store, sensor, owner, lease_s) as (lease, keep):
                return repair(self.decoding, lease, findings, _now_ms(), keep)
        except LeaseHeldError as held:
            self.tell(f"{name} is not repaired: {held.owner} loads sensor {sensor}; stop that loader first")
        except (NotTheSameError, StoreError, OSError) as error:
            self.tell(f"{name} is not repaired: {error}")
        return None


@contextmanager
def _leased(store: Store, sensor: str, owner: str, lease_s: int) -> Iterator[tuple[SensorLease, Callable[[], None]]]:
    """The sensor's lease, and what keeps it when it is called now and then."""
    lease = store.take_sensor(sensor, DEFAULT_NETWORK, owner, _now_ms() + lease_s * 1000)
    try:
        yield lease, KeptLease(lease, lease_s, time.time).keep
    finally:
        lease.release()


def _now_ms() -> int:
    return int(time.time() * 1000)

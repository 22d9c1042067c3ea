"""A store with the captures of a directory, whose rows are broken by hand."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loader.archive.finding import CaptureFiles
from loader.commit.sensornames import no_inventory
from loader.naming.listed import Inventory
from loader.review.again import Decoding
from loader.review.openflows import OpenFlowsAgain
from loader.review.recheck import Fault, Findings, Row, by_partition, examine, repair
from loader.review.then import Then
from loader.settings import LoaderSettings
from schema.records import DEFAULT_NETWORK, STANDALONE_SENSOR
from schema.store.reading import StoreReader
from schema.store.writing import SensorLease, Store
from schema.tables import DNS_ANSWERS, FLOWS, NAMES_BY_CLIENT, TRAFFIC_BY_MINUTE, Table, batches_of
from tests.e2e.loading import load_all

SETTINGS = LoaderSettings(packets=True)
PARTS = 4
OWNER = "elsewhere:1:test"


@dataclass
class Desk:
    """A store with the captures of a directory."""

    store: Store
    directory: Path
    sensor: str = ""
    settings: LoaderSettings = SETTINGS
    inventory: Callable[[], Inventory] = no_inventory

    def load(self, sensor: str, order: tuple[int, ...] = tuple(range(PARTS))) -> "Desk":
        self.sensor = sensor
        paths = sorted(self.directory.glob("*.pcap"))
        load_all(self.store, [paths[number] for number in order], sensor, self.settings)
        return self

    def lease(self) -> SensorLease:
        return self.store.take_sensor(self.sensor, DEFAULT_NETWORK, OWNER, int(time.time() + 60) * 1000)

    def then(self, part: int) -> Then:
        (record,) = [each for each in self.store.captures() if each.facts.file_name == f"part-{part:03d}.pcap"]
        (commit,) = [
            each for each in self.store.commits(self.sensor, 0, deltas=True) if each.capture_id == record.facts.capture_id
        ]
        return Then(record=record, commit=commit)

    def decoding(self, reader: StoreReader | None = None) -> Decoding:
        """`reader`: of the store, where it is to say something else."""
        store = reader or self.store
        open_flows = OpenFlowsAgain(store, self.settings, CaptureFiles(self.directory))
        return Decoding(store=store, settings=self.settings, inventory=self.inventory, open_flows=open_flows)

    def examined(self, part: int, then: Then | None = None, decoding: Decoding | None = None) -> Findings:
        then = then or self.then(part)
        now_ms, file = int(time.time() * 1000), CaptureFiles(self.directory).of(then.record)
        found = examine(decoding or self.decoding(), file, then, now_ms)
        return by_partition(self.store, found, now_ms) if found.inexact else found

    def repaired(self, findings: Findings, decoding: Decoding | None = None) -> int:
        lease = self.lease()
        try:
            return repair(decoding or self.decoding(), lease, findings, int(time.time() * 1000), lambda: None)
        finally:
            lease.release()

    def row(self, table: Table, part: int, **wanted: object) -> Row:
        """The first row of a capture with these values."""
        at, capture_id = table.index("capture_id"), self.then(part).record.facts.capture_id
        rows = sorted((row for row in self.store.scan(table) if row[at] == capture_id), key=repr)
        return next(row for row in rows if all(row[table.index(name)] == value for name, value in wanted.items()))

    def write(self, table: Table, part: int, row: Row) -> None:
        lease = self.lease()
        with lease.rewrite(self.then(part).record.facts.capture_id) as rewriting:
            rewriting.write(batches_of(table, [row]))
        lease.release()

    def delete(self, table: Table, part: int, row: Row) -> None:
        lease = self.lease()
        with lease.rewrite(self.then(part).record.facts.capture_id) as rewriting:
            rewriting.delete(table, [row[: len(table.key)]])
        lease.release()


def changed(table: Table, row: Row, **values: object) -> Row:
    return tuple(values.get(name, value) for name, value in zip(table.names, row, strict=True))


def faults(findings: Findings) -> list[tuple[Fault, str, Row, tuple[str, ...]]]:
    assert findings.inexact == ""
    return [(each.fault, each.table.name, each.key, each.columns) for each in findings.rows]


def damage(desk: Desk, part: int = 1) -> dict[tuple[str, Row], tuple[Fault, tuple[str, ...]]]:
    """A row lost, one too many and one changed, over four tables; what is to be said of each."""
    flow, other = desk.row(FLOWS, part), sorted(desk.store.scan(FLOWS), key=repr)[-1]
    other = desk.row(FLOWS, part, frame=other[FLOWS.index("frame")]) if other == flow else desk.row(FLOWS, part, protocol=17)
    answer = desk.row(DNS_ANSWERS, part)
    minute, told = (
        desk.row(TRAFFIC_BY_MINUTE, part),
        desk.row(NAMES_BY_CLIENT, part) if desk.sensor != STANDALONE_SENSOR else None,
    )
    stray = changed(FLOWS, flow, frame=2_000_000)
    desk.write(FLOWS, part, stray)
    desk.delete(FLOWS, part, flow)
    desk.write(DNS_ANSWERS, part, changed(DNS_ANSWERS, answer, rcode=3, rr_name="changed.example"))
    desk.delete(TRAFFIC_BY_MINUTE, part, minute)
    expected = {
        ("flows", stray[:6]): (Fault.SURPLUS, ()),
        ("flows", flow[:6]): (Fault.MISSING, ()),
        ("dns_answers", answer[:7]): (Fault.CHANGED, ("rr_name", "rcode")),
        ("traffic_by_minute", minute[: len(TRAFFIC_BY_MINUTE.key)]): (Fault.MISSING, ()),
    }
    if other[:6] != flow[:6]:
        packets = int(str(other[FLOWS.index("packets")]))
        desk.write(FLOWS, part, changed(FLOWS, other, packets=packets + 1))
        expected["flows", other[:6]] = (Fault.CHANGED, ("packets",))
    if told is not None:
        desk.delete(NAMES_BY_CLIENT, part, told)
        expected["names_by_client", told[: len(NAMES_BY_CLIENT.key)]] = (Fault.MISSING, ())
    return expected

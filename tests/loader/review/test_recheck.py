"""Faults put into rows by hand, in both stores: named to the row, mended to the value, or left alone where nobody can know."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from capture.traffic import TrafficPlan, generate
from loader.archive.finding import CaptureFiles
from loader.commit.sensornames import no_inventory
from loader.naming.listed import Inventory, Prefix
from loader.review.again import Decoding, Then
from loader.review.recheck import Fault, Findings, Row, RowFault, by_partition, examine, mend, repair
from loader.settings import LoaderSettings
from schema.errors import StoreError
from schema.records import DEFAULT_NETWORK, STANDALONE_SENSOR
from schema.store.sqlite import open_sqlite
from schema.store.writing import SensorLease, Store
from schema.tables import BY_NAME, DNS_ANSWERS, FLOWS, NAMES_BY_CLIENT, TRAFFIC_BY_MINUTE, Table, batches_of
from tests.e2e.loading import contents, load_all
from tests.loader.commit.test_pipeline import cut

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

    def decoding(self) -> Decoding:
        return Decoding(store=self.store, settings=self.settings, inventory=self.inventory)

    def examined(self, part: int, then: Then | None = None) -> Findings:
        then = then or self.then(part)
        now_ms, file = int(time.time() * 1000), CaptureFiles(self.directory).of(then.record.facts)
        found = examine(self.decoding(), file, then, now_ms)
        return by_partition(self.store, found, now_ms) if found.inexact else found

    def repaired(self, findings: Findings) -> int:
        lease = self.lease()
        try:
            return repair(self.decoding(), lease, findings, int(time.time() * 1000), lambda: None)
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


@pytest.fixture(params=["sqlite", "cassandra"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    frames = list(generate(TrafficPlan(seed=18, packets=800, packets_per_second=50.0, clients=4, servers=6)))
    cut(frames, PARTS, tmp_path)
    with ExitStack() as stack:
        if request.param == "cassandra":
            store = request.getfixturevalue("cassandra_store_factory")()
        else:
            store = stack.enter_context(closing(open_sqlite(tmp_path / "store.db")))
            store.apply_schema()
        yield Desk(store, tmp_path)


def faults(findings: Findings) -> list[tuple[Fault, str, Row, tuple[str, ...]]]:
    assert findings.inexact == ""
    return [(each.fault, each.table.name, each.key, each.columns) for each in findings.rows]


def damage(desk: Desk) -> dict[tuple[str, Row], tuple[Fault, tuple[str, ...]]]:
    """A row lost, one too many and one changed, over four tables; what is to be said of each."""
    flow, other = desk.row(FLOWS, 1), sorted(desk.store.scan(FLOWS), key=repr)[-1]
    other = desk.row(FLOWS, 1, frame=other[FLOWS.index("frame")]) if other == flow else desk.row(FLOWS, 1, protocol=17)
    answer = desk.row(DNS_ANSWERS, 1)
    minute, told = desk.row(TRAFFIC_BY_MINUTE, 1), desk.row(NAMES_BY_CLIENT, 1) if desk.sensor != STANDALONE_SENSOR else None
    stray = changed(FLOWS, flow, frame=2_000_000)
    desk.write(FLOWS, 1, stray)
    desk.delete(FLOWS, 1, flow)
    desk.write(DNS_ANSWERS, 1, changed(DNS_ANSWERS, answer, rcode=3, rr_name="changed.example"))
    desk.delete(TRAFFIC_BY_MINUTE, 1, minute)
    expected = {
        ("flows", stray[:6]): (Fault.SURPLUS, ()),
        ("flows", flow[:6]): (Fault.MISSING, ()),
        ("dns_answers", answer[:7]): (Fault.CHANGED, ("rr_name", "rcode")),
        ("traffic_by_minute", minute[: len(TRAFFIC_BY_MINUTE.key)]): (Fault.MISSING, ()),
    }
    if other[:6] != flow[:6]:
        packets = int(str(other[FLOWS.index("packets")]))
        desk.write(FLOWS, 1, changed(FLOWS, other, packets=packets + 1))
        expected["flows", other[:6]] = (Fault.CHANGED, ("packets",))
    if told is not None:
        desk.delete(NAMES_BY_CLIENT, 1, told)
        expected["names_by_client", told[: len(NAMES_BY_CLIENT.key)]] = (Fault.MISSING, ())
    return expected


@pytest.mark.parametrize(("sensor", "order"), [(STANDALONE_SENSOR, (0, 1, 2, 3)), ("edge", (3, 0, 1, 2)), ("edge", (1, 2, 3))])
def test_each_fault_is_named_to_the_row_and_mended_to_the_value(desk: Desk, sensor: str, order: tuple[int, ...]) -> None:
    """Of files that stand alone, of captures out of order, and of a sensor's first."""
    before = contents(desk.load(sensor, order).store)
    assert faults(desk.examined(1)) == []
    expected = damage(desk)
    found = desk.examined(1)
    assert {(table, key): (fault, columns) for fault, table, key, columns in faults(found)} == expected
    assert desk.repaired(found) == len(expected)
    assert contents(desk.store) == before
    assert faults(desk.examined(1)) == []


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_however_many_rows_are_wrong_a_bounded_number_is_held(desk: Desk) -> None:
    """The lease is kept after each slice; rows are asked for as they are mended."""
    row, capture_id = desk.load("edge").row(FLOWS, 1), desk.then(1).commit.capture_id
    stray = changed(FLOWS, row, frame=2_000_000)[: len(FLOWS.key)]
    left, kept = iter(range(70_000)), list[int]()
    faults = (RowFault(Fault.SURPLUS, FLOWS, stray) for _ in left)

    lease = desk.lease()
    assert mend(lease, capture_id, faults, lambda: kept.append(left.__length_hint__())) == 70_000
    lease.release()
    assert kept == [70_000 - 65_536, 0]


def test_what_goes_on_from_open_flows_is_named_by_partition_and_left_alone(desk: Desk) -> None:
    desk.load("edge")
    assert desk.examined(2).partition_count == 0
    lost = desk.row(FLOWS, 2)
    desk.delete(FLOWS, 2, lost)
    found = desk.examined(2)
    assert "open flows" in found.inexact
    (partition,) = found.partitions
    assert (partition.table, partition.partition, partition.found - partition.expected) == (FLOWS, lost[:2], -1)
    assert found.rows == ()


def test_a_name_that_came_later_is_no_fault_and_stays(desk: Desk) -> None:
    row = desk.load(STANDALONE_SENSOR).row(FLOWS, 1)
    named = changed(FLOWS, row, hostname="later.example", name_evidence="dns_late")
    desk.write(FLOWS, 1, named)
    assert faults(desk.examined(1)) == []
    desk.write(FLOWS, 1, changed(FLOWS, named, bytes=1))
    found = desk.examined(1)
    assert [columns for *_, columns in faults(found)] == [("bytes",)]
    desk.repaired(found)
    assert desk.row(FLOWS, 1) == named


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("decoder", "native-0", "decoder was 'native-0'"), ("deep", "tshark 1.0", "tshark then"), ("prefix", "00", "grew")],
)
def test_what_was_made_otherwise_is_not_made_again(desk: Desk, name: str, value: str, said: str) -> None:
    then = desk.load(STANDALONE_SENSOR).then(1)
    other = replace(then, record=replace(then.record, inputs={**then.inputs, name: value}))
    assert said in desk.examined(1, other).inexact


def test_another_inventory_names_otherwise(desk: Desk) -> None:
    desk.load(STANDALONE_SENSOR)
    desk.inventory = lambda: Inventory({Prefix(bytes([10, 0, 0, 0]), 8): "inside"})
    assert desk.examined(1).inexact.startswith("inventory was ''")


def test_recorded_settings_count_and_not_those_of_now(desk: Desk) -> None:
    desk.load(STANDALONE_SENSOR)
    desk.settings = LoaderSettings(idle_timeout_s=1, bucket="min")
    assert faults(desk.examined(1)) == []


def test_a_file_with_other_bytes_is_not_the_captures(desk: Desk) -> None:
    path, then = desk.directory / "part-001.pcap", desk.load(STANDALONE_SENSOR).then(1)
    path.write_bytes((desk.directory / "part-002.pcap").read_bytes())
    assert CaptureFiles(desk.directory).of(then.record.facts) is None
    assert desk.examined(1).inexact == "its file is not at hand"
    (desk.directory / "part-000.pcap").rename(desk.directory / "renamed.pcap.7")
    assert CaptureFiles(desk.directory).of(desk.then(0).record.facts) == desk.directory / "renamed.pcap.7"


def test_a_name_that_has_expired_since_is_seen(desk: Desk) -> None:
    """Facts that named a flow then are gone: the rows of then cannot be made, and are not touched."""
    desk.load("edge", (3, 0, 1, 2))
    lease = desk.lease()
    for table in (BY_NAME["names_by_client"], BY_NAME["names_by_address"]):
        for part in (0, 3):
            rows = [
                row for row in desk.store.scan(table) if row[table.index("capture_id")] == desk.then(part).commit.capture_id
            ]
            with lease.rewrite(desk.then(part).commit.capture_id) as rewriting:
                rewriting.delete(table, [row[: len(table.key)] for row in rows])
    lease.release()
    assert "named differently" in desk.examined(1).inexact


def test_names_that_nothing_proves_are_not_believed(desk: Desk) -> None:
    then = desk.load("edge", (3, 0, 1, 2)).then(1)
    assert "nothing proves" in desk.examined(1, replace(then, commit=replace(then.commit, deltas=None))).inexact


def test_rows_of_what_is_not_committed_are_nobodys_to_write(desk: Desk) -> None:
    lease = desk.load("edge").lease()
    with pytest.raises(StoreError, match="no capture"), lease.rewrite(bytes(16)):
        pass
    other = desk.store.take_sensor("other", DEFAULT_NETWORK, OWNER, int(time.time() + 60) * 1000)
    with pytest.raises(StoreError, match="no capture"), other.rewrite(desk.then(0).commit.capture_id):
        pass

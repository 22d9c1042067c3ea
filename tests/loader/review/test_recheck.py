"""Faults put into rows by hand, in both stores: named to the row, mended to the value, or left alone where nobody can know."""

import time
from dataclasses import replace

import pytest

from loader.archive.finding import CaptureFiles
from loader.naming.listed import Inventory, Prefix
from loader.review.recheck import Fault, RowFault, mend
from loader.settings import LoaderSettings
from schema.errors import StoreError
from schema.records import DEFAULT_NETWORK, STANDALONE_SENSOR
from schema.tables import BY_NAME, FLOWS
from tests.e2e.loading import contents
from tests.loader.review.desk import OWNER, Desk, changed, damage, faults


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
    [
        ("decoder", "native-0", "decoder was 'native-0'"),
        ("deep", "tshark 1.0", "tshark then"),
        ("prefix", "00", "not at hand"),
        ("prefix", "odd", "not at hand"),
    ],
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
    assert CaptureFiles(desk.directory).of(then.record) is None
    assert desk.examined(1).inexact == "its file is not at hand"
    (desk.directory / "part-000.pcap").rename(desk.directory / "renamed.pcap.7")
    assert CaptureFiles(desk.directory).of(desk.then(0).record) == desk.directory / "renamed.pcap.7"


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

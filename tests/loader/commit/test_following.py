"""The state before a capture: one that cannot be read holds nothing up, and flows of a capture out of order wait in it too."""

import time
from pathlib import Path

import pytest

from loader.commit.carried import CarriedState
from loader.commit.pipeline import SensorLoader
from loader.commit.shared import Shared
from loader.settings import LoaderSettings
from schema.enums import FileState
from schema.records import DEFAULT_NETWORK
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import FLOWS
from tests.e2e.loading import contents
from tests.loader.naming.script import ALICE, CDN, WEB, Script


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_sqlite(tmp_path / "store.db")
    store.apply_schema()
    return store


def loader_of(store: Store) -> SensorLoader:
    lease = store.take_sensor("edge-1", DEFAULT_NETWORK, "here:1:x", int((time.time() + 60) * 1000))
    settings = LoaderSettings()
    return SensorLoader(store, lease, settings, time.time, Shared.of(store, settings, print))


def names(store: Store) -> dict[object, tuple[object, ...]]:
    """Name and evidence of each row, by its source port."""
    wanted = [FLOWS.index(name) for name in ("hostname", "name_evidence", "endpoint")]
    return {row[FLOWS.index("source_port")]: tuple(row[i] for i in wanted) for row in contents(store)[FLOWS.name]}


@pytest.mark.parametrize(
    "state", [b"\x09of another version", b"", CarriedState(open_flows=b"PLS1 of another version").encode()]
)
def test_a_state_that_cannot_be_read_is_counted_and_holds_nothing_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: bytes
) -> None:
    script = Script(1_700_000_000)
    script.call(1, ALICE, WEB)
    loader = loader_of(store)
    monkeypatch.setattr(type(loader.lease), "carried", lambda _lease: state)
    assert loader.load(script.write(tmp_path / "1.pcap")).state is FileState.LOADED
    assert store.ledger("edge-1").totals["carried_state_unreadable"] == 1
    (record,) = store.captures("edge-1")
    assert record.inputs["state"].startswith("unreadable:")
    monkeypatch.undo()
    script.call(5, ALICE, WEB)
    assert loader.load(script.write(tmp_path / "2.pcap")).state is FileState.LOADED
    assert store.ledger("edge-1").totals["carried_state_unreadable"] == 1


def test_a_flow_of_a_capture_out_of_order_waits_for_its_name_as_any_other(store: Store, tmp_path: Path) -> None:
    script = Script(1_700_000_000)
    late = script.call(1, ALICE, WEB)
    first = script.write(tmp_path / "1.pcap")
    script.call(100, ALICE, CDN)
    second = script.write(tmp_path / "2.pcap")
    script.tell(200, ALICE, "late.example", WEB)
    third = script.write(tmp_path / "3.pcap")
    loader = loader_of(store)
    for path in (second, first, third):
        assert loader.load(path).state is FileState.LOADED
    assert names(store)[late.port] == ("late.example", "dns_late", WEB)
    totals = store.ledger("edge-1").totals
    assert (totals["out_of_order"], totals["names_repaired"]) == (1, 1)

"""The identities hold over what was loaded, and each fault put into the store by hand is named."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from exporter.reconcile import is_exporters, reconcile
from exporter.reconciliation import MAX_NAMED, Reconciliation
from exporter.rounds import Newest
from exporter.service import expose_once
from exporter.settings import ExporterSettings
from schema.store.writing import Store
from tests.exporter.captures import NOW_MS, Capture, lease_of, load, store_at

DAY_MS = 86_400_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_at(tmp_path / "store.db") as store:
        for sensor in ("edge-1", "edge-2"):
            lease = lease_of(store, sensor)
            for number in range(3):
                flows = [("a.example", (3, 300, 2, 200)), (f"host-{number}.example", (1, 60, 0, 0))]
                load(lease, Capture(name=f"{sensor}-{number}", flows=flows, non_flow={"arp": number}))
            load(lease, Capture(name=f"{sensor}-arp", non_flow={"arp": 7}))
        yield store


def scrape(store: Store) -> str:
    return expose_once(store, ExporterSettings(max_endpoints=2), store="sqlite", version="1")


def differences(verdict: Reconciliation) -> dict[str, int]:
    return {identity.name: identity.difference for identity in verdict.identities}


def break_by_hand(tmp_path: Path, statement: str) -> None:
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute(statement)
    assert connection.changes() > 0
    connection.close()


def test_all_hold(store: Store) -> None:
    verdict = reconcile(store, NOW_MS, lambda: scrape(store))
    assert verdict.holds
    assert differences(verdict) == {"packets": 0, "rows": 0, "totals": 0, "metrics": 0}
    assert {identity.name: identity.left for identity in verdict.identities}["packets"] == 2 * (3 * 6 + 3 + 7)
    assert (verdict.coverage.captures, verdict.coverage.checked, verdict.coverage.expired) == (8, 8, 0)


def test_only_an_exporters_page_is_held_against_the_ledger(store: Store) -> None:
    assert is_exporters(scrape(store))
    assert not any(map(is_exporters, ("", "<html>", "# TYPE pcapline_loader_files counter\npcapline_loader_files 1\n")))


def test_a_row_deleted_by_hand_names_its_capture(store: Store, tmp_path: Path) -> None:
    break_by_hand(tmp_path, "DELETE FROM flows WHERE endpoint = 'host-1.example' AND sensor = 'edge-2'")
    verdict = reconcile(store, NOW_MS)
    assert differences(verdict) == {"packets": 1, "rows": 1, "totals": 0}
    assert {difference.file_name for difference in verdict.differing} == {"edge-2-1.pcap"}
    assert {difference.capture_id for difference in verdict.differing} == {Capture(name="edge-2-1").capture_id}


def test_a_lost_manifest_is_not_taken_for_expiry(store: Store, tmp_path: Path) -> None:
    break_by_hand(tmp_path, "DELETE FROM manifests")
    verdict = reconcile(store, NOW_MS)
    assert differences(verdict) == {"packets": 0, "rows": 12, "totals": 0}


def test_a_total_changed_by_hand(store: Store, tmp_path: Path) -> None:
    before = scrape(store)
    break_by_hand(tmp_path, "UPDATE ledger_endpoints SET bytes = bytes + 5 WHERE endpoint = 'a.example' AND sensor = 'edge-1'")
    verdict = reconcile(store, NOW_MS, lambda: before)
    assert differences(verdict) == {"packets": 0, "rows": 0, "totals": 5, "metrics": 5}
    assert ("edge-1", "bytes of a.example") in {(wrong.sensor, wrong.subject) for wrong in verdict.differing}


def test_a_lost_commit_breaks_the_chain(store: Store, tmp_path: Path) -> None:
    break_by_hand(tmp_path, "DELETE FROM ledger_commits WHERE sensor = 'edge-1' AND seq = 2")
    verdict = reconcile(store, NOW_MS)
    assert "commits" in {wrong.subject for wrong in verdict.differing}
    assert not verdict.holds


def test_opposite_errors_do_not_cancel(store: Store, tmp_path: Path) -> None:
    for change, sensor in (("+ 3", "edge-1"), ("- 3", "edge-2")):
        break_by_hand(
            tmp_path, f"UPDATE ledger_totals SET value = value {change} WHERE name = 'frames' AND sensor = '{sensor}'"
        )
    assert differences(reconcile(store, NOW_MS))["totals"] == 6


def test_a_scrape_is_judged_at_its_own_position(store: Store) -> None:
    before = scrape(store)
    load(lease_of(store, "edge-1"), Capture(name="later", flows=[("a.example", (1, 60, 0, 0))]))
    assert differences(reconcile(store, NOW_MS, lambda: before))["metrics"] == 0


def test_a_scrape_that_shows_something_else(store: Store) -> None:
    text = scrape(store)
    line = next(line for line in text.splitlines() if line.startswith("pcapline_endpoint_writes_total{"))
    wrong = text.replace(line, line.rpartition(" ")[0] + " 1000.0")
    verdict = reconcile(store, NOW_MS, lambda: wrong)
    assert differences(verdict)["metrics"] == 1000 - float(line.rpartition(" ")[2])
    assert verdict.differing[0].subject == "pcapline_endpoint_writes_total of network lan"


def test_an_empty_scrape_is_no_proof(store: Store) -> None:
    assert "metrics" not in differences(reconcile(store, NOW_MS, lambda: ""))


def test_what_expired_is_checked_by_the_ledger_alone(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        lease = lease_of(store, "edge-1")
        for name, age in (("old", 8 * DAY_MS), ("new", 0)):
            load(lease, Capture(name=name, flows=[("a.example", (1, 60, 0, 0))], loaded_at_ms=NOW_MS - age))
        store.expire(NOW_MS, 1_000)
        verdict = reconcile(store, NOW_MS)
        assert verdict.holds
        assert (verdict.coverage.checked, verdict.coverage.expired) == (2, 1)


def test_newest_bounds_what_is_recounted(store: Store, tmp_path: Path) -> None:
    break_by_hand(tmp_path, "DELETE FROM flows WHERE endpoint = 'host-0.example'")
    verdict = reconcile(store, NOW_MS, selection=Newest(2))
    assert verdict.holds
    assert (verdict.coverage.captures, verdict.coverage.checked) == (8, 4)
    assert not reconcile(store, NOW_MS, selection=Newest(4)).holds


def test_some_sensors(store: Store, tmp_path: Path) -> None:
    break_by_hand(tmp_path, "DELETE FROM flows WHERE sensor = 'edge-1'")
    assert reconcile(store, NOW_MS, sensors={"edge-2"}).holds
    assert not reconcile(store, NOW_MS, sensors={"edge-1"}).holds


def test_the_list_of_differences_is_bounded(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        lease = lease_of(store, "edge-1")
        for number in range(MAX_NAMED):
            load(lease, Capture(name=f"c{number}", flows=[("a.example", (1, 60, 0, 0))]))
        break_by_hand(tmp_path, "DELETE FROM flows")
        verdict = reconcile(store, NOW_MS)
        assert len(verdict.differing) == MAX_NAMED
        assert verdict.differing_count == 2 * MAX_NAMED
        assert {identity.name: identity.right for identity in verdict.identities}["rows"] == 0


def test_an_empty_store_holds(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        verdict = reconcile(store, NOW_MS, lambda: scrape(store))
        assert differences(verdict) == {"packets": 0, "rows": 0, "totals": 0, "metrics": 0}

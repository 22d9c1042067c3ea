"""The page of old names."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporter.admissions import Series
from exporter.collection import Collection
from exporter.legacy import LegacyPage, metric_name
from exporter.scrape import samples
from exporter.settings import ExporterSettings
from exporter.snapshot import NetworkMoment, Snapshot
from schema.records import NO_TOTALS, EndpointTotals
from schema.store.reading import SensorRecord
from schema.store.writing import Store
from tests.exporter.captures import NOW_MS, Capture, lease_of, load, store_at
from tests.servers.prometheus import promtool_lint


def snapshot(writes: Mapping[str, int], read_at: float = 1_000.0, networks: tuple[str, ...] = ("lan",)) -> Snapshot:
    def moment(network: str) -> NetworkMoment:
        shown = {endpoint: EndpointTotals(flows=count) for endpoint, count in writes.items()}
        series = Series(shown=shown, other=EndpointTotals(flows=5), retired=NO_TOTALS)
        return NetworkMoment(network=network, positions={}, series=series, endpoints={}, totals={}, last_loaded_at_ms=0)

    return Snapshot(store="sqlite", read_at=read_at, networks={network: moment(network) for network in networks})


def shown(page: LegacyPage) -> dict[str, float]:
    return {sample.name: sample.value for sample in samples(page.page().decode())}


def counters(page: LegacyPage) -> dict[str, float]:
    return {name: value for name, value in shown(page).items() if name.endswith("_writes_total")}


class Collector:
    """What an exporter shows of a store, its limit changed while it runs."""

    def __init__(self, store: Store) -> None:
        self._collection = Collection(lambda: store, ExporterSettings(), "sqlite", lambda: self.now)
        self.now = NOW_MS / 1000

    def refresh(self, limit: int) -> Snapshot:
        self.now += 5
        self._collection.take(ExporterSettings(max_endpoints=limit))
        return self._collection.refresh()


def test_names_sums_and_throughput() -> None:
    page = LegacyPage()
    assert page.page() == b""
    page.show(snapshot({"hahaha.com": 10, "a-b.com": 1, "a.b.com": 2, "192.0.2.1": 3, "::1": 4}))
    first = {
        "hahaha_com_writes_total": 10,
        "a_b_com_writes_total": 3,
        "_192_0_2_1_writes_total": 3,
        "__1_writes_total": 4,
        "_other_writes_total": 5,
        "hahaha_com_write_throughput": 0,
        "pcapline_exporter_legacy_names_merged": 1,
    }
    assert {name: shown(page).get(name) for name in first} == first
    page.show(snapshot({"hahaha.com": 40, "new.com": 6}, read_at=1_010.0))
    assert shown(page)["hahaha_com_write_throughput"] == 3
    assert shown(page)["new_com_write_throughput"] == 0
    assert "a_b_com_writes_total" not in shown(page)
    page.show(snapshot({"hahaha.com": 40}, read_at=1_040.0))
    assert shown(page)["hahaha_com_write_throughput"] == 0.75
    page.show(snapshot({"hahaha.com": 40}, read_at=1_070.5))
    assert shown(page)["hahaha_com_write_throughput"] == 0


def test_throughput_of_many_refreshes_is_of_the_last_minute_and_survives_a_clock_set_back() -> None:
    page, writes = LegacyPage(), 0
    for second in range(0, 300, 5):
        writes += 10 if second < 150 else 5
        page.show(snapshot({"a.com": writes}, read_at=1_000.0 + second))
    assert shown(page)["a_com_write_throughput"] == 1
    for second in range(0, 70, 5):
        writes += 20
        page.show(snapshot({"a.com": writes}, read_at=500.0 + second))
    assert shown(page)["a_com_write_throughput"] == 4


def test_a_name_that_endpoints_share_keeps_what_an_evicted_one_showed(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        leases = {sensor: lease_of(store, sensor, network) for sensor, network in (("edge-1", "lan"), ("edge-2", "dmz"))}
        first, page, numbers = Collector(store), LegacyPage(), (1, 60, 0, 0)
        before: dict[str, float] = {}
        for number, limit in enumerate((9, 9, 3, 2, 2, 1, 9, 9, 3, 1, 9)):  # evicted, all but one, and admitted again
            for lease in leases.values():
                held = (
                    [("a-b.com", numbers)] * (number % 2) + [("a.b.com", numbers)] * 2 + [("a_b.com", numbers)] * (number % 3)
                )
                held += [("other.com", numbers)] * number * (lease.sensor == "edge-2")
                load(lease, Capture(name=f"{lease.sensor} {number}", flows=held))
            page.show(first.refresh(limit))
            now = shown(page)
            assert all(value >= before.get(name, 0) for name, value in now.items() if name.endswith("_writes_total"))
            assert all(value >= 0 for name, value in now.items() if name.endswith("_throughput"))
            before |= now
            another = LegacyPage()
            another.show(Collector(store).refresh(limit))
            assert counters(another) == counters(page)
        assert before["pcapline_exporter_legacy_names_merged"] == 2


def test_a_network_that_was_never_read_is_waited_for() -> None:
    page, both = LegacyPage(), snapshot({"a.com": 10}, networks=("lan", "dmz"))
    sensors = [
        SensorRecord(sensor=network, network=network, segment=1, first_seen_ms=0, owner="", lease_until_ms=0)
        for network in both.networks
    ]
    page.show(replace(snapshot({"a.com": 10}), sensors=sensors))
    assert page.page() == b""
    page.show(replace(both, sensors=sensors))
    assert shown(page)["a_com_writes_total"] == 20


def test_networks_are_summed() -> None:
    page = LegacyPage()
    page.show(snapshot({"a.com": 10}, networks=("lan", "dmz")))
    assert shown(page)["a_com_writes_total"] == 20


@given(st.text())
def test_any_endpoint_has_a_name_that_prometheus_takes(endpoint: str) -> None:
    name = metric_name(endpoint)
    assert name.isascii()
    assert name.isidentifier()


def test_promtool_can_read_it() -> None:
    page = LegacyPage()
    page.show(snapshot({'say "hi"': 1, "two\nlines": 2, "back\\slash": 3, "caf\u00e9": 4, "": 5}))
    assert "error" not in promtool_lint(page.page().decode())

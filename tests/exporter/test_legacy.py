"""The page of old names."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from exporter.admissions import Series
from exporter.legacy import LegacyPage, metric_name
from exporter.scrape import samples
from exporter.snapshot import NetworkMoment, Snapshot
from schema.records import NO_TOTALS, EndpointTotals
from tests.servers.prometheus import promtool_lint


def snapshot(writes: Mapping[str, int], read_at: float = 1_000.0, networks: tuple[str, ...] = ("lan",)) -> Snapshot:
    def moment(network: str) -> NetworkMoment:
        shown = {endpoint: EndpointTotals(flows=count) for endpoint, count in writes.items()}
        series = Series(shown=shown, other=EndpointTotals(flows=5), retired=NO_TOTALS)
        return NetworkMoment(network=network, positions={}, series=series, endpoints={}, totals={}, last_loaded_at_ms=0)

    return Snapshot(store="sqlite", read_at=read_at, networks={network: moment(network) for network in networks})


def shown(page: LegacyPage) -> dict[str, float]:
    return {sample.name: sample.value for sample in samples(page.page().decode())}


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
    page.show(snapshot({"hahaha.com": 40}, read_at=1_070.5))
    assert shown(page)["hahaha_com_write_throughput"] == 0


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

"""The metrics page: clean for promtool, the same in both formats, whatever the names in it."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from prometheus_client.registry import Collector

from exporter.admissions import Series
from exporter.collection import Collection
from exporter.exposition import Exposition
from exporter.metric_names import ENDPOINT_COUNTERS
from exporter.scrape import samples
from exporter.settings import ExporterSettings
from exporter.snapshot import NetworkMoment, Snapshot
from schema.records import NO_TOTALS, CaptureFacts, EndpointTotals
from schema.store.writing import Store
from tests.exporter.captures import NOW_MS, Capture, clock, lease_of, load, store_at
from tests.servers.prometheus import promtool_lint

HOSTILE = ['say "hi".example', "two\nlines", "back\\slash", "\\095other", "tab\there", "\u2028", "<b>", 'x",y="1', "caf\u00e9"]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def exposition_of(store: Store, limit: int = 2_000) -> Exposition:
    collection = Collection(lambda: store, ExporterSettings(max_endpoints=limit), "sqlite", clock)
    exposition = Exposition(collection.refresh(), "1.2.3")
    exposition.show(collection.check(exposition.page()[0].decode()))
    return exposition


def loaded(store: Store, names: list[str]) -> None:
    lease = lease_of(store, "edge-1")
    for number, name in enumerate(names):
        non_flow = {"arp": 3, "malformed": 1}
        capture = Capture(
            name=f"c{number}", flows=[(name, (1, 60, 2, 300))], non_flow=non_flow, last_ts_ns=NOW_MS * 1_000_000 + number
        )
        load(lease, capture)
    facts = CaptureFacts(capture_id=b"q" * 16, file_name="note.txt", file_id="", size_bytes=3)
    lease.quarantine(facts, "not_a_capture", "it begins with 'abc'", NOW_MS)


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {(name, tuple(sorted(labels.items()))): value for name, labels, value in samples(text)}


def test_promtool_finds_nothing_to_say(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        loaded(store, [*HOSTILE, "a.example"])
        assert promtool_lint(exposition_of(store, limit=3).page()[0].decode()) == ""


def test_promtool_on_an_exporter_without_its_store() -> None:
    collection = Collection(lambda: 1 / 0, ExporterSettings(), "sqlite", clock)  # type: ignore[arg-type, return-value]
    assert promtool_lint(Exposition(collection.snapshot, "1").page()[0].decode()) == ""


def test_every_name_comes_back_as_it_is(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        loaded(store, HOSTILE)
        page = exposition_of(store).page()[0].decode()
        shown = {labels["server_address"]: value for name, labels, value in samples(page) if name.endswith("_writes_total")}
        assert shown == {**dict.fromkeys(HOSTILE, 1), "_other": 0}


def test_both_formats_say_the_same(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        loaded(store, HOSTILE)
        exposition = exposition_of(store, limit=4)
        (text, text_type), (open_text, open_type) = exposition.page(), exposition.page(OPENMETRICS)
        assert text_type.startswith("text/plain; version=0.0.4")
        assert open_type.startswith("application/openmetrics-text; version=1.0.0")
        assert open_text.endswith(b"# EOF\n")
        ours = [
            {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for family in parse(page.decode())
                for sample in family.samples
                if sample.name.startswith("pcapline_") and not sample.name.endswith("_created")
            }
            for parse, page in ((plain, text), (openmetrics, open_text))
        ]
        assert ours[0] == ours[1]
        assert len(ours[0]) > 40


def test_openmetrics_says_when_counters_began(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        loaded(store, HOSTILE)
        collection = Collection(lambda: store, ExporterSettings(max_endpoints=4), "sqlite", clock)
        exposition = Exposition(collection.refresh(), "1")
        families = list(openmetrics(exposition.page(OPENMETRICS)[0].decode()))
        of_ledger = [family for family in families if family.type == "counter" and family.name.startswith("pcapline_")]
        assert len(of_ledger) > 15
        for family in of_ledger:
            totals = [sample.labels for sample in family.samples if sample.name.endswith("_total")]
            began = {sample.value for sample in family.samples if sample.name.endswith("_created")}
            assert totals == [sample.labels for sample in family.samples if sample.name.endswith("_created")]
            assert began <= {NOW_MS / 1000}
        assert "pcapline_endpoint_writes_created" not in exposition.page()[0].decode()
        without = Exposition(collection.refresh(), "1", created=False)
        assert "pcapline_endpoint_writes_created" not in without.page(OPENMETRICS)[0].decode()


def test_what_the_store_has_is_shown(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        loaded(store, ["a.example", "a.example", "b.example"])
        shown = values(exposition_of(store, limit=1).page()[0].decode())
        lan, a, other = ("network", "lan"), ("server_address", "a.example"), ("server_address", "_other")
        expected = {
            ("pcapline_endpoint_writes_total", (lan, a)): 2,
            ("pcapline_endpoint_writes_total", (lan, other)): 1,
            ("pcapline_endpoint_sent_bytes_total", (lan, a)): 120,
            ("pcapline_endpoint_received_bytes_total", (lan, a)): 600,
            ("pcapline_endpoint_sent_packets_total", (lan, a)): 2,
            ("pcapline_endpoint_received_packets_total", (lan, a)): 4,
            ("pcapline_endpoint_retired_writes", (lan,)): 0,
            ("pcapline_captures_loaded_total", (lan,)): 3,
            ("pcapline_packets_total", (lan,)): 3 * 7,
            ("pcapline_packets_undecoded_total", (lan, ("reason", "arp"))): 9,
            ("pcapline_packets_undecoded_total", (lan, ("reason", "malformed"))): 3,
            ("pcapline_rows_total", (lan, ("table", "flows"))): 3,
            ("pcapline_capture_last_loaded_timestamp_seconds", (lan,)): NOW_MS / 1000,
            ("pcapline_sensor_newest_packet_timestamp_seconds", (("sensor", "edge-1"),)): NOW_MS / 1000,
            ("pcapline_exporter_series_folded", (lan,)): 1,
            ("pcapline_captures_quarantined", (lan, ("reason", "not_a_capture"))): 1,
            ("pcapline_ledger_position", (("sensor", "edge-1"),)): 3,
            ("pcapline_store_up", (("store", "sqlite"),)): 1,
            ("pcapline_store_last_read_timestamp_seconds", ()): NOW_MS / 1000,
            ("pcapline_unreconciled", (("identity", "metrics"),)): 0,
            ("pcapline_reconciliation_timestamp_seconds", ()): NOW_MS / 1000,
            ("pcapline_reconciliation_captures_checked", ()): 3,
        }
        assert {key: shown.get(key) for key in expected} == expected


def test_what_is_written_ahead_is_what_is_written_when_asked(tmp_path: Path) -> None:
    """In every order of loads and scrapes, in either format."""
    with store_at(tmp_path / "store.db") as store:
        collection = Collection(lambda: store, ExporterSettings(max_endpoints=2), "sqlite", clock)
        ahead, lease = Exposition(collection.refresh(), "1"), lease_of(store, "edge-1")
        for number, accept in enumerate(["", OPENMETRICS, "", OPENMETRICS, OPENMETRICS, ""]):
            if number != 3:  # nothing new
                load(lease, Capture(name=f"c{number}", flows=[(f"h{number % 4}.example", (1, 60, 2, 300))]))
            snapshot = collection.refresh()
            ahead.show(snapshot)
            found, wanted = (exposition.page(accept)[0].decode() for exposition in (ahead, Exposition(snapshot, "1")))
            ours = [{key: value for key, value in values(page).items() if "pcapline" in key[0]} for page in (found, wanted)]
            assert ours[0] == ours[1]
            assert found.endswith("# EOF\n") == (accept == OPENMETRICS)
            assert found.count("# EOF") == (accept == OPENMETRICS)


def test_accept_headers_without_end_fill_no_memory(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        loaded(store, ["a.example"])
        exposition = exposition_of(store)
        for number in range(50):
            page, _ = exposition.page(f"application/openmetrics-text; version=1.0.0; escaping=e{number}")
            assert b"a.example" in page
        assert len(exposition._encoders) <= 4


def test_unreconciled_is_absent_before_the_first_check(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        loaded(store, ["a.example"])
        collection = Collection(lambda: store, ExporterSettings(), "sqlite", clock)
        collection.refresh()
        page = Exposition(collection.snapshot, "1").page()[0].decode()
        assert not [line for line in page.splitlines() if line.startswith(("pcapline_unreconciled", "pcapline_reconcil"))]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 1 << 53))
def test_lines_of_endpoints_are_those_of_the_client_library(endpoint: str, value: int) -> None:
    spec, totals = ENDPOINT_COUNTERS[0], EndpointTotals(flows=value)
    series = Series(shown={endpoint: totals}, other=totals, retired=NO_TOTALS)
    moment = NetworkMoment(
        network=endpoint, positions={}, series=series, endpoints={endpoint: totals}, totals={}, last_loaded_at_ms=0
    )
    for accept in ("", OPENMETRICS):
        page = Exposition(Snapshot(store="sqlite", networks={endpoint: moment}), "1").page(accept)[0].decode()
        shown = [(labels, number) for name, labels, number in samples(page) if name == spec.sample]
        assert shown == [({"network": endpoint, "server_address": name}, value) for name in (endpoint, "_other")]
        parse = openmetrics if accept else plain
        (family,) = (family for family in parse(page) if family.name in (spec.name, spec.sample))
        assert [sample.labels["server_address"] for sample in family.samples] == [endpoint, "_other"]


class _Labelled(Collector):
    def __init__(self, label: str, value: int) -> None:
        self._label, self._value = label, value

    def collect(self) -> list[Metric]:
        family = GaugeMetricFamily("x", "Help.", labels=("a", "b"))
        family.add_metric((self._label, "second"), self._value)
        return [family]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 1 << 53))
def test_our_reader_undoes_what_the_client_library_writes(label: str, value: int) -> None:
    registry = CollectorRegistry()
    registry.register(_Labelled(label, value))
    assert list(samples(generate_latest(registry).decode())) == [("x", {"a": label, "b": "second"}, value)]

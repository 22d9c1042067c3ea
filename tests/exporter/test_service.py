"""The exporter as it runs: a real store, a real Prometheus that scrapes it, restarts, and a store that goes away."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from exporter.collection import mismatch_text
from exporter.reconcile import reconcile
from exporter.scrape import samples
from exporter.service import ExporterService, expose_once, fetch
from exporter.settings import ExporterSettings
from pcapline.http import HttpFace, serve
from schema.errors import SettingsError, StoreUnavailableError
from schema.store.reading import StoreHealth
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from tests.exporter.captures import NOW_MS, Capture, clock, lease_of, load, store_at
from tests.servers import free_port
from tests.servers.prometheus import Prometheus, prometheus, until

FAST = {"refresh_s": 0.05, "reconcile_s": 0.2}


@contextmanager
def running(path: Path, port: int = 0, **settings: float) -> Iterator[str]:
    """An exporter over the store at `path`; gives its address."""

    def open_reader() -> Store:
        if not path.exists():
            raise StoreUnavailableError(f"{path} is not there")
        return open_sqlite(path, clock)

    service = ExporterService(open_reader, ExporterSettings(**{**FAST, **settings}), store="sqlite", version="1")  # type: ignore[arg-type]
    face = HttpFace(
        name="pcapline exporter",
        version="1",
        metrics=service.metrics,
        ready=service.ready,
        pages={"/api/v1/sd/prometheus": service.discovered, "/metrics/legacy": service.legacy},
    )
    stop, is_bound, address = threading.Event(), threading.Event(), list[str]()

    def bound(host: str, port: int) -> None:
        address.append(f"{host}:{port}")
        service.scrape_at(f"http://{host}:{port}/metrics")
        is_bound.set()

    server = threading.Thread(target=serve, args=(f"127.0.0.1:{port}", face, stop, bound))
    server.start()
    try:
        assert is_bound.wait(10)
        service.start()
        yield address[0]
    finally:
        service.stop()
        stop.set()
        server.join(10)


def shown(address: str, name: str = "pcapline_endpoint_writes_total") -> dict[str, float]:
    """Samples of one metric, by their last label."""
    page = fetch(f"http://{address}/metrics")
    return {[*labels.values(), ""][max(0, len(labels) - 1)]: value for found, labels, value in samples(page) if found == name}


def status(address: str, path: str = "/-/ready") -> tuple[int, str]:
    answer = httpx.get(f"http://{address}{path}")
    return answer.status_code, answer.text.strip()


def capture(number: int) -> Capture:
    return Capture(name=f"c{number}", flows=[("a.example", (2, 120, 1, 80)), (f"h{number % 3}.example", (1, 60, 0, 0))])


def test_prometheus_scrapes_what_is_committed_across_restarts(tmp_path: Path) -> None:
    path, port = tmp_path / "store.db", free_port()
    with store_at(path) as store, prometheus(tmp_path, f"127.0.0.1:{port}") as server:
        lease = lease_of(store, "edge-1")

        def commit_and_see(numbers: range) -> None:
            for number in numbers:
                load(lease, capture(number))
                until(lambda expected=number + 1: writes_of_a(server) == expected, "the commit is scraped")

        with running(path, port, max_endpoints=2):
            commit_and_see(range(5))
        with running(path, port, max_endpoints=2):  # goes on where the first one stopped
            commit_and_see(range(5, 10))
            (rate,) = server.query('rate(pcapline_endpoint_writes_total{server_address="a.example"}[1m])').values()
            assert rate > 0
            assert server.query("sum(pcapline_endpoint_writes_total)") == {(): 20}
            assert server.query("sum(pcapline_endpoint_sent_bytes_total)") == {(): 10 * 180}
        # what the process counts of its own answers begins anew with it
        history = server.range('{__name__=~"pcapline_.*_total",__name__!~"pcapline_web_.*"}')
        assert len(history) > 15
        for series, values in history.items():
            assert values == sorted(values), f"{series} went down"
        assert store.ledger("edge-1").endpoints["a.example"].flows == 10
        assert reconcile(store, NOW_MS).holds


def writes_of_a(server: Prometheus) -> float:
    found = server.query('pcapline_endpoint_writes_total{server_address="a.example"}')
    return next(iter(found.values()), 0)


def test_it_checks_itself_through_its_own_page(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with store_at(path) as store:
        load(lease_of(store, "edge-1"), capture(1))
        with running(path) as address:
            until(lambda: "metrics" in shown(address, "pcapline_unreconciled"), "the identities are checked")
            assert shown(address, "pcapline_unreconciled") == dict.fromkeys(("packets", "rows", "totals", "metrics"), 0)
            assert shown(address, "pcapline_reconciliation_captures_checked") == {"": 1}


def test_two_exporters_agree(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with store_at(path) as store, running(path, max_endpoints=2) as one, running(path, max_endpoints=2) as other:
        lease = lease_of(store, "edge-1")
        for number in range(12):
            load(lease, capture(number))
        for address in (one, other):
            until(lambda at=address: sum(shown(at).values()) == 24, "both have followed")
        assert shown(one) == shown(other)


def test_a_store_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    path, away = tmp_path / "store.db", tmp_path / "away.db"
    with store_at(path) as store:
        load(lease_of(store, "edge-1"), capture(1))
    with running(path) as address:
        until(lambda: status(address)[0] == 200, "the exporter is ready")
        before = shown(address)
        shutil.move(path, away)
        until(lambda: status(address)[0] == 503, "the exporter says that it is not")
        assert shown(address) == before
        assert shown(address, "pcapline_store_up") == {"sqlite": 0}
        read_at = shown(address, "pcapline_store_last_read_timestamp_seconds")
        assert read_at[""] > 0
        assert shown(address, "pcapline_store_last_read_timestamp_seconds") == read_at
        assert status(address, "/-/healthy")[0] == 200
        shutil.move(away, path)
        until(lambda: status(address)[0] == 200, "the exporter is ready again")
        assert shown(address) == before
        assert shown(address, "pcapline_store_up") == {"sqlite": 1}


def test_nothing_is_shown_before_the_store_was_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with running(path) as address:
        until(lambda: status(address) == (503, f"{path} is not there"), "the exporter says why")
        assert shown(address) == {}
        with store_at(path) as store:
            load(lease_of(store, "edge-1"), capture(1))
            until(lambda: shown(address).get("a.example") == 1, "the exporter has found its store")


def test_a_schema_that_is_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    open_sqlite(path, clock).close()
    with running(path) as address:
        until(lambda: "waiting for the loader" in status(address)[1], "the exporter says what it waits for")
        assert status(address)[0] == 503
        assert shown(address, "pcapline_store_schema_version") == {"sqlite": 0}


@pytest.mark.parametrize(("kind", "version"), [("cassandra", 0), ("sqlite", 1)])
def test_a_schema_that_nobody_else_makes_is_for_the_operator(kind: str, version: int) -> None:
    health = StoreHealth(kind=kind, version="5", schema_version=version, wanted_schema_version=2, durable=True, detail="")
    assert "pcapline schema apply" in mismatch_text(health)


def test_a_lower_limit_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with store_at(path) as store:
        lease = lease_of(store, "edge-1")
        for number in range(9):
            load(lease, capture(number))
    with running(path) as address:
        until(lambda: len(shown(address)) == 5, "four endpoints and _other are shown")
    with running(path, max_endpoints=1) as address:
        until(lambda: set(shown(address)) == {"a.example", "_other"}, "three series are gone")
        assert shown(address) == {"a.example": 9, "_other": 0}
        assert shown(address, "pcapline_endpoint_retired_writes") == {"lan": 9}
        until(lambda: shown(address, "pcapline_unreconciled").get("metrics") == 0, "it still adds up")


def test_loaders_are_discovered_and_old_names_answered(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with running(path, legacy_names=True) as address:
        assert status(address, "/api/v1/sd/prometheus") == (503, "not ready")
        with store_at(path) as store:
            load(lease_of(store, "edge-1"), capture(1))
            until(lambda: status(address, "/api/v1/sd/prometheus")[0] == 200, "the store is read")
            (group,) = httpx.get(f"http://{address}/api/v1/sd/prometheus").json()
            assert group["targets"] == ["host:10111"]
            assert group["labels"]["__meta_pcapline_sensors"] == ",edge-1,"
            assert {"a_example_writes_total 1", "h1_example_writes_total 1"} <= {
                *status(address, "/metrics/legacy")[1].split("\n")
            }


def test_once(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        load(lease_of(store, "edge-1"), capture(1))
        page = expose_once(store, ExporterSettings(), store="sqlite", version="1")
        assert 'pcapline_endpoint_writes_total{network="lan",server_address="a.example"} 1.0' in page
        assert 'pcapline_unreconciled{identity="metrics"} 0.0' in page


def test_it_may_be_stopped_before_it_was_started(tmp_path: Path) -> None:
    service = ExporterService(lambda: open_sqlite(tmp_path / "store.db"), ExporterSettings(), store="sqlite", version="1")
    service.stop()
    assert service.ready() == "the store has not been read yet"


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_endpoints": 0},
        {"discovered_port": 0},
        {"max_endpoints": 20_001},
        {"telemetry_path": "metrics"},
        {"refresh_s": 0.0},
    ],
)
def test_settings_that_cannot_work(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        ExporterSettings(**wrong)  # type: ignore[arg-type]

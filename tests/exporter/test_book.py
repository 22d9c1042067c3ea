"""Exporters over one real store: whatever is committed, and however they take turns, come and go, they agree."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from exporter.admissions import Series, sum_of
from exporter.book import BookKeeper, NotYetError
from exporter.follower import Follower
from exporter.snapshot import NetworkMoment
from schema.records import FOLDED_ENDPOINT, BookChange, EndpointTotals, LedgerPosition
from schema.store.reading import StoreReader
from schema.store.sealing import Sealing
from schema.store.writing import SensorLease
from tests.exporter.captures import NOW_MS, Capture, lease_of, load, store_at
from tests.exporter.test_admissions import NAMES, assert_never_less

SENSORS = ("edge-1", "edge-2")
numbers = st.tuples(*[st.integers(0, 1 << 30)] * 4)
rules = st.builds(
    Sealing,
    commits=st.integers(1, 3),
    endpoints=st.integers(1, 3),
    idle=st.integers(0, 4),
    endpoints_kept=st.integers(0, 4),
    segments_told=st.integers(1, 2),
    segments_kept=st.integers(0, 3),
)
flows = st.lists(st.tuples(st.sampled_from(NAMES), numbers), max_size=4)


class Exporter:
    """One exporter process and what it showed last."""

    def __init__(self, limit: int) -> None:
        self.keeper = BookKeeper("lan", limit, Follower())
        self.moment: NetworkMoment | None = None

    def refresh(self, store: StoreReader) -> None:
        moment = self.keeper.moment(store, SENSORS)
        if self.moment is not None:
            assert_never_less(self.moment.series, moment.series)
            assert all(moment.positions[sensor] >= seq for sensor, seq in self.moment.positions.items())
        self.moment = moment


class Interrupted:
    """A reader in whose way something happens before it raises a book."""

    def __init__(self, reader: StoreReader, meanwhile: Callable[[], object]) -> None:
        self._reader, self._meanwhile = reader, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def admit(self, network: str, expected_version: int, change: BookChange) -> bool:
        self._meanwhile()
        return self._reader.admit(network, expected_version, change)


class ExportersOfOneStore(RuleBasedStateMachine):
    """Two exporters, two sensors; `shown` is the most that anybody ever saw of each counter."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self._opened = store_at(Path(self._directory.name) / "store.db")
        self.store = self._opened.__enter__()
        self.leases: dict[str, SensorLease] = {sensor: lease_of(self.store, sensor) for sensor in SENSORS}
        self.exporters = [Exporter(3), Exporter(3)]
        self.seen: dict[str, EndpointTotals] = {}
        self.loaded = 0

    @rule(sensor=st.sampled_from(SENSORS), held=flows)
    def commit(self, sensor: str, held: list[tuple[str, tuple[int, int, int, int]]]) -> None:
        self.loaded += 1
        load(self.leases[sensor], Capture(name=f"capture-{self.loaded}", flows=held))

    @rule(which=st.integers(0, 1))
    def refresh(self, which: int) -> None:
        self.exporters[which].refresh(self.store)
        self._look_at(self.exporters[which])

    @rule(sensor=st.sampled_from(SENSORS), rule=rules)
    def seal(self, sensor: str, rule: Sealing) -> None:
        before = self.store.ledger(sensor)
        sealed = self.leases[sensor].seal_if_due(rule)
        after = self.store.ledger(sensor)
        assert after.position.seq == before.position.seq + sealed
        assert sum_of(after.endpoints.values()) == sum_of(before.endpoints.values())

    @rule(sensor=st.sampled_from(SENSORS), which=st.integers(0, 1), rule=rules)
    def seal_while_an_exporter_admits(self, sensor: str, which: int, rule: Sealing) -> None:
        self.exporters[which].refresh(Interrupted(self.store, lambda: self.leases[sensor].seal_if_due(rule)))
        self.refresh(which)

    @rule(which=st.integers(0, 1), limit=st.integers(1, 4))
    def restart(self, which: int, limit: int) -> None:
        self.exporters[which] = Exporter(limit)
        self.refresh(which)

    def _look_at(self, exporter: Exporter) -> None:
        assert exporter.moment is not None
        moment = exporter.moment
        ledgers = [self.store.ledger(sensor) for sensor in SENSORS]
        for ledger in ledgers:  # a seal behind the last commit changes no sum: it may be passed with the next commit
            assert ledger.position.seq - moment.positions[ledger.sensor] in (0, 1)
        totals = [totals for ledger in ledgers for totals in ledger.endpoints.values()]
        assert moment.series.whole == sum_of(totals)
        assert moment.totals.get("captures", 0) == self.loaded
        for endpoint, value in {**moment.series.shown, "": moment.series.other}.items():
            assert min(value.minus(self.seen.get(endpoint, EndpointTotals()))) >= 0, f"{endpoint} went down"
            self.seen[endpoint] = value

    def teardown(self) -> None:
        self._opened.__exit__(None, None, None)
        self._directory.cleanup()


TestExportersOfOneStore = ExportersOfOneStore.TestCase
TestExportersOfOneStore.settings = settings(
    max_examples=40, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)


def test_two_exporters_show_the_same(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        lease = lease_of(store, "edge-1")
        first, second = (BookKeeper("lan", 2, Follower()) for _ in range(2))
        for number in range(6):
            load(lease, Capture(name=f"c{number}", flows=[(NAMES[number % 4], (1, 60, 1, 40))]))
            one = first.moment(store, ["edge-1"]).series
            other: Series = second.moment(store, ["edge-1"]).series
            assert one == other
        assert set(one.shown) == {NAMES[0], NAMES[1]}


def test_when_a_series_began_is_stored_and_stays(tmp_path: Path) -> None:
    """Over restarts, for every exporter, and where it was evicted in between."""
    with store_at(tmp_path / "store.db") as store:
        lease = lease_of(store, "edge-1")

        def began(limit: int, number: int, endpoint: str) -> dict[str, int]:
            flows = [(endpoint, (1, 60, 1, 40))] * (10 if endpoint == "a" else 1)
            load(lease, Capture(name=f"c{number}", flows=flows, loaded_at_ms=NOW_MS + number))
            shown = [BookKeeper("lan", limit, Follower()).moment(store, ["edge-1"]).began_ms for _ in range(2)]
            assert shown[0] == shown[1]
            return dict(shown[0])

        assert began(1, 0, "a") == {"a": 0}  # with the network
        assert began(1, 1, "b") == {"a": 0}
        assert began(2, 2, "b") == {"a": 0, "b": NOW_MS + 2}
        assert began(1, 3, "a") == {"a": 0}
        assert began(2, 4, "b") == {"a": 0, "b": NOW_MS + 2}


def test_a_sensor_never_read_keeps_its_network_back(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        load(lease_of(store, "edge-1"), Capture(name="c", flows=[("a.example", (1, 60, 0, 0))]))
        store.admit("lan", 0, BookChange(positions={"edge-1": LedgerPosition(seq=1), "gone": LedgerPosition(seq=4)}))
        with pytest.raises(NotYetError, match="gone is known to 0, was shown to 4"):
            BookKeeper("lan", 2, Follower()).moment(store, ["edge-1"])


EVERYTHING_IS_IDLE = Sealing(commits=1, idle=0, endpoints_kept=0, segments_told=1)


def test_an_endpoint_admitted_while_it_is_folded_moves_nothing(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        lease, other = lease_of(store, "edge-1"), lease_of(store, "edge-2")
        load(lease, Capture(name="a", flows=[("a.example", (1, 60, 0, 0))]))
        exporter = Exporter(2)
        exporter.refresh(Interrupted(store, lambda: lease.seal_if_due(EVERYTHING_IS_IDLE)))
        assert list(store.ledger("edge-1").endpoints) == [FOLDED_ENDPOINT]
        for number in range(3):  # what the seal folded is told until somebody has passed it, whoever comes and goes
            load(lease, Capture(name=f"{number}", flows=[("b.example", (1, 60, 0, 0))]))
            assert lease.seal_if_due(EVERYTHING_IS_IDLE)
        load(other, Capture(name="b", flows=[("a.example", (1, 60, 0, 0))]))
        for _ in range(2):
            shown = BookKeeper("lan", 2, Follower()).moment(store, SENSORS).series
            assert shown.shown["a.example"] == EndpointTotals(2, 2, 120, 0, 0)
            assert shown.whole == EndpointTotals(5, 5, 300, 0, 0)
        load(lease, Capture(name="c", flows=[("b.example", (1, 60, 0, 0))]))
        assert lease.seal_if_due(EVERYTHING_IS_IDLE)
        assert [seal.position.segment for seal in store.seals("edge-1", 0)] == [4, 5]

"""Exporters over one real store: whatever is committed, and however they take turns, come and go, they agree."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from exporter.admissions import Series, sum_of
from exporter.book import BookKeeper, NotYetError
from exporter.follower import Follower
from exporter.snapshot import NetworkMoment
from schema.records import EndpointTotals
from schema.store.port import SensorLease, Store
from tests.exporter.captures import Capture, lease_of, load, store_at
from tests.exporter.test_admissions import NAMES, assert_never_less

SENSORS = ("edge-1", "edge-2")
numbers = st.tuples(*[st.integers(0, 1 << 30)] * 4)
flows = st.lists(st.tuples(st.sampled_from(NAMES), numbers), max_size=4)


class Exporter:
    """One exporter process and what it showed last."""

    def __init__(self, limit: int) -> None:
        self.keeper = BookKeeper("lan", limit, Follower())
        self.moment: NetworkMoment | None = None

    def refresh(self, store: Store) -> None:
        moment = self.keeper.moment(store, SENSORS)
        if self.moment is not None:
            assert_never_less(self.moment.series, moment.series)
            assert all(moment.positions[sensor] >= seq for sensor, seq in self.moment.positions.items())
        self.moment = moment


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

    @rule(which=st.integers(0, 1), limit=st.integers(1, 4))
    def restart(self, which: int, limit: int) -> None:
        self.exporters[which] = Exporter(limit)
        self.refresh(which)

    def _look_at(self, exporter: Exporter) -> None:
        assert exporter.moment is not None
        moment = exporter.moment
        ledgers = [self.store.ledger(sensor) for sensor in SENSORS]
        assert moment.positions == {ledger.sensor: ledger.position.seq for ledger in ledgers}
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
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
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


def test_a_sensor_never_read_keeps_its_network_back(tmp_path: Path) -> None:
    with store_at(tmp_path / "store.db") as store:
        load(lease_of(store, "edge-1"), Capture(name="c", flows=[("a.example", (1, 60, 0, 0))]))
        store.admit("lan", 0, {"edge-1": 1, "gone": 4}, {})
        with pytest.raises(NotYetError, match="gone is known to 0, was shown to 4"):
            BookKeeper("lan", 2, Follower()).moment(store, ["edge-1"])

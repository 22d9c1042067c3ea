"""The sensor's own metrics: what happens before a loader sees a file. The sensor's only door to prometheus_client.

No part of a sensor needs it: it is loaded where an address for metrics is given. These counters begin anew with the process.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from capture.events import SensorCounts
from capture.writing import Journal


class SensorTelemetry:
    """What a journal has counted, as a metrics page; any thread may ask."""

    def __init__(self, journal: Journal, sensor: str, version: str) -> None:
        self._journal = journal
        self._registry = CollectorRegistry()
        self._registry.register(_Families(journal, sensor, version))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The metrics page and its content type, for an `Accept` header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def ready(self) -> str | None:
        """None while packets are captured, else why not, in one line."""
        return None if self._journal.captures_now else "tcpdump does not run; it is started again"


def families(counts: SensorCounts, *, captures_now: bool, sensor: str, version: str) -> Iterator[Metric]:
    """Every family, of one moment."""
    info = GaugeMetricFamily("pcapline_sensor_info", "Build of the sensor; always 1.", labels=("sensor", "version"))
    info.add_metric((sensor, version), 1)
    yield info
    for name, about, number in (
        ("pcapline_sensor_captures", "Captures handed over.", counts.captures),
        ("pcapline_sensor_packets_captured", "Packets in captures handed over.", counts.packets),
        ("pcapline_sensor_captured_bytes", "Size of the captures handed over.", counts.bytes),
        ("pcapline_sensor_tcpdump_restarts", "Times that tcpdump ended by itself and was started again.", counts.restarts),
    ):
        total = CounterMetricFamily(name, about, labels=("sensor",))
        total.add_metric((sensor,), number)
        yield total
    yield _rotations(counts, sensor)
    yield _drops(counts, sensor)
    for name, about, value in (
        ("pcapline_sensor_tcpdump_up", "1 while tcpdump runs.", float(captures_now)),
        (
            "pcapline_sensor_last_handed_over_timestamp_seconds",
            "Unix time of the newest capture handed over, 0 before the first; captures without packets are not.",
            counts.handed_over_at,
        ),
    ):
        gauge = GaugeMetricFamily(name, about, labels=("sensor",))
        gauge.add_metric((sensor,), value)
        yield gauge


def _rotations(counts: SensorCounts, sensor: str) -> Metric:
    about = "Files closed because their time was over, packets or not, or because they were full."
    family = CounterMetricFamily("pcapline_sensor_rotations", about, labels=("sensor", "by"))
    for by, number in (("time", counts.rotations_by_time), ("size", counts.rotations_by_size)):
        family.add_metric((sensor, by), number)
    return family


def _drops(counts: SensorCounts, sensor: str) -> Metric:
    about = "Packets lost before they were in a capture, by where: no room in the kernel, on the interface, on the disk."
    family = CounterMetricFamily("pcapline_sensor_packets_dropped", about, labels=("sensor", "where"))
    drops = (("kernel", counts.kernel_drops), ("interface", counts.interface_drops), ("disk", counts.disk_drops))
    for where, number in drops:
        family.add_metric((sensor, where), number)
    return family


class _Families(Collector):
    """Reads the journal anew each time."""

    def __init__(self, journal: Journal, sensor: str, version: str) -> None:
        self._journal, self._sensor, self._version = journal, sensor, version

    def collect(self) -> Iterator[Metric]:
        journal = self._journal
        return families(journal.counts, captures_now=journal.captures_now, sensor=self._sensor, version=self._version)

"""Presents a snapshot as families of Prometheus metrics. With `exposition`, the only door to prometheus_client."""

import platform
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from exporter.metric_names import ENDPOINT_COUNTERS, LEDGER_POSITION, EndpointCounter
from exporter.node_metrics import of_nodes
from exporter.reconciliation import Reach, Reconciliation
from exporter.snapshot import NetworkMoment, Snapshot
from schema.records import IDLE_TOTAL, OTHER_ENDPOINT


class _NamedTotal(NamedTuple):
    """A counter that is one of a ledger's flat totals; with a label: all totals `NAME/KEY`, KEY being its value."""

    name: str
    total: str
    label: str
    help: str


NAMED_TOTALS = (
    _NamedTotal("pcapline_captures_loaded", "captures", "", "Captures committed."),
    _NamedTotal("pcapline_captures_out_of_order", "out_of_order", "", "Captures that came later than their successors."),
    _NamedTotal("pcapline_packets", "frames", "", "Packets in the committed captures."),
    _NamedTotal("pcapline_packets_undecoded", "non_flow", "reason", "Packets that are in no flow row, by reason."),
    _NamedTotal("pcapline_kernel_drops", "kernel_drops", "", "Packets the sensors' kernels dropped before they were captured."),
    _NamedTotal("pcapline_disk_drops", "disk_drops", "", "Packets that sensors captured and had no room to write."),
    _NamedTotal("pcapline_capture_damage", "damage", "reason", "Faults in captures that were loaded as far as they go."),
    _NamedTotal("pcapline_rows", "rows", "table", "Rows of committed captures, by table."),
    _NamedTotal("pcapline_dns_queries", "dns_queries", "", "DNS queries seen."),
    _NamedTotal("pcapline_dns_unanswered_queries", "dns_unanswered_queries", "", "DNS queries that no response was seen to."),
    _NamedTotal("pcapline_dns_malformed", "dns_malformed", "", "DNS messages that cannot be read."),
    _NamedTotal("pcapline_dns_responses", "dns_responses", "rcode", "DNS responses seen, by response code."),
    _NamedTotal(
        "pcapline_endpoints_folded",
        "folded_endpoints",
        "",
        "Endpoints that a capture had beyond the bound of a commit: totalled as _other.",
    ),
    _NamedTotal(
        "pcapline_endpoints_idle",
        IDLE_TOTAL,
        "",
        "Endpoints without a series that were long idle when a segment of a ledger was sealed: totalled as _folded.",
    ),
)


def of_build(version: str) -> Iterator[Metric]:
    """What this process is."""
    value = {"version": version, "revision": "", "python_version": platform.python_version()}
    yield InfoMetricFamily("pcapline_build", "Build information; always 1.", value=value)


def of_ledgers(snapshot: Snapshot, *, created: bool) -> Iterator[Metric]:
    """Every family that is a function of the ledgers and of what is admitted, but for those of `of_endpoints`. `created`: each
    counter with when it began."""
    networks = list(snapshot.networks.values())
    yield from (_retired(spec, networks) for spec in ENDPOINT_COUNTERS)
    yield from (_of_named_total(spec, networks, created=created) for spec in NAMED_TOTALS)
    yield from _of_networks(networks)


def of_moment(snapshot: Snapshot) -> Iterator[Metric]:
    """The others: of the store, and of what was last checked."""
    yield from _of_store(snapshot)
    yield _newest_packets(snapshot)
    yield _quarantined(snapshot)
    yield from of_nodes(snapshot.nodes)
    if snapshot.reconciliation is not None:
        yield from _of_reconciliation(snapshot.reconciliation)


def of_endpoints(spec: EndpointCounter) -> Iterator[Metric]:
    """A counter by endpoint, without its samples: `lines` writes them."""
    yield CounterMetricFamily(spec.name, spec.help, labels=("network", "server_address"))


def _retired(spec: EndpointCounter, networks: list[NetworkMoment]) -> Metric:
    what = f"What evicted series of {spec.sample} last showed; with all series and {OTHER_ENDPOINT} the ledger's total."
    retired = GaugeMetricFamily(spec.retired, what, labels=("network",))
    for network in networks:
        retired.add_metric((network.network,), getattr(network.series.retired, spec.field))
    return retired


def _of_named_total(spec: _NamedTotal, networks: list[NetworkMoment], *, created: bool) -> Metric:
    labels = ("network", spec.label) if spec.label else ("network",)
    family = CounterMetricFamily(spec.name, spec.help, labels=labels)
    for network in networks:
        since = network.since_ms / 1000 if created and network.since_ms else None
        if spec.label:
            for name, count in sorted(network.totals.items()):
                kind, _, key = name.partition("/")
                if kind == spec.total:
                    family.add_metric((network.network, key), count, created=since)
        else:
            family.add_metric((network.network,), network.totals.get(spec.total, 0), created=since)
    return family


def _of_networks(networks: list[NetworkMoment]) -> Iterator[Metric]:
    loaded = GaugeMetricFamily(
        "pcapline_capture_last_loaded_timestamp_seconds",
        "Unix time the last capture was committed, 0 when none was.",
        labels=("network",),
    )
    folded = GaugeMetricFamily(
        "pcapline_exporter_series_folded",
        f"Endpoints without a series of their own, counted in {OTHER_ENDPOINT}.",
        labels=("network",),
    )
    position = GaugeMetricFamily(LEDGER_POSITION, "Number of the newest commit that this page counts.", labels=("sensor",))
    for network in networks:
        loaded.add_metric((network.network,), network.last_loaded_at_ms / 1000)
        folded.add_metric((network.network,), network.folded)
        for sensor, seq in network.positions.items():
            position.add_metric((sensor,), seq)
    yield from (loaded, folded, position)


def _newest_packets(snapshot: Snapshot) -> Metric:
    family = GaugeMetricFamily(
        "pcapline_sensor_newest_packet_timestamp_seconds",
        "Unix time of the newest packet in the sensor's last 100 committed captures; dates later than a day after the load "
        "are left out.",
        labels=("sensor",),
    )
    for sensor, newest_ns in snapshot.newest_packet_ns.items():
        family.add_metric((sensor,), newest_ns / 1_000_000_000)
    return family


def _quarantined(snapshot: Snapshot) -> Metric:
    family = GaugeMetricFamily(
        "pcapline_captures_quarantined",
        "Captures that could not be loaded and wait for somebody to look at them (counted as often as the identities are).",
        labels=("network", "reason"),
    )
    for (network, reason), captures in sorted(snapshot.quarantined.items()):
        family.add_metric((network, reason), captures)
    return family


def _of_store(snapshot: Snapshot) -> Iterator[Metric]:
    up = GaugeMetricFamily("pcapline_store_up", "1 when the store answered the last refresh.", labels=("store",))
    up.add_metric((snapshot.store,), int(snapshot.store_up))
    yield up
    yield GaugeMetricFamily(
        "pcapline_store_last_read_timestamp_seconds",
        "Unix time of the last refresh that the store answered, 0 before the first: how old this page is.",
        value=snapshot.read_at,
    )
    yield GaugeMetricFamily(
        "pcapline_exporter_scrape_duration_seconds",
        "Seconds the last refresh from the store took; scrapes are served from what it found.",
        value=snapshot.refresh_seconds,
    )
    for name, version, help_text in (
        ("pcapline_store_schema_version", snapshot.schema_version, "Schema version applied to the store."),
        ("pcapline_store_schema_wanted_version", snapshot.wanted_schema_version, "Schema version this build works with."),
    ):
        if version is not None:
            family = GaugeMetricFamily(name, help_text, labels=("store",))
            family.add_metric((snapshot.store,), version)
            yield family


def _of_reconciliation(reconciliation: Reconciliation) -> Iterator[Metric]:
    unreconciled = GaugeMetricFamily(
        "pcapline_unreconciled", "Difference of the two sides of an identity at the last check.", labels=("identity",)
    )
    for identity in reconciliation.identities:
        unreconciled.add_metric((identity.name,), identity.difference)
    yield unreconciled
    yield GaugeMetricFamily(
        "pcapline_reconciliation_timestamp_seconds",
        "Unix time of the last check of the identities.",
        value=reconciliation.at_ms / 1000,
    )
    coverage = reconciliation.coverage
    for name, captures, help_text in (
        ("committed", coverage.captures, "Committed captures in the ledgers at the last check."),
        ("checked", coverage.checked, "Captures that the last check recounted."),
        ("expired", coverage.expired, "Captures checked by the ledger alone, because their rows have expired."),
    ):
        yield GaugeMetricFamily(f"pcapline_reconciliation_captures_{name}", help_text, value=captures)
    if reconciliation.reach is not None:
        yield from _of_reach(reconciliation.reach)


def _of_reach(reach: Reach) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "pcapline_reconciliation_covered_ratio",
        "Share of the captures with rows in the store that this exporter has recounted at least once.",
        value=reach.covered / reach.alive if reach.alive else 1,
    )
    yield GaugeMetricFamily(
        "pcapline_reconciliation_covered_since_timestamp_seconds",
        "Unix time since when every capture with rows in the store was recounted, 0 before all were.",
        value=reach.since_ms / 1000,
    )

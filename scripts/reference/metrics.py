"""metrics.md, from what the exporter, the loader and the sensor declare: names, labels, kinds, what each says."""

from collections.abc import Iterable, Iterator
from itertools import chain

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from capture.events import SensorCounts
from capture.telemetry import families
from exporter.admissions import Series
from exporter.metric_names import ENDPOINT_COUNTERS
from exporter.metrics import NAMED_TOTALS, of_build, of_ledgers, of_moment
from exporter.reconciliation import Coverage, Identity, Reach, Reconciliation
from exporter.snapshot import NetworkMoment, Snapshot
from loader.watch.telemetry import LoaderTelemetry
from pcapline.http.telemetry import WebCounts
from schema.records import NO_TOTALS
from schema.store.nodes import NodeHealth, PoolTasks, TableOnNode
from scripts.reference.markdown import row

INTRODUCTION = """# Metrics

Names and units follow Prometheus' conventions. The exporter's counters go on over restarts, for they are read from the
ledger. Every page has the usual `process_...` and `python_...` metrics of its process as well. `server_address` has
`exporter.max_endpoints` values a network at most; the rest is `_other`.
"""
_EXPORTER = "## Exporter\n\n`http://127.0.0.1:10110/metrics` (`exporter.listen`): what the store holds.\n"
_LOADER = """## Loader

`http://127.0.0.1:10111/metrics` (`loader.listen`): what this process does, and what a store that is away cannot report.
These counters begin anew with the process.
"""
_SENSOR = """## Sensor

`http://127.0.0.1:10112/metrics`, where `capture.listen` says so: what happens before a loader sees a file. It needs the
extra `web`. These counters begin anew with the process.
"""
_WEB = """## All of them

Of the address itself (docs/decisions/0025), on the page of each.
"""
_HEAD = "\n| metric | kind | labels | |\n|---|---|---|---|\n"


def page() -> str:
    """The whole page."""
    exporter, loader, web = _of_exporter(), _of_registry(LoaderTelemetry("x", "x")), _of_registry(WebCounts())
    parts = ((_EXPORTER, exporter), (_LOADER, loader), (_SENSOR, _of_sensor()), (_WEB, web))
    return "\n".join((INTRODUCTION, *(about + _HEAD + _lines(metrics) for about, metrics in parts)))


def _lines(rows: Iterable[tuple[str, str, Iterable[str], str]]) -> str:
    return "".join(
        row(f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), about) for name, kind, labels, about in sorted(rows)
    )


def _of_exporter() -> Iterator[tuple[str, str, Iterable[str], str]]:
    snapshot = _everything()
    for family in chain(of_build(""), of_ledgers(snapshot, created=False), of_moment(snapshot)):
        sample = family.samples[0]
        yield sample.name, family.type, sample.labels, family.documentation
    for spec in ENDPOINT_COUNTERS:
        yield spec.sample, "counter", ("network", "server_address"), spec.help


def _of_sensor() -> Iterator[tuple[str, str, Iterable[str], str]]:
    for family in families(SensorCounts(), captures_now=True, sensor="x", version="x"):
        sample = family.samples[0]
        yield sample.name, family.type, sample.labels, family.documentation


def _everything() -> Snapshot:
    """A snapshot in which each family has a sample, so that its labels are seen."""
    totals = {f"{spec.total}/x" if spec.label else spec.total: 1 for spec in NAMED_TOTALS}
    moment = NetworkMoment(
        network="x",
        positions={"x": 1},
        series=Series(shown={}, other=NO_TOTALS, retired=NO_TOTALS),
        endpoints={},
        totals=totals,
        last_loaded_at_ms=0,
    )
    pools, tables = {"x": PoolTasks(pending=0, blocked=0)}, {"x": TableOnNode()}
    node = NodeHealth(node="x", up=True, pools=pools, tables=tables)
    checked = Reconciliation(
        at_ms=0,
        identities=(Identity(name="x", left=0, right=0, difference=0),),
        coverage=Coverage(),
        differing=(),
        differing_count=0,
        reach=Reach(),
    )
    return Snapshot(
        store="x",
        schema_version=1,
        wanted_schema_version=1,
        networks={"x": moment},
        quarantined={("x", "x"): 1},
        newest_packet_ns={"x": 1},
        nodes=[node],
        reconciliation=checked,
    )


def _of_registry(counts: LoaderTelemetry | WebCounts) -> Iterator[tuple[str, str, Iterable[str], str]]:
    """prometheus_client has no public list of a registry's metrics, nor of a metric's labels."""
    for metric in counts._registry._collector_to_names:
        if not isinstance(metric, MetricWrapperBase):
            continue  # of the process
        family = next(iter(metric.describe()))
        name = family.name + ("_total" if isinstance(metric, Counter) else "")
        yield name, family.type, metric._labelnames, family.documentation

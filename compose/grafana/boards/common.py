"""What the dashboards share. A query that has nothing to tell while all is well ends in `or vector(0)`: 0 is an answer."""

from compose.grafana.model import Panel, Query, Variable

RATE = "$__rate_interval"
ANY = 1e-9  # more than nothing

NETWORK = Variable(name="network", label="Network", query="label_values(pcapline_endpoint_writes_total, network)")
HOST = Variable(
    name="server_address",
    label="Host",
    query='label_values(pcapline_endpoint_writes_total{network=~"$network"}, server_address)',
)
SENSOR = Variable(name="sensor", label="Sensor", query="label_values(pcapline_ledger_position, sensor)")


def stat(  # noqa: PLR0913 - a panel's own fields
    title: str, expr: str, description: str, *, unit: str = "short", width: int = 4, red_above: float | None = None
) -> Panel:
    """One number; red above `red_above`."""
    thresholds: list[tuple[float | None, str]] = [(None, "green")]
    if red_above is not None:
        thresholds.append((red_above, "red"))
    queries = [Query(expr=expr)]
    return Panel(
        title=title,
        queries=queries,
        description=description,
        kind="stat",
        width=width,
        height=4,
        unit=unit,
        thresholds=thresholds,
    )


def up(title: str, expr: str, description: str, width: int = 4) -> Panel:
    """Whether something is there: 1 or 0."""
    return Panel(
        title=title,
        queries=[Query(expr=expr)],
        description=description,
        kind="stat",
        width=width,
        height=4,
        thresholds=((None, "red"), (1, "green")),
        mapping={"1": ("up", "green"), "0": ("down", "red")},
    )


def of_ledger(metric: str, by: str, legend: str, where: str = "") -> Query:
    """A counter of the exporter as a rate."""
    selector = f'{metric}{{network=~"$network"{where}}}'
    return Query(expr=f"sum by ({by}) (rate({selector}[{RATE}])) or vector(0)", legend=legend)


def by_host(metric: str) -> list[Query]:
    """The ten busiest hosts, and what has no series of its own."""
    named = f'{metric}{{network=~"$network", server_address!="_other"}}'
    other = f'{metric}{{network=~"$network", server_address="_other"}}'
    return [
        Query(expr=f"topk(10, sum by (server_address) (rate({named}[{RATE}])))", legend="{{server_address}}"),
        Query(expr=f"sum(rate({other}[{RATE}]))", legend="_other: all hosts without a series of their own"),
    ]


UNRECONCILED = stat(
    "Unreconciled",
    "sum(abs(pcapline_unreconciled))",
    "What the identities are apart by: packets, rows, totals and metrics add up while this is 0. Nothing: not checked yet.",
    red_above=ANY,
)
CHECKED_AGO = stat(
    "Last check",
    "time() - max(pcapline_reconciliation_timestamp_seconds)",
    "How long ago the identities were checked.",
    unit="s",
)
QUARANTINED = stat(
    "Quarantined",
    "sum(pcapline_captures_quarantined) or vector(0)",
    "Captures that could not be loaded and wait for somebody to look at them.",
    red_above=ANY,
)

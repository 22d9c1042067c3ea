"""Who is called how much, and whether the numbers can be trusted."""

from compose.grafana.boards.common import ANY, CHECKED_AGO, NETWORK, QUARANTINED, UNRECONCILED, by_host, of_ledger, stat
from compose.grafana.model import Dashboard, Panel, Query

_WRITES_BY_HOST = Panel(
    title="Writes by host",
    queries=by_host("pcapline_endpoint_writes_total"),
    description="Rows written to the store a second (a row is a flow of one capture), by the name that clients asked for.",
    width=24,
    height=10,
    unit="wps",
)

OVERVIEW = Dashboard(
    uid="pcapline-overview",
    title="pcapline / Overview",
    description="Who is called how much, and whether the numbers can be trusted.",
    variables=[NETWORK],
    rows=[
        [_WRITES_BY_HOST],
        [
            UNRECONCILED,
            CHECKED_AGO,
            QUARANTINED,
            stat(
                "Newest packet",
                "time() - max(pcapline_sensor_newest_packet_timestamp_seconds)",
                "Age of the newest packet that is committed.",
                unit="s",
                red_above=300,
            ),
            stat("Captures waiting", "sum(pcapline_captures_pending) or vector(0)", "Files that the loader has not taken yet."),
            stat(
                "Alerts",
                'count(ALERTS{alertname=~"Pcapline.+", alertstate="firing"}) or vector(0)',
                "Alerts that fire now.",
                red_above=ANY,
            ),
        ],
        [
            Panel(
                title="Writes by network",
                queries=[
                    Query(expr='network:pcapline_endpoint_writes:rate5m{network=~"$network"}', legend="{{network}}"),
                ],
                description="Rows of all hosts, averaged over five minutes.",
                unit="wps",
                stacked=True,
            ),
            Panel(
                title="Packets",
                queries=[
                    of_ledger("pcapline_packets_total", "network", "{{network}}"),
                    of_ledger("pcapline_packets_undecoded_total", "network", "{{network}}: in no flow"),
                    of_ledger("pcapline_kernel_drops_total", "network", "{{network}}: dropped by the kernel"),
                ],
                description="Packets in committed captures, those of them in no flow row, and those that the kernel dropped.",
                unit="pps",
            ),
        ],
    ],
)

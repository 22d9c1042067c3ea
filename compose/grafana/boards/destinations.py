"""Hosts as they are called."""

from compose.grafana.boards.common import HOST, NETWORK, RATE
from compose.grafana.model import Dashboard, Panel, Query

_ALL = 'pcapline_endpoint_writes_total{network=~"$network"}'
_OTHER = 'pcapline_endpoint_writes_total{network=~"$network", server_address="_other"}'
_ONE_HOST = 'network=~"$network", server_address=~"$server_address"'


def _one_host(what: str) -> str:
    return f"sum(rate(pcapline_endpoint_{what}_total{{{_ONE_HOST}}}[{RATE}]))"


DESTINATIONS = Dashboard(
    uid="pcapline-destinations",
    title="pcapline / Destinations",
    description="Hosts as they are called: rows, bytes and packets both ways.",
    variables=[NETWORK, HOST],
    rows=[
        [
            Panel(
                title="Writes by host",
                queries=[
                    Query(
                        expr=f"sum by (server_address) (rate(pcapline_endpoint_writes_total{{{_ONE_HOST}}}[{RATE}]))",
                        legend="{{server_address}}",
                    )
                ],
                description="Rows written a second, of the hosts chosen above.",
                width=24,
                height=10,
                unit="wps",
                stacked=True,
            )
        ],
        [
            Panel(
                title="Bytes",
                queries=[
                    Query(expr=_one_host("received_bytes"), legend="received from hosts"),
                    Query(expr=f"-{_one_host('sent_bytes')}", legend="sent to hosts"),
                ],
                description="Bytes (IP total length) that clients received, and below the line those they sent.",
                unit="Bps",
            ),
            Panel(
                title="Packets",
                queries=[
                    Query(expr=_one_host("received_packets"), legend="received from hosts"),
                    Query(expr=f"-{_one_host('sent_packets')}", legend="sent to hosts"),
                ],
                description="Packets that clients received, and below the line those they sent.",
                unit="pps",
            ),
        ],
        [
            Panel(
                title="Busiest hosts in this range",
                queries=[
                    Query(
                        expr="topk(25, sum by (server_address)"
                        ' (increase(pcapline_endpoint_writes_total{network=~"$network"}[$__range])))'
                    )
                ],
                description="Rows written in the time shown.",
                kind="table",
                height=12,
            ),
            Panel(
                title="Without a series of their own",
                queries=[
                    Query(expr='sum(pcapline_exporter_series_folded{network=~"$network"})', legend="hosts in _other"),
                    Query(
                        expr=f"sum(rate({_OTHER}[{RATE}])) / sum(rate({_ALL}[{RATE}]))",
                        legend="their share of the writes",
                    ),
                ],
                description="The exporter names so many hosts as its limit allows; the others are counted together, as _other.",
                height=12,
            ),
        ],
    ],
)

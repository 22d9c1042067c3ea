"""Who captures."""

from compose.grafana.boards.common import RATE, SENSOR
from compose.grafana.model import Dashboard, Panel, Query

_ONE_SENSOR = 'sensor=~"$sensor"'

SENSORS = Dashboard(
    uid="pcapline-sensors",
    title="pcapline / Sensors",
    description="Who captures, and since when nothing came.",
    variables=[SENSOR],
    rows=[
        [
            Panel(
                title="Age of the newest packet",
                queries=[
                    Query(
                        expr=f"time() - pcapline_sensor_newest_packet_timestamp_seconds{{{_ONE_SENSOR}}}", legend="{{sensor}}"
                    )
                ],
                description="A sensor that captures has a line near the bottom; one that rises has fallen silent.",
                width=24,
                unit="s",
            )
        ],
        [
            Panel(
                title="Captures committed",
                queries=[Query(expr=f"rate(pcapline_ledger_position{{{_ONE_SENSOR}}}[{RATE}])", legend="{{sensor}}")],
                description="A second, by sensor.",
            ),
            Panel(
                title="Packets loaded",
                queries=[
                    Query(
                        expr=f"sum by (sensor) (rate(pcapline_loader_packets_total{{{_ONE_SENSOR}}}[{RATE}]))",
                        legend="{{sensor}}",
                    )
                ],
                description="Packets in loaded files a second, by sensor.",
                unit="pps",
            ),
        ],
        [
            Panel(
                title="Captures waiting",
                queries=[Query(expr=f"sum by (sensor) (pcapline_captures_pending{{{_ONE_SENSOR}}})", legend="{{sensor}}")],
                description="Files of each sensor that are not loaded yet.",
            ),
            Panel(
                title="Dropped by the kernel",
                queries=[
                    Query(
                        expr=f"sum by (network) (rate(pcapline_kernel_drops_total[{RATE}])) or vector(0)", legend="{{network}}"
                    )
                ],
                description="Packets that came faster than they could be captured, a second, by network.",
                unit="pps",
            ),
        ],
        [
            Panel(
                title="Leases",
                queries=[Query(expr=f"sum by (sensor) (pcapline_lease_held{{{_ONE_SENSOR}}})")],
                description="1 where a loader is at work for the sensor.",
                kind="table",
                width=24,
            )
        ],
    ],
)

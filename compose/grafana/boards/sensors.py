"""Who captures."""

from compose.grafana.boards.common import RATE, SENSOR
from compose.grafana.model import Dashboard, Panel, Query

_ONE_SENSOR = 'sensor=~"$sensor"'


def _told(counter: str, by: str = "", said: str = "") -> Query:
    """A counter of the sensors' own pages, as a rate."""
    labels = f"sensor, {by}" if by else "sensor"
    expr = f"sum by ({labels}) (rate({counter}{{{_ONE_SENSOR}}}[{RATE}]))"
    return Query(expr=expr, legend="{{sensor}}" + (f": {said}{{{{{by}}}}}" if by else said))


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
                title="Captured",
                queries=[_told("pcapline_sensor_packets_captured_total")],
                description="Packets in captures handed over, a second, by the word of the sensors that Prometheus asks.",
                unit="pps",
            ),
            Panel(
                title="Lost, by where",
                queries=[_told("pcapline_sensor_packets_dropped_total", "where")],
                description="Packets lost before they were in a capture, a second: kernel, interface or disk had no room.",
                unit="pps",
            ),
        ],
        [
            Panel(
                title="Since the last hand-over",
                queries=[
                    Query(
                        expr=f"time() - (pcapline_sensor_last_handed_over_timestamp_seconds{{{_ONE_SENSOR}}} > 0)",
                        legend="{{sensor}}",
                    )
                ],
                description="Age of the newest capture of each sensor; on a link where nothing happens it rises.",
                unit="s",
            ),
            Panel(
                title="Rotations and restarts",
                queries=[
                    _told("pcapline_sensor_rotations_total", "by", "by "),
                    _told("pcapline_sensor_tcpdump_restarts_total", said=": tcpdump started again"),
                ],
                description="Files closed a second, because their time was over or they were full; and restarts of tcpdump.",
            ),
        ],
        [
            Panel(
                title="tcpdump",
                queries=[Query(expr=f"pcapline_sensor_tcpdump_up{{{_ONE_SENSOR}}}", legend="{{sensor}}")],
                description="1 while it runs, by sensor.",
                width=24,
            )
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

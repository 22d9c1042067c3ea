"""The sensor's metrics page says what its journal counts."""

import re
from pathlib import Path

from capture.events import SensorEventKind
from capture.telemetry import SensorTelemetry
from capture.writing import Journal


def shown(telemetry: SensorTelemetry, accept: str = "") -> dict[str, float]:
    lines = telemetry.expose(accept)[0].decode()
    return {name: float(value) for name, value in re.findall(r"^(pcapline_sensor_\S+) (\S+)$", lines, re.MULTILINE)}


def test_a_sensor_that_saw_nothing_shows_every_series() -> None:
    values = shown(SensorTelemetry(Journal(lambda _: None), "edge", "1.2"))
    assert values.pop('pcapline_sensor_info{sensor="edge",version="1.2"}') == 1
    assert len(values) == 11 and set(values.values()) == {0}


def test_what_was_counted_is_shown() -> None:
    told = []
    journal = Journal(told.append, clock=lambda: 1_700_000_000.5)
    telemetry = SensorTelemetry(journal, "edge", "1.2")
    path = Path("a.pcap")
    journal.handed_over(SensorEventKind.HANDED_OVER, "", path, 640, packets=9, kernel_drops=3, interface_drops=1)
    journal.handed_over(SensorEventKind.RECOVERED, "", path, 60, packets=1)
    journal.tell(SensorEventKind.TCPDUMP_ENDED, "", restarts=1)
    journal.count(disk_drops=4, rotations_by_time=5)
    journal.count(rotations_by_size=6)
    journal.captures_now = True
    expected = {
        'pcapline_sensor_captures_total{sensor="edge"}': 2,
        'pcapline_sensor_packets_captured_total{sensor="edge"}': 10,
        'pcapline_sensor_captured_bytes_total{sensor="edge"}': 700,
        'pcapline_sensor_packets_dropped_total{sensor="edge",where="kernel"}': 3,
        'pcapline_sensor_packets_dropped_total{sensor="edge",where="interface"}': 1,
        'pcapline_sensor_packets_dropped_total{sensor="edge",where="disk"}': 4,
        'pcapline_sensor_rotations_total{by="time",sensor="edge"}': 5,
        'pcapline_sensor_rotations_total{by="size",sensor="edge"}': 6,
        'pcapline_sensor_tcpdump_restarts_total{sensor="edge"}': 1,
        'pcapline_sensor_tcpdump_up{sensor="edge"}': 1,
        'pcapline_sensor_last_handed_over_timestamp_seconds{sensor="edge"}': 1_700_000_000.5,
    }
    for accept in ("", "application/openmetrics-text; version=1.0.0"):
        values = {
            re.sub(r'\{sensor="edge",by="(\w+)"', r'{by="\1",sensor="edge"', name): v
            for name, v in shown(telemetry, accept).items()
        }
        assert {name: values[name] for name in expected} == expected
    assert len(told) == 3


def test_a_sensor_is_ready_while_tcpdump_runs() -> None:
    journal = Journal(lambda _: None)
    telemetry = SensorTelemetry(journal, "edge", "1.2")
    assert "tcpdump" in str(telemetry.ready())
    journal.captures_now = True
    assert telemetry.ready() is None

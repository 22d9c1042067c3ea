"""What Prometheus' HTTP service discovery is told."""

import json

from exporter.discovery import targets
from schema.store.reading import SensorRecord


def sensor(name: str, owner: str, network: str = "lan") -> SensorRecord:
    return SensorRecord(sensor=name, network=network, segment=0, first_seen_ms=0, owner=owner, lease_until_ms=0)


def test_a_target_a_host_with_what_it_loads() -> None:
    records = [
        sensor("edge-2", "box-a:17:ff"),
        sensor("edge-1", "box-a:18:ee"),  # another worker of the same watch
        sensor("gate", "box-b:1:aa", "dmz"),
        sensor("idle", ""),
    ]
    assert json.loads(targets(records, 10_111)) == [
        {
            "targets": ["box-a:10111"],
            "labels": {"__meta_pcapline_networks": ",lan,", "__meta_pcapline_sensors": ",edge-1,edge-2,"},
        },
        {"targets": ["box-b:10111"], "labels": {"__meta_pcapline_networks": ",dmz,", "__meta_pcapline_sensors": ",gate,"}},
    ]
    assert json.loads(targets([], 10_111)) == []

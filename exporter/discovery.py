"""Prometheus' HTTP service discovery: the loaders that the store knows of, as scrape targets. Pure.

A sensor is known by its name alone; on which machine it captures, nothing in the store says.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from schema.store.reading import SensorRecord


def targets(sensors: Iterable[SensorRecord], port: int) -> bytes:
    """A JSON list of target groups, one a host that loads sensors.

    A loader that died holds its sensors until another takes them, so it stays a target and its absence is seen; one that let
    them go is none.
    """
    held: defaultdict[str, list[SensorRecord]] = defaultdict(list)
    for record in sensors:
        if record.owner:
            held[_host(record.owner)].append(record)
    groups = [{"targets": [f"{host}:{port}"], "labels": _labels(records)} for host, records in sorted(held.items())]
    return json.dumps(groups).encode()


def _labels(records: Sequence[SensorRecord]) -> dict[str, str]:
    return {
        "__meta_pcapline_networks": _list({record.network for record in records}),
        "__meta_pcapline_sensors": _list({record.sensor for record in records}),
    }


def _list(values: Iterable[str]) -> str:
    """As Prometheus' own discoveries write lists: a comma on either side of each value, so that a rule can look for one."""
    return f",{','.join(sorted(values))},"


def _host(owner: str) -> str:
    """Of HOST:PID:RANDOM."""
    return owner.rsplit(":", 2)[0]

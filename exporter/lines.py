"""Samples by endpoint as lines of an exposition, in text 0.0.4 or OpenMetrics.

There are thousands of them, and a general writer takes twenty times as long: what is the same in all lines of an endpoint is
written once, and nothing is asked twice of a line.
"""

from collections.abc import Sequence
from typing import NamedTuple

from exporter.metric_names import EndpointCounter
from exporter.snapshot import NetworkMoment
from schema.records import OTHER_ENDPOINT, EndpointTotals


class EndpointLine(NamedTuple):
    """What all counters of one endpoint's series have in common."""

    labels: str  # as they are written
    totals: EndpointTotals
    began: str  # when it began (Unix seconds); "" where that is not said


def lines_of(networks: Sequence[NetworkMoment], *, created: bool) -> list[EndpointLine]:
    """One for each series, `_other` behind each network's. `created`: each with when it began."""
    lines: list[EndpointLine] = []
    for network in networks:
        head = f'{{network="{_escaped(network.network)}",server_address="'
        since_ms = network.since_ms if created else 0
        began_ms = network.began_ms if created else {}
        lines += [
            EndpointLine(f'{head}{_escaped(endpoint)}"}}', totals, _seconds(began_ms.get(endpoint) or since_ms))
            for endpoint, totals in network.series.shown.items()
        ]
        lines.append(EndpointLine(f'{head}{OTHER_ENDPOINT}"}}', network.series.other, _seconds(since_ms)))
    return lines


def counter_lines(spec: EndpointCounter, lines: Sequence[EndpointLine]) -> bytes:
    """One counter's samples of all series."""
    sample, created, place = spec.sample, f"{spec.name}_created", EndpointTotals._fields.index(spec.field)
    return "".join(
        [
            f"{sample}{labels} {totals[place]}.0\n{created}{labels} {began}\n"
            if began
            else f"{sample}{labels} {totals[place]}.0\n"
            for labels, totals, began in lines
        ]
    ).encode()


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")  # `translate` looks at each character


def _seconds(at_ms: int) -> str:
    return str(at_ms / 1000) if at_ms else ""

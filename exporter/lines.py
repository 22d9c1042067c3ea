"""Samples by endpoint as lines of an exposition, alike in text 0.0.4 and OpenMetrics.

There are thousands of them, and a general writer takes ten times as long.
"""

from collections.abc import Iterator

from exporter.metric_names import EndpointCounter
from exporter.snapshot import NetworkMoment
from schema.records import OTHER_ENDPOINT

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def endpoint_lines(spec: EndpointCounter, networks: list[NetworkMoment]) -> bytes:
    """One counter's samples of every series, `_other` behind each network's."""
    return "".join(line for network in networks for line in _lines(spec, network)).encode()


def _lines(spec: EndpointCounter, network: NetworkMoment) -> Iterator[str]:
    head = f'{spec.sample}{{network="{network.network.translate(_ESCAPES)}",server_address="'
    for endpoint, totals in network.series.shown.items():
        yield f'{head}{endpoint.translate(_ESCAPES)}"}} {getattr(totals, spec.field)}.0\n'
    yield f'{head}{OTHER_ENDPOINT}"}} {getattr(network.series.other, spec.field)}.0\n'

"""Samples by endpoint as lines of an exposition, in text 0.0.4 or OpenMetrics.

There are thousands of them, and a general writer takes ten times as long.
"""

from collections.abc import Iterator

from exporter.metric_names import EndpointCounter
from exporter.snapshot import NetworkMoment
from schema.records import OTHER_ENDPOINT

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def endpoint_lines(spec: EndpointCounter, networks: list[NetworkMoment], *, created: bool) -> bytes:
    """One counter's samples of every series, `_other` behind each network's. `created`: each with when it began."""
    return "".join(line for network in networks for line in _lines(spec, network, created)).encode()


def _lines(spec: EndpointCounter, network: NetworkMoment, created: bool) -> Iterator[str]:
    head = f'{{network="{network.network.translate(_ESCAPES)}",server_address="'
    since_ms, began_ms = network.since_ms, network.began_ms
    for endpoint, totals in network.series.shown.items():
        labels = f'{head}{endpoint.translate(_ESCAPES)}"}}'
        yield f"{spec.sample}{labels} {getattr(totals, spec.field)}.0\n"
        if created and (at_ms := began_ms.get(endpoint) or since_ms):
            yield f"{spec.name}_created{labels} {at_ms / 1000}\n"
    labels = f'{head}{OTHER_ENDPOINT}"}}'
    yield f"{spec.sample}{labels} {getattr(network.series.other, spec.field)}.0\n"
    if created and since_ms:
        yield f"{spec.name}_created{labels} {since_ms / 1000}\n"

"""The names of what is counted by endpoint: written by `metrics`, read back by `reconcile`."""

from typing import NamedTuple


class EndpointCounter(NamedTuple):
    """One counter by endpoint, and the gauge of what its evicted series last showed."""

    name: str  # without `_total`
    retired: str
    field: str  # of EndpointTotals
    help: str

    @property
    def sample(self) -> str:
        """The name that a scrape returns."""
        return f"{self.name}_total"


def _counter(what: str, field: str, help_text: str) -> EndpointCounter:
    return EndpointCounter(f"pcapline_endpoint_{what}", f"pcapline_endpoint_retired_{what}", field, help_text)


ENDPOINT_COUNTERS = (
    _counter("writes", "flows", "Distinct flow rows of committed captures, by destination endpoint."),
    _counter("sent_packets", "packets", "Packets that clients sent to the endpoint."),
    _counter("sent_bytes", "bytes", "Bytes (IP total length) that clients sent to the endpoint."),
    _counter("received_packets", "packets_rev", "Packets that clients received from the endpoint."),
    _counter("received_bytes", "bytes_rev", "Bytes (IP total length) that clients received from the endpoint."),
)
LEDGER_POSITION = "pcapline_ledger_position"

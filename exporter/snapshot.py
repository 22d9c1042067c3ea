"""One immutable moment of all that the exporter shows: everything presented at once comes from one of these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.admissions import Series
from exporter.reconciliation import Reconciliation
from schema.records import EndpointTotals
from schema.store.nodes import NodeHealth
from schema.store.reading import SensorRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMoment:
    """One network at the ledger positions that its book stands at."""

    network: str
    positions: Mapping[str, int]  # sensor -> seq of its newest commit
    series: Series
    endpoints: Mapping[str, EndpointTotals]  # totals of all that have one of their own in a ledger
    totals: Mapping[str, int]  # flat named totals, summed over the sensors
    last_loaded_at_ms: int  # 0: never
    since_ms: int = 0  # when its first sensor was first seen (Unix ms), and all counters were 0
    began_ms: Mapping[str, int] = field(default_factory=dict)  # endpoint -> when its series began; 0: with the network
    evicted: Mapping[str, EndpointTotals] = field(default_factory=dict)  # endpoint -> what its series last showed
    unread: tuple[str, ...] = ()  # sensors that did not answer: shown as they were last read

    @property
    def folded(self) -> int:
        """Endpoints without a series of their own that have a total."""
        return len(self.endpoints) - len(self.series.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is shown now. While the store is away: what was shown last."""

    store: str  # sqlite | cassandra
    store_up: bool = False
    not_ready: str | None = "the store has not been read yet"  # one line; None: all is current
    schema_version: int | None = None  # None: not known yet
    wanted_schema_version: int | None = None
    networks: Mapping[str, NetworkMoment] = field(default_factory=dict)
    quarantined: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (network, reason) -> captures
    newest_packet_ns: Mapping[str, int] = field(default_factory=dict)  # sensor -> Unix ns
    sensors: Sequence[SensorRecord] = ()  # every one, and who loads it
    nodes: Sequence[NodeHealth] = ()  # of the store, where it has any and they may be asked
    read_at: float = 0.0  # Unix time of the last refresh that the store answered; 0: never
    refresh_seconds: float = 0.0  # what the last refresh took
    reconciliation: Reconciliation | None = None  # None: never checked

"""Small captures, committed through the store port with the rows that their numbers stand for."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from schema.buckets import bucket_of
from schema.records import CaptureFacts, CommitDeltas, EndpointTotals, Manifest, PartitionCounts
from schema.store.sqlite import open_sqlite
from schema.store.writing import Claim, Commit, SensorLease, Store
from schema.tables import FLOWS, batches_of

NOW_MS = 1_780_000_000_000
_SERVER = bytes([192, 0, 2, 1])
_CLIENT = bytes([198, 51, 100, 7])
# One flow row's numbers: packets, bytes, packets back, bytes back.
FlowNumbers = tuple[int, int, int, int]


def clock() -> float:
    """A store's clock that stands still, so that nothing expires."""
    return NOW_MS / 1000


@dataclass(frozen=True, kw_only=True)
class Capture:
    """What one capture holds: a flow row for each (endpoint, numbers), and packets in no flow."""

    name: str
    flows: Sequence[tuple[str, FlowNumbers]] = ()
    non_flow: Mapping[str, int] = field(default_factory=dict)
    loaded_at_ms: int = NOW_MS
    last_ts_ns: int = 0

    @property
    def capture_id(self) -> bytes:
        return hashlib.sha256(self.name.encode()).digest()[:16]

    def endpoints(self) -> dict[str, EndpointTotals]:
        sums: defaultdict[str, EndpointTotals] = defaultdict(EndpointTotals)
        for endpoint, numbers in self.flows:
            sums[endpoint] = sums[endpoint].plus(EndpointTotals(1, *numbers))
        return dict(sums)


@contextmanager
def store_at(path: Path) -> Iterator[Store]:
    """A SQLite store with its schema."""
    store = open_sqlite(path, clock)
    try:
        store.apply_schema()
        yield store
    finally:
        store.close()


def lease_of(store: Store, sensor: str, network: str = "lan") -> SensorLease:
    """The sensor's lease, taken anew."""
    return store.take_sensor(sensor, network, f"host:1:{sensor}", NOW_MS + 60_000)


def load(lease: SensorLease, capture: Capture) -> None:
    """Claim, write and commit one capture."""
    rows = [_row(lease.sensor, capture, frame, *flow) for frame, flow in enumerate(capture.flows, start=1)]
    partition = PartitionCounts(table="flows", partitions=((_SERVER, bucket_of(NOW_MS)),), rows=(len(rows),))
    flow_packets = sum(numbers[0] + numbers[2] for _, numbers in capture.flows)
    frames = flow_packets + sum(capture.non_flow.values())
    claim = Claim(
        facts=CaptureFacts(
            capture_id=capture.capture_id,
            file_name=f"{capture.name}.pcap",
            file_id="",
            size_bytes=1,
            frames=frames,
            last_ts_ns=capture.last_ts_ns,
        ),
        inputs={"rows_from_ms": str(capture.loaded_at_ms)},
        manifest=Manifest.of([partition] if rows else []),
        started_at_ms=capture.loaded_at_ms,
    )
    totals = {"captures": 1, "frames": frames, "rows/flows": len(rows)}
    totals |= {f"non_flow/{reason}": packets for reason, packets in capture.non_flow.items()}
    commit = Commit(
        deltas=CommitDeltas(endpoints=capture.endpoints(), totals=totals),
        flows=len(rows),
        flow_packets=flow_packets,
        flow_bytes=sum(numbers[1] + numbers[3] for _, numbers in capture.flows),
        non_flow=capture.non_flow,
        reason="",
        carried=None,
        loaded_at_ms=capture.loaded_at_ms,
    )
    begun = lease.begin(claim)
    with begun as attempt:  # type: ignore[union-attr]
        attempt.write(batches_of(FLOWS, rows))
        attempt.commit(commit)


def _row(sensor: str, capture: Capture, frame: int, endpoint: str, numbers: FlowNumbers) -> tuple[object, ...]:
    key = (_SERVER, bucket_of(NOW_MS), NOW_MS, 0, capture.capture_id, frame)
    flow = (_CLIENT, 40_000, 443, 6, sensor, endpoint, capture.capture_id, 0, "syn", 1_000)
    return (*key, *flow, *numbers, 0, "idle_timeout", endpoint, "dns", False, None)

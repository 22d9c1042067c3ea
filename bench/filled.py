"""Captures of many endpoints, committed through the store port; what the ledger holds after each is known without asking it."""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Self

from schema.buckets import bucket_of
from schema.records import NO_TOTALS, CaptureFacts, CommitDeltas, EndpointTotals, Manifest, PartitionCounts
from schema.store.writing import Claim, ClaimRefusal, Commit, Store
from schema.tables import FLOWS, batches_of

SENSOR, NETWORK = "bench", "bench"
_CLIENT = bytes([198, 51, 100, 7])
_LEASE_MS = 3_600_000
_Row = tuple[object, ...]


class Filler:
    """Commits captures to one sensor's ledger."""

    def __init__(self, store: Store, tell: Callable[[EndpointTotals], None]) -> None:
        """`tell` gets the sum of all endpoints' totals at the next commit, before it is made: a scrape may see it at once."""
        self._store = store
        self.again()
        self._random, self._tell = Random(1), tell
        self._commits, self._sum = 0, NO_TOTALS

    def again(self) -> Self:
        """Take the sensor's lease anew: its holder has read nothing yet."""
        self._lease = self._store.take_sensor(SENSOR, NETWORK, "bench:1:a", _now_ms() + _LEASE_MS)
        return self

    def commit(self, endpoints: Sequence[int], rows: int) -> float:
        """One capture of so many flow rows, to these endpoints by turns; gives the seconds that its commit took, the rows being
        there."""
        self._commits += 1
        seq, now_ms = self._commits, _now_ms()
        capture_id = hashlib.sha256(f"capture {seq}".encode()).digest()[:16]
        to = [endpoints[frame % len(endpoints)] for frame in range(rows)]
        flows = [_row(capture_id, frame, endpoint, now_ms, self._random) for frame, endpoint in enumerate(to, start=1)]
        deltas = _by_endpoint(flows)
        whole = _sum(deltas.values())
        packets = whole.packets + whole.packets_rev
        facts = CaptureFacts(capture_id=capture_id, file_name=f"{seq}.pcap", file_id="", size_bytes=1, frames=packets)
        begun = self._lease.begin(
            Claim(
                facts=facts,
                inputs={"rows_from_ms": str(now_ms)},
                manifest=Manifest.of([_partitions(flows)]),
                started_at_ms=now_ms,
                endpoints=deltas,
            )
        )
        if isinstance(begun, ClaimRefusal):
            raise SystemExit("the store has been filled before: name a new one")
        self._sum = self._sum.plus(whole)
        self._tell(self._sum)
        with begun as attempt:
            attempt.write(batches_of(FLOWS, flows))
            began = time.perf_counter()
            attempt.commit(
                Commit(
                    deltas=CommitDeltas(endpoints=deltas, totals={"captures": 1, "frames": packets, "rows/flows": rows}),
                    flows=rows,
                    flow_packets=packets,
                    flow_bytes=whole.bytes + whole.bytes_rev,
                    non_flow={},
                    reason="",
                    carried=None,
                    loaded_at_ms=now_ms,
                )
            )
            return time.perf_counter() - began


def _row(capture_id: bytes, frame: int, endpoint: int, now_ms: int, random: Random) -> _Row:
    name, address = f"h{endpoint}.example", (0xC6120000 + endpoint).to_bytes(4, "big")  # 198.18.0.0/15
    key = (address, bucket_of(now_ms), now_ms, frame, capture_id, frame)
    flow = (_CLIENT, 40_000, 443, 6, SENSOR, name, capture_id, 0, "syn", 1_000)
    numbers = (random.randrange(1, 9), random.randrange(60, 9_000), random.randrange(9), random.randrange(9_000))
    return (*key, *flow, *numbers, 0, "idle_timeout", name, "dns", False, None)


def _by_endpoint(flows: Iterable[_Row]) -> Mapping[str, EndpointTotals]:
    sums: defaultdict[str, EndpointTotals] = defaultdict(EndpointTotals)
    for row in flows:
        sums[str(row[11])] = sums[str(row[11])].plus(EndpointTotals(1, *row[16:20]))  # type: ignore[arg-type]  # numbers of `_row`
    return sums


def _sum(totals: Iterable[EndpointTotals]) -> EndpointTotals:
    whole = NO_TOTALS
    for each in totals:
        whole = whole.plus(each)
    return whole


def _partitions(flows: Iterable[_Row]) -> PartitionCounts:
    counts = Counter(row[:2] for row in flows)
    return PartitionCounts(table=FLOWS.name, partitions=tuple(counts), rows=tuple(counts.values()))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""Sums over the flow rows of one capture: by endpoint, for the ledger, and by destination and minute, for the graphs."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from loader.decode.columns import FlowColumns, MinuteColumns
from schema.records import MAX_COMMIT_ENDPOINTS, MAX_COMMIT_NAME_BYTES, OTHER_ENDPOINT, EndpointTotals
from schema.tables import TRAFFIC_BY_MINUTE, RowBatch, Table, batches_of

_BATCH_ROWS = 32_768
MAX_BUCKETS = 65_536  # that wait in memory
_MINUTES_A_DAY = 1440
_MINUTE_NS = 60_000_000_000


class EndpointTally:
    """What each endpoint gains."""

    def __init__(self) -> None:
        self._endpoints: dict[str, list[int]] = {}

    def count(self, endpoints: Sequence[str], flows: FlowColumns) -> None:
        """Add flow rows; an endpoint for each."""
        totals = self._endpoints
        for endpoint, packets, size, packets_rev, size_rev in zip(
            endpoints, flows.packets, flows.bytes, flows.packets_rev, flows.bytes_rev, strict=True
        ):
            counts = totals.get(endpoint)
            if counts is None:
                totals[endpoint] = [1, packets, size, packets_rev, size_rev]
            else:
                counts[0] += 1
                counts[1] += packets
                counts[2] += size
                counts[3] += packets_rev
                counts[4] += size_rev

    def deltas(self) -> dict[str, EndpointTotals]:
        """The busiest by flows, then by name, within the bounds of a commit; the rest as `_other`."""
        kept = self._kept()
        deltas = {endpoint: EndpointTotals(*self._endpoints[endpoint]) for endpoint in kept}
        rest = [counts for endpoint, counts in self._endpoints.items() if endpoint not in deltas]
        if rest:
            deltas[OTHER_ENDPOINT] = EndpointTotals(*map(sum, zip(*rest, strict=True)))
        return deltas

    def folded(self) -> int:
        """Endpoints that `deltas` gives as `_other`."""
        return len(self._endpoints) - len(self._kept())

    def _kept(self) -> list[str]:
        ranked: list[str] = list(self._endpoints)
        if len(ranked) > MAX_COMMIT_ENDPOINTS or sum(map(len, ranked)) > MAX_COMMIT_NAME_BYTES:
            ranked.sort(key=lambda endpoint: (-self._endpoints[endpoint][0], endpoint))
            room = bisect_right(list(accumulate(map(len, ranked))), MAX_COMMIT_NAME_BYTES)
            ranked = ranked[: min(room, MAX_COMMIT_ENDPOINTS - 1)]
        return ranked


class BucketList:
    """Rows of a table that lists partitions (`flow_buckets`, `answer_buckets`): what is listed twice is listed."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._seen: set[tuple[object, ...]] = set()

    def add(self, keys: Iterable[tuple[object, ...]]) -> Iterator[RowBatch]:
        """Note partitions; gives the rows of all, and forgets them, when they take too much room."""
        self._seen.update(keys)
        if len(self._seen) >= MAX_BUCKETS:
            yield from self.rows()

    def rows(self) -> Iterator[RowBatch]:
        """Those that were not given yet."""
        seen, self._seen = self._seen, set()
        yield from batches_of(self._table, sorted(seen))


class MinuteTally:
    """Rows of `traffic_by_minute`: every packet in its own minute; a flow row counts in the minute of its first packet."""

    def __init__(self) -> None:
        self._minutes: dict[tuple[bytes, int, str], list[int]] = {}

    def count(self, endpoints: Sequence[str], flows: FlowColumns, minutes: MinuteColumns) -> None:
        """Add flow rows; an endpoint for each."""
        rows, destinations = self._minutes, flows.destination_ip
        for flow, minute, packets, size, packets_rev, size_rev in zip(
            minutes.flow,
            minutes.minute,
            minutes.packets,
            minutes.bytes,
            minutes.packets_rev,
            minutes.bytes_rev,
            strict=True,
        ):
            key = (destinations[flow], minute, endpoints[flow])
            counts = rows.get(key)
            if counts is None:
                rows[key] = [0, packets, size, packets_rev, size_rev]
            else:
                counts[1] += packets
                counts[2] += size
                counts[3] += packets_rev
                counts[4] += size_rev
        for destination, endpoint, first in zip(destinations, endpoints, flows.first_ts_ns, strict=True):
            rows.setdefault((destination, first // _MINUTE_NS, endpoint), [0, 0, 0, 0, 0])[0] += 1

    def rows(self, sensor: str) -> Iterator[RowBatch]:
        """All of them, a batch at a time."""
        keys, counts = list(self._minutes), list(self._minutes.values())
        for start in range(0, len(keys), _BATCH_ROWS):
            yield _rows(keys[start : start + _BATCH_ROWS], counts[start : start + _BATCH_ROWS], sensor)


def _rows(keys: list[tuple[bytes, int, str]], counts: list[list[int]], sensor: str) -> RowBatch:
    minutes = [minute for _, minute, _ in keys]
    return RowBatch(
        TRAFFIC_BY_MINUTE,
        (
            [address for address, _, _ in keys],
            [minute // _MINUTES_A_DAY for minute in minutes],
            [minute * 60_000 for minute in minutes],
            [sensor] * len(keys),
            [endpoint for _, _, endpoint in keys],
            [None] * len(keys),
            *([count[n] for count in counts] for n in range(5)),
        ),
    )

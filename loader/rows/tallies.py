"""Sums over the flow rows of one capture: by endpoint, for the ledger, and by destination and minute, for the graphs."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice

from loader.decode.columns import FlowColumns, MinuteColumns
from loader.rows.sums import Sums
from schema.bucketpolicy import TRAFFIC_SCOPE, BucketPolicy
from schema.records import (
    ENDPOINT_OCTETS,
    MAX_COMMIT_ENDPOINTS,
    MAX_COMMIT_OCTETS,
    NO_TOTALS,
    OTHER_ENDPOINT,
    EndpointTotals,
)
from schema.tables import TRAFFIC_BY_MINUTE, RowBatch, Table, batches_of

_BATCH_ROWS = 32_768
_SUMMED_AT_ONCE = 4_096
MAX_BUCKETS = 32_768  # that wait in memory
_MINUTE_MS = 60_000
_MINUTE_NS = _MINUTE_MS * 1_000_000


def _plus(one: list[int], other: list[int]) -> list[int]:
    return list(map(int.__add__, one, other))


class EndpointTally:
    """What each endpoint gains. Close it: it may hold files."""

    def __init__(self, sensor: str, keys_in_memory: int) -> None:
        """`keys_in_memory`: more endpoints than that go to a file."""
        self._sensor = sensor
        self._endpoints: Sums[str, list[int]] = Sums({}, _plus, keys_in_memory)
        self.close = self._endpoints.close

    def count(self, endpoints: Sequence[str], flows: FlowColumns) -> None:
        """Add flow rows; an endpoint for each."""
        totals = self._endpoints.held
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
        self._endpoints.relieve()

    def deltas(self) -> tuple[dict[str, EndpointTotals], int]:
        """The busiest by flows, then by name, within the bounds of a commit, the rest as `_other`, and how many these are."""
        ranking = _Ranking(self._sensor)
        for endpoint, counts in self._endpoints:
            ranking.add(endpoint, counts)
        return ranking.result()


class _Ranking:
    """The first of the endpoints, as many as fit into a commit. Of a quarter more the last are added up at once: an endpoint
    that is beyond the bounds among some is beyond them among all."""

    def __init__(self, sensor: str, most: int = MAX_COMMIT_ENDPOINTS, most_octets: int = MAX_COMMIT_OCTETS) -> None:
        self._most, self._most_octets = most, most_octets
        self._octets_beside_name = ENDPOINT_OCTETS + len(sensor.encode())
        self._ranked: list[tuple[int, str, list[int]]] = []
        self._octets = 0
        self._beyond_from: tuple[int, str] = (1, "")  # the first that was cut off: what comes behind it is beyond too
        self._beyond: list[Sequence[int]] = []
        self._rest, self._folded = NO_TOTALS, 0

    def add(self, endpoint: str, counts: list[int]) -> None:
        """Take one that was not there yet."""
        rank = (-counts[0], endpoint)
        if rank > self._beyond_from:
            self._beyond.append(counts)
            if len(self._beyond) >= _SUMMED_AT_ONCE:
                self._sum_up()
            return
        self._ranked.append((*rank, counts))
        self._octets += self._octets_of(endpoint)
        if 4 * len(self._ranked) > 5 * self._most or 4 * self._octets > 5 * self._most_octets:
            self._cut()

    def result(self) -> tuple[dict[str, EndpointTotals], int]:
        """Those that fit, with `_other` if there are more; and how many that is."""
        is_cut = bool(self._folded or self._beyond)
        if is_cut or len(self._ranked) > self._most or self._octets > self._most_octets:
            self._cut()
        deltas = {endpoint: EndpointTotals(*counts) for _, endpoint, counts in self._ranked}
        if self._folded:
            deltas[OTHER_ENDPOINT] = self._rest
        return deltas, self._folded

    def _cut(self) -> None:
        self._ranked.sort()
        octets = list(accumulate((self._octets_of(endpoint) for _, endpoint, _ in self._ranked), initial=0))
        kept = min(bisect_right(octets, self._most_octets) - 1, self._most - 1)
        if kept < len(self._ranked):
            self._beyond_from = self._ranked[kept][:2]
        self._beyond += [counts for _, _, counts in self._ranked[kept:]]
        self._sum_up()
        del self._ranked[kept:]
        self._octets = octets[kept]

    def _octets_of(self, endpoint: str) -> int:
        """What it takes of a commit's message."""
        return self._octets_beside_name + len(endpoint.encode())

    def _sum_up(self) -> None:
        self._rest = EndpointTotals(*map(sum, zip(self._rest, *self._beyond, strict=True)))
        self._folded += len(self._beyond)
        self._beyond.clear()


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
    """Rows of `traffic_by_minute`: every packet in its own minute; a flow row counts in the minute of its first packet. Close
    it: it may hold files."""

    def __init__(self, keys_in_memory: int) -> None:
        """`keys_in_memory`: more rows than that go to a file."""
        self._minutes: Sums[tuple[bytes, int, str], list[int]] = Sums({}, _plus, keys_in_memory)
        self.close = self._minutes.close

    def count(self, endpoints: Sequence[str], flows: FlowColumns, minutes: MinuteColumns) -> None:
        """Add flow rows; an endpoint for each."""
        rows, destinations = self._minutes.held, flows.destination_ip
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
        self._minutes.relieve()

    def rows(self, sensor: str, policy: BucketPolicy) -> Iterator[RowBatch]:
        """All of them, a batch at a time."""
        rows = iter(self._minutes)
        while part := list(islice(rows, _BATCH_ROWS)):
            yield _rows(part, sensor, policy)


def _rows(part: list[tuple[tuple[bytes, int, str], list[int]]], sensor: str, policy: BucketPolicy) -> RowBatch:
    destinations = [address for (address, _, _), _ in part]
    minutes_ms = [minute * _MINUTE_MS for (_, minute, _), _ in part]
    return RowBatch(
        TRAFFIC_BY_MINUTE,
        (
            destinations,
            policy.column(TRAFFIC_SCOPE, destinations, minutes_ms),
            minutes_ms,
            [sensor] * len(part),
            [endpoint for (_, _, endpoint), _ in part],
            [None] * len(part),
            *([counts[n] for _, counts in part] for n in range(5)),
        ),
    )

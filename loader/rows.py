"""Decoded columns become rows of the tables, and the deltas of one commit. A pure function of columns, names and context.

The capture's id is known only when its last byte has been read: rows are built with `None` in that column and `staging` puts
the id in.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from loader.decode.columns import DecodedBatch, DnsColumns, FlowColumns, MinuteColumns, PacketColumns
from loader.dictionary import Dictionary
from loader.identity import endpoint_of, flow_ids
from loader.names import Answer, CaptureNames, LearnedNames, Name
from schema.buckets import GRANULARITIES, bucket_text, day_of
from schema.coded import CodedColumn
from schema.enums import FlowEndReason, Initiator
from schema.records import MAX_COMMIT_ENDPOINTS, MAX_COMMIT_NAME_BYTES, OTHER_ENDPOINT, EndpointTotals
from schema.tables import (
    ANSWER_BUCKETS,
    DNS_ANSWERS,
    FLOW_BUCKETS,
    FLOWS,
    NAMES_BY_ADDRESS,
    NAMES_BY_CLIENT,
    PACKETS,
    TRAFFIC_BY_MINUTE,
    RowBatch,
    batches_of,
)

_BATCH_ROWS = 32_768
_MS = 1_000_000
_MINUTES_A_DAY = 1440
_END_REASONS = {int(reason): reason.text for reason in FlowEndReason}
_INITIATORS = {int(initiator): initiator.text for initiator in Initiator}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContext:
    """What rows depend on besides the packets: all of it is among the attempt's inputs."""

    sensor: str
    seq: int  # the ledger version that the commit will make
    granularity: str
    carries: bool  # False: the file stands alone, and what its clients were told is of no use to another


@dataclass(slots=True)
class RowBuilder:
    """Takes one capture's batches in order, gives row batches; at the end the aggregates and the endpoints' deltas."""

    context: RowContext
    names: CaptureNames
    learned: LearnedNames
    dictionary: Dictionary = field(init=False)
    _endpoints: dict[str, list[int]] = field(default_factory=dict)
    _minutes: dict[tuple[bytes, int, str], list[int]] = field(default_factory=dict)
    _buckets: set[tuple[bytes, int, str]] = field(default_factory=set)
    _answer_buckets: set[tuple[str, int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.dictionary = Dictionary(self.learned.limit)

    def build(self, batch: DecodedBatch) -> Iterator[RowBatch]:
        """Rows of what became complete; answers first, so that flows of the same batch can be named by them."""
        if len(batch.dns):
            yield self._dns(batch.dns)
            told = self.learned.learn(batch.dns)
            self._remember(told)
            if told and self.context.carries:
                yield from self._names_told(told)
        if len(batch.flows):
            yield self._flows(batch.flows, batch.minutes)
        if len(batch.packets):
            yield self._packets(batch.packets)

    def finish(self) -> Iterator[RowBatch]:
        """Rows that sum over the whole capture: minutes, then the shared dictionaries."""
        yield from _slices(self._minute_rows())
        yield from batches_of(FLOW_BUCKETS, sorted(self._buckets))
        yield from batches_of(ANSWER_BUCKETS, sorted(self._answer_buckets))
        yield from self.dictionary.rows(self.context.sensor)

    def _minute_rows(self) -> RowBatch:
        keys, counts = list(self._minutes), list(self._minutes.values())
        size = len(keys)
        minutes = [minute for _, minute, _ in keys]
        return RowBatch(
            TRAFFIC_BY_MINUTE,
            (
                [address for address, _, _ in keys],
                [minute // _MINUTES_A_DAY for minute in minutes],
                [minute * 60_000 for minute in minutes],
                [self.context.sensor] * size,
                [endpoint for _, _, endpoint in keys],
                [None] * size,
                *([count[n] for count in counts] for n in range(5)),
            ),
        )

    def endpoint_deltas(self) -> dict[str, EndpointTotals]:
        """What each endpoint gains: the busiest by flows, then by name, within the bounds of a commit; the rest as `_other`."""
        kept = self._kept_endpoints()
        deltas = {endpoint: EndpointTotals(*self._endpoints[endpoint]) for endpoint in kept}
        rest = [counts for endpoint, counts in self._endpoints.items() if endpoint not in deltas]
        if rest:
            deltas[OTHER_ENDPOINT] = EndpointTotals(*map(sum, zip(*rest, strict=True)))
        return deltas

    def named_totals(self) -> dict[str, int]:
        """What was bounded while rows were made."""
        folded = len(self._endpoints) - len(self._kept_endpoints())
        totals = {"folded_endpoints": folded, "names_not_learned": self.learned.refused}
        totals["names_not_listed"] = self.dictionary.unlisted
        return {name: count for name, count in totals.items() if count}

    def _kept_endpoints(self) -> list[str]:
        ranked: list[str] = list(self._endpoints)
        if len(ranked) > MAX_COMMIT_ENDPOINTS or sum(map(len, ranked)) > MAX_COMMIT_NAME_BYTES:
            ranked.sort(key=lambda endpoint: (-self._endpoints[endpoint][0], endpoint))
            room = bisect_right(list(accumulate(map(len, ranked))), MAX_COMMIT_NAME_BYTES)
            ranked = ranked[: min(room, MAX_COMMIT_ENDPOINTS - 1)]
        return ranked

    def _flows(self, flows: FlowColumns, minutes: MinuteColumns) -> RowBatch:
        names, conflicts = self._names(flows)
        hostnames = [name.hostname for name in names]
        self._remember_said(flows)
        endpoints = list(map(endpoint_of, hostnames, flows.destination_ip))
        self._count_endpoints(endpoints, flows)
        self._count_minutes(endpoints, flows, minutes)
        size = len(flows)
        ms = [ts // _MS for ts in flows.first_ts_ns]
        buckets = self._bucket_column(ms)
        self._buckets.update(zip(flows.destination_ip, map(day_of, ms), buckets, strict=True))
        durations = [(last - first) // 1000 for first, last in zip(flows.first_ts_ns, flows.last_ts_ns, strict=True)]
        return RowBatch(
            FLOWS,
            (
                flows.destination_ip,
                buckets,
                ms,
                [ts % _MS for ts in flows.first_ts_ns],
                [None] * size,
                flows.frame,
                flows.source_ip,
                flows.source_port,
                flows.destination_port,
                flows.protocol,
                [self.context.sensor] * size,
                endpoints,
                flow_ids(self.context.sensor, flows),
                [first - chain for first, chain in zip(flows.first_ts_ns, flows.chain_ts_ns, strict=True)],
                [_INITIATORS[code] for code in flows.initiator],
                durations,
                flows.packets,
                flows.bytes,
                flows.packets_rev,
                flows.bytes_rev,
                flows.tcp_flags,
                [_END_REASONS[code] for code in flows.end_reason],
                hostnames,
                [name.evidence for name in names],
                conflicts,
                flows.alpn,
            ),
        )

    def _names(self, flows: FlowColumns) -> tuple[list[Name], list[bool]]:
        """Names of the destinations, and whether the flow's own one is none of those that DNS gave its client."""
        self.names.prepare(flows.source_ip)
        starts = flows.chain_ts_ns
        told = map(self.names.name_of, flows.source_ip, flows.destination_ip, starts)
        names = list(map(_first_said, flows.said_name, flows.said_by, told))
        conflicts = map(self.names.contradicts, flows.source_ip, flows.destination_ip, starts, flows.said_name)
        return names, list(conflicts)

    def _count_endpoints(self, endpoints: Sequence[str], flows: FlowColumns) -> None:
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

    def _count_minutes(self, endpoints: Sequence[str], flows: FlowColumns, minutes: MinuteColumns) -> None:
        """Every packet in its own minute; a flow row counts in the minute of its first packet."""
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
            rows.setdefault((destination, first // 60_000_000_000, endpoint), [0, 0, 0, 0, 0])[0] += 1

    def _bucket_column(self, times_ms: Sequence[int]) -> CodedColumn[str]:
        granularity = self.context.granularity
        length_ms = GRANULARITIES[granularity] * 1000
        codes: dict[int, int] = {}
        numbers = [codes.setdefault(ms // length_ms, len(codes)) for ms in times_ms]
        return CodedColumn.of(numbers, [bucket_text(number, granularity) for number in codes])

    def _dns(self, dns: DnsColumns) -> RowBatch:
        size = len(dns)
        ms = [ts // _MS for ts in dns.ts_ns]
        buckets = self._bucket_column(ms)
        self._answer_buckets.update(zip(dns.qname, map(day_of, ms), buckets, strict=True))
        return RowBatch(
            DNS_ANSWERS,
            (
                dns.qname,
                buckets,
                ms,
                [ts % _MS for ts in dns.ts_ns],
                [None] * size,
                dns.frame,
                dns.rr_index,
                dns.client_ip,
                dns.client_port,
                dns.resolver_ip,
                dns.transport,
                dns.kind,
                dns.txid,
                dns.qtype,
                [self.context.sensor] * size,
                dns.section,
                dns.rr_type,
                dns.rr_name,
                dns.address,
                dns.rdata,
                dns.rr_ttl,
                dns.rcode,
                dns.latency_us,
            ),
        )

    def _names_told(self, told: Sequence[Answer]) -> Iterator[RowBatch]:
        """The same rows twice: by client, and by address."""
        size = len(told)
        clients, addresses, from_ns, hostnames, to_ns, frames, asked = zip(*told, strict=True)
        valid_from, valid_to = [ts // _MS for ts in from_ns], [ts // _MS for ts in to_ns]
        sensors, seqs, unknown = [self.context.sensor] * size, [self.context.seq] * size, [None] * size
        ns = [ts % _MS for ts in from_ns]
        rest = (valid_to, asked, frames, seqs)
        yield RowBatch(NAMES_BY_CLIENT, (sensors, clients, addresses, valid_from, ns, hostnames, unknown, *rest))
        yield RowBatch(NAMES_BY_ADDRESS, (sensors, addresses, valid_from, ns, hostnames, clients, unknown, *rest))

    def _remember(self, told: Sequence[Answer]) -> None:
        for _, address, seen, hostname, _, _, _ in told:
            self.dictionary.see(address, hostname, (seen // _MS, seen // _MS), "dns")

    def _remember_said(self, flows: FlowColumns) -> None:
        seen = (flows.said_name, flows.said_by, flows.destination_ip, flows.first_ts_ns, flows.last_ts_ns)
        for name, by, address, first, last in zip(*seen, strict=True):
            if name is not None and by is not None:
                self.dictionary.see(address, name, (first // _MS, last // _MS), by)

    def _packets(self, packets: PacketColumns) -> RowBatch:
        """Packets with an IP header; the others are counted by reason and have no destination to be found under."""
        rows = [
            (destination, ts // _MS, ts % _MS, frame, source, sport, dport, protocol, length, flags)
            for destination, ts, frame, source, sport, dport, protocol, length, flags in zip(
                packets.destination_ip,
                packets.ts_ns,
                packets.frame,
                packets.source_ip,
                packets.source_port,
                packets.destination_port,
                packets.protocol,
                packets.length,
                packets.tcp_flags,
                strict=True,
            )
            if destination is not None
        ]
        if not rows:
            return RowBatch(PACKETS, ((),) * len(PACKETS.columns))
        destinations, ms, ns, frames, *rest = zip(*rows, strict=True)
        columns = (destinations, self._bucket_column(ms), ms, ns, [None] * len(rows), frames, *rest)
        return RowBatch(PACKETS, columns)


def _slices(batch: RowBatch) -> Iterator[RowBatch]:
    """The same rows, at most `_BATCH_ROWS` at a time."""
    for start in range(0, len(batch), _BATCH_ROWS):
        yield RowBatch(batch.table, tuple(column[start : start + _BATCH_ROWS] for column in batch.columns))


def _first_said(said: str | None, by: str | None, told: Name) -> Name:
    """The name in the flow itself comes before what its client was told."""
    return told if said is None or by is None else Name(said, by)

"""Decoded columns become rows of the tables, and the deltas of one commit. A pure function of columns, names and context.

The capture's id is known only when its last byte has been read: rows are built with `None` in that column and `staging` puts
the id in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from loader.decode.columns import DecodedBatch, DnsColumns, FlowColumns, MinuteColumns, PacketColumns
from loader.naming.awaiting import Awaiting, Waitlist
from loader.naming.choice import SAID, Name
from loader.naming.facts import Fact
from loader.naming.names import CaptureNames
from loader.rows.dictionary import Dictionary
from loader.rows.identity import endpoint_of, flow_ids
from loader.rows.spill import Spill
from loader.rows.tallies import BucketList, EndpointTally, MinuteTally
from schema.bucketpolicy import DNS_SCOPE, FLOWS_SCOPE, BucketPolicy
from schema.buckets import day_of
from schema.enums import FlowEndReason, Initiator
from schema.records import EndpointTotals, FlowKey
from schema.tables import (
    ANSWER_BUCKETS,
    DNS_ANSWERS,
    FLOW_BUCKETS,
    FLOWS,
    NAMES_BY_ADDRESS,
    NAMES_BY_CLIENT,
    PACKETS,
    RowBatch,
)

_MS = 1_000_000
_END_REASONS = {int(reason): reason.text for reason in FlowEndReason}
_SHOWN = (*SAID, "inventory")
_INITIATORS = {int(initiator): initiator.text for initiator in Initiator}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowContext:
    """What rows depend on besides the packets: all of it is among the attempt's inputs."""

    sensor: str
    seq: int  # the ledger version that the commit will make
    policy: BucketPolicy
    carries: bool  # False: the file stands alone, and what its clients were told is of no use to another


class RowBuilder:
    """Takes one capture's batches in order; `finish` gives what is known at its end only: flows are named by all its answers.

    Close it: what waits until then may be in a file.
    """

    def __init__(self, context: RowContext, names: CaptureNames, rows_in_memory: int) -> None:
        """`rows_in_memory`: more flows, minutes or endpoints than that wait in temporary files."""
        self.context, self.names = context, names
        self._waiting: Spill[tuple[FlowColumns, MinuteColumns]] = Spill(rows_in_memory)
        self._dictionary = Dictionary(rows_in_memory)
        self._endpoints, self._minutes = EndpointTally(context.sensor, rows_in_memory), MinuteTally(rows_in_memory)
        self._flow_buckets, self._answer_buckets = BucketList(FLOW_BUCKETS), BucketList(ANSWER_BUCKETS)

    def close(self) -> None:
        """Let go of what waits."""
        for held in (self._waiting, self._endpoints, self._minutes, self._dictionary):
            held.close()

    def build(self, batch: DecodedBatch) -> Iterator[RowBatch]:
        """Rows of what became complete, the flows aside."""
        if len(batch.dns):
            yield from self._dns(batch.dns)
            told = self.names.learned.learn(batch.dns)
            self._remember(told)
            if told and self.context.carries:
                yield from self._names_told(told)
        if len(batch.flows):
            self._waiting.add((batch.flows, batch.minutes), len(batch.flows) + len(batch.minutes))
        if len(batch.packets):
            yield self._packets(batch.packets)

    def finish(self, capture_id: bytes, waitlist: Waitlist | None = None) -> Iterator[RowBatch]:
        """Rows of the flows, in the order of their batches; then those that sum over the whole capture.

        `waitlist`: takes the rows that an answer yet to come may name.
        """
        self.names.learned.settle(capture_id)
        if self.names.asks_others:
            for flows, _ in self._waiting:
                self.names.look(flows)
            self.names.ask_others()
        for flows, minutes in self._waiting:
            yield from self._flows(flows, minutes, capture_id, waitlist)
        yield from self._minutes.rows(self.context.sensor, self.context.policy)
        yield from self._flow_buckets.rows()
        yield from self._answer_buckets.rows()
        yield from self._dictionary.rows(self.context.sensor)

    def endpoint_deltas(self) -> tuple[dict[str, EndpointTotals], int]:
        """What each endpoint gains, within the bounds of a commit; and how many had to be told as `_other`."""
        return self._endpoints.deltas()

    def named_totals(self) -> dict[str, int]:
        """What was bounded while rows were made."""
        totals = {
            "names_not_learned": self.names.learned.refused,
            "others_not_asked": self.names.others_not_asked,
            "pairs_not_asked": self.names.pairs_not_asked,
        }
        return {name: count for name, count in totals.items() if count}

    def _flows(
        self, flows: FlowColumns, minutes: MinuteColumns, capture_id: bytes, waitlist: Waitlist | None
    ) -> Iterator[RowBatch]:
        names = self.names.names(flows)
        hostnames = list(map(_hostname, names))
        self._remember_shown(names, flows)
        endpoints = list(map(endpoint_of, hostnames, flows.destination_ip))
        self._endpoints.count(endpoints, flows)
        self._minutes.count(endpoints, flows, minutes)
        size = len(flows)
        ms, ns = [ts // _MS for ts in flows.first_ts_ns], [ts % _MS for ts in flows.first_ts_ns]
        buckets = self.context.policy.column(FLOWS_SCOPE, flows.destination_ip, ms)
        yield from self._flow_buckets.add(zip(flows.destination_ip, map(day_of, ms), buckets, strict=True))
        durations = [(last - first) // 1000 for first, last in zip(flows.first_ts_ns, flows.last_ts_ns, strict=True)]
        if waitlist is not None:
            keys = map(FlowKey, flows.destination_ip, buckets, ms, ns, [capture_id] * size, flows.frame)
            _put_on(waitlist, names, keys, flows)
        yield RowBatch(
            FLOWS,
            (
                flows.destination_ip,
                buckets,
                ms,
                ns,
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
                list(map(_evidence, names)),
                list(map(_conflict, names)),
                flows.alpn,
            ),
        )

    def _dns(self, dns: DnsColumns) -> Iterator[RowBatch]:
        size = len(dns)
        ms = [ts // _MS for ts in dns.ts_ns]
        buckets = self.context.policy.column(DNS_SCOPE, dns.qname, ms)
        yield from self._answer_buckets.add(zip(dns.qname, map(day_of, ms), buckets, strict=True))
        yield RowBatch(
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

    def _names_told(self, told: Sequence[Fact]) -> Iterator[RowBatch]:
        """The same rows twice: by client, and by address."""
        size = len(told)
        clients, addresses, facts = zip(*told, strict=True)
        from_ns, _, frames, hostnames, to_ns, asked = zip(*facts, strict=True)
        valid_from, valid_to = [ts // _MS for ts in from_ns], [ts // _MS for ts in to_ns]
        sensors, seqs, unknown = [self.context.sensor] * size, [self.context.seq] * size, [None] * size
        ns = [ts % _MS for ts in from_ns]
        rest = (valid_to, asked, frames, seqs)
        shares = self.context.policy.client_shares(clients, addresses, valid_from)
        yield RowBatch(NAMES_BY_CLIENT, (sensors, clients, shares, addresses, valid_from, ns, hostnames, unknown, *rest))
        shares = self.context.policy.address_shares(addresses, valid_from)
        yield RowBatch(NAMES_BY_ADDRESS, (sensors, addresses, shares, valid_from, ns, hostnames, clients, unknown, *rest))

    def _remember(self, told: Sequence[Fact]) -> None:
        times = [fact.valid_from_ns // _MS for _, _, fact in told]
        facts = zip(told, times, strict=True)
        self._dictionary.see((address, fact.hostname, (seen, seen), "dns") for (_, address, fact), seen in facts)

    def _remember_shown(self, names: Sequence[Name], flows: FlowColumns) -> None:
        """What flows are called though no answer says it: a user who reads the name there finds them by it."""
        times = zip(flows.first_ts_ns, flows.last_ts_ns, strict=True)
        shown = zip(names, flows.destination_ip, times, strict=True)
        self._dictionary.see(
            (address, name.hostname, (first // _MS, last // _MS), name.evidence)
            for name, address, (first, last) in shown
            if name.evidence in _SHOWN and name.hostname is not None
        )

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
        buckets = self.context.policy.column(FLOWS_SCOPE, destinations, ms)
        columns = (destinations, buckets, ms, ns, [None] * len(rows), frames, *rest)
        return RowBatch(PACKETS, columns)


_hostname, _evidence, _conflict = attrgetter("hostname"), attrgetter("evidence"), attrgetter("conflict")


def _put_on(waitlist: Waitlist, names: Sequence[Name], keys: Iterator[FlowKey], flows: FlowColumns) -> None:
    for name, key, client, start in zip(names, keys, flows.source_ip, flows.chain_ts_ns, strict=True):
        if name.awaits:
            waitlist.add(Awaiting(start, key, client))

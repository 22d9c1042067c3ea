"""What decoding gives: columns (struct of arrays), one list a field, all of one length within a record type.

Addresses are `bytes` (4 or 16, canonical: an IPv4-mapped IPv6 address is the IPv4 address), one object an address (interned).
Times are Unix nanoseconds. Frames are numbered from 1.
"""

from collections.abc import Mapping, Sequence

from loader.decode.record import Record


class FlowColumns(Record):
    """Flow rows that have ended (or that the end of the capture cut), told from their initiator."""

    source_ip: Sequence[bytes] = ()
    destination_ip: Sequence[bytes] = ()
    source_port: Sequence[int] = ()  # ICMP: as Community ID maps type and code
    destination_port: Sequence[int] = ()
    protocol: Sequence[int] = ()
    frame: Sequence[int] = ()  # of the row's first packet: unique within the capture
    first_ts_ns: Sequence[int] = ()
    last_ts_ns: Sequence[int] = ()
    chain_ts_ns: Sequence[int] = ()  # first packet of the chain of rows that this flow is, over captures
    packets: Sequence[int] = ()
    bytes: Sequence[int] = ()  # IP total length
    packets_rev: Sequence[int] = ()
    bytes_rev: Sequence[int] = ()
    tcp_flags: Sequence[int] = ()
    end_reason: Sequence[int] = ()  # schema.enums.FlowEndReason
    initiator: Sequence[int] = ()  # schema.enums.Initiator
    tunnel: Sequence[int] = ()  # hash of what is around the innermost IP header; 0: nothing
    said_name: Sequence[str | None] = ()  # what the initiator called its destination, spelt as DNS names are
    said_by: Sequence[str | None] = ()  # sni | quic | http, where there is a name
    alpn: Sequence[str | None] = ()  # protocols that its ClientHello offers, joined by commas (RFC 7301)

    def __len__(self) -> int:
        return len(self.frame)


class MinuteColumns(Record):
    """The packets of flow rows, by minute: `flow` is the row's index in the same batch's FlowColumns."""

    flow: Sequence[int] = ()
    minute: Sequence[int] = ()  # minutes since 1970 (UTC)
    packets: Sequence[int] = ()
    bytes: Sequence[int] = ()
    packets_rev: Sequence[int] = ()
    bytes_rev: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.flow)


class DnsColumns(Record):
    """Resource records of DNS responses, one row a record; rr_index -1: a response without records, or a query that nobody
    answered in time (-2, ...: a further one of the same frame)."""

    frame: Sequence[int] = ()  # below 0: an unanswered query of an earlier capture, -1, -2, ...
    ts_ns: Sequence[int] = ()
    client_ip: Sequence[bytes] = ()
    client_port: Sequence[int] = ()
    resolver_ip: Sequence[bytes] = ()
    transport: Sequence[str] = ()  # udp | tcp
    kind: Sequence[str] = ()  # dns | mdns | llmnr
    txid: Sequence[int] = ()
    rcode: Sequence[int | None] = ()  # None: nobody answered
    qname: Sequence[str] = ()  # lower case, no trailing dot, root ".", escaped as in master files (RFC 4343 2.1)
    qtype: Sequence[int] = ()
    latency_us: Sequence[int | None] = ()  # since the query; None: it was not seen, or its time was up
    section: Sequence[str | None] = ()  # answer | authority | additional
    rr_index: Sequence[int] = ()
    rr_name: Sequence[str | None] = ()
    rr_type: Sequence[str | None] = ()  # "A", "AAAA", "CNAME", ..., "TYPE65535"
    rr_ttl: Sequence[int | None] = ()
    address: Sequence[bytes | None] = ()  # A, AAAA
    rdata: Sequence[str | None] = ()  # of other types, as master files write it; None: malformed
    # the name that the client asked for, where this record gives it an address (A or AAAA reached from qname through the
    # message's CNAME chain; of an mDNS response, which has no question, the owner); None where the record names nothing
    names: Sequence[str | None] = ()

    def __len__(self) -> int:
        return len(self.frame)


class PacketColumns(Record):
    """One row a frame, as its innermost IP header says; None where there is none."""

    frame: Sequence[int] = ()
    ts_ns: Sequence[int] = ()
    length: Sequence[int] = ()  # on the wire
    captured_length: Sequence[int] = ()
    source_ip: Sequence[bytes | None] = ()
    destination_ip: Sequence[bytes | None] = ()
    source_port: Sequence[int | None] = ()
    destination_port: Sequence[int | None] = ()
    protocol: Sequence[int | None] = ()
    ip_length: Sequence[int | None] = ()
    tcp_flags: Sequence[int | None] = ()
    vlan: Sequence[tuple[int, ...]] = ()  # outermost first
    fragment: Sequence[bool | None] = ()
    outer: Sequence[tuple[tuple[bytes, bytes], ...]] = ()  # source and destination around the innermost ones, outermost first
    reason: Sequence[str | None] = ()  # why the packet is in no flow row; None: it is in one
    said_name: Sequence[str | None] = ()  # what its sender calls its destination, where a flow's first hello or head ends in it
    said_by: Sequence[str | None] = ()  # sni | quic | http

    def __len__(self) -> int:
        return len(self.frame)


class DecodedBatch(Record):
    """What became complete since the last batch."""

    flows: FlowColumns = FlowColumns()
    minutes: MinuteColumns = MinuteColumns()
    dns: DnsColumns = DnsColumns()
    packets: PacketColumns = PacketColumns()  # only where asked for


class DecodeReport(Record):
    """The balance of one capture: frames = flow_packets + sum(non_flow)."""

    frames: int
    flow_packets: int
    non_flow: Mapping[str, int]  # packets in no flow row, by reason
    damage: Mapping[str, int]  # what is wrong with the file: `cut_tail`, `corrupt_record`, ... with its count
    link_types: tuple[int, ...]
    first_ts_ns: int  # 0 without packets
    last_ts_ns: int
    consumed_bytes: int  # offset behind the last whole record
    clock_first_ts_ns: int  # when the capture began by its own clock: an outlying first date is not believed
    clock_last_ts_ns: int  # packet time at its end by its own clock: an outlying date moves nothing; 0 without times
    counters: Mapping[str, int]  # further counts: `time_jumps`, `evicted_flows`, ...


class DecodeOptions(Record):
    """Settings that change rows: part of an attempt's inputs."""

    idle_timeout_s: int = 60  # a flow without packets for so long (packet time) has ended
    active_timeout_s: int = 1800  # a row is cut after so long, so that long flows are seen while they last
    max_carried_flows: int = 65_536  # open flows handed to the next capture: the last seen first
    carries: bool = False  # another capture of the sensor goes on from this one; False: it stands alone
    packets: bool = False  # give PacketColumns too

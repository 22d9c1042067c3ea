"""The JSON contract: decoded columns and outcomes as objects with the columns' names of the tables."""

from collections.abc import Iterator

from loader.decode.columns import DnsColumns, PacketColumns
from loader.outcome import FileOutcome
from schema.addresses import address_text
from schema.objects import Object, row_objects, uuid_text
from schema.tables import RowBatch

_PACKET_COLUMNS = (
    "source_port",
    "destination_port",
    "protocol",
    "length",
    "captured_length",
    "fragment",
)
_DNS_COLUMNS = (
    "client_port",
    "transport",
    "kind",
    "txid",
    "rcode",
    "qname",
    "qtype",
    "section",
    "rr_index",
    "rr_name",
    "rr_type",
    "rr_ttl",
    "rdata",
    "latency_us",
)


def flow_objects(batch: RowBatch) -> Iterator[Object]:
    """Flow rows as `read` tells them (`capture_id` is null: a file that is only read is not hashed)."""
    return ({"record": "flow", **item} for item in row_objects(batch.table, list(batch.rows())))


def dns_objects(dns: DnsColumns) -> Iterator[Object]:
    """One object a resource record."""
    shared = [getattr(dns, name) for name in _DNS_COLUMNS]
    for frame, ts_ns, client, resolver, address, *values in zip(
        dns.frame, dns.ts_ns, dns.client_ip, dns.resolver_ip, dns.address, *shared, strict=True
    ):
        item = {"record": "dns", "frame": frame, "ts_ns": ts_ns, "client_ip": address_text(client)}
        item["resolver_ip"] = address_text(resolver)
        item.update(zip(_DNS_COLUMNS, values, strict=True))
        item["address"] = None if address is None else address_text(address)
        yield item


def packet_objects(packets: PacketColumns) -> Iterator[Object]:
    """One object a frame, as its innermost IP header says."""
    shared = [getattr(packets, name) for name in _PACKET_COLUMNS]
    ends = zip(packets.source_ip, packets.destination_ip, strict=True)
    for frame, ts_ns, (source, destination), vlan, outer, *values in zip(
        packets.frame, packets.ts_ns, ends, packets.vlan, packets.outer, *shared, strict=True
    ):
        item: Object = {"record": "packet", "frame": frame, "ts_ns": ts_ns}
        item["source_ip"] = None if source is None else address_text(source)
        item["destination_ip"] = None if destination is None else address_text(destination)
        item.update(zip(_PACKET_COLUMNS, values, strict=True))
        yield item | {"vlan": list(vlan), "outer": [[address_text(a), address_text(b)] for a, b in outer]}


def outcome_object(outcome: FileOutcome) -> Object:
    """What became of one file, as `load --json` tells it."""
    return {
        "file": outcome.file,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "sensor": outcome.sensor,
        "capture_id": uuid_text(outcome.capture_id) if outcome.capture_id else None,
        "packets": outcome.packets,
        "flow_packets": outcome.flow_packets,
        "non_flow": dict(outcome.non_flow),
        "damage": dict(outcome.damage),
        "rows": dict(outcome.rows),
    }

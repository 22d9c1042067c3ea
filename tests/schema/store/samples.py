"""Captures made by hand: their rows, manifest, claim and commit, as a loader would bring them."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from ipaddress import ip_address
from itertools import count
from typing import cast
from uuid import uuid4

from schema.buckets import bucket_of, day_of
from schema.records import CaptureFacts, CommitDeltas, EndpointTotals, Manifest, NameTold, PartitionCounts
from schema.shares import WHOLE
from schema.store.writing import Claim, ClaimRefusal, Commit, LedgerHead, SensorLease, Store
from schema.tables import (
    ANSWER_BUCKETS,
    DNS_ANSWERS,
    FLOW_BUCKETS,
    FLOWS,
    IPS_BY_NAME,
    NAMES_BY_CLIENT,
    NAMES_BY_DOMAIN,
    NAMES_BY_IP,
    TRAFFIC_BY_MINUTE,
    Ownership,
    RowBatch,
    Table,
    batches_of,
)

T0_MS = 1_790_000_000_000  # packet time of the first row
SERVER, CLIENT = ip_address("10.0.0.5").packed, ip_address("2001:db8::7").packed
_serial = count(1)

Rows = dict[Table, list[tuple[object, ...]]]


def now_ms() -> int:
    return int(time.time() * 1000)


def id_of(text: str) -> bytes:
    """A capture id."""
    return blake2b(text.encode(), digest_size=16).digest()


def owner(name: str = "loader") -> str:
    """An owner whose process nobody can know to be dead: it runs on another host."""
    return f"{name}.example:1:{next(_serial)}"


def take(store: Store, sensor: str = "edge-1", network: str = "office") -> SensorLease:
    """A lease for a minute."""
    return store.take_sensor(sensor, network, owner(), now_ms() + 60_000)


def flow_row(capture_id: bytes, frame: int, **values: object) -> tuple[object, ...]:
    """A row of `flows`; named columns replace the sample's."""
    ts = T0_MS + frame
    row: dict[str, object] = {
        "destination_ip": SERVER,
        "ts": ts,
        "ns": 999_999,
        "capture_id": capture_id,
        "frame": frame,
        "source_ip": CLIENT,
        "source_port": 50_000,
        "destination_port": 443,
        "protocol": 6,
        "sensor": "edge-1",
        "endpoint": "www.example.com",
        "flow_id": id_of(f"flow {frame}"),
        "chain_age_ns": 86_400_000_000_001,
        "initiator": "syn",
        "duration_us": 1_500,
        "packets": 3,
        "bytes": 1_200,
        "packets_rev": 2,
        "bytes_rev": 800,
        "tcp_flags": 27,
        "end_reason": "end_detected",
        "hostname": "www.example.com",
        "name_evidence": "dns",
        "name_conflict": False,
        "alpn": "h2,http/1.1",
        **values,
    }
    row.setdefault("bucket", bucket_of(int(str(row["ts"]))))
    return tuple(row[name] for name in FLOWS.names)


def answer_row(capture_id: bytes, frame: int, **values: object) -> tuple[object, ...]:
    """A row of `dns_answers`."""
    row: dict[str, object] = {
        "qname": "www.example.com",
        "ts": T0_MS,
        "ns": 1,
        "capture_id": capture_id,
        "frame": frame,
        "rr_index": 0,
        "client_ip": CLIENT,
        "client_port": 40_000,
        "resolver_ip": SERVER,
        "transport": "udp",
        "kind": "dns",
        "txid": 4_711,
        "qtype": 1,
        "sensor": "edge-1",
        "section": "answer",
        "rr_type": "A",
        "rr_name": "www.example.com",
        "address": SERVER,
        "rdata": None,
        "rr_ttl": 4_294_967_295,
        "rcode": 0,
        "latency_us": 1_234,
        **values,
    }
    row.setdefault("bucket", bucket_of(int(str(row["ts"]))))
    return tuple(row[name] for name in DNS_ANSWERS.names)


def name_row(capture_id: bytes, seq: int, table: Table = NAMES_BY_CLIENT, **values: object) -> tuple[object, ...]:
    """A row of `names_by_client`, or of `names_by_address`."""
    row: dict[str, object] = {
        "sensor": "edge-1",
        "client_ip": CLIENT,
        "share": WHOLE,
        "address": SERVER,
        "valid_from": T0_MS,
        "ns": 999_999,
        "hostname": "www.example.com",
        "capture_id": capture_id,
        "valid_to": T0_MS + 60_000,
        "asked": True,
        "frame": 1,
        "seq": seq,
        **values,
    }
    return tuple(row[name] for name in table.names)


def told(capture_id: bytes, hostname: str) -> NameTold:
    """The fact of `name_row`."""
    return NameTold(
        client_ip=CLIENT,
        address=SERVER,
        valid_from_ns=T0_MS * 1_000_000 + 999_999,
        hostname=hostname,
        capture_id=capture_id,
        valid_to_ns=(T0_MS + 60_000) * 1_000_000 + 999_999,
        frame=1,
        asked=True,
    )


def manifest_of(rows: Rows) -> Manifest:
    """The partitions that these rows touch."""
    parts: list[PartitionCounts] = []
    for table, of_table in rows.items():
        if table.ownership is Ownership.SHARED:
            continue
        counted = Counter(row[: len(table.partition)] for row in of_table)
        parts.append(PartitionCounts(table=table.name, partitions=tuple(counted), rows=tuple(counted.values())))
    return Manifest.of(parts)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One capture of a test."""

    facts: CaptureFacts
    rows: Rows
    endpoints: Mapping[str, EndpointTotals]
    totals: Mapping[str, int]
    inputs: Mapping[str, str] = field(default_factory=lambda: {"rows_from_ms": str(now_ms())})
    carried: bytes | None = None
    began_from: bytes = b""

    @property
    def capture_id(self) -> bytes:
        return self.facts.capture_id

    def claim(self) -> Claim:
        return Claim(
            facts=self.facts,
            inputs=self.inputs,
            manifest=replace(manifest_of(self.rows), began_from=self.began_from),
            endpoints=self.endpoints,
            started_at_ms=now_ms(),
            origins=(self.facts.file_id,) if self.facts.file_id else (),
        )

    def batches(self) -> list[RowBatch]:
        return [batch for table, rows in self.rows.items() for batch in batches_of(table, rows)]

    def commit(self) -> Commit:
        flows = self.rows.get(FLOWS, [])
        return Commit(
            deltas=CommitDeltas(endpoints=self.endpoints, totals=self.totals),
            flows=len(flows),
            flow_packets=_sum(flows, "packets", "packets_rev"),
            flow_bytes=_sum(flows, "bytes", "bytes_rev"),
            non_flow={"arp": 4},
            reason="",
            carried=self.carried,
            loaded_at_ms=now_ms(),
        )


def _sum(flows: Sequence[tuple[object, ...]], *names: str) -> int:
    return sum(cast(int, row[FLOWS.index(name)] or 0) for row in flows for name in names)


def sample(name: str, flows: int = 3, *, carried: bytes | None = None, file_id: str = "", **values: object) -> Sample:
    """A capture with so many flow rows of one client and one server, and rows in every other kind of table."""
    capture_id = id_of(name)
    rows: Rows = {FLOWS: [flow_row(capture_id, frame, **values) for frame in range(1, flows + 1)]}
    rows |= _other_rows(capture_id)
    return Sample(
        facts=facts(name, file_id),
        rows={table: of_table for table, of_table in rows.items() if of_table},
        endpoints={"www.example.com": EndpointTotals(flows, 3 * flows, 1_200 * flows, 2 * flows, 800 * flows)},
        totals={"captures": 1, "frames": 40, "rows/flows": flows},
        carried=carried,
    )


class OnlyRows(Sample):
    """A capture that is about its rows: what they add up to is not counted."""

    def commit(self) -> Commit:
        return replace(super().commit(), flow_packets=0, flow_bytes=0)


def with_rows(rows: dict[Table, list[tuple[object, ...]]], name: str = "") -> Sample:
    base = sample(name or uuid4().hex)
    return OnlyRows(facts=base.facts, rows=rows, endpoints={}, totals={})


def facts(name: str, file_id: str = "") -> CaptureFacts:
    """What is known of a capture's file."""
    return CaptureFacts(
        capture_id=id_of(name),
        file_name=f"{name}.pcap",
        file_id=file_id,
        size_bytes=4_096,
        content_bytes=8_192,
        consumed_bytes=8_000,
        link_types=(1, 276),
        frames=40,
        kernel_drops=None,
        first_ts_ns=T0_MS * 1_000_000,
        last_ts_ns=T0_MS * 1_000_000 + 999,
    )


def _other_rows(capture_id: bytes) -> Rows:
    day, minute = day_of(T0_MS), T0_MS // 60_000 * 60_000
    traffic = (SERVER, bucket_of(T0_MS, "day"), minute, "edge-1", "www.example.com", capture_id, 3, 9, 3_600, 6, 2_400)
    nothing = dict.fromkeys(("section", "rr_type", "rr_name", "address", "rr_ttl", "rcode", "latency_us"))
    silence = answer_row(capture_id, 3, qname="gone.example", rr_index=-1, **nothing)
    return {
        TRAFFIC_BY_MINUTE: [traffic],
        DNS_ANSWERS: [answer_row(capture_id, 2), silence],
        FLOW_BUCKETS: [(SERVER, day, bucket_of(T0_MS))],
        ANSWER_BUCKETS: [(name, day, bucket_of(T0_MS)) for name in ("www.example.com", "gone.example")],
        NAMES_BY_IP: [(SERVER, "www.example.com", "edge-1", "dns", T0_MS, T0_MS + 9)],
        IPS_BY_NAME: [("www.example.com", SERVER, "edge-1", "dns", T0_MS, T0_MS + 9)],
        NAMES_BY_DOMAIN: [("example.com", "www.example.com", "edge-1", "dns", T0_MS, T0_MS + 9)],
    }


def load(lease: SensorLease, capture: Sample) -> LedgerHead:
    """Claim, rows, commit."""
    begun = lease.begin(capture.claim())
    assert not isinstance(begun, ClaimRefusal), begun
    with begun as attempt:
        attempt.write(capture.batches())
        return attempt.commit(capture.commit())


def abandon(lease: SensorLease, capture: Sample) -> None:
    """Claim and rows, and then nothing."""
    begun = lease.begin(capture.claim())
    assert not isinstance(begun, ClaimRefusal), begun
    with begun as attempt:
        attempt.write(capture.batches())


def with_inputs(capture: Sample, **inputs: str) -> Sample:
    return replace(capture, inputs={**capture.inputs, **inputs})


def scanned(store: Store, table: Table) -> list[tuple[object, ...]]:
    """All rows of a table, in one order."""
    return sorted(store.scan(table), key=repr)

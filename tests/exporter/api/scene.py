"""A SQLite store with captures whose rows a test makes up, and the API over it through Starlette."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from exporter.api.service import Api
from exporter.api.world import Helpers
from exporter.collection import Collection
from exporter.settings import ExporterSettings
from pcapline.http.answers import Answers
from pcapline.http.api import api_routes
from pcapline.http.bounds import Bounds
from pcapline.http.gate import WebGate
from pcapline.http.guard import Guard
from schema.addresses import address_bytes
from schema.buckets import bucket_of, day_of
from schema.objects import Object
from schema.records import CaptureFacts, CommitDeltas, EndpointTotals, Manifest, PartitionCounts
from schema.store.reading import StoreReader
from schema.store.sqlite import open_sqlite
from schema.store.writing import Claim, Commit, SensorLease, Store
from schema.tables import (
    ANSWER_BUCKETS,
    DNS_ANSWERS,
    FLOW_BUCKETS,
    FLOWS,
    IPS_BY_NAME,
    NAMES_BY_DOMAIN,
    NAMES_BY_IP,
    Kind,
    Ownership,
    Table,
    batches_of,
)
from tests.exporter.captures import NOW_MS, clock, lease_of

NOW_NS = NOW_MS * 1_000_000
SERVER, CLIENT = "192.0.2.1", "198.51.100.7"
_NOTHING: dict[Kind, object] = {
    Kind.INET: address_bytes(CLIENT),
    Kind.TEXT: "",
    Kind.UUID: bytes(16),
    Kind.BOOLEAN: False,
    Kind.TIMESTAMP: NOW_MS,
    Kind.DATE: day_of(NOW_MS),
}
Row = tuple[object, ...]


def row_of(table: Table, **values: object) -> Row:
    """A row with these values; 0, nothing or now in its other columns."""
    assert values.keys() <= set(table.names), values.keys() - set(table.names)
    return tuple(values.get(column.name, _NOTHING.get(column.kind, 0)) for column in table.columns)


def capture_id(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


def flow(
    capture: str, frame: int, ts_ns: int = NOW_NS, to: str = SERVER, by: str = CLIENT, name: str | None = "a.example"
) -> Row:
    ms, ns = divmod(ts_ns, 1_000_000)
    values = {"destination_ip": address_bytes(to), "bucket": bucket_of(ms), "ts": ms, "ns": ns}
    values |= {"capture_id": capture_id(capture), "frame": frame, "source_ip": address_bytes(by), "protocol": 6}
    values |= {"sensor": "edge-1", "endpoint": name or to, "hostname": name, "packets": 2, "bytes": 120, "packets_rev": 1}
    return row_of(FLOWS, **values, bytes_rev=60, name_evidence="dns" if name else "none", end_reason="idle_timeout", alpn=None)


def answer(capture: str, frame: int, rr_index: int, ts_ns: int = NOW_NS, name: str = "a.example") -> Row:
    ms, ns = divmod(ts_ns, 1_000_000)
    values = {"qname": name, "bucket": bucket_of(ms), "ts": ms, "ns": ns, "capture_id": capture_id(capture), "frame": frame}
    return row_of(DNS_ANSWERS, **values, rr_index=rr_index, kind="dns", transport="udp", address=None, rcode=0)


def seen(name: str, domain: str, to: str = SERVER, last_seen: int = NOW_MS) -> dict[Table, list[Row]]:
    """What the dictionary learns of a name."""
    shared = {"hostname": name, "evidence": "dns", "sensor": "edge-1", "first_seen": NOW_MS - 1, "last_seen": last_seen}
    ip = address_bytes(to)
    return {
        NAMES_BY_IP: [row_of(NAMES_BY_IP, ip=ip, **shared)],
        IPS_BY_NAME: [row_of(IPS_BY_NAME, ip=ip, **shared)],
        NAMES_BY_DOMAIN: [row_of(NAMES_BY_DOMAIN, domain=domain, **shared)],
    }


def load(lease: SensorLease, name: str, rows: Mapping[Table, Sequence[Row]] | None = None, file: str = "") -> None:
    """Commit a capture with these rows."""
    rows = rows or {}
    own = {table: of for table, of in rows.items() if table.ownership is Ownership.OWN}
    flows = rows.get(FLOWS, ())
    gained: dict[str, EndpointTotals] = {}
    for row in flows:
        item = dict(zip(FLOWS.names, row, strict=True))
        numbers = EndpointTotals(1, *(item[column] for column in ("packets", "bytes", "packets_rev", "bytes_rev")))
        gained[item["endpoint"]] = gained.get(item["endpoint"], EndpointTotals()).plus(numbers)
    packets = sum(totals.packets + totals.packets_rev for totals in gained.values())
    claim = Claim(
        facts=CaptureFacts(
            capture_id=capture_id(name), file_name=file or f"{name}.pcap", file_id="", size_bytes=1, frames=packets
        ),
        inputs={"rows_from_ms": str(NOW_MS)},
        manifest=Manifest.of([_counted(table, of) for table, of in own.items() if of]),
        started_at_ms=NOW_MS,
    )
    totals = {"captures": 1, "frames": packets, "rows/flows": len(flows)}
    commit = Commit(
        deltas=CommitDeltas(endpoints=gained, totals=totals),
        flows=len(flows),
        flow_packets=packets,
        flow_bytes=sum(totals.bytes + totals.bytes_rev for totals in gained.values()),
        non_flow={},
        reason="",
        carried=None,
        loaded_at_ms=NOW_MS,
    )
    with lease.begin(claim) as attempt:  # type: ignore[union-attr]
        for table, of in {**rows, **_partitions(rows)}.items():
            attempt.write(batches_of(table, list(of)))
        attempt.commit(commit)


def _partitions(rows: Mapping[Table, Sequence[Row]]) -> dict[Table, list[Row]]:
    """Which partitions there are, as the loader tells the store."""
    day = day_of(NOW_MS)
    return {
        listed: [(key, day, bucket) for key, bucket in dict.fromkeys(row[:2] for row in rows.get(table, ()))]
        for table, listed in ((FLOWS, FLOW_BUCKETS), (DNS_ANSWERS, ANSWER_BUCKETS))
    }


def _counted(table: Table, rows: Sequence[Row]) -> PartitionCounts:
    counts = Counter(row[: len(table.partition)] for row in rows)
    return PartitionCounts(table=table.name, partitions=tuple(counts), rows=tuple(counts.values()))


@dataclass
class Scene:
    """A store, an exporter's collection over it, and the API."""

    store: Store
    collection: Collection
    client: TestClient
    api: Api
    stop: Event
    checks: list[str] = field(default_factory=list)
    path: Path = Path()  # of a store that is a file
    lineage: Callable[[StoreReader, tuple[bytes, int, bytes]], Object | None] | None = None

    def lease(self, sensor: str = "edge-1", network: str = "lan") -> SensorLease:
        return lease_of(self.store, sensor, network)

    def follow(self) -> None:
        assert self.collection.refresh().not_ready is None

    def get(self, path: str, **parameters: object) -> Any:
        """The answer of a question that has one."""
        answered = self.client.get(f"/api/v1{path}", params=parameters)  # type: ignore[arg-type]
        assert answered.status_code == 200, answered.text
        return answered.json()

    def refused(self, path: str, status: int, **parameters: object) -> Any:
        """The problem of one that has none."""
        answered = self.client.get(f"/api/v1{path}", params=parameters)  # type: ignore[arg-type]
        assert (answered.status_code, answered.headers["content-type"]) == (status, "application/problem+json"), answered.text
        return answered.json()

    def pages(self, path: str, of: str, **parameters: object) -> Iterator[list[Any]]:
        """One page after the other."""
        cursor: dict[str, object] = {}
        while True:
            told = self.get(path, **parameters, **cursor)
            yield told[of]
            if told["next"] is None:
                return
            cursor = {"cursor": told["next"]}


@contextmanager
def scene_at(path: Path, *, followed: bool = True) -> Iterator[Scene]:
    """All of it, over a new store; whether the exporter has looked at it."""
    store = open_sqlite(path, clock)
    store.apply_schema()

    def open_reader(read_only: bool) -> Store:
        return open_sqlite(path, clock, read_only=read_only, create=False)

    with scene_over(store, open_reader, "sqlite", followed=followed) as scene:
        scene.path = path
        yield scene


@contextmanager
def scene_over(store: Store, open_reader: Callable[[bool], Store], kind: str, *, followed: bool = True) -> Iterator[Scene]:
    """The same over a store that is there; `open_reader` is told whether it is only read."""
    collection = Collection(lambda: open_reader(False), ExporterSettings(), kind, clock)
    stop, checks = Event(), list[str]()
    helpers = Helpers(
        version="1",
        dns_spelling=lambda name: name.encode("idna").decode(),
        registered_domain=lambda name: ".".join(name.split(".")[-2:]) if "." in name else None,
        lineage=lambda reader, row: scene.lineage(reader, row) if scene.lineage else None,
        check_soon=lambda: checks.append("check"),
    )
    api = Api(
        snapshot=lambda: collection.snapshot,
        open_reader=lambda: open_reader(True),
        helpers=helpers,
        ended=stop.wait,
    )
    gate = WebGate()
    guard = Middleware(Guard, gate=gate, bounds=Bounds())
    app = Answers(Starlette(routes=api_routes(api.answer), middleware=[guard]), gate, ())
    if followed:
        collection.refresh()
    with closing(TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)) as client:
        scene = Scene(store=store, collection=collection, client=client, api=api, stop=stop, checks=checks)
        try:
            yield scene
        finally:
            stop.set()
            api.close()
            collection.close()
            store.close()

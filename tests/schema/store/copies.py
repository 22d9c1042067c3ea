"""A store with all that a store may hold, and all that can be read of one: what a copy has to keep."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from schema.bucketpolicy import DNS_SCOPE, FLOWS_SCOPE, BucketRule
from schema.records import Admission, BookChange, CommitDeltas, EndpointTotals
from schema.store.sealing import Sealing
from schema.store.writing import Store
from schema.tables import NAMES_BY_ADDRESS, NAMES_BY_CLIENT, PACKETS, TABLES
from tests.schema.store.samples import (
    CLIENT,
    SERVER,
    T0_MS,
    OnlyRows,
    facts,
    id_of,
    load,
    name_row,
    now_ms,
    sample,
    scanned,
    take,
    with_inputs,
    with_rows,
)

SEALING = Sealing(commits=2, segments_told=1, segments_kept=2, endpoints_kept=3)
DAY_MS = 86_400_000
ENDPOINT = "www.example.com"


def fill(store: Store) -> None:
    """Two sensors, one of them through several segments; books, rules, a quarantine, names, what is carried."""
    assert store.add_bucket_rule(1, BucketRule(FLOWS_SCOPE, "10.0.0.5", T0_MS, "10min"))
    assert store.add_bucket_rule(2, BucketRule(DNS_SCOPE, ENDPOINT, T0_MS, "min"))
    lease = take(store, "edge-1", "office")
    lease.quarantine(facts("broken"), "not_a_capture", "these are only words", now_ms())
    lease.quarantine(facts("looked at"), "not_a_capture", "other words", now_ms())
    assert store.dismiss(id_of("looked at"))
    for number in range(9):
        one = replace(
            sample(f"edge-1 {number}", flows=3, carried=b"state %d" % number * 9, file_id=f"1:{number}", ts=T0_MS + number),
            endpoints={ENDPOINT: EndpointTotals(3, 9, 3_600, 6, 2_400), f"{number}.example": EndpointTotals(1, 1, 1, 1, 1)},
        )
        load(lease, one)
        lease.seal_if_due(SEALING)
    lease.note_origin("content:00ff", id_of("edge-1 3"), now_ms())
    rows = with_rows({NAMES_BY_CLIENT: [], NAMES_BY_ADDRESS: [], PACKETS: []}, "names")
    told: dict[Any, Any] = {table: [name_row(rows.capture_id, 10, table)] for table in (NAMES_BY_CLIENT, NAMES_BY_ADDRESS)}
    packet = (SERVER, "2026-09-21T14", T0_MS, 5, rows.capture_id, 1, CLIENT, 5, 53, 17, 60, None)
    load(lease, OnlyRows(facts=rows.facts, rows={**told, PACKETS: [packet]}, endpoints={}, totals={"captures": 1}))
    lease.release()
    other = take(store, "edge-2", "home")
    load(other, sample("edge-2 0"))
    load(other, with_inputs(sample("last week"), rows_from_ms=str(now_ms() - 6 * DAY_MS)))
    other.release()
    take(store, "edge-3", "home").release()  # it never loaded anything
    admitted = Admission(admitted=True, base=EndpointTotals(1, 2, 3, 4, 5), since_ms=1_780_000_000_000)
    at = {"edge-1": store.ledger("edge-1").position}
    assert store.admit("office", 0, BookChange(positions=at, changed={ENDPOINT: admitted}))
    left = Admission(admitted=False, base=EndpointTotals(), shown=EndpointTotals(1, 1, 1, 1, 1))
    shown = CommitDeltas(endpoints={ENDPOINT: EndpointTotals(1, 1, 1, 1, 1)}, totals={"frames": 7})
    assert store.admit("office", 1, BookChange(positions=at, changed={"gone.example": left}, high_water=shown))


def all_of(store: Store) -> dict[str, Any]:
    """All that the port tells of a store, but for leases."""
    sensors = [replace(record, owner="", lease_until_ms=0) for record in store.sensors()]
    names = [record.sensor for record in sensors]
    captures = sorted(store.captures(), key=lambda record: record.facts.capture_id)
    return {
        "sensors": sensors,
        "ledgers": {name: store.ledger(name) for name in names},
        "commits": {name: list(store.commits(name, 0, deltas=True)) for name in names},
        "seals": {name: store.seals(name, 0) for name in names},
        "openings": {name: [store.opening(name, seal.position.segment) for seal in store.seals(name, 0)] for name in names},
        "captures": captures,
        "origins": {origin: store.capture_of_origin(origin) for origin in ("1:0", "1:8", "content:00ff")},
        "stand": {record.facts.capture_id: store.stands(record.facts.capture_id) for record in captures},
        "recounts": [store.recount(record.facts.capture_id) for record in captures if record.state == "loaded"],
        "books": {network: store.admissions(network) for network in ("office", "home")},
        "rules": store.bucket_rules(),
        "rows": {table.name: scanned(store, table) for table in TABLES},
    }


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What is not the same, for people to read."""
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}

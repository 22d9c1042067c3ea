"""What leaves for a Cassandra node as one message stays under what a node takes (8 MiB, where its commit log has segments of
16 MiB), with the longest texts there are: docs/decisions/0003."""

import random
from dataclasses import replace

from schema.records import (
    ADMISSION_OCTETS,
    ENDPOINT_OCTETS,
    MAX_CHANGE_OCTETS,
    MAX_COMMIT_ENDPOINTS,
    MAX_COMMIT_OCTETS,
    Admission,
    BookChange,
    CommitDeltas,
    EndpointTotals,
    Manifest,
    PartitionCounts,
)
from schema.store.sealing import Sealing
from schema.store.writing import ClaimRefusal
from schema.tables import DNS_ANSWERS
from tests.schema.store.factory import StoreFactory
from tests.schema.store.samples import load, sample, take

LONGEST_NAME = 1_017  # 255 octets on the wire, each spelt as `\\ddd` but for the lengths
SENSOR = "s" * 64
MANY = EndpointTotals(*[2**45] * 5)
_RANDOM = random.Random(1)


def texts(count: int, length: int = LONGEST_NAME) -> list[str]:
    """Texts that hardly shrink when they are packed."""
    letters = "".join(_RANDOM.choices("abcdefghijklmnopqrstuvwxyz0123456789-_.\\", k=count * length))
    return [f"{n:06}{letters[n * length : (n + 1) * length - 6]}" for n in range(count)]


def test_as_many_endpoints_as_one_commit_may_have(cassandra_store_factory: StoreFactory) -> None:
    store = cassandra_store_factory()
    length = MAX_COMMIT_OCTETS // MAX_COMMIT_ENDPOINTS - ENDPOINT_OCTETS - len("edge-1")
    endpoints = dict.fromkeys(texts(MAX_COMMIT_ENDPOINTS, length), MANY)
    load(take(store), replace(sample("a"), endpoints=endpoints))
    assert store.refusals() == {}
    assert store.ledger("edge-1").endpoints == endpoints
    (commit,) = store.commits("edge-1", 0, deltas=True)
    assert commit.deltas is not None
    assert commit.deltas.endpoints == endpoints


def test_the_longest_names_in_a_manifest_a_commit_and_a_seal(cassandra_store_factory: StoreFactory) -> None:
    store = cassandra_store_factory()
    lease = take(store, SENSOR)
    names = texts(MAX_COMMIT_OCTETS // (ENDPOINT_OCTETS + len(SENSOR) + LONGEST_NAME))
    endpoints = dict.fromkeys(names, MANY)
    keys = tuple((name, "2026-11-20T13:20") for name in names)
    counts = PartitionCounts(table=DNS_ANSWERS.name, partitions=keys, rows=(1,) * len(keys))
    capture = replace(sample("a"), endpoints=endpoints, carried=_RANDOM.randbytes(6 << 20))
    claim = replace(capture.claim(), manifest=replace(Manifest.of([counts]), began_from=_RANDOM.randbytes(1 << 20)))
    begun = lease.begin(claim)
    assert not isinstance(begun, ClaimRefusal)
    with begun as attempt:
        attempt.commit(capture.commit())
    assert lease.seal_if_due(Sealing(commits=1, endpoints_kept=0))
    assert store.refusals() == {}
    (seal,) = store.seals(SENSOR, 0)
    assert seal.folded == endpoints
    lease.release()
    assert take(cassandra_store_factory(), SENSOR).carried() == capture.carried
    assert [key for part in store.partitions(capture.capture_id) for key in part.partitions] == list(keys)


def test_as_many_admissions_as_one_change_may_have(cassandra_store_factory: StoreFactory) -> None:
    store = cassandra_store_factory()
    admission = Admission(admitted=True, base=MANY, shown=MANY, since_ms=2**42)
    names = texts(MAX_CHANGE_OCTETS // (ADMISSION_OCTETS + len("office") + LONGEST_NAME))
    change = BookChange(
        positions={},
        changed=dict.fromkeys(names, admission),
        high_water=CommitDeltas(endpoints=dict.fromkeys(names[:1_000], MANY), totals={}),
    )
    assert store.admit("office", 0, change)
    assert store.refusals() == {}
    assert store.admissions("office").admissions == change.changed

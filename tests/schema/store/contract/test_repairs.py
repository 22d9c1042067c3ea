"""Late names: whole rows of earlier captures written again, by the attempt that brought the answer."""

from dataclasses import replace

from schema.records import FlowKey, Manifest, NameRepair, PartitionCounts
from schema.store.writing import ClaimRefusal, SensorLease, Store
from schema.tables import FLOWS
from tests.schema.store.factory import StoreFactory
from tests.schema.store.samples import abandon, flow_row, id_of, load, sample, scanned, take

NAME, EVIDENCE, CONFLICT = (FLOWS.index(name) for name in ("hostname", "name_evidence", "name_conflict"))


def repair_of(row: tuple[object, ...], hostname: str = "late.example") -> NameRepair:
    return NameRepair(FlowKey(*row[:6]), hostname, "dns_late", conflict=True)  # type: ignore[arg-type]


def named(row: tuple[object, ...]) -> tuple[object, ...]:
    changed = list(row)
    changed[NAME], changed[EVIDENCE], changed[CONFLICT] = "late.example", "dns_late", True
    return tuple(changed)


def repairing(lease: SensorLease, capture: str, repairs: list[NameRepair], *, commits: bool = True) -> int:
    """A capture without rows of its own whose answer names others; how many rows were there."""
    named_rows = PartitionCounts(
        table=FLOWS.name,
        partitions=tuple({repair.key[:2]: None for repair in repairs}),
        rows=(len(repairs),) * len({repair.key[:2] for repair in repairs}),
    )
    brings = replace(sample(capture, flows=0), rows={})
    begun = lease.begin(replace(brings.claim(), manifest=Manifest(repaired=(named_rows,))))
    assert not isinstance(begun, ClaimRefusal)
    with begun as attempt:
        count = attempt.repair(repairs)
        if commits:
            attempt.commit(brings.commit())
    return count


def test_a_repaired_row_keeps_all_but_its_name(store: Store) -> None:
    lease, capture = take(store), sample("a", hostname=None, name_evidence="none", alpn=None)
    load(lease, capture)
    first, *others = capture.rows[FLOWS]
    assert repairing(lease, "b", [repair_of(first)]) == 1
    assert scanned(store, FLOWS) == sorted([named(first), *others], key=repr)


def test_a_repair_that_is_repeated_is_the_same(store: Store) -> None:
    lease, capture = take(store), sample("a")
    load(lease, capture)
    repairs = [repair_of(row) for row in capture.rows[FLOWS]]
    repairing(lease, "b", repairs, commits=False)
    assert repairing(lease, "b", repairs) == 3
    assert scanned(store, FLOWS) == sorted(map(named, capture.rows[FLOWS]), key=repr)


def test_a_row_that_is_gone_stays_gone(store_factory: StoreFactory) -> None:
    store, capture = store_factory(), sample("a")
    lease = take(store)
    load(lease, capture)
    first, *others = capture.rows[FLOWS]
    store_factory.delete_row(FLOWS, first)
    never = flow_row(id_of("never"), 1)
    assert repairing(lease, "b", [repair_of(first), repair_of(never)]) == 0
    assert scanned(store, FLOWS) == sorted(others, key=repr)


def test_rows_of_another_sensor_are_not_touched(store: Store) -> None:
    capture = sample("a", sensor="edge-2")
    load(take(store, "edge-2"), capture)
    assert repairing(take(store), "b", [repair_of(capture.rows[FLOWS][0])]) == 0
    assert scanned(store, FLOWS) == sorted(capture.rows[FLOWS], key=repr)


def test_rows_that_no_commit_counts_are_not_touched(store: Store) -> None:
    """What an attempt left that died would be named for good: its own next attempt writes it, or deletes it."""
    lease, dead = take(store), sample("a")
    abandon(lease, dead)
    assert repairing(lease, "b", [repair_of(row) for row in dead.rows[FLOWS]]) == 0
    load(lease, dead)
    assert scanned(store, FLOWS) == sorted(dead.rows[FLOWS], key=repr)


def test_repaired_rows_are_nobodys_own(store: Store) -> None:
    """They are counted back for their own capture, and an attempt that is given up leaves them."""
    lease, capture = take(store), sample("a")
    load(lease, capture)
    repairing(lease, "b", [repair_of(row) for row in capture.rows[FLOWS]])
    assert store.recount(id_of("b")).expected == {}
    recount = store.recount(id_of("a"))
    assert recount.expected == recount.found
    repairing(lease, "c", [repair_of(row) for row in capture.rows[FLOWS]], commits=False)
    lease.quarantine(sample("c").facts, "damaged", "given up", 1)
    assert store.recount(id_of("a")) == recount

"""What many ask of one snapshot is made once."""

from exporter.api.remembered import Remembered
from exporter.snapshot import Snapshot
from schema.tables import FLOWS
from tests.exporter.api.scene import Scene, flow, load


def test_the_same_of_the_same_snapshot_is_made_once() -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return b"%d" % len(made)

    remembered, one, other = Remembered(), Snapshot(store="sqlite"), Snapshot(store="sqlite")
    assert [remembered.body(one, "a", make), remembered.body(one, "b", make), remembered.body(one, "a", make)] == [
        b"1",
        b"2",
        b"1",
    ]
    assert remembered.body(other, "a", make) == b"3"  # an equal one, but not the same


def test_what_is_kept_is_bounded_and_forgotten() -> None:
    remembered, snapshot = Remembered(), Snapshot(store="sqlite")
    for number in range(1_000):
        remembered.body(snapshot, number, lambda: b"x")
    assert len(remembered._kept[1]) == 64
    remembered.body(Snapshot(store="sqlite"), 0, lambda: b"x")
    assert len(remembered._kept[1]) == 1


def test_totals_and_verdict_follow_the_snapshot(scene: Scene) -> None:
    lease = scene.lease()
    for number in range(3):
        load(lease, f"c{number}", {FLOWS: [flow(f"c{number}", 1)]})
        scene.follow()
        scene.collection.check(None)
        for _ in range(2):
            assert scene.get("/endpoints")["endpoints"][0]["flows"] == number + 1
            assert scene.get("/verify")["coverage"]["checked"] == number + 1

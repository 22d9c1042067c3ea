"""Objects that their bucket does not let go: tried again by themselves, bounded, and nobody waits behind them."""

from pathlib import Path

import pytest

from loader.remote.addresses import parse_objects
from loader.remote.departures import Departures
from loader.remote.leaving import Leaving, Root
from loader.remote.objects import Bucket
from loader.remote.port import Fate, Reference, Settled, SourceAwayError


class Scene:
    """Objects in a folder; those whose name begins with `stuck` have a folder in their way."""

    def __init__(self, directory: Path, max_stuck: int = 1024) -> None:
        self.directory, self.now, self.failures = directory, 0.0, 0
        self.told: list[str] = []
        (directory / "in").mkdir()
        address = parse_objects(f"file://{directory}/in")
        self.root = Root(address, Bucket(address.bucket, {}, 5.0))
        leaving = Leaving({address.url: self.root}, "archive", self.told.append)
        self.departures = Departures(leaving, lambda: self.now, self.failed, max_stuck)

    def failed(self) -> None:
        self.failures += 1

    def put(self, *names: str) -> None:
        for name in names:
            (self.directory / "in" / name).write_bytes(b"x")
            if name.startswith("stuck"):
                (self.directory / "in.archive" / name / "x").mkdir(parents=True)
            key = f"in/{name}"
            reference = Reference(
                token=name, root=self.root.address.url, key=key, sensor="edge", name=name, told=name
            )  # fmt: skip
            self.departures.add([Settled(reference=reference, fate=Fate.DONE, version=self.root.bucket.look(key))])

    def go(self) -> list[tuple[str, Fate]]:
        return [(one.reference.name, one.fate) for one in self.departures.go()]

    def free(self, name: str) -> None:
        (self.directory / "in.archive" / name / "x").rmdir()
        (self.directory / "in.archive" / name).rmdir()


def test_those_behind_it_go_and_it_goes_when_it_can(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.put("a", "stuck", "b")
    assert scene.go() == [("a", Fate.DONE), ("b", Fate.DONE)]
    assert [reference.name for reference in scene.departures.stuck()] == ["stuck"]
    scene.free("stuck")
    assert scene.go() == []  # its time has not come
    scene.now = 1.0
    assert scene.go() == [("stuck", Fate.DONE)]
    assert (scene.failures, len(scene.told), list(scene.departures.stuck())) == (1, 1, [])


def test_it_is_tried_less_and_less_often(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.put("stuck")
    while scene.now < 300:
        scene.go()
        scene.now += 0.25
    assert 10 <= scene.failures <= 30
    assert len(scene.told) == 1


def test_a_bucket_that_lets_none_go_is_away(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.put(*(f"stuck{number}" for number in range(5)), "a")
    with pytest.raises(SourceAwayError):
        scene.go()
    assert scene.failures == 3
    assert scene.go() == [("a", Fate.DONE)]


def test_the_longest_stuck_beyond_a_bound_stay_for_good(tmp_path: Path) -> None:
    scene = Scene(tmp_path, max_stuck=1)
    scene.put("stuck1", "stuck2", "a")
    assert scene.go() == [("stuck1", Fate.LEFT), ("a", Fate.DONE)]
    assert (tmp_path / "in" / "stuck1").exists()
    assert "stays where it is" in scene.told[-1]

"""Following: every commit once, in its sensor's order; from any place, by any exporter, whatever was lost."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.api import changes
from exporter.api.exchange import Asked
from schema.store.sqlite import open_sqlite
from schema.store.writing import Store
from schema.tables import FLOWS
from tests.exporter.api.scene import Scene, flow, load, scene_at, scene_over
from tests.exporter.captures import clock

Seen = list[tuple[str, int]]


def drain(scene: Scene, since: str | None, **parameters: object) -> tuple[Seen, list[Any], str | None]:
    """All there is behind a place; the gaps; the place reached."""
    seen: Seen = []
    gaps: list[Any] = []
    for _ in range(1_000):
        told = scene.get("/changes", **({} if since is None else {"since": since}), **parameters)
        seen += [(change["sensor"], change["seq"]) for change in told["changes"]]
        gaps += told["gaps"]
        since = told["next"]
        if not told["more"]:
            return seen, gaps, since
    raise AssertionError("it does not come to an end")


def test_from_the_beginning_and_from_now_on(scene: Scene) -> None:
    lease = scene.lease()
    for number in range(3):
        load(lease, f"c{number}", {FLOWS: [flow(f"c{number}", frame, name=f"h{frame}.example") for frame in (1, 2, 3)]})
    scene.follow()
    assert drain(scene, None)[0] == []
    _, _, now = drain(scene, None)
    seen, gaps, _ = drain(scene, "0", limit=2)
    assert (seen, gaps) == ([("edge-1", 1), ("edge-1", 2), ("edge-1", 3)], [])
    load(lease, "c3", {FLOWS: [flow("c3", 1)]})
    assert drain(scene, now)[0] == []  # the exporter has not followed yet
    scene.follow()
    assert drain(scene, now)[0] == [("edge-1", 4)]
    (change,) = scene.get("/changes", since=now)["changes"]
    assert (change["network"], change["packets"], change["rows"]) == ("lan", 3, {"flows": 1})
    assert [(one["endpoint"], one["flows"], one["bytes"]) for one in change["endpoints"]] == [("a.example", 1, 120)]


def test_endpoints_that_are_not_named_are_one_sum(scene: Scene) -> None:
    names = ["big.example"] * 3 + [f"h{n}.example" for n in range(5)]
    load(scene.lease(), "one", {FLOWS: [flow("one", n, name=name) for n, name in enumerate(names, start=1)]})
    scene.follow()
    (change,) = scene.get("/changes", since="0", endpoints=2)["changes"]
    assert [(one["endpoint"], one["flows"]) for one in change["endpoints"]] == [
        ("big.example", 3),
        ("h0.example", 1),
        ("_other", 4),
    ]
    assert change["endpoint_count"] == 6


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), max_size=8), st.integers(1, 5))
@settings(max_examples=12, deadline=None)
def test_every_commit_is_told_once(tmp_path_factory: Any, loads: list[tuple[str, int]], limit: int) -> None:
    with scene_at(tmp_path_factory.mktemp("changes") / "store.db") as scene:
        seen: Seen = []
        expected: Seen = []
        since: str | None = "0"
        numbers: dict[str, int] = {}
        for sensor, count in loads:
            lease = scene.lease(sensor)
            for _ in range(count):
                numbers[sensor] = numbers.get(sensor, 0) + 1
                load(lease, f"{sensor}-{numbers[sensor]}")
                expected.append((sensor, numbers[sensor]))
            scene.follow()
            told = scene.get("/changes", since=since, limit=limit)  # some of it
            seen += [(change["sensor"], change["seq"]) for change in told["changes"]]
            since = told["next"]
        rest, gaps, _ = drain(scene, since, limit=limit)
        seen += rest
        assert gaps == []
        assert sorted(seen) == sorted(expected)
        for sensor in numbers:
            assert [seq for of, seq in seen if of == sensor] == list(range(1, numbers[sensor] + 1))


def test_a_busy_sensor_hides_none(scene: Scene) -> None:
    for sensor, count in (("a", 20), ("b", 1), ("c", 1)):
        lease = scene.lease(sensor)
        for number in range(count):
            load(lease, f"{sensor}{number}")
    scene.follow()
    told = scene.get("/changes", since="0", limit=1)
    told = scene.get("/changes", since=told["next"], limit=1)
    assert [change["sensor"] for change in told["changes"]] == ["b"]
    assert {change["sensor"] for change in scene.get("/changes", since="0", limit=6)["changes"]} == {"a", "b", "c"}


def test_a_ledger_that_is_another_one_is_a_gap(scene: Scene, tmp_path: Path) -> None:
    lease = scene.lease()
    for number in range(4):
        load(lease, f"c{number}")
    scene.follow()
    _, _, place = drain(scene, "0")
    with scene_at(tmp_path / "other.db") as other:
        lease = other.lease()
        load(lease, "x0")
        other.follow()
        seen, gaps, after = drain(other, place)
        assert (seen, gaps) == ([], [{"sensor": "edge-1", "after_seq": 4, "next_seq": 1}])
        for number in range(5):
            load(lease, f"x{number + 1}")
        other.follow()
        assert drain(other, after)[0] == [("edge-1", seq) for seq in range(2, 7)]
        seen, gaps, _ = drain(other, place)  # longer than what was seen, but not its continuation
        assert (seen, gaps) == ([("edge-1", 5), ("edge-1", 6)], [{"sensor": "edge-1", "after_seq": 4, "next_seq": 5}])


def test_a_place_of_an_exporter_that_has_followed_further_is_no_gap(scene: Scene) -> None:
    lease = scene.lease()
    load(lease, "one")
    scene.follow()

    def opened(read_only: bool) -> Store:
        return open_sqlite(scene.path, clock, read_only=read_only, create=False)

    with scene_over(opened(False), opened, "sqlite") as other:
        load(lease, "two")
        scene.follow()
        _, _, ahead = drain(scene, "0")
        told = other.get("/changes", since=ahead)
        assert (told["changes"], told["gaps"], told["more"], told["next"]) == ([], [], False, ahead)
        load(lease, "three")
        other.follow()
        assert drain(other, ahead)[:2] == ([("edge-1", 3)], [])


def test_more_sensors_than_an_address_can_name(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "LONGEST_PLACE", 100)
    for number in range(5):
        load(scene.lease(f"edge-{number}"), f"c{number}")
    scene.follow()
    assert scene.refused("/changes", 422, since="0")["parameter"] == "sensor"
    assert drain(scene, "0", sensor="edge-3")[0] == [("edge-3", 1)]


def test_no_news_ask_nothing_of_the_store(scene: Scene) -> None:
    load(scene.lease(), "one")
    scene.follow()
    _, _, now = drain(scene, "0")
    scene.path.rename(scene.path.with_name("away.db"))
    assert scene.get("/changes", since=now)["changes"] == []
    assert scene.refused("/changes", 503, since="0")["type"] == "urn:pcapline:problem:store-away"


def test_the_stream_tells_the_same(scene: Scene) -> None:
    lease = scene.lease()
    load(lease, "one")
    load(lease, "two")
    scene.follow()
    answered = scene.api.answer(Asked(method="GET", path="/stream", parameters=[("since", "0"), ("limit", "1")]))
    assert answered.headers["Content-Type"] == "text/event-stream"
    stream = answered.body
    assert not isinstance(stream, bytes)
    first, second = event(stream.next()), event(stream.next())
    assert [change["seq"] for told in (first, second) for change in told["changes"]] == [1, 2]
    assert stream.next() == b""
    load(lease, "three")
    scene.follow()
    assert [change["seq"] for change in event(stream.next())["changes"]] == [3]
    resumed = Asked(method="GET", path="/stream", headers={"last-event-id": first["next"]})
    again = scene.api.answer(resumed).body
    assert not isinstance(again, bytes)
    assert [change["seq"] for change in event(again.next())["changes"]] == [2, 3]
    for one in (stream, again):
        one.close()
        one.close()
        assert one.next() is None


def test_a_stream_ends_in_good_order_where_the_store_goes_away(scene: Scene) -> None:
    lease = scene.lease()
    load(lease, "one")
    scene.follow()
    stream = scene.api.answer(Asked(method="GET", path="/stream")).body  # no news yet: no reader is opened
    assert not isinstance(stream, bytes)
    place = event(stream.next())["next"]
    load(lease, "two")
    scene.follow()
    scene.path.rename(scene.path.with_name("away.db"))
    assert stream.next() is None
    assert scene.refused("/stream", 503, since=place)["type"] == "urn:pcapline:problem:store-away"
    stream.close()


def test_a_stream_is_not_begun_for_its_head_alone(scene: Scene) -> None:
    scene.follow()
    for _ in range(20):
        assert scene.api.answer(Asked(method="HEAD", path="/stream")).body == b""


def test_streams_are_few_and_given_back(scene: Scene) -> None:
    scene.follow()

    def ask() -> Any:
        return scene.api.answer(Asked(method="GET", path="/stream"))

    streams = [ask() for _ in range(8)]
    assert [one.status for one in streams] == [200] * 8
    refused = ask()
    assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
    streams[0].body.close()
    assert ask().status == 200


def test_a_stream_over_http_ends_with_the_exporter(scene: Scene) -> None:
    load(scene.lease(), "one")
    scene.follow()
    scene.stop.set()
    answered = scene.client.get("/api/v1/stream", params={"since": "0"})
    assert (answered.status_code, answered.content) == (200, b"")


def event(part: bytes | None) -> Any:
    assert part
    name, place, data = part.decode().rstrip("\n").split("\n")
    told = json.loads(data.removeprefix("data: "))
    assert (name, place) == ("event: changes", f"id: {told['next']}")
    return told


def test_from_now_on_is_not_known_before_the_ledgers_are(tmp_path: Path) -> None:
    with scene_at(tmp_path / "store.db", followed=False) as scene:
        load(scene.lease(), "one")
        for path in ("/changes", "/endpoints"):
            assert "has not been read yet" in scene.refused(path, 503)["detail"]
        scene.follow()
        assert drain(scene, None)[0] == []

"""Whatever the sizes of pages and however many rows are of one time: every row once, in one order."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.api import paging
from schema.addresses import address_bytes
from schema.tables import FLOWS
from tests.exporter.api.scene import NOW_NS, Row, Scene, flow, load, scene_at, seen

SERVERS = ("192.0.2.1", "192.0.2.2", "2001:db8::1")
CLIENTS = ("198.51.100.7", "198.51.100.8")
MS = 1_000_000
NAMES = ("a.example", "www.a.example", None)


def made_up_rows(random: Random) -> dict[str, list[Row]]:
    """Of three captures, most of them in few milliseconds, and many at one nanosecond."""
    times = [NOW_NS + ms * MS + ns for ms in (0, 0, 0, 1, 7, 3_600_000) for ns in (0, 0, 1, 999_999)]
    return {
        name: [
            flow(name, frame, random.choice(times), random.choice(SERVERS), random.choice(CLIENTS), random.choice(NAMES))
            for frame in range(1, 160)
        ]
        for name in ("one", "two", "three")
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_at(tmp_path_factory.mktemp("paging") / "store.db") as scene:
        for name, rows in made_up_rows(Random(7)).items():
            load(scene.lease(), name, {FLOWS: rows})
        for number, server in enumerate(SERVERS):
            load(scene.lease(), f"names-{number}", seen("a.example", "a.example", server))
        yield scene


instants = st.one_of(st.none(), st.sampled_from([NOW_NS, NOW_NS + 1, NOW_NS + MS, NOW_NS + 7 * MS, NOW_NS + 3_600_000 * MS]))
questions = st.sampled_from(
    [
        *({"address": server} for server in SERVERS),
        *({"source": client} for client in CLIENTS),
        {"address": SERVERS[0], "source": CLIENTS[0]},
        {"name": "a.example"},
        {"name": "a.example", "source": CLIENTS[1]},
    ]
)


@given(questions, instants, instants, st.integers(1, 120), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_pages_together_are_all_rows(
    filled: Scene, question: dict[str, str], since: int | None, until: int | None, limit: int, shift: int
) -> None:
    bounds = {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    pages = list(filled.pages("/flows", "flows", **question, **bounds, limit=limit + shift))
    told = [row for page in pages for row in page]
    assert [row["row"] for row in told] == [row["row"] for row in expected(filled, question, since, until)]
    assert all(len(page) == limit + shift for page in pages[:-1])


def expected(scene: Scene, question: dict[str, str], since: int | None, until: int | None) -> list[dict[str, object]]:
    from schema.objects import stored_flow_objects

    def fits(row: dict[str, object]) -> bool:
        return (
            question.get("address") in (None, row["destination_ip"])
            and question.get("source") in (None, row["source_ip"])
            and question.get("name") in (None, row["hostname"])
            and (since is None or int(str(row["ts_ns"])) >= since)
            and (until is None or int(str(row["ts_ns"])) < until)
        )

    rows = filter(fits, stored_flow_objects(list(scene.store.scan(FLOWS))))
    return sorted(
        rows,
        key=lambda row: (-row["ts_ns"], row["capture_id"], row["frame"], address_bytes(row["destination_ip"])),  # type: ignore[operator,arg-type]
    )


def test_rows_that_come_meanwhile_neither_shift_nor_repeat_others(scene: Scene) -> None:
    lease = scene.lease()
    load(lease, "one", {FLOWS: [flow("one", frame, NOW_NS + frame % 3) for frame in range(1, 50)]})
    there = [row["row"] for row in scene.get("/flows", address="192.0.2.1", limit=1000)["flows"]]
    told: list[str] = []
    for number, page in enumerate(scene.pages("/flows", "flows", address="192.0.2.1", limit=7)):
        told += [row["row"] for row in page]
        load(lease, f"late-{number}", {FLOWS: [flow(f"late-{number}", 1, NOW_NS + 10), flow(f"late-{number}", 2, NOW_NS)]})
    assert len(told) == len(set(told))
    assert [row for row in told if row in there] == there
    assert len(there) == 49


def test_a_search_that_finds_little_ends_early_and_goes_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_LOOKED_AT", 10)
    rows = [
        flow("one", frame, NOW_NS - frame * MS, name="rare.example" if frame in (3, 77) else None) for frame in range(1, 90)
    ]
    load(scene.lease(), "one", {FLOWS: rows, **seen("rare.example", "rare.example")})
    pages = list(scene.pages("/flows", "flows", name="rare.example"))
    assert [row["frame"] for page in pages for row in page] == [3, 77]
    assert len(pages) == 9


def test_more_rows_of_one_time_than_are_looked_through(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_AT_ONE_TIME", 100)
    load(scene.lease(), "one", {FLOWS: [flow("one", frame) for frame in range(1, 200)]})
    assert scene.refused("/flows", 422, address="192.0.2.1", limit=10)["type"] == "urn:pcapline:problem:too-broad"

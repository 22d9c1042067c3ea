"""Whatever is asked: an answer, or a problem that says what is wrong and what to do."""

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.api import readers
from exporter.api.exchange import Asked
from exporter.api.problems import ProblemError
from exporter.api.readers import Readers
from exporter.api.routes import ROUTES
from schema.errors import SettingsError
from schema.records import CaptureFacts
from schema.store.sqlite import open_sqlite
from schema.tables import FLOWS
from tests.exporter.api.scene import NOW_MS, SERVER, Scene, capture_id, flow, load

HOSTILE = ["\x00", "'; DROP TABLE flows; --", "\u202e\ud7ff\U0010ffff", "a" * 5_000, "%s{0}$\\", "9" * 30, "1e400"]
HOSTILE += ["-1", "null", "[]", "\n\r: x", "*.a.example", "xn--", "é.example", "." * 300, "\\"]


@pytest.mark.parametrize(
    ("path", "parameters", "parameter", "told"),
    [
        ("/flows", {"adress": SERVER}, "adress", "did you mean address?"),
        ("/health", {"x": "1"}, "x", "known here: none"),
        ("/flows", {}, "address", "give one of"),
        ("/flows", {"address": SERVER, "name": "a.example"}, "name", "give one of"),
        ("/flows", {"address": "192.0.2.256"}, "address", "192.0.2.1"),
        ("/flows", {"address": SERVER, "limit": "0"}, "limit", "openapi"),
        ("/flows", {"address": SERVER, "limit": "1001"}, "limit", "openapi"),
        ("/flows", {"address": SERVER, "limit": "ten"}, "limit", "openapi"),
        ("/flows", {"address": SERVER, "since": "yesterday"}, "since", "RFC 3339"),
        ("/flows", {"address": SERVER, "since": "2026-13-01T00:00:00Z"}, "since", "RFC 3339"),
        ("/flows", {"address": SERVER, "until": "9" * 20}, "until", "RFC 3339"),
        ("/flows", {"name": ".."}, "name", "www.example.com"),
        ("/names", {"name": "a..example"}, "name", "www.example.com"),
        ("/dns", {"name": ".example"}, "name", "www.example.com"),
        ("/flows", {"below": "example"}, "below", "registered domain"),
        ("/endpoints", {"sort": "color"}, "sort", "openapi"),
        ("/dns", {}, "name", "give name="),
        ("/names", {}, "address", "give one of"),
        ("/captures", {"since": "3"}, "since", "name the sensor"),
        ("/captures/123", {}, "capture_id", "32 hexadecimal digits"),
        ("/flows/123/lineage", {}, "row", "`row` of a flow"),
        ("/captures/x", {"capture_id": "y"}, "capture_id", "known here: none"),
        ("/flows", {"address": SERVER, "cursor": "!"}, "cursor", "leave it out"),
        ("/changes", {"since": "W10"}, "since", "leave it out"),
    ],
)
def test_a_parameter_that_is_wrong_is_named(
    scene: Scene, path: str, parameters: dict[str, str], parameter: str, told: str
) -> None:
    problem = scene.refused(path, 400, **parameters)
    assert problem["parameter"] == parameter
    assert told in problem["remedy"]
    assert problem["detail"]


def test_a_parameter_that_is_given_twice(scene: Scene) -> None:
    answered = scene.client.get("/api/v1/flows?address=192.0.2.1&limit=1&limit=2")
    assert (answered.status_code, answered.json()["parameter"]) == (400, "limit")


def test_paths_and_methods(scene: Scene) -> None:
    nothing = scene.refused("/nothing/here", 404)
    assert nothing["remedy"] == "/api/v1/openapi.json lists them"
    assert nothing["detail"] == "no path is called '/api/v1/nothing/here'"
    for itself in ("", "/"):
        assert scene.refused(itself, 404)["remedy"] == "/api/v1/openapi.json lists them"
    assert scene.refused("/reconcile", 405)
    wrong = scene.client.delete("/api/v1/flows")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
    assert scene.refused(f"/captures/{'0' * 32}", 404)["type"] == "urn:pcapline:problem:not-found"
    assert scene.refused(f"/flows/{'0' * 32}:1@{SERVER}/lineage", 404)


@given(st.sampled_from(ROUTES), st.data())
@settings(max_examples=150, deadline=None)
def test_hostile_parameters_have_no_fault_of_ours(empty: Scene, route: Any, data: st.DataObject) -> None:
    texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=40))
    names = st.sampled_from([*route.question.__struct_fields__, "x"])
    parameters = data.draw(st.lists(st.tuples(names, texts), max_size=4))
    path = route.path.replace("{row}", data.draw(texts)).replace("{capture_id}", data.draw(texts))
    answered = empty.api.answer(Asked(method=route.method, path=path, parameters=parameters))
    if not isinstance(answered.body, bytes):
        answered.body.close()
    assert answered.status < 500, answered.body


@given(st.lists(st.one_of(st.integers(), st.text(max_size=8), st.none(), st.floats(allow_nan=False)), max_size=5))
@settings(max_examples=100, deadline=None)
def test_cursors_that_somebody_made_up(empty: Scene, values: list[Any]) -> None:
    from exporter.api.values import cursor_text

    for place in (values, [{"edge-1": values}, ""], values[:1] and values[0]):
        try:
            cursor = cursor_text(place)
        except (OverflowError, UnicodeEncodeError):
            continue
        for path, name in (("/flows", "address"), ("/dns", "name"), ("/names", "name"), ("/endpoints", "")):
            question = [("cursor", cursor), *([(name, "192.0.2.1")] if name else [])]
            assert empty.api.answer(Asked(method="GET", path=path, parameters=question)).status < 500
        assert empty.api.answer(Asked(method="GET", path="/changes", parameters=[("since", cursor)])).status < 500


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.exporter.api.scene import scene_at

    with scene_at(tmp_path_factory.mktemp("empty") / "store.db") as scene:
        load(scene.lease(), "one", {FLOWS: [flow("one", 1)]})
        scene.follow()
        yield scene


def test_hostile_text_in_rows_comes_back_as_it_is(scene: Scene) -> None:
    for number, text in enumerate(('"</script>\x00\u2028', "\ud7ff\U0010ffff", "\\\n", "_other")):
        lease = scene.lease()
        load(lease, f"c{number}", {FLOWS: [flow(f"c{number}", 1, name=text)]}, file=text)
        assert scene.get("/flows", address=SERVER, limit=1)["flows"][0]["capture_id"]
        (told,) = (one for one in scene.get("/flows", address=SERVER)["flows"] if one["hostname"] == text)
        assert scene.get(f"/captures/{told['capture_id']}")["file"] == text
    lease.quarantine(
        CaptureFacts(capture_id=capture_id("q"), file_name="\x07", file_id="", size_bytes=1), "bad", "\x1b[31m", NOW_MS
    )
    assert scene.get("/captures", state="quarantined")["captures"][0]["detail"] == "\x1b[31m"


def test_a_store_that_is_away(scene: Scene) -> None:
    load(scene.lease(), "one", {FLOWS: [flow("one", 1)]})
    scene.follow()
    assert len(scene.get("/flows", address=SERVER)["flows"]) == 1
    away = scene.path.with_name("away.db")
    scene.path.rename(away)
    answered = scene.client.get("/api/v1/flows", params={"address": SERVER})
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "2")
    assert answered.json()["type"] == "urn:pcapline:problem:store-away"
    assert scene.get("/endpoints")["endpoints"][0]["flows"] == 1  # what is shown needs no store
    scene.collection.refresh()  # the exporter sees that it is away, too
    assert "removed or replaced" in scene.refused("/flows", 503, address=SERVER)["detail"]
    assert scene.get("/endpoints")["endpoints"][0]["flows"] == 1
    away.rename(scene.path)
    scene.follow()
    assert len(scene.get("/flows", address=SERVER)["flows"]) == 1


def test_a_store_without_its_tables(scene: Scene) -> None:
    scene.path.rename(scene.path.with_name("away.db"))
    open_sqlite(scene.path).close()
    assert scene.refused("/sensors", 503)["type"] == "urn:pcapline:problem:store-schema"


def test_what_has_to_be_installed_first(scene: Scene) -> None:
    def not_there(reader: object, row: object) -> None:
        raise SettingsError("the lineage of a row needs a library: pip install 'pcapline[loader]'")

    scene.lineage = not_there
    problem = scene.refused(f"/flows/{'0' * 32}:1@{SERVER}/lineage", 501)
    assert "pip install" in problem["detail"]


def test_a_fault_of_ours_tells_nothing_of_itself(scene: Scene) -> None:
    def broken(reader: object, row: object) -> None:
        raise RuntimeError("secret")

    scene.lineage = broken
    problem = scene.refused(f"/flows/{'0' * 32}:1@{SERVER}/lineage", 500)
    assert "secret" not in str(problem)
    assert scene.get("/sensors")  # and its reader is lent again


def test_readers_that_are_lent_out_for_long_are_not_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_WAIT_S", 0.05)
    pool = Readers(lambda: open_sqlite(scene.path), 1)
    with pool.lend() as reader, pytest.raises(ProblemError, match="all readers"), pool.lend():
        raise AssertionError("it was lent twice")
    with pool.lend() as again:
        assert again is reader
    pool.close()


def test_one_at_a_time_reads_all_captures(scene: Scene) -> None:
    with scene.api._lend_to_scan():
        assert scene.refused("/captures", 503, state="quarantined")["type"] == "urn:pcapline:problem:busy"
        assert scene.get("/captures") == {"captures": [], "next": None}
    assert scene.get("/captures", state="quarantined") == {"captures": [], "next": None}


def test_more_requests_than_are_answered_at_once_are_told_to_come_again(scene: Scene) -> None:
    inside, go_on = threading.Semaphore(0), threading.Event()

    def slow(reader: object, row: object) -> None:
        inside.release()
        go_on.wait(30)

    scene.lineage = slow
    asked = Asked(method="GET", path=f"/flows/{'0' * 32}:1@{SERVER}/lineage")
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(scene.api.answer(asked).status)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for _ in range(4):  # four readers, no more
        assert inside.acquire(timeout=30)
    assert not inside.acquire(timeout=0.2)
    while (refused := scene.client.get("/api/v1/health")).status_code == 200:
        pass  # until the last of them has come in
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert statuses == [404] * 16
    assert scene.get("/health")

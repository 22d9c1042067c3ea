"""What each path answers, over a real store and through the HTTP framework."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from schema.addresses import address_bytes
from schema.objects import uuid_text
from schema.row_id import format_row_id
from schema.tables import DNS_ANSWERS, FLOWS
from tests.exporter.api.scene import CLIENT, NOW_MS, NOW_NS, SERVER, Scene, answer, capture_id, flow, load, scene_at, seen


def test_totals_by_endpoint_are_the_metrics(scene: Scene) -> None:
    lease = scene.lease()
    load(lease, "one", {FLOWS: [flow("one", 1), flow("one", 2), flow("one", 3, name="b.example")]})
    scene.follow()
    load(lease, "two", {FLOWS: [flow("two", 1)]})  # not followed yet: neither page shows it
    told = scene.get("/endpoints")
    assert [(one["endpoint"], one["flows"], one["bytes"]) for one in told["endpoints"]] == [
        ("a.example", 2, 240),
        ("b.example", 1, 120),
    ]
    assert (told["matching"], told["positions"], told["next"]) == (2, {"edge-1": 1}, None)
    assert all(one["series"] and one["network"] == "lan" for one in told["endpoints"])
    assert [one["endpoint"] for one in scene.get("/endpoints", search="B.EX")["endpoints"]] == ["b.example"]
    assert scene.get("/endpoints", network="elsewhere")["endpoints"] == []


def test_endpoints_are_paged_in_any_order(scene: Scene) -> None:
    rows = [flow("one", n, name=f"{'xyz'[n % 3]}{n % 7}.example") for n in range(1, 60)]
    load(scene.lease(), "one", {FLOWS: rows})
    scene.follow()
    for sort in ("flows", "endpoint", "bytes_rev"):
        names = [one["endpoint"] for page in scene.pages("/endpoints", "endpoints", sort=sort, limit=4) for one in page]
        assert len(names) == len(set(names)) == 21
    assert names != sorted(names)
    assert [one["endpoint"] for one in scene.get("/endpoints", sort="endpoint")["endpoints"]] == sorted(names)


def test_flows_by_address_name_domain_and_source(scene: Scene) -> None:
    rows = [
        flow("one", 1, NOW_NS),
        flow("one", 2, NOW_NS + 5, to="192.0.2.2", name="www.a.example", by="198.51.100.8"),
        flow("one", 3, NOW_NS + 9, name="other.test"),
        flow("one", 4, NOW_NS + 7, to="2001:db8::1", name=None),
    ]
    load(scene.lease(), "one", {FLOWS: rows, **seen("a.example", "a.example")})
    load(scene.lease(), "two", seen("www.a.example", "a.example", "192.0.2.2"))

    def frames(**parameters: object) -> list[int]:
        return [one["frame"] for one in scene.get("/flows", **parameters)["flows"]]

    assert frames(address=SERVER) == [3, 1]
    assert frames(address="2001:db8::1") == [4]
    assert frames(name="A.example.") == [1]
    assert frames(below="a.example") == [2]
    assert frames(source=CLIENT) == [3, 4, 1]
    assert frames(address="192.0.2.2", source=CLIENT) == []
    assert frames(source=CLIENT, since=NOW_NS + 7) == [3, 4]
    assert frames(source=CLIENT, since=NOW_NS + 7, until=NOW_NS + 9) == [4]
    assert frames(address=SERVER, until="2026-05-28T20:26:40.000000001Z") == [1]
    assert frames(address=SERVER, until="2026-05-28T22:26:40+02:00") == []
    (row,) = scene.get("/flows", name="a.example")["flows"]
    assert row["row"] == format_row_id(capture_id("one"), 1, address_bytes(SERVER))
    assert (row["ts_ns"], row["capture_id"]) == (NOW_NS, uuid_text(capture_id("one")))


def test_dns_answers(scene: Scene) -> None:
    rows = [answer("one", 1, index, NOW_NS) for index in range(-1, 5)] + [answer("one", 2, 0, NOW_NS + 1)]
    load(scene.lease(), "one", {DNS_ANSWERS: rows})
    pages = list(scene.pages("/dns", "answers", name="a.example", limit=2))
    assert [(one["frame"], one["rr_index"]) for page in pages for one in page] == [(2, 0), *((1, n) for n in range(-1, 5))]
    assert scene.get("/dns", name="a.example", client=CLIENT, until=NOW_NS)["answers"] == []
    assert scene.get("/dns", name="b.example")["answers"] == []


def test_names(scene: Scene) -> None:
    lease = scene.lease()
    for n in range(5):
        load(lease, f"c{n}", seen(f"h{n}.a.example", "a.example", last_seen=NOW_MS + n))
    pages = list(scene.pages("/names", "names", below="a.example", limit=2))
    assert [one["hostname"] for page in pages for one in page] == [f"h{n}.a.example" for n in range(5)]
    assert [len(page) for page in pages] == [2, 2, 1]
    recent = scene.get("/names", address=SERVER, since=(NOW_MS + 3) * 1_000_000)["names"]
    assert [one["hostname"] for one in recent] == ["h3.a.example", "h4.a.example"]
    assert [one["ip"] for one in scene.get("/names", name="h1.a.example")["names"]] == [SERVER]


def test_captures_by_sensor_and_by_state(scene: Scene) -> None:
    for sensor in ("edge-2", "edge-1"):
        lease = scene.lease(sensor)
        for n in range(3):
            load(lease, f"{sensor}-{n}", {FLOWS: [flow(f"{sensor}-{n}", 1)]})
        lease.release()
    pages = list(scene.pages("/captures", "captures", limit=2))
    files = [one["file"] for page in pages for one in page]
    assert files == [f"edge-{sensor}-{n}.pcap" for sensor in (1, 2) for n in range(3)]
    since = scene.get("/captures", sensor="edge-2", since=1)["captures"]
    assert [(one["seq"], one["packets"], one["flow_packets"], one["rows"]) for one in since] == [
        (2, 3, 3, {"flows": 1}),
        (3, 3, 3, {"flows": 1}),
    ]
    assert scene.get(f"/captures/{since[0]['capture_id']}") == since[0]
    assert scene.get("/captures", state="quarantined")["captures"] == []


def test_quarantined_captures(scene: Scene) -> None:
    from schema.records import CaptureFacts

    lease = scene.lease()
    for n in range(5):
        facts = CaptureFacts(capture_id=capture_id(f"q{n}"), file_name=f"q{n}.pcap", file_id="", size_bytes=1)
        lease.quarantine(facts, "not_a_capture", "no known magic", NOW_MS)
    pages = list(scene.pages("/captures", "captures", state="quarantined", limit=2))
    told = [one for page in pages for one in page]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert sorted(one["file"] for one in told) == [f"q{n}.pcap" for n in range(5)]
    assert {(one["reason"], one["detail"], one["rows"], one["seq"]) for one in told} == {
        ("not_a_capture", "no known magic", None, None)
    }


def test_sensors(scene: Scene) -> None:
    for n in range(3):
        load(scene.lease(f"edge-{n}", "lan" if n else "wan"), f"c{n}")
    scene.follow()
    pages = list(scene.pages("/sensors", "sensors", limit=2))
    told = [one for page in pages for one in page]
    assert [(one["sensor"], one["network"], one["seq"], one["reads"]) for one in told] == [
        ("edge-0", "wan", 1, True),
        ("edge-1", "lan", 1, True),
        ("edge-2", "lan", 1, True),
    ]
    assert [one["sensor"] for one in scene.get("/sensors", network="wan")["sensors"]] == ["edge-0"]


def test_verify_tells_both_sides(scene: Scene) -> None:
    load(scene.lease(), "one", {FLOWS: [flow("one", 1)]})
    scene.follow()
    assert scene.get("/verify")["at_ms"] is None
    scene.collection.check(None)
    told = scene.get("/verify")
    assert (told["at_ms"], told["holds"], told["differences"]) == (NOW_MS, True, [])
    assert {one["identity"]: (one["left"], one["right"]) for one in told["identities"]}["rows"] == (1, 1)
    assert told["coverage"]["checked"] == 1


def test_verify_names_what_differs(scene: Scene) -> None:
    load(scene.lease(), "one", {FLOWS: [flow("one", 1), flow("one", 2)]})
    scene.follow()
    with scene.lease().rewrite(capture_id("one")) as rewriting:
        key = [value for value, name in zip(flow("one", 2), FLOWS.names, strict=True) if name in FLOWS.key]
        rewriting.delete(FLOWS, [tuple(key)])
    scene.collection.check(None)
    told = scene.get("/verify")
    assert (told["holds"], told["differing"]) == (False, 2)
    (rows,) = (one for one in told["differences"] if one["differs"] == "rows")
    assert (rows["left"], rows["right"], rows["file"], rows["capture_id"]) == (2, 1, "one.pcap", uuid_text(capture_id("one")))


def test_health_and_what_is_not_ready(tmp_path: Path, scene: Scene) -> None:
    with scene_at(tmp_path / "other.db", followed=False) as other:
        assert other.get("/health")["ready"] is False
        assert other.refused("/sensors", 503)["detail"] == "the store has not been read yet"
    told = scene.get("/health")
    assert (told["ready"], told["reason"], told["store"], told["store_up"]) == (True, None, "sqlite", True)


def test_the_same_answer_is_not_sent_twice(scene: Scene) -> None:
    load(scene.lease(), "one", {FLOWS: [flow("one", 1)]})
    first = scene.client.get("/api/v1/flows", params={"address": SERVER})
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    again = scene.client.get("/api/v1/flows", params={"address": SERVER}, headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    load(scene.lease(), "two", {FLOWS: [flow("two", 1)]})
    anew = scene.client.get("/api/v1/flows", params={"address": SERVER}, headers={"If-None-Match": tag})
    assert (anew.status_code, len(anew.json()["flows"])) == (200, 2)
    head = scene.client.head("/api/v1/health")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"x-forwarded-for": "192.0.2.9"}]
)
def test_who_calls_whom_is_not_told_to_strangers(scene: Scene, headers: dict[str, str]) -> None:
    answered = scene.client.get("/api/v1/flows", params={"address": SERVER}, headers=headers)
    assert (answered.status_code, answered.json()["type"]) == (403, "urn:pcapline:problem:not-open")
    assert "--web.config.file" in answered.json()["remedy"]


def test_nor_where_another_address_is_listened_on(scene: Scene) -> None:
    elsewhere = TestClient(scene.client.app, base_url="http://10.0.0.1")
    assert elsewhere.get("/api/v1/health").status_code == 403


def test_an_operation_is_for_operators_and_not_for_foreign_pages(scene: Scene) -> None:
    def post(**headers: str) -> int:
        answered = scene.client.post("/api/v1/reconcile", headers=headers)
        return answered.status_code

    assert post(origin="http://evil.example") == 403
    assert scene.checks == []
    assert post() == 202
    assert scene.checks == ["check"]

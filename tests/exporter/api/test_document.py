"""The document: valid, complete, and true of every answer."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from exporter.api.openapi import document, schemas
from exporter.api.routes import ROUTES, Route
from schema.objects import stored_flow_objects
from schema.tables import DNS_ANSWERS, FLOWS
from tests.exporter.api.scene import CLIENT, SERVER, Scene, answer, capture_id, flow, load, seen

DOCUMENT = document("1")
# One question of each path that has an answer in the scene below.
QUESTIONS: dict[str, dict[str, str]] = {
    "/endpoints": {},
    "/flows": {"address": SERVER},
    "/flows/{row}/lineage": {},
    "/dns": {"name": "a.example"},
    "/names": {"address": SERVER},
    "/captures": {},
    "/captures/{capture_id}": {},
    "/sensors": {},
    "/changes": {"since": "0"},
    "/verify": {},
    "/health": {},
    "/reconcile": {},
}


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_path_is_in_it_and_no_other() -> None:
    told = {(path, method) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert told == {*((route.path, route.method.lower()) for route in ROUTES), ("/openapi.json", "get")}
    identifiers = [one["operationId"] for operations in DOCUMENT["paths"].values() for one in operations.values()]
    assert len(identifiers) == len(set(identifiers))


def test_the_exporter_serves_it(scene: Scene) -> None:
    assert scene.get("/openapi.json") == DOCUMENT


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.streams], ids=lambda route: route.path)
def test_an_answer_is_as_its_schema_says(scene: Scene, route: Route) -> None:
    rows = {
        FLOWS: [flow("one", 1), flow("one", 2, name=None)],
        DNS_ANSWERS: [answer("one", 1, -1)],
        **seen("a.example", "example"),
    }
    load(scene.lease(), "one", rows)
    scene.follow()
    scene.collection.check(None)
    (told,) = stored_flow_objects([flow("one", 1)])
    scene.lineage = lambda reader, row: {**LINEAGE, "flow": told}
    path = route.path.replace("{row}", f"{capture_id('one').hex()}:1@{SERVER}").replace("{capture_id}", capture_id("one").hex())
    answered = scene.client.request(route.method, f"/api/v1{path}", params=QUESTIONS[route.path])
    assert answered.status_code == route.status, answered.text
    told = answered.json()
    assert any(value for value in told.values() if value), "an answer of nothing shows nothing"
    schema = {"$ref": f"#/components/schemas/{route.answer.__name__}", "components": {"schemas": schemas()}}
    Draft202012Validator(schema).validate(told)


def test_a_problem_is_as_its_schema_says(scene: Scene) -> None:
    schema = {"$ref": "#/components/schemas/Problem", "components": {"schemas": schemas()}}
    for path, status in (("/nothing", 404), ("/flows", 400), ("/captures/xyz", 400), (f"/captures/{'0' * 32}", 404)):
        Draft202012Validator(schema).validate(scene.refused(path, status))


def test_a_schema_refuses_what_is_not_an_answer() -> None:
    schema = {"$ref": "#/components/schemas/Flow", "components": {"schemas": schemas()}}
    assert not Draft202012Validator(schema).is_valid({"row": "x"})


_CAPTURE = {"capture_id": "00", "file": "x.pcap", "sensor": "edge-1", "state": "loaded", "reason": "", "loaded_at_ms": 1}
_ANSWER = {"hostname": "a.example", "capture": _CAPTURE, "frame": 1, "ts_ns": 1, "client_ip": CLIENT, "resolver_ip": None}
LINEAGE: dict[str, Any] = {
    "record": "lineage",
    "row": f"{'0' * 32}:1@{SERVER}",
    "capture": _CAPTURE,
    "chain_start_ns": 1,
    "answer": {**_ANSWER, "transport": None, "kind": "dns", "ttl": 60, "asked": True},
    "repaired": False,
    "contradicted_by": [],
    "without": {"hostname": None, "name_evidence": "none", "answer": None},
    "file": None,
    "frames": None,
    "named_in": None,
}

"""The OpenAPI 3.1 document, from the routes and the structs that they name."""

from typing import Any

import msgspec

from exporter.api.exchange import PREFIX
from exporter.api.problems import (
    BAD_CURSOR,
    BAD_PARAMETER,
    BUSY,
    INTERNAL,
    KINDS,
    MEDIA_TYPE,
    NOT_ALLOWED,
    NOT_OPEN,
    STORE_AWAY,
    STORE_REFUSES,
    STORE_SCHEMA,
    TOO_LARGE,
    UNAUTHORIZED,
    UNKNOWN_PARAMETER,
    Kind,
    Problem,
)
from exporter.api.routes import ROUTES, Route
from exporter.api.rows import row_schemas

Schema = dict[str, Any]
OPENAPI_PATH = "/openapi.json"
_EVERYWHERE = (
    UNKNOWN_PARAMETER,
    BAD_PARAMETER,
    BAD_CURSOR,
    UNAUTHORIZED,
    NOT_OPEN,
    INTERNAL,
    STORE_REFUSES,
    BUSY,
    STORE_AWAY,
    STORE_SCHEMA,
)
_DESCRIPTION = (
    "What pcapline's store and ledgers say. Times are integers (`_ns`: Unix nanoseconds, `_ms`: milliseconds); nanoseconds are "
    "larger than JavaScript's numbers are exact for: read them with a parser that keeps integers. Answers to GET carry a weak "
    "`ETag`; with `If-None-Match` an answer that is the same is 304 without a body."
)


def document(version: str) -> Schema:
    """All of it."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "pcapline", "version": version, "description": _DESCRIPTION, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": PREFIX}],
        "security": [{}, {"token": []}, {"user": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, "user": {"type": "http", "scheme": "basic"}},
        },
    }


def schemas() -> dict[str, Schema]:
    """Of all answers, and of problems."""
    types = [*{route.answer: None for route in ROUTES}, Problem]
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    components["Problem"]["properties"]["type"] |= {"enum": [f"urn:pcapline:problem:{kind.name}" for kind in KINDS]}
    return {**components, **row_schemas()}


def parameters_of(route: Route) -> list[Schema]:
    """Its parameters, those in the path first."""
    _, components = msgspec.json.schema_components([route.question], ref_template="#/{name}")
    found = components[route.question.__name__]
    parameters = [_parameter(route, name, schema, found) for name, schema in found["properties"].items()]
    return sorted(parameters, key=lambda parameter: parameter["in"] != "path")


def _parameter(route: Route, name: str, schema: Schema, found: Schema) -> Schema:
    in_path = f"{{{name}}}" in route.path
    schema = dict(schema)
    default = schema.pop("default", None)
    if "anyOf" in schema:  # or null: left out
        schema = dict(next(one for one in schema["anyOf"] if one != {"type": "null"}))
    description = schema.pop("description", "")
    if default is not None:
        schema["default"] = default
    return {
        "name": name,
        "in": "path" if in_path else "query",
        "required": in_path or name in found.get("required", ()),
        "description": description,
        "schema": schema,
    }


def problems_of(route: Route) -> tuple[Kind, ...]:
    """What it may answer instead."""
    operation = (NOT_ALLOWED, TOO_LARGE) if route.operates else ()
    return (*_EVERYWHERE, *operation, *route.problems)


def _paths() -> Schema:
    paths: Schema = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    schema = {"type": "object"}
    answered = {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": schema}}}}
    paths[OPENAPI_PATH] = {"get": {"operationId": "openapi", "summary": "This document", "responses": answered}}
    return paths


def _operation(route: Route) -> Schema:
    media = "text/event-stream" if route.streams else "application/json"
    schema: Schema = {"type": "string"} if route.streams else {"$ref": f"#/components/schemas/{route.answer.__name__}"}
    description = " ".join((route.answer.__doc__ or "").split())
    responses: Schema = {str(route.status): {"description": description, "content": {media: {"schema": schema}}}}
    if not route.operates and not route.streams:
        responses["304"] = {"description": "The same as `If-None-Match` names."}
    for status in sorted({kind.status for kind in problems_of(route)}):
        titles = "; ".join(kind.title for kind in problems_of(route) if kind.status == status)
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[str(status)] = {"description": titles, "content": content}
    return {
        "operationId": f"{route.method.lower()}{route.path.replace('/{', '_').replace('}', '').replace('/', '_')}",
        "summary": route.summary,
        "parameters": parameters_of(route),
        "responses": responses,
    }

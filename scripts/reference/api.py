"""api.md, from the document that the exporter serves: every path with its parameters and answers, every problem."""

from collections.abc import Iterable, Iterator
from typing import Any

from exporter.api.openapi import document, parameters_of, problems_of
from exporter.api.problems import KINDS
from exporter.api.routes import ROUTES, Route
from scripts.reference.markdown import row

Schema = dict[str, Any]
_REF = "#/components/schemas/"
_ROWS = {"Flow": "flows", "DnsAnswer": "dns_answers", "NameOfAddress": "names_by_ip", "AddressOfName": "ips_by_name"}
_ROWS["NameBelow"] = "names_by_domain"
INTRODUCTION = """# The JSON API

`pcapline exporter` answers under `/api/v1`, beside its metrics: on this machine alone unless it is told otherwise, and then to
those whom [its web configuration](../how-to/let-others-in.md) names. `/api/v1/openapi.json` says the same for programs (OpenAPI
3.1). For example `curl 'http://127.0.0.1:10110/api/v1/flows?name=www.example.com&limit=10'`.

* Rows have the columns' names of the [tables](tables.md), as `--json` tells them. `_ns` are Unix nanoseconds, which are larger
  than JavaScript's numbers are exact for; `_ms` are milliseconds. Times go in as Unix nanoseconds or RFC 3339.
* What comes in pages has `next`: give it as `cursor`, with the same other parameters. A row that was there at the first page
  comes once, whatever is loaded meanwhile. A search may end a page early; only `next` null is the end.
* A GET has a weak `ETag`: with `If-None-Match` what is still the same is answered 304, without a body.
* To follow what is committed, ask `changes` again with its `next` as `since`: at once while `more` is true, else after a while.
  Without news that costs the store nothing. `stream` tells the same as it comes. A cursor means the same to every exporter.
"""
_PROBLEMS = """
## Problems

`application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, `remedy` (what to do) and, where one is at fault,
`parameter`. `type` is `urn:pcapline:problem:` and a name:

| name | status | |
|---|---|---|
"""


def page() -> str:
    """The whole page."""
    schemas = document("")["components"]["schemas"]
    paths = "".join(_path(route, schemas) for route in ROUTES)
    return (
        INTRODUCTION
        + paths
        + _parts(schemas)
        + _PROBLEMS
        + "".join(row(f"`{kind.name}`", str(kind.status), kind.title) for kind in KINDS)
    )


def _path(route: Route, schemas: dict[str, Schema]) -> str:
    name = route.answer.__name__
    lines = [f"\n## {route.method} {route.path}\n\n{route.summary}.\n"]
    if parameters := parameters_of(route):
        lines += ["\n| parameter | | default | |\n|---|---|---|---|\n", *map(_parameter, parameters)]
    own = ", ".join(f"`{kind.name}`" for kind in problems_of(route) if kind in route.problems)
    answers = f"\nAnswers {route.status}: `{name}`" + (f"; or {own}" if own else "") + ".\n"
    return "".join((*lines, answers, "" if route.streams else _fields(schemas[name])))


def _parameter(parameter: Schema) -> str:
    schema = parameter["schema"]
    needed = "in the path" if parameter["in"] == "path" else "needed" if parameter["required"] else ""
    default = f"`{schema['default']}`" if "default" in schema else needed
    return row(f"`{parameter['name']}`", _type(schema), default, parameter["description"])


def _fields(schema: Schema) -> str:
    lines = (row(f"`{name}`", _type(field), field.get("description", "")) for name, field in schema["properties"].items())
    return "".join(("\n| field | | |\n|---|---|---|\n", *lines))


def _parts(schemas: dict[str, Schema]) -> str:
    """What answers are made of, where that is no table's row."""
    answers = {route.answer.__name__ for route in ROUTES}
    parts = (name for name in schemas if name not in {*answers, *_ROWS, "Problem"})
    lines = (f"\n### {name}\n\n{_text(schemas[name])}\n{_fields(schemas[name])}" for name in parts)
    return "".join(("\n## Parts of answers\n", *lines))


def _text(schema: Schema) -> str:
    return " ".join(schema.get("description", "").split())


def _type(schema: Schema) -> str:
    return " or ".join(dict.fromkeys(_types(schema)))


def _types(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        yield f"row of [{_ROWS[name]}](tables.md)" if name in _ROWS else f"`{name}`"
    elif "anyOf" in schema:
        yield from (text for one in schema["anyOf"] for text in _types(one))
    elif "enum" in schema:
        yield from (f"`{value}`" for value in schema["enum"])
    elif schema.get("type") == "array":
        yield f"list of {_type(schema['items'])}"
    elif "additionalProperties" in schema:
        yield "name: " + _type(schema["additionalProperties"])
    else:
        yield from _names(schema["type"], schema)


def _names(kind: str | Iterable[str], schema: Schema) -> Iterator[str]:
    bounds = f" {schema.get('minimum', '')}..{schema.get('maximum', '')}" if "maximum" in schema else ""
    yield from (f"{one}{bounds}" for one in ([kind] if isinstance(kind, str) else kind))

"""Rows of tables in answers: their JSON is `schema.objects`', their schema comes from the table's own columns."""

from typing import Annotated, Any

from msgspec import Meta

from schema.objects import has_split_time
from schema.tables import DNS_ANSWERS, FLOWS, IPS_BY_NAME, NAMES_BY_DOMAIN, NAMES_BY_IP, Kind, Table

Schema = dict[str, Any]
_REF = "#/components/schemas/"
_KINDS: dict[Kind, Schema] = {
    Kind.INET: {"type": "string", "description": "IPv4 or IPv6 address"},
    Kind.TEXT: {"type": "string"},
    Kind.UUID: {"type": "string", "format": "uuid"},
    Kind.INTEGER: {"type": "integer"},
    Kind.BIGINT: {"type": "integer"},
    Kind.SMALLINT: {"type": "integer"},
    Kind.TIMESTAMP: {"type": "integer", "description": "Unix milliseconds"},
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.BOOLEAN: {"type": "boolean"},
}
_ROW = {"row": {"type": "string", "description": "what `pcapline explain` and `/flows/{row}/lineage` take"}}

FlowRow = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": f"{_REF}Flow"})]
AnswerRow = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": f"{_REF}DnsAnswer"})]
NameRow = Annotated[
    dict[str, Any],
    Meta(extra_json_schema={"anyOf": [{"$ref": f"{_REF}{name}"} for name in ("NameOfAddress", "AddressOfName", "NameBelow")]}),
]


def row_schemas() -> dict[str, Schema]:
    """Of all tables whose rows are told, by their names in the document."""
    return {
        "Flow": _schema_of(FLOWS, _ROW),
        "DnsAnswer": _schema_of(DNS_ANSWERS),
        "NameOfAddress": _schema_of(NAMES_BY_IP),
        "AddressOfName": _schema_of(IPS_BY_NAME),
        "NameBelow": _schema_of(NAMES_BY_DOMAIN),
    }


def _schema_of(table: Table, further: dict[str, Schema] | None = None) -> Schema:
    properties: dict[str, Schema] = dict(further or {})
    split = has_split_time(table)
    if split:
        properties["ts_ns"] = {"type": "integer", "description": "Unix nanoseconds"}
    for column in table.columns:
        if not (split and column.name in ("ts", "ns")):
            properties[column.name] = _column_schema(table, column.name, _KINDS[column.kind])
    return {
        "title": table.name,
        "description": f"A row of `{table.name}`: {table.serves}.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _column_schema(table: Table, name: str, kind: Schema) -> Schema:
    """What is not in the key may be absent."""
    return kind if name in table.key else {**kind, "type": [kind["type"], "null"]}

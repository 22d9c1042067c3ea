"""The JSON contract of the tables' rows: objects with the columns' names, whoever tells them (the command line, the API)."""

from collections.abc import Iterator, Sequence
from typing import Any

from schema.addresses import address_text
from schema.buckets import day_text
from schema.row_id import format_row_id
from schema.tables import FLOWS, Kind, Table

Object = dict[str, Any]
_MS = 1_000_000


def uuid_text(value: bytes) -> str:
    """16 bytes in the canonical form."""
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def json_value(value: object, kind: Kind) -> object:
    """A value that crosses the store port, as JSON has it: addresses, ids and dates are text, times integers."""
    if isinstance(value, bytes):
        return uuid_text(value) if kind is Kind.UUID else address_text(value)
    if kind is Kind.DATE and isinstance(value, int):
        return day_text(value)
    return value


def has_split_time(table: Table) -> bool:
    """Whether `ts` and `ns` of the table are told as one integer `ts_ns`."""
    return {"ts", "ns"} <= set(table.names)


def row_objects(table: Table, rows: Sequence[Sequence[object]]) -> Iterator[Object]:
    """Rows of a table. `ts` and `ns` become one integer `ts_ns`; further times are Unix milliseconds."""
    columns = [(column.name, column.kind) for column in table.columns]
    split_time = has_split_time(table)
    for row in rows:
        item: Object = {name: json_value(value, kind) for (name, kind), value in zip(columns, row, strict=True)}
        if split_time:
            item = {"ts_ns": item.pop("ts") * _MS + item.pop("ns"), **item}
        yield item


def stored_flow_objects(rows: Sequence[Sequence[object]]) -> Iterator[Object]:
    """Flow rows of a store; `row` is what `explain` takes to tell where one comes from."""
    destination, capture_id, frame = (FLOWS.index(name) for name in ("destination_ip", "capture_id", "frame"))
    for row, item in zip(rows, row_objects(FLOWS, rows), strict=True):
        yield {"row": format_row_id(row[capture_id], row[frame], row[destination]), **item}  # type: ignore[arg-type]

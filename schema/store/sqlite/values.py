"""Values as they cross the store port, and as the SQLite file holds them: readable where people read them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any

from schema.buckets import day_text
from schema.coded import CodedColumn
from schema.tables import Kind, RowBatch, Table

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_ROWS = 4_096  # rows that are turned at a time


@lru_cache(maxsize=65_536)
def address_text(address: bytes | None) -> str | None:
    """`10.0.0.5` or `2001:db8::1`, as an `inet` is held."""
    if address is None:
        return None
    return inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)


@lru_cache(maxsize=65_536)
def address_bytes(text: str | None) -> bytes | None:
    """The address as it crosses the port: 4 or 16 bytes."""
    if text is None:
        return None
    return inet_pton(AF_INET6 if ":" in text else AF_INET, text)


@lru_cache(maxsize=4_096)
def day_number(text: str | None) -> int | None:
    """Days since 1970-01-01 of a `date`."""
    return None if text is None else date.fromisoformat(text).toordinal() - _EPOCH_ORDINAL


@lru_cache(maxsize=4_096)
def _day(day: int | None) -> str | None:
    return None if day is None else day_text(day)


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


_TO_SQL: dict[Kind, Callable[[Any], Any]] = {Kind.INET: address_text, Kind.DATE: _day}
_TO_PORT: dict[Kind, Callable[[Any], Any]] = {Kind.INET: address_bytes, Kind.DATE: day_number, Kind.BOOLEAN: _flag}


def sql_rows(batch: RowBatch, *further: Iterable[object]) -> list[tuple[Any, ...]]:
    """A batch as the file holds it, row by row, with `further` columns at the end; in the order of the table's key."""
    table = batch.table
    kinds = (column.kind for column in table.columns)
    columns = [_turned(_TO_SQL, kind, values) for kind, values in zip(kinds, batch.columns, strict=True)]
    rows = list(zip(*columns, *further))  # noqa: B905  `further` may repeat for ever
    # neighbours in the tree are written together: half the time; stable, so that the last row of a key still wins
    if order := [n for n in range(len(table.partition)) if _varies(batch.columns[n])]:
        rows.sort(key=itemgetter(*order))
    return rows


def _varies(values: Iterable[Any]) -> bool:
    values = iter(values)
    first = next(values)
    return any(value != first for value in values)


def sql_keys(table: Table, partitions: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    """Partition keys as the file holds them."""
    kinds = (column.kind for column in table.columns)
    columns = zip(*partitions, strict=True)
    return list(zip(*(_turned(_TO_SQL, kind, values) for kind, values in zip(kinds, columns, strict=False)), strict=True))


def port_rows(table: Table, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[object, ...]]:
    """Rows as they cross the port."""
    source = iter(rows)
    kinds = [column.kind for column in table.columns]
    while part := list(islice(source, _ROWS)):
        columns = zip(*part, strict=True)
        yield from zip(*(_turned(_TO_PORT, kind, values) for kind, values in zip(kinds, columns, strict=True)), strict=True)


def _turned(turns: dict[Kind, Callable[[Any], Any]], kind: Kind, values: Iterable[Any]) -> Iterable[Any]:
    turn = turns.get(kind)
    if turn is None:
        return values
    return values.turned(turn) if isinstance(values, CodedColumn) else map(turn, values)

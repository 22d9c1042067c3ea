"""What `verify` found of a capture's rows, as lines for people and as objects of the JSON contract."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pcapline.objects import Object
from pcapline.text import count_text, printable
from pcapline.values import json_value, uuid_text
from schema.tables import Table

if TYPE_CHECKING:
    from loader.recheck import Findings, PartitionFault, RowFault


def finding_objects(findings: "Findings") -> Iterator[Object]:
    """One object a row or partition; `inexact` says why only partitions are known."""
    facts = findings.then.record.facts
    of = {"capture_id": uuid_text(facts.capture_id), "file": facts.file_name}
    for row in findings.rows:
        yield {"row": row.fault.value, "table": row.table.name, **of, "columns": list(row.columns), "key": _key(row)}
    for part in findings.partitions:
        counts = {"expected": part.expected, "found": part.found, "inexact": findings.inexact}
        yield {"partition": _partition(part), "table": part.table.name, **of, **counts}


def finding_lines(findings: "Findings") -> Iterator[str]:
    """The same in words."""
    facts = findings.then.record.facts
    name = f"{printable(facts.file_name)}: "
    if findings.inexact:
        yield f"ROWS     {name}which rows cannot be told: {printable(findings.inexact)}"
    for row in findings.rows:
        columns = f": {', '.join(row.columns)}" if row.columns else ""
        yield f"ROWS     {name}{row.fault.value} in {row.table.name}: {_text(_key(row))}{columns}"
    for part in findings.partitions:
        yield f"ROWS     {name}{part.table.name}: {_text(_partition(part))}: {part.expected:,} expected, {part.found:,} found"
    unnamed = findings.row_count - len(findings.rows) + findings.partition_count - len(findings.partitions)
    if unnamed:
        yield f"ROWS     {name}and {count_text(unnamed, 'further difference')}"


def _key(row: "RowFault") -> Object:
    return _named(row.table, row.table.key, row.key)


def _partition(part: "PartitionFault") -> Object:
    return _named(part.table, part.table.partition, part.partition)


def _named(table: Table, names: tuple[str, ...], values: tuple[object, ...]) -> Object:
    kinds = [table.columns[table.index(name)].kind for name in names]
    return {name: json_value(value, kind) for name, value, kind in zip(names, values, kinds, strict=True)}


def _text(named: Object) -> str:
    return printable(" ".join(f"{name}={value}" for name, value in named.items()))

"""What `verify` found of a capture's rows, as lines for people and as objects of the JSON contract."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pcapline.text import count_text, printable
from schema.objects import Object, json_value, uuid_text
from schema.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

    from loader.archive.absence import AbsentSensor
    from loader.archive.check import ArchiveVerdict
    from loader.review.recheck import Findings, PartitionFault, RowFault


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


def archive_objects(verdict: "ArchiveVerdict") -> Iterator[Object]:
    """The identity `archive`, and one object a wrong file."""
    files = _archive_files(verdict)
    yield {"identity": "archive", "left": files, "right": files - verdict.wrong_count, "difference": verdict.wrong_count}
    for wrong in verdict.wrong:
        capture_id = uuid_text(wrong.capture_id) if wrong.capture_id else None
        yield {"archived": wrong.fault.value, "sensor": wrong.sensor, "file": wrong.name, "capture_id": capture_id}


def archive_lines(verdict: "ArchiveVerdict") -> Iterator[str]:
    """The same in words."""
    files = _archive_files(verdict)
    sides = f"{files:>14,}  {files - verdict.wrong_count:>14,}  difference {verdict.wrong_count:,}"
    read = f"{verdict.read:,} of {verdict.there:,} read"
    yield f"{'archive':<8}  {sides}  files that are or should be in the archive = there, and committed ({read})"
    for wrong in verdict.wrong:
        of = f" (capture {uuid_text(wrong.capture_id)})" if wrong.capture_id else ""
        yield f"DIFFERS  archive: sensor {wrong.sensor}: {printable(wrong.name)}: {wrong.fault.value}{of}"
    if verdict.wrong_count > len(verdict.wrong):
        yield f"DIFFERS  archive: and {count_text(verdict.wrong_count - len(verdict.wrong), 'further file')}"


def absence_objects(absent: Sequence["AbsentSensor"]) -> Iterator[Object]:
    """One object a sensor none of whose captures has a file."""
    for each in absent:
        yield {"archived": "absent", "sensor": each.sensor, "file": None, "capture_id": None, "captures": each.captures}


def absence_lines(absent: Sequence["AbsentSensor"], directory: "Path") -> Iterator[str]:
    """The same in words."""
    where = printable(str(directory))
    for each in absent:
        looked_for = count_text(each.captures, "capture")
        yield f"DIFFERS  archive: sensor {each.sensor}: no file of its newest {looked_for} is in {where}: moved, not mounted?"


def _archive_files(verdict: "ArchiveVerdict") -> int:
    return verdict.there + verdict.missing


def _key(row: "RowFault") -> Object:
    return _named(row.table, row.table.key, row.key)


def _partition(part: "PartitionFault") -> Object:
    return _named(part.table, part.table.partition, part.partition)


def _named(table: Table, names: tuple[str, ...], values: tuple[object, ...]) -> Object:
    kinds = [table.columns[table.index(name)].kind for name in names]
    return {name: json_value(value, kind) for name, value, kind in zip(names, values, kinds, strict=True)}


def _text(named: Object) -> str:
    return printable(" ".join(f"{name}={value}" for name, value in named.items()))

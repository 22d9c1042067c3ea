"""The migrations of both stores: numbered text files, applied in order, never changed once released."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Literal

from schema.errors import SchemaMismatchError

Dialect = Literal["sql", "cql"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a store's schema: `0001_base` is version 1."""

    version: int
    name: str
    text: str  # statements, separated by `;` at a line's end; comments begin with `--`
    checksum: str  # SHA-256 of the text, hexadecimal: what `schema_history` keeps


def migrations(dialect: Dialect) -> list[Migration]:
    """Every migration of one dialect, in the order of their versions."""
    suffix = f".{dialect}"
    steps = [entry for entry in files(__name__).iterdir() if entry.name.endswith(suffix)]
    found = [_migration(entry.name.removesuffix(suffix), entry.read_text("utf-8")) for entry in steps]
    return sorted(found, key=lambda migration: migration.version)


def missing_migrations(dialect: Dialect, applied: Mapping[int, str], where: str) -> list[Migration]:
    """What a store lacks that has `applied` (version -> checksum); raises `SchemaMismatchError` where it has another schema.

    `where`: the store as an operator knows it.
    """
    steps = migrations(dialect)
    if max(applied, default=0) > steps[-1].version:
        raise SchemaMismatchError(f"{where} has the schema of a newer pcapline: update pcapline")
    for step in steps:
        if applied.get(step.version, step.checksum) != step.checksum:
            raise SchemaMismatchError(f"{where} has another schema {step.name} than this pcapline: load into a new store")
    return [step for step in steps if step.version not in applied]


def _migration(name: str, text: str) -> Migration:
    return Migration(int(name.split("_", 1)[0]), name, text, sha256(text.encode()).hexdigest())

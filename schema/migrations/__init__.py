"""The migrations of both stores: numbered text files, applied in order, never changed once released."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Literal

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


def _migration(name: str, text: str) -> Migration:
    return Migration(int(name.split("_", 1)[0]), name, text, sha256(text.encode()).hexdigest())

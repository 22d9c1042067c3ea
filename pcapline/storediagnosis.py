"""What ails the store that the settings name: its file, its schema, its version, its clock, what it does with a commit."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pcapline.diagnosis import Finding, room, skew
from schema.errors import StoreMovedError
from schema.settings import StoreSettings
from schema.store.notes import refuse_loading

if TYPE_CHECKING:
    from schema.store.reading import StoreHealth

# Every SQLite before it can corrupt a file in WAL mode when a write races a checkpoint.
_SAFE_SQLITE = (3, 51, 3)
# 5.0.8 and older may send an error to the wrong request; later lines are not tried.
_TRIED_CASSANDRA = (5, 0, 9)


def store_findings(wanted: StoreSettings) -> Iterator[Finding]:
    """Raises `PcaplineError` where the store cannot be asked."""
    from pcapline.wiring import Purpose, opened_store, store_kind

    if store_kind(wanted) == "sqlite":
        path = Path(wanted.url.partition(":")[2]).expanduser().absolute()
        if not path.parent.is_dir():
            yield Finding("FAIL", f"store {wanted.url}: there is no {path.parent}", f"mkdir -p {path.parent}")
            return
        yield from room(f"where the store {path.name} is", path.parent)
        if not path.exists():
            yield Finding("ok", f"store {wanted.url}: not there yet; the first load makes it")
            return
        yield _integrity(wanted)
    with opened_store(wanted, Purpose.READ) as reader:
        before_ms = time.time() * 1000
        health = reader.health()
        here_ms = (before_ms + time.time() * 1000) / 2
        yield health_finding(wanted.url, health)
        if health.clock_ms is not None:
            yield skew(wanted.url, int(here_ms), health.clock_ms)
        if health.schema_version == health.wanted_schema_version:
            yield from _moved(reader.notes(), wanted)


def _integrity(wanted: StoreSettings) -> Finding:
    from pcapline.wiring import store_damage

    found = store_damage(wanted)
    if found is None or not found.faults:
        return Finding("ok", f"store {wanted.url}: the file is whole ({found.check if found else ''})")
    fix = "stop what writes to it, keep a copy, restore a backup or load the archive into a new store"
    return Finding("FAIL", f"store {wanted.url} is damaged: {'; '.join(found.faults)}", fix)


def health_finding(url: str, health: "StoreHealth") -> Finding:
    """What a store says of itself, judged."""
    text = f"store {url}: {health.kind} {health.version}, schema {health.schema_version}, {health.detail}"
    version = _numbers(health.version)
    if health.schema_version != health.wanted_schema_version:
        return Finding("FAIL", f"{text}; schema {health.wanted_schema_version} is needed", "pcapline schema apply")
    if health.kind == "sqlite" and version < _SAFE_SQLITE:
        return Finding("FAIL", f"{text}: this SQLite can corrupt the file", "pip install --upgrade apsw")
    if not health.durable:
        text += "; an acknowledged commit may be lost in a crash, so that no input is deleted"
        return Finding("warn", text, "see docs/how-to/durable-cassandra.md")
    if health.kind == "cassandra" and (version < _TRIED_CASSANDRA or version[:2] > _TRIED_CASSANDRA[:2]):
        tried = ".".join(map(str, _TRIED_CASSANDRA))
        return Finding("warn", f"{text}: tried with {tried} and later of its line", f"run Cassandra {tried}")
    return Finding("ok", text)


def _numbers(version: str) -> tuple[int, ...]:
    """`5.0.9` as numbers; what is behind them (`-SNAPSHOT`) is left out."""
    parts = version.partition("-")[0].split(".")
    return tuple(int(part) for part in parts if part.isdecimal())


def _moved(notes: Mapping[str, str], wanted: StoreSettings) -> Iterator[Finding]:
    try:
        refuse_loading(notes)
    except StoreMovedError as error:
        yield Finding("FAIL", f"store {wanted.url}: nobody may load: {error}", "name the store it was moved to: --store URL")

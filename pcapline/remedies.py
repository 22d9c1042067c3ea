"""What somebody is to do about what `status` shows, in one line for each kind of trouble. Pure: told by the items alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

Object = dict[str, Any]


def remedies(items: Sequence[Object], directory: Path | None, *, archive_is_dropped: bool = False) -> Iterator[str]:
    """Of what does not end by itself; nothing where all is well. `directory`: the one that was asked about;
    `archive_is_dropped`: `loader.disk_policy` is `drop`."""
    yield from _of_quarantine(items, directory)
    if directory is None:
        return
    count = {record: sum(item["record"] == record for item in items) for record in ("waiting", "loader", "passed_over")}
    if count["passed_over"]:
        yield f"{count['passed_over']:,} passed over: never loaded from where it lies; its line says why"
    if count["waiting"] and not count["loader"]:
        yield f"nobody watches {directory}: pcapline watch {quote(str(directory))} loads what waits there"
    if any(item.get("asks_for_pause") for item in items):
        archive = directory / ".pcapline" / "archive"
        other = "delete what else fills this one" if archive_is_dropped else "set loader.disk_policy to drop"
        yield f"sensors pause until there is room: move {archive} to another disk, or {other}"


def _of_quarantine(items: Sequence[Object], directory: Path | None) -> Iterator[str]:
    where = "pcapline status DIR, of the watched directory, says where they lie"
    again = where if directory is None else f"once mended, pcapline load --retry {quote(str(directory))}"
    quarantined = [item for item in items if item["record"] == "quarantined"]
    asked = not any(item["record"] == "store" and "reason" in item for item in items)  # else no file has its id
    unknown = sum(asked and not item.get("capture_id") for item in quarantined)
    if known := len(quarantined) - unknown:
        yield f"{known:,} quarantined: {again}; of no use: delete the file, then pcapline store dismiss CAPTURE"
    if unknown:  # it could not even be read, or was put there by hand
        told = f"{unknown:,} quarantined that the store does not know"
        yield f"{told}: {again}; of no use: delete the file, there is nothing to dismiss"
    if dismissed := sum(item["record"] == "dismissed" for item in items):
        yield f"{dismissed:,} dismissed, and in quarantine still: delete the file; {again}"

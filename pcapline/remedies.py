"""What somebody is to do about what `status` shows, in one line for each kind of trouble. Pure: told by the items alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

Object = dict[str, Any]


def remedies(items: Sequence[Object], directory: Path | None) -> Iterator[str]:
    """Of what does not end by itself; nothing where all is well. `directory`: the one that was asked about."""
    count = {record: sum(item["record"] == record for item in items) for record in ("quarantined", "waiting", "loader")}
    if count["quarantined"]:
        yield _quarantined(count["quarantined"], directory)
    if directory is not None and count["waiting"] and not count["loader"]:
        yield f"nobody watches {directory}: pcapline watch {quote(str(directory))} loads what waits there"
    if directory is not None and any(item.get("asks_for_pause") for item in items):
        archive = directory / ".pcapline" / "archive"
        yield f"sensors pause until there is room: move {archive} to another disk, or set loader.disk_policy to drop"


def _quarantined(count: int, directory: Path | None) -> str:
    told, useless = f"{count:,} quarantined", "of no use: delete the file, then pcapline store dismiss CAPTURE"
    if directory is None:
        return f"{told}: pcapline status DIR, of the watched directory, says where they lie; {useless}"
    return f"{told}: once mended, pcapline load --retry {quote(str(directory))}; {useless}"

"""What lies in a watched directory, for `pcapline status`: from the file system alone, with or without a running loader."""

from dataclasses import dataclass
from pathlib import Path

from loader.spool import ARCHIVE, OWN_FOLDER, QUARANTINE, REASON_SUFFIX, SIDECAR_SUFFIX, captures_in


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFile:
    """A file that waits for its loading, or, loaded, for the end of its grace period."""

    path: Path
    sensor: str
    changed_at: float  # Unix time


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedFile:
    """A file that could not be loaded."""

    path: Path
    sensor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatus:
    """All files of a watched directory."""

    waiting: tuple[WaitingFile, ...]
    quarantined: tuple[QuarantinedFile, ...]
    archived: int


def spool_status(directory: Path, default_sensor: str) -> SpoolStatus:
    """Look at a watched directory; raises `OSError` where it cannot be read."""
    own = directory / OWN_FOLDER
    waiting = []
    for path, sensor in captures_in(directory, default_sensor):
        try:
            waiting.append(WaitingFile(path=path, sensor=sensor, changed_at=path.stat().st_mtime))
        except FileNotFoundError:
            continue
    quarantined = tuple(
        QuarantinedFile(path=path, sensor=path.parent.name, reason=_reason(path)) for path in _files_below(own / QUARANTINE)
    )
    return SpoolStatus(waiting=tuple(waiting), quarantined=quarantined, archived=len(_files_below(own / ARCHIVE)))


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if not path.name.endswith((REASON_SUFFIX, SIDECAR_SUFFIX)))


def _reason(path: Path) -> str:
    try:
        return path.with_name(path.name + REASON_SUFFIX).read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return "unknown: its note is gone"

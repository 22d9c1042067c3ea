"""What each loader of a watched directory sees in it, noted for people: `.pcapline/loaders/OWNER.json`. No loader reads it."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from loader.spool.files import OWN_FOLDER
from loader.watch.states import SeenFile, SpoolState
from schema.store.owners import known_dead

NOTES = "loaders"
MOST_NAMED = 1_000  # files by name; the others are in the numbers
STALE_S = 600.0  # a loader on another machine that has noted nothing for so long is not believed
_FORGOTTEN_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderNote:
    """One loader's view."""

    owner: str
    at: float  # Unix time
    files: dict[str, SeenFile]  # by path as the loader was given the directory, at most `MOST_NAMED`
    counts: dict[str, int]  # by state, all of them
    disk: str  # why sensors are asked to pause; "" while they are not


@dataclass(slots=True, kw_only=True)
class NoteKeeper:
    """Writes one loader's note. What keeps it from that (a full disk, a directory that may not be written to) is no fault of
    the captures: the note before is still there, and grows old."""

    directory: Path
    owner: str
    _path: Path = field(init=False)

    def __post_init__(self) -> None:
        self._path = self.directory / OWN_FOLDER / NOTES / f"{self.owner.replace('/', '_')}.json"

    def write(self, files: Iterable[SeenFile], disk: str, now: float) -> Counter[tuple[str, SpoolState]]:
        """Note them; returns how many there are, by sensor and state."""
        seen = iter(files)
        named = list(islice(seen, MOST_NAMED))
        counts = Counter((file.sensor, file.state) for file in named)
        counts.update((file.sensor, file.state) for file in seen)
        by_state: Counter[str] = Counter()
        for (_, state), number in counts.items():
            by_state[state] += number
        content = {"owner": self.owner, "at": now, "counts": by_state, "disk": disk, "files": named}
        beside = self._path.with_suffix(".part")
        with suppress(OSError):
            for folder in (self._path.parent.parent, self._path.parent):  # a watched directory that is gone is not made anew
                folder.mkdir(exist_ok=True)
            beside.write_text(json.dumps(content), encoding="utf-8")
            beside.replace(self._path)
        return counts

    def forget_the_dead(self, now: float) -> None:
        """Delete what loaders left that ended without a word."""
        with suppress(OSError):
            for path in self._path.parent.iterdir():
                if now - path.stat().st_mtime > _FORGOTTEN_S:
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """This loader looks no more."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def notes_in(directory: Path, now: float, asker: str) -> Iterator[LoaderNote]:
    """The notes of loaders that may live, as far as they can be read, the newest last; `asker`: HOST:PID:RANDOM of who asks."""
    found = []
    with suppress(OSError):
        for path in (directory / OWN_FOLDER / NOTES).glob("*.json"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.append(_decoded(path))
    alive = [note for note in found if abs(now - note.at) <= STALE_S and not known_dead(note.owner, asker)]
    yield from sorted(alive, key=lambda note: note.at)


def _decoded(path: Path) -> LoaderNote:
    content = json.loads(path.read_text("utf-8"))
    files = [SeenFile(file, sensor, SpoolState(state), reason) for file, sensor, state, reason in content["files"]]
    return LoaderNote(
        owner=str(content["owner"]),
        at=float(content["at"]),
        files={file.file: file for file in files},
        counts={str(state): int(number) for state, number in content["counts"].items()},
        disk=str(content["disk"]),
    )

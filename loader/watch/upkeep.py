"""What a watch does beside loading, once a scan: notes the state of every file, and keeps room on the disk."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loader.archive.disk import ArchiveKeeper, PauseKeeper
from loader.archive.places import put_away
from loader.backoff import is_over
from loader.spool.files import ARCHIVE, OWN_FOLDER, QUARANTINE
from loader.watch.note import NoteKeeper
from loader.watch.states import SpoolState, SpoolView
from loader.watch.telemetry import LoaderTelemetry
from loader.watch.turns import Turns
from schema.errors import StoreError

_CENSUS_S = 30.0  # an archive may be large: it is counted so often


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """Of one watched directory. Nothing in it holds a capture up."""

    directory: Path
    turns: Turns
    view: SpoolView
    note: NoteKeeper
    archive: ArchiveKeeper
    pause: PauseKeeper
    telemetry: LoaderTelemetry
    _put_away: Counter[tuple[str, SpoolState]] = field(default_factory=Counter, init=False)
    _count_again_at: float = field(default=0.0, init=False)

    def notice(self, *, store_away: bool = False) -> None:
        """Tell what state every file is in."""
        now = self.turns.world.clock()
        if is_over(self._count_again_at, now):
            self._count_again_at = now + _CENSUS_S
            self._put_away = Counter(_put_away(self.directory)) if self._keeps_house else Counter()
            self.note.forget_the_dead(now)
        seen = self.view.files(now, in_hand=self.turns.in_hand, store_away=store_away)
        counts = self.note.write(seen, "the disk is nearly full" if self.pause.asks else "", now)
        counts.update(self._put_away)
        self.telemetry.files(counts)

    def look_for_room(self) -> None:
        """Whether sensors are to pause; may be called from another thread, while the loader is busy."""
        with suppress(OSError):  # a directory that is gone is told of elsewhere
            if self._keeps_house:
                self.pause.look()

    def make_room(self) -> bool:
        """Let some archived captures go where there is no room; whether there is more to do at once."""
        if not self._keeps_house:
            return False
        dropped = False
        with suppress(OSError, StoreError):  # a directory or a store that is away is told of elsewhere
            dropped = self.archive.drop()
        self.pause.others_make_room = dropped
        self.telemetry.disk(asks_for_pause=self.pause.asks, dropped=self.archive.dropped)
        return dropped

    @property
    def _keeps_house(self) -> bool:
        return self.turns.world.fellows.keeps_house

    def end(self) -> None:
        """This loader looks no more."""
        self.note.remove()
        with suppress(OSError):
            self.pause.end()


def _put_away(directory: Path) -> Iterator[tuple[str, SpoolState]]:
    """Sensor and state of each capture in the archive and the quarantine."""
    for kind, state in ((ARCHIVE, SpoolState.ARCHIVED), (QUARANTINE, SpoolState.QUARANTINED)):
        with suppress(OSError):
            yield from ((sensor, state) for sensor, _ in put_away(directory / OWN_FOLDER / kind))

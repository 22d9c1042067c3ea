"""What a watch says to those who bring captures into its directory from elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from loader.outcome import FileOutcome
from loader.spool.files import SpoolFile


class Feed(Protocol):
    """Brings files in a thread of its own between `start` and `stop`; the watch's loop calls the rest."""

    def start(self, landed: Callable[[Path], None]) -> None:
        """Bring files from now on; `landed` is told of each that is there, complete."""

    def stop(self) -> None:
        """Bring no more, and let go of what is not settled."""

    def answered(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """A file needs no loading any more."""

    def gone(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """A file was archived, deleted or quarantined: nothing is to be done about it ever again."""

    def sensors_moved(self) -> bool:
        """Whether sensors became other loaders' since this was asked last."""


class NoFeed:
    """Files come by themselves."""

    def start(self, landed: Callable[[Path], None]) -> None:
        """Nothing is brought."""

    def stop(self) -> None:
        """Nothing was brought."""

    def answered(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """Nobody waits for it."""

    def gone(self, file: SpoolFile, outcome: FileOutcome) -> None:
        """Nobody waits for it."""

    def sensors_moved(self) -> bool:
        """Never."""
        return False

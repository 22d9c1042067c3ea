"""File events of a watched directory, as hints that something is there. The only door to watchdog."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyFullEmitter
from watchdog.observers.inotify_c import InotifyConstants, Mask

_MAX_HINTS = 65_536  # what does not fit is found by the next scan

# A folder that was renamed is listened to under its new name; watchdog warns of the old one, which it gives up.
warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)


@dataclass(slots=True)
class Hints:
    """Paths that events told of, until they are taken; written by the watcher's thread. Bounded."""

    wake: Callable[[], None]
    _complete: dict[Path, bool] = field(default_factory=dict, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def put(self, path: Path, *, complete: bool) -> None:
        """`complete`: the file was closed after writing, or renamed to this name."""
        with self._lock:
            if path in self._complete or len(self._complete) < _MAX_HINTS:
                self._complete[path] = complete
        if complete:
            self.wake()

    def take(self) -> dict[Path, bool]:
        """All since the last time, and whether each file is complete."""
        with self._lock:
            taken, self._complete = self._complete, {}
        return taken


class _Arrivals(InotifyFullEmitter):
    """Tells a rename into a directory as one, wherever the file was before, and at once.

    Where a file was moved from is not asked for: watchdog holds such an event, and all that come behind it, for half a second,
    in case that it learns where to. Every archived file would be one.
    """

    def get_event_mask_from_filter(self) -> Mask:
        """What the kernel is asked for."""
        return Mask(super().get_event_mask_from_filter() & ~InotifyConstants.IN_MOVED_FROM)


class DirectoryWatcher(FileSystemEventHandler):
    """Puts what happens in a directory and its sensors' folders into `hints`. Inert until `start`."""

    def __init__(self, directory: Path, hints: Hints) -> None:
        self._directory, self._hints = directory, hints
        self._observer: BaseObserver | None = None

    def start(self) -> None:
        """Watch from now on; raises `OSError` where the system has no more watches to give."""
        self.stop()
        observer = BaseObserver(_Arrivals)
        observer.schedule(
            self,
            str(self._directory),
            recursive=True,
            event_filter=[FileCreatedEvent, FileModifiedEvent, FileClosedEvent, FileMovedEvent],
        )
        observer.start()
        self._observer = observer

    def stop(self) -> None:
        """End the watch. Harmless before `start`."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog, in its own thread."""
        if not event.is_directory:
            moved = isinstance(event, FileMovedEvent)
            path = event.dest_path if moved else event.src_path
            if path:
                self._hints.put(Path(str(path)), complete=moved or isinstance(event, FileClosedEvent))

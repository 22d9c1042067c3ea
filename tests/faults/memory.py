"""What a process has resident, looked at again and again."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread


@dataclass
class Memory:
    """The most that one process had, by what happened meanwhile."""

    pid: int
    most: dict[str, int] = field(default_factory=dict)  # during what -> bytes
    during: str = "calm"
    _stop: Event = field(default_factory=Event)

    def look(self) -> None:
        while not self._stop.wait(0.1):
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
            self.most[self.during] = max(self.most.get(self.during, 0), pages * os.sysconf("SC_PAGE_SIZE"))

    @contextmanager
    def watched(self) -> Iterator[None]:
        thread = Thread(target=self.look)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

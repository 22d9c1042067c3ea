"""How a loader asks the sensors that capture into a folder to pause: an empty file there whose time of change it renews.

A request that nobody renews ends by itself: a loader that died stops nobody. The file is empty because a disk that is full has
room for a name, not for words.
"""

import os
from pathlib import Path

PAUSE = Path(".pcapline") / "pause"  # in each folder that sensors capture into
HOLDS_S = 60.0  # a request not renewed for so long asks for nothing


def ask_for_pause(folder: Path) -> None:
    """Ask, or renew what was asked. Raises `OSError`."""
    path = folder / PAUSE
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.utime(path)


def end_pause(folder: Path) -> None:
    """Ask for nothing any more. Raises `OSError`."""
    (folder / PAUSE).unlink(missing_ok=True)


def pause_is_asked(folder: Path, now: float) -> bool:
    """Whether sensors are to pause; `now`: Unix time by the clock of this machine."""
    try:
        asked_at = (folder / PAUSE).stat().st_mtime
    except OSError:
        return False
    return abs(now - asked_at) <= HOLDS_S

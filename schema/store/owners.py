"""Who holds a lease, spelt HOST:PID:RANDOM, and whether that process is known to be dead."""

import os


def known_dead(holder: str, asker: str) -> bool:
    """True where both owners are on one host and the holder's process is gone: its lease need not run out first."""
    host, _, _ = asker.rpartition(":")[0].rpartition(":")
    holder_host, _, pid = holder.rpartition(":")[0].rpartition(":")
    return host == holder_host and pid.isdecimal() and not _lives(int(pid))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True

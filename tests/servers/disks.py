"""Small file systems in memory: full when a test wants it. Root may mount them; without that a test is skipped."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import require


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """A file system of `size` (as mount says it: 2m) on a directory that is made, until the block ends."""
    require(os.geteuid() == 0, "only root may mount a small file system")
    at.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)], capture_output=True)
    require(mounted.returncode == 0, f"no file system may be mounted here: {mounted.stderr.decode()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def resize(at: Path, size: str) -> None:
    """Give a small disk more room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(at)], check=True)


def fill(at: Path, *, leave: int = 0) -> Path:
    """A file that takes all the room but `leave` bytes."""
    ballast = at / ".ballast"
    free = os.statvfs(at).f_bavail * os.statvfs(at).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - leave, 1))
    return ballast

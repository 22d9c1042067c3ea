"""How this command was started, so that hints can be typed as they stand."""

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """`pcapline` where the shell finds this one by its name; else as it was typed, or the interpreter's way to run it."""
    started = Path(sys.argv[0])
    if started.name != "pcapline":
        return f"{shlex.quote(sys.executable)} -m pcapline"
    found = shutil.which("pcapline")
    is_found = found is not None and started.exists() and started.samefile(found)
    return "pcapline" if is_found else shlex.quote(sys.argv[0])

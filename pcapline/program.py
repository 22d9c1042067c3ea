"""How this command was started, so that hints can be typed as they stand."""

import shlex
import sys
from pathlib import Path


def program() -> str:
    """`pcapline` as it was typed, with its path where it was given one; else the interpreter's way to run it."""
    started = sys.argv[0]
    return shlex.quote(started) if Path(started).name == "pcapline" else f"{shlex.quote(sys.executable)} -m pcapline"

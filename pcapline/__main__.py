"""`pcapline` and `python -m pcapline`: runs a command; an error becomes one line on stderr and an exit code."""

import gc
import signal
import sys
from types import FrameType
from typing import NoReturn

from pcapline.collecting import collect_rarely


def main() -> None:
    """Run the command that the arguments name. Always ends the process."""
    collect_rarely()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        from schema.errors import PcaplineError
    except ImportError as error:  # somebody else's `schema`: the guard below would have told, had it been importable
        _fail(f"{error}: another package has taken the name 'schema'; install pcapline into an environment of its own", 3)
    try:
        from pcapline.names_guard import check_room_names

        check_room_names()
        from pcapline.cli import run

        raise SystemExit(run(sys.argv[1:]))
    except PcaplineError as error:
        _fail(str(error), error.exit_code)
    except PermissionError as error:
        _fail(f"{error.filename or 'permission denied'}: {error.strerror}; give this user access to it", 4)
    except FileNotFoundError as error:
        _fail(f"{error.filename}: {error.strerror}", 1)
    finally:
        gc.freeze()  # the process ends: no last look through all there is


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Interrupted: 130, terminated: 143. Commands that have something in hand put a handler of their own in place."""
    raise SystemExit(128 + number)


def _fail(message: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"pcapline: {message}\n")
    raise SystemExit(exit_code)


if __name__ == "__main__":
    main()

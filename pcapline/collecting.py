"""How often Python looks for cycles among what a process has made."""

import gc

# Rows are made by the million and are no part of any cycle: looking through them for some took a sixth of a load's time.
_COLLECT_AFTER = (100_000, 50, 100)


def collect_rarely() -> None:
    """From now on, in this process."""
    gc.set_threshold(*_COLLECT_AFTER)

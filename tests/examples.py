"""How many examples a property is tried with.

The tests of kernels run on three builds. On the release build all examples are tried, in CI the same ones each time. On the two
others every fourth, drawn anew in each run, so that in time they try as many; `EXAMPLES_EVERY=1` tries all there too.
"""

import os

import hypothesis

EVERY = "EXAMPLES_EVERY"
SHARE_ON_OTHER_BUILDS = os.environ.get(EVERY, "4")
_EVERY = int(os.environ.get(EVERY, "1"))


def examples(most: int = 100) -> int:
    """So many of `most`."""
    return max(most // _EVERY, 1)


def load_profile() -> None:
    """Untimed: how long a test takes is no matter of its being right. A share tells how to try again what failed."""
    drawn = {"derandomize": False, "print_blob": True} if _EVERY > 1 else {}
    hypothesis.settings.register_profile("untimed", deadline=None, max_examples=examples(), **drawn)
    hypothesis.settings.load_profile("untimed")

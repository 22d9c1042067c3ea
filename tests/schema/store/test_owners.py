"""A lease's holder is known to be dead only where that can be known."""

import os
import subprocess
import sys

from schema.store.owners import known_dead


def pid_of_the_dead() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_dead_process_on_this_host() -> None:
    assert known_dead(f"host:{pid_of_the_dead()}:x", "host:1:y")


def test_living_process_on_this_host() -> None:
    assert not known_dead(f"host:{os.getpid()}:x", "host:1:y")
    assert not known_dead("host:1:x", "host:2:y")


def test_process_on_another_host_is_unknown() -> None:
    assert not known_dead(f"other:{pid_of_the_dead()}:x", "host:1:y")


def test_owner_of_another_make_is_unknown() -> None:
    for holder in ("", "host", "host:x", "host:not a pid:x", f"host:{pid_of_the_dead()}"):
        assert not known_dead(holder, "host:1:y")


def test_host_may_hold_colons() -> None:
    assert known_dead(f"::1:{pid_of_the_dead()}:x", "::1:1:y")

"""Which test runs where, and when: several workers share the suite, and what takes long begins first. A plugin of pytest.

A file that makes something once for all its tests, itself or in its folder's conftest.py, is one worker's; of any other file
each test goes to whoever is free.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

_MADE_ONCE = 'scope="module"'


def unit_of(nodeid: str) -> str:
    """What goes to one worker as a whole: tests of the same answer. Their file is looked for from where pytest runs."""
    file = Path(nodeid.split("::", 1)[0])
    return str(file) if any(map(_makes_once, (file, file.with_name("conftest.py")))) else nodeid


@cache
def _makes_once(file: Path) -> bool:
    return file.is_file() and _MADE_ONCE in file.read_text()


class LongestFirst(LoadScopeScheduling):
    """Units in the order in which the tests were collected, which `patience_s` put them into."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False  # by the number of tests, which says nothing of how long they take
        self._units: dict[str, str] = {}
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        if nodeid not in self._units:
            self._units[nodeid] = unit_of(nodeid)
        return self._units[nodeid]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LongestFirst:
    return LongestFirst(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one process alone goes file by file: what a file makes is made once
        items.sort(key=patience_s, reverse=True)


def patience_s(item: pytest.Item) -> float:
    """How long the test may take: as it says itself, else as is configured for all; 0 where nothing is."""
    mark = item.get_closest_marker("timeout")
    if mark is None:
        return float(item.config.getini("timeout") or 0)
    return float(mark.args[0] if mark.args else mark.kwargs["timeout"])

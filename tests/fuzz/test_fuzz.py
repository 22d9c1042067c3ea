"""A share of the fuzzer's inputs on each build: no failure, and the same rows from all three."""

import pytest

from tests.builds import Build
from tests.fuzz.__main__ import fuzz

_FIRST = 1_000_000  # the long run's numbers are others


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("build", "inputs"), [("checked", 3_000), ("plain", 500)])
def test_any_input_gives_the_same_rows_in_every_build(build: Build, inputs: int) -> None:
    otherwise, release = (fuzz(each, _FIRST, inputs, bounds="real") for each in (build, "release"))
    assert otherwise["compiled"] == (build == "checked")
    assert otherwise["failures"] == release["failures"] == []
    assert otherwise["done"] == release["done"] == inputs
    assert otherwise["digest"] == release["digest"]
    assert otherwise["reached"] == release["reached"]


def test_small_bounds_are_held_too() -> None:
    tried = fuzz("plain", 2 * _FIRST, 500, bounds="small")
    assert tried["failures"] == []
    assert {"counter: evicted_flows", "flow end_reason: 5"} <= tried["reached"].keys()

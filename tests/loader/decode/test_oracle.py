"""Must equal tshark on the public captures, but for classes of difference that are named and told why."""

import re
import shutil
from pathlib import Path

import pytest

from tests.loader.decode.oracle_classes import EXPLAINED, UNEXPLAINED, UNSUPPORTED
from tests.loader.decode.oracle_comparison import Comparison, compare
from tests.servers import require
from tests.shared_captures import needs_shared, shared_captures

PAGE = Path(__file__).resolve().parents[3] / "docs" / "decode-differences.md"
_ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<count>[\d,]+) \|", re.MULTILINE)
_SHARE = re.compile(r"([\d,]+) of ([\d,]+) rows")


def _number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(shared_captures())


@needs_shared
def test_no_difference_is_unexplained(comparison: Comparison) -> None:
    assert comparison.differences.get(UNEXPLAINED, []) == []


@needs_shared
def test_the_page_tells_the_true_counts(comparison: Comparison) -> None:
    require(shutil.which("tshark") is not None, "tshark is not installed")
    told = {match["name"]: _number(match["count"]) for match in _ROW.finditer(PAGE.read_text())}
    assert comparison.counts() == {name: count for name, count in told.items() if count}
    shares = [(_number(equal), _number(supported)) for equal, supported in _SHARE.findall(PAGE.read_text())]
    assert shares == [comparison.share("packet"), comparison.share("inner"), comparison.share("dns")]


def test_every_class_is_on_the_page() -> None:
    assert {match["name"] for match in _ROW.finditer(PAGE.read_text())} == UNSUPPORTED.keys() | EXPLAINED.keys()

"""The names that flows of the public captures get, against an independent judge that knows what tshark sees alone."""

from pathlib import Path

import pytest

from tests.loader.naming.judging import captures_with_answers, judged_capture
from tests.servers import require_tshark
from tests.shared_captures import SHARED, needs_shared


def _relative(path: Path) -> str:
    return str(path.relative_to(SHARED / "captures")) if SHARED else path.name


@needs_shared
@pytest.mark.parametrize("capture", captures_with_answers(), ids=_relative)
def test_names_are_those_that_the_judge_gives(capture: Path, tmp_path: Path) -> None:
    require_tshark()
    found = judged_capture(capture, tmp_path)
    assert found.differences == []

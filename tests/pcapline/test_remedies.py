"""What `status` says is to be done, by what it shows."""

from pathlib import Path
from shlex import split

import pytest

from pcapline.remedies import Object, remedies

HERE = Path("captures")
LOADER: Object = {"record": "loader", "asks_for_pause": False}
FILES: dict[str, Object] = {state: {"record": state} for state in ("loading", "waiting", "held_back", "loaded", "archived")}


@pytest.mark.parametrize("state", FILES)
def test_what_ends_by_itself_asks_for_nothing(state: str) -> None:
    assert list(remedies([LOADER, FILES[state]], HERE)) == []
    assert list(remedies([FILES[state]], None)) == []


def test_a_quarantined_file_is_mended_or_dismissed() -> None:
    bad: Object = {"record": "quarantined", "capture_id": "of it"}
    (told,) = remedies([LOADER, bad, bad], HERE)
    assert told.startswith("2 quarantined: ")
    assert "pcapline load --retry captures" in told
    assert "pcapline store dismiss CAPTURE" in told
    (told,) = remedies([bad], None)
    assert "pcapline status DIR" in told


def test_what_has_no_capture_is_not_to_be_dismissed() -> None:
    bad: Object = {"record": "quarantined", "capture_id": None}
    (told,) = remedies([{"record": "store"}, bad], HERE)
    assert told.startswith("1 quarantined that the store does not know: once mended, pcapline load --retry captures; ")
    assert "store dismiss" not in told
    (told,) = remedies([{"record": "store", "reason": "it does not answer"}, bad], HERE)
    assert "store dismiss" in told  # nobody could ask


def test_what_was_dismissed_is_not_to_be_dismissed_again() -> None:
    (told,) = remedies([{"record": "dismissed", "capture_id": "of it"}], HERE)
    assert told == "1 dismissed, and in quarantine still: delete the file; once mended, pcapline load --retry captures"


def test_what_is_passed_over_is_to_be_moved() -> None:
    (told,) = remedies([LOADER, {"record": "passed_over"}], HERE)
    assert told.startswith("1 passed over: ")


def test_files_that_wait_where_nobody_watches() -> None:
    (told,) = remedies([FILES["waiting"]], HERE)
    assert told == "nobody watches captures: pcapline watch captures loads what waits there"


def test_what_is_to_be_typed_can_be() -> None:
    """Whatever the directory is called."""
    (watch,) = remedies([FILES["waiting"]], Path("my captures"))
    (again,) = remedies([{"record": "quarantined"}], Path("it's"))
    assert "pcapline watch 'my captures' loads" in watch
    assert split(again.partition(": once mended, ")[2].partition(";")[0])[-1] == "it's"


def test_a_disk_that_is_nearly_full() -> None:
    (told,) = remedies([LOADER | {"asks_for_pause": True}], HERE)
    assert "captures/.pcapline/archive" in told
    assert "set loader.disk_policy to drop" in told
    (told,) = remedies([LOADER | {"asks_for_pause": True}], HERE, archive_is_dropped=True)
    assert "captures/.pcapline/archive" in told
    assert "disk_policy" not in told

"""What a capture out of order looks for: within its bounds, and what they cut off is counted."""

from pathlib import Path

import pytest

from loader.commit import late
from schema.store.sqlite import open_sqlite
from tests.loader.naming.script import ALICE, CDN, WEB
from tests.loader.naming.stand import OpenStore, Stand


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    stand = Stand(OpenStore("", lambda clock: open_sqlite(tmp_path / "store.db", clock)), "edge-1", tmp_path, 1_700_000_000)
    stand.store.apply_schema()
    return stand


def not_sought(stand: Stand, rows: int) -> int:
    """After this many flows to one address and one to another, the answers for both come out of order."""
    script = stand.script()
    script.tell(1, ALICE, "web.example", WEB)
    script.tell(1, ALICE, "cdn.example", CDN)
    answers = stand.file(script)
    calls = [script.call(2 + n / 10, ALICE, WEB) for n in range(rows)]
    calls.append(script.call(2, ALICE, CDN))
    stand.load(script, answers)
    totals = stand.store.ledger(stand.sensor).totals
    repaired = sum(evidence == "dns" for _, evidence in stand.names(calls))
    assert totals["names_repaired"] == repaired
    return totals.get("repairs_not_sought", 0)


@pytest.mark.parametrize(("rows", "cut"), [(3, 0), (5, 2), (7, 2)])
def test_an_address_that_is_cut_short_is_counted_as_those_behind_it(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, rows: int, cut: int
) -> None:
    monkeypatch.setattr(late, "_PAGE_ROWS", 4)
    monkeypatch.setattr(late, "MAX_ROWS_READ", 4)
    assert not_sought(stand, rows) == cut


def test_pages_are_counted(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "MAX_READS", 1)
    assert not_sought(stand, 1) == 1


def test_rows_of_other_sensors_are_read_too(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    other = stand.beside(0)
    other.start_s = stand.start_s
    script = other.script()
    for n in range(4):
        script.call(1 + n, ALICE, WEB)
    other.load(script)
    monkeypatch.setattr(late, "MAX_ROWS_READ", 4)
    assert not_sought(stand, 1) == 1

"""Every command on a page does what the page says: typed one after the other, as its reader does."""

from pathlib import Path

import pytest

from tests.docs.pages import NEEDS, ROOT, Block, Step, blocks, pages, steps
from tests.docs.session import session


def runnable(page: Path) -> list[Step]:
    """What is typed in the blocks that need nothing."""
    found = [block for block in blocks(page.read_text()) if block.language == "console" and not block.needs]
    return [step for block in found for step in steps(block)]


@pytest.mark.parametrize("page", [page for page in pages() if runnable(page)], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_typed_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    with session(tmp_path) as shell:
        for step in runnable(page):
            exit_code, output = shell.type(step)
            place = f"{page.relative_to(ROOT)}:{step.line}: $ {step.typed}"
            assert exit_code == step.exit_code, f"{place}\nended with {exit_code}:\n{output}\n{shell.told()}"
            assert step.is_met_by(output), f"{place}\nprinted:\n{output}\ninstead of:\n{step.shown}\n{shell.told()}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_block_needs_is_one_of_few_words(page: Path) -> None:
    for block in blocks(page.read_text()):
        assert not block.needs or set(block.needs.split(", ")) <= NEEDS.keys(), f"{page}:{block.line}"
        assert block.language != "console" or list(steps(block)), f"{page}:{block.line}: nothing is typed"


def test_what_differs_is_seen() -> None:
    step = Step(1, "pcapline x", "loaded  2026-11-25T10:00:00Z  5 packets\n...\nend")
    assert step.is_met_by("loaded  2027-01-01T01:02:03.5Z  5 packets\nmore\nand more\nend\n")
    assert step.is_met_by("loaded  2027-01-01T01:02:03.5Z  5 packets\nend\n")
    assert not step.is_met_by("loaded  2027-01-01T01:02:03.5Z  6 packets\nmore\nend\n")
    assert not step.is_met_by("loaded  2026-11-25T10:00:00Z  5 packets\nmore\n")


def test_commands_go_on_over_lines() -> None:
    text = "$ cat >x <<'END'\na 'b\nEND\n$ echo 'one\n> two' \\\n  three   # ends with 1\none\ntwo three\n"
    first, second = steps(Block("console", 1, "", text))
    assert (first.typed, first.shown) == ("cat >x <<'END'\na 'b\nEND", "")
    assert (second.typed, second.shown) == ("echo 'one\ntwo' \\\n  three   # ends with 1", "one\ntwo three")
    assert (first.exit_code, second.exit_code) == (0, 1)

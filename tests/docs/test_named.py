"""What a page names is there: settings by their keys and in files, metrics, variables; commands stand where they are run."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pcapline.options import sections
from schema.settings import read_settings, variable_of
from scripts.reference import FOLDER
from tests.docs.languages import code_of
from tests.docs.pages import ROOT, blocks, pages, spans

PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()]
KEYS = {f"{name}.{field.name}" for name, kind in sections().items() for field in fields(kind)}
SETTING = re.compile(rf"(?:{'|'.join(sections())})\.[a-z_]+")
METRICS = set(re.findall(r"^\| `(pcapline_\w+)`", (FOLDER / "metrics.md").read_text(), re.MULTILINE))
VARIABLES = {variable_of(key) for key in KEYS} | {"PCAPLINE_STORE", "PCAPLINE_CONFIG"}


def of_compose() -> set[str]:
    """Variables that the compose file reads, and those of `make`."""
    return set(re.findall(r"PCAPLINE_[A-Z_]+", (ROOT / "compose" / "compose.yaml").read_text())) | {"PCAPLINE_STACK"}


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_are_named_exist(page: Path) -> None:
    named = {span for span in spans(page.read_text()) if SETTING.fullmatch(span)}
    assert named <= KEYS


@pytest.mark.parametrize("page", PAGES)
def test_settings_files_that_are_shown_are_valid(page: Path, tmp_path: Path) -> None:
    file = tmp_path / "pcapline.toml"
    for block in blocks(page.read_text()):
        if block.language == "toml" and re.match(rf"\[(?:{'|'.join(sections())})\]$", block.text, re.MULTILINE):
            file.write_text(block.text)
            read_settings(sections(), environ={}, file=file)


@pytest.mark.parametrize("page", PAGES)
def test_metrics_that_are_named_exist(page: Path) -> None:
    code = " ".join(code_of(page.read_text()))
    named = set(re.findall(r"\bpcapline_[a-z_]*[a-z]\b(?!:)", code)) - {"pcapline_operators", "pcapline_tokens"}
    known = METRICS | {name.removesuffix("_total") for name in METRICS}
    assert {name for name in named if name not in known and not name.endswith(("_bucket", "_count", "_sum"))} == set()


@pytest.mark.parametrize("page", PAGES)
def test_variables_that_are_named_exist(page: Path) -> None:
    code = " ".join(code_of(page.read_text()))
    named = set(re.findall(r"\bPCAPLINE_[A-Z_]*[A-Z]\b", code))
    assert named <= VARIABLES | of_compose()


@pytest.mark.parametrize("page", PAGES)
def test_what_is_typed_stands_in_blocks_that_are_run(page: Path) -> None:
    for block in blocks(page.read_text()):
        if block.language not in ("console", "sh"):
            typed = [line for line in block.text.splitlines() if line.startswith(("$ ", "pcapline "))]
            assert typed == [], f"{page}:{block.line}: mark it `console`"

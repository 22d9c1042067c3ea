"""The pages of docs/reference that are written from the code, so that they cannot say anything else.

Write them anew after a change of settings, tables, commands, metrics, locks or images: .venv/bin/python -m scripts.reference
"""

from collections.abc import Callable
from pathlib import Path

from scripts.reference import commands, images, metrics, settings, tables

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "images.md": images.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
    "tables.md": tables.page,
}

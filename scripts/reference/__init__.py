"""The pages of docs/reference that are written from the code, so that they cannot say anything else.

Write them anew after a change of settings, tables, commands, metrics, locks, images or the API:
.venv/bin/python -m scripts.reference
"""

from collections.abc import Callable
from pathlib import Path

from scripts.reference import api, commands, images, metrics, settings, tables

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "api.md": api.page,
    "commands.md": commands.page,
    "images.md": images.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
    "tables.md": tables.page,
}

"""Where the public test captures are, on machines that have them."""

from pathlib import Path

import pytest

# Beside the checkout, or further up: a second working tree of the repository lies deeper.
_PLACES = (parent / "shared" for parent in Path(__file__).resolve().parents[2:])
SHARED = next((place for place in _PLACES if (place / "captures").is_dir()), None)

needs_shared = pytest.mark.skipif(SHARED is None, reason="the public test captures are not on this machine")


def shared_captures() -> list[Path]:
    """Every capture among them, in one order (expected results, licences and notes are not captures)."""
    if SHARED is None:
        return []
    beside = ".expected.jsonl.gz"
    return sorted(path.with_name(path.name.removesuffix(beside)) for path in (SHARED / "captures").rglob(f"*{beside}"))

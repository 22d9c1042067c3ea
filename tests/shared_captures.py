"""Where the public test captures are, on machines that have them."""

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"
SHARED = _SHARED if (_SHARED / "captures").is_dir() else None

needs_shared = pytest.mark.skipif(SHARED is None, reason="the public test captures are not on this machine")


def shared_captures() -> list[Path]:
    """Every capture among them, in one order (expected results, licences and notes are not captures)."""
    if SHARED is None:
        return []
    beside = ".expected.jsonl.gz"
    return sorted(path.with_name(path.name.removesuffix(beside)) for path in (SHARED / "captures").rglob(f"*{beside}"))

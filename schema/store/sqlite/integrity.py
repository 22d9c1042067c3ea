"""Whether a store's file is whole, as SQLite itself finds by reading all of it."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from schema.errors import StoreUnavailableError
from schema.store.sqlite.database import Access, Session

_MOST_FAULTS = 5
# Indexes held against their tables take several times as long, and that in memory pages that grow with the file.
_WHOLE_CHECK_BYTES = 2 << 30


class Integrity(NamedTuple):
    """What was run, and what it found."""

    check: str  # integrity_check | quick_check
    faults: list[str]  # none: the file is whole; bounded


def check_integrity(path: Path, busy_timeout_s: float = 60.0) -> Integrity:
    """Read the whole file, beside whoever writes to it; a large one without holding its indexes against its tables.
    Raises `StoreError` where it cannot be read."""
    check = "integrity_check" if path.stat().st_size <= _WHOLE_CHECK_BYTES else "quick_check"
    with closing(Session(path, Access.READ, busy_timeout_s)) as session:
        try:
            found = [str(row[0]) for row in session.execute(f"PRAGMA {check}({_MOST_FAULTS})")]
        except StoreUnavailableError as error:  # so damaged that not even the check can go on
            found = [str(error)]
    return Integrity(check, [] if found == ["ok"] else found)

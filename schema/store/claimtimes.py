"""What the lifetime of own rows counts from, by their captures: asked of the store that has the captures, and remembered."""

from collections.abc import Sequence
from typing import cast

from schema.store.copying import CopyTarget
from schema.tables import Table

_REMEMBERED = 100_000  # captures


class ClaimTimes:
    """Of captures that were put as loaded."""

    def __init__(self, target: CopyTarget) -> None:
        self._target = target
        self._known: dict[bytes, int | None] = {}

    def of(self, table: Table, rows: Sequence[tuple[object, ...]]) -> list[int | None]:
        """Beside each row the time (Unix ms); None: the row is of an attempt that does not count."""
        column = table.index("capture_id")
        ids = [cast(bytes, row[column]) for row in rows]
        unknown = set(ids) - self._known.keys()
        if len(self._known) + len(unknown) > _REMEMBERED:
            self._known, unknown = {}, set(ids)
        found = self._target.rows_from_ms(unknown)
        self._known.update((capture_id, found.get(capture_id)) for capture_id in unknown)
        return [self._known[capture_id] for capture_id in ids]

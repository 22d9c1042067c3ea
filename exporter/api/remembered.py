"""Answers that depend on the exporter's snapshot alone, kept as long as it is the last: many who poll cost no more than one."""

from collections.abc import Callable, Hashable

from exporter.snapshot import Snapshot

_MOST = 64
_Kept = tuple[Snapshot | None, dict[Hashable, bytes]]


class Remembered:
    """May be asked from any thread; two who ask the same at once may both have it made."""

    def __init__(self) -> None:
        self._kept: _Kept = (None, {})

    def body(self, snapshot: Snapshot, asked: Hashable, make: Callable[[], bytes]) -> bytes:
        """The answer to what is asked, made now if it is not known."""
        kept = self._kept
        if kept[0] is not snapshot:
            kept = self._kept = (snapshot, {})
        known = kept[1].get(asked)
        if known is None:
            known = make()
            if len(kept[1]) < _MOST:
                kept[1][asked] = known
        return known

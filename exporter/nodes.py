"""Asks the nodes of a store how they are: now and then, for an answer takes a walk over all tables of each."""

from collections.abc import Sequence

from schema.errors import StoreError
from schema.store.nodes import NodeHealth
from schema.store.reading import StoreReader

_EVERY_S = 30.0


class NodeWatch:
    """What the nodes said last."""

    def __init__(self) -> None:
        self._asked_at = float("-inf")
        self._known: Sequence[NodeHealth] = ()

    def look(self, reader: StoreReader, now_s: float) -> Sequence[NodeHealth]:
        """Asked anew where it is time; nothing where the store does not say. `now_s`: Unix time; a clock set back asks."""
        if not 0 <= now_s - self._asked_at < _EVERY_S:
            self._asked_at = now_s
            try:
                self._known = reader.nodes()
            except StoreError:  # no right to ask, or away: of that the exporter tells anyway
                self._known = ()
        return self._known

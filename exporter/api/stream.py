"""The changes as server-sent events: the answers of `changes`, one event each, as the exporter follows the ledgers."""

import logging
from collections.abc import Callable

import msgspec

from exporter.api.answers import Changes
from exporter.api.problems import ProblemError
from exporter.api.questions import ChangesQuestion
from schema.errors import PcaplineError

_LOG = logging.getLogger(__name__)
# Whoever takes them learns so often that the connection lives, and the exporter that nobody takes them any more.
_HEARTBEAT_S = 15.0
_PAUSE_S = 0.5


class ChangeStream:
    """Parts of one client's stream (`exporter.api.exchange.Parts`)."""

    def __init__(
        self,
        asked: ChangesQuestion,
        ask: Callable[[ChangesQuestion], Changes],
        ended: Callable[[float], bool],
        release: Callable[[], None],
    ) -> None:
        """`ended` waits so many seconds at most, and says whether the exporter ends; `release` is called once."""
        self._asked, self._ask, self._ended, self._release = asked, ask, ended, release
        self._closed = False
        self._silent_s: float | None = None  # since the last event; None: there is another one at once

    def next(self) -> bytes | None:
        """The next event; b"" when there is none yet."""
        if self._closed or self._ended(0 if self._silent_s is None else _PAUSE_S):
            return None
        try:
            told = self._ask(self._asked)
        except (ProblemError, PcaplineError) as error:  # whoever takes it asks again, and is told with a status what it is
            _LOG.info("exporter: a stream ends: %s", error)
            return None
        self._asked = msgspec.structs.replace(self._asked, since=told.next)
        if told.changes or told.gaps or self._silent_s is None:
            self._silent_s = None if told.more else 0.0
            return b"event: changes\nid: %s\ndata: %s\n\n" % (told.next.encode(), msgspec.json.encode(told))
        self._silent_s += _PAUSE_S
        if self._silent_s < _HEARTBEAT_S:
            return b""
        self._silent_s = 0.0
        return b": nothing new\n\n"

    def close(self) -> None:
        """Give its place free."""
        if not self._closed:
            self._closed = True
            self._release()

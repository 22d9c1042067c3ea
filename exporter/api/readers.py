"""A few readers of the store, lent to one request at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue

from exporter.api.problems import BUSY, ProblemError
from schema.errors import StoreError
from schema.store.reading import StoreReader

# A request waits so long for a reader that others hold.
_WAIT_S = 10.0


class Readers:
    """Opens a reader when none is free, up to a bound; one that failed is closed, and the next request opens another."""

    def __init__(self, open_reader: Callable[[], StoreReader], most: int) -> None:
        self._open_reader = open_reader
        self._places: LifoQueue[StoreReader | None] = LifoQueue()  # the one used last is lent first, so that few are opened
        for _ in range(most):
            self._places.put(None)

    @contextmanager
    def lend(self) -> Iterator[StoreReader]:
        """A reader for the length of a block. Raises a problem where all are lent out for long."""
        try:
            reader = self._places.get(timeout=_WAIT_S)
        except Empty as error:
            detail = f"all readers of the store are in use for {_WAIT_S:.0f} s"
            raise ProblemError(BUSY, detail, "try again later, or ask for less at a time") from error
        try:
            reader = reader or self._open_reader()
            yield reader
        except StoreError:
            _let_go(reader)
            reader = None
            raise
        finally:
            self._places.put(reader)

    def close(self) -> None:
        """Close those that nobody has."""
        with suppress(Empty):
            while True:
                _let_go(self._places.get_nowait())


def _let_go(reader: StoreReader | None) -> None:
    if reader is not None:
        with suppress(StoreError):
            reader.close()

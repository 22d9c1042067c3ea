"""What the contract suite asks of a store's fixture."""

import time
from collections.abc import Callable
from typing import Protocol

from schema.store.writing import Store
from schema.tables import Table

Clock = Callable[[], float]


class StoreFactory(Protocol):
    """Opens the store of one test: empty, its schema applied; closes what it opened when the test ends."""

    def __call__(self, role: str = "loader", clock: Clock = time.time) -> Store:
        """`role`: loader | reader (which writes nothing); every call gives a store of its own."""

    def delete_row(self, table: Table, row: tuple[object, ...]) -> None:
        """Delete one row behind the port's back; `row` as it crosses the port."""


class SteppedClock:
    """A clock that begins at the present and goes on when told."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

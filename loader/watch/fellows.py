"""The loaders that one watch has started together, as one of them knows the others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event


def _nobody_asked(_sensors: int) -> None:
    """For a loader that is alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fellows:
    """What a loader of a group asks, and is asked. The events are set by other threads."""

    group: str = ""  # how the names of their owners end, up to the last dot; "" for a loader that is alone
    keeps_house: bool = True  # does what one loader of a directory does for all: retention, room on the disk
    share: Event = field(default_factory=Event)  # it holds more sensors than another: it is to let one go
    look: Event = field(default_factory=Event)  # a fellow has ended: what it held is free
    holds: Callable[[int], None] = _nobody_asked  # told how many sensors it holds

    def include(self, owner: str) -> bool:
        """Whether the holder of a lease (HOST:PID:GROUP.NUMBER) is one of them."""
        return bool(self.group) and owner.rpartition(":")[2].rpartition(".")[0] == self.group


ALONE = Fellows()

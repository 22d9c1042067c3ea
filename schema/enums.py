"""Words of a fixed list that cross a room's border, as the tables spell them."""

from enum import IntEnum, StrEnum


class FileState(StrEnum):
    """What became of a file; every file has exactly one, with a reason."""

    LOADED = "loaded"
    EMPTY = "empty"
    ALREADY_LOADED = "already_loaded"
    QUARANTINED = "quarantined"
    WAITING = "waiting"


class FlowEndReason(IntEnum):
    """Why a flow row ended (IPFIX flowEndReason, element 136)."""

    IDLE_TIMEOUT = 1
    ACTIVE_TIMEOUT = 2
    END_DETECTED = 3
    FORCED_END = 4  # the capture ended while the flow was open
    LACK_OF_RESOURCES = 5

    @property
    def text(self) -> str:
        """As the column `end_reason` spells it."""
        return self.name.lower()


class Initiator(IntEnum):
    """How source and destination were told apart (column `initiator`)."""

    SYN = 1  # a SYN without ACK came from the source, or a SYN+ACK from the destination
    CARRIED = 2  # the flow was open when the capture began
    PORT = 3  # the lower, well-known port is the destination's
    FIRST = 4  # nobody knows: the first packet's sender is the source

    @property
    def text(self) -> str:
        """As the column `initiator` spells it."""
        return self.name.lower()

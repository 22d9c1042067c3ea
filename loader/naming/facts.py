"""Facts: what one client was told of one address. Each is one address record of a DNS response.

Facts stand in a total order that arrival has no part in: by packet time, capture, frame and name. Times are Unix nanoseconds.
"""

from typing import NamedTuple

# Where mDNS (RFC 6762 3) and LLMNR (RFC 4795 2.5) send what is meant for everybody.
GROUPS = (
    bytes([224, 0, 0, 251]),
    bytes([224, 0, 0, 252]),
    bytes.fromhex("ff0200000000000000000000000000fb"),
    bytes.fromhex("ff020000000000000000000000010003"),
)


class Told(NamedTuple):
    """What was told; compares in the order of facts."""

    valid_from_ns: int
    capture_id: bytes
    frame: int
    hostname: str
    valid_to_ns: int
    asked: bool  # its query was seen


class Fact(NamedTuple):
    """And to whom, of what. Addresses are 4 or 16 bytes."""

    client: bytes
    address: bytes
    told: Told

    @property
    def entries(self) -> int:
        """The room that it takes where facts are bounded: one of a long name, which is rare, takes more."""
        return entries_of(self.told.hostname)


def entries_of(hostname: str) -> int:
    """The room of a fact of this name."""
    return 1 + len(hostname) // 64

"""What one capture hands to the next of its sensor: where it stands in time and order, the decoder's state, and the flow rows
that await a name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from struct import Struct, error

from loader.decode import layout
from loader.decode.carriedstreams import MAX_STREAM_BYTES, MAX_TEXT_BYTES
from loader.naming import awaiting
from loader.reading.codecs import packed, unpacked

# The three numbers of the state, octets of open flows, rows that await a name. What the store keeps is a version's octet, and
# the rest packed: a busy sensor's state is megabytes, and is written with every commit.
_HEADER = Struct("<qqqII")
_VERSION = b"\x05"
NO_SEQUENCE = -1
# What nothing that `encode` was given is above, whatever the settings: bytes that say they are more are spoilt.
MAX_BYTES = (
    8 * layout.CARRIED_FIELDS * layout.MAX_OPEN_FLOWS
    + 8 * layout.QUERY_WIDTH * layout.MAX_QUERIES
    + layout.MAX_QUERY_TEXT
    + 8 * layout.DATAGRAM_WIDTH * layout.MAX_DATAGRAMS
    + (layout.ROOM_BYTES + 8 * layout.ROOM_WORDS) * layout.DATAGRAM_ROOMS
    + 2 * layout.MAX_SAID_TEXTS  # their lengths
    + MAX_TEXT_BYTES
    + 3 * MAX_STREAM_BYTES  # of three kinds
    + awaiting.RECORD_BYTES * awaiting.MAX_AWAITING
    + 4_096  # heads of sections, and clocks
)


class StateUsed(Enum):
    """What of the carried state a capture went on from."""

    NONE = "none"  # it stands alone, or is out of order
    WHOLE = "whole"
    UNREADABLE = "unreadable"  # made by another version: nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedState:
    """State at the end of a sensor's newest capture in order."""

    first_ts_ns: int = 0  # of that capture's first packet
    clock_ns: int = 0  # packet time at its end
    sequence: int = NO_SEQUENCE  # of that capture, where its name has one
    open_flows: bytes = b""  # the decoder's own encoding; empty: none
    awaiting: tuple[bytes, ...] = ()  # records of `Awaiting`, in order
    unreadable: str = ""  # why the store's state was of no use: nothing is carried then

    def encode(self) -> bytes:
        """As the store keeps it."""
        sizes = len(self.open_flows), len(self.awaiting)
        header = _HEADER.pack(self.first_ts_ns, self.clock_ns, self.sequence, *sizes)
        return _VERSION + packed(b"".join((header, self.open_flows, *self.awaiting)))

    @classmethod
    def decode(cls, data: bytes | None) -> "CarriedState":
        """The state that `encode` wrote; None: nothing was carried yet. Bytes of another version carry nothing, and say so."""
        if data is None:
            return cls()
        if data[:1] != _VERSION:
            return cls(unreadable=f"it has version {data[:1].hex() or 'none'}; this loader reads {_VERSION.hex()}")
        try:
            data = unpacked(data[1:], MAX_BYTES)
            first_ts_ns, clock_ns, sequence, of_flows, count = _HEADER.unpack_from(data)
            behind = _HEADER.size + of_flows
            if len(data) < behind:
                raise ValueError("the open flows are cut")
            records = awaiting.decode(data[behind:], count)
        except (error, ValueError) as cause:
            return cls(unreadable=str(cause))
        open_flows = data[_HEADER.size : behind]
        return cls(first_ts_ns=first_ts_ns, clock_ns=clock_ns, sequence=sequence, open_flows=open_flows, awaiting=records)

    def with_awaiting(self, records: Sequence[bytes]) -> "CarriedState":
        """The same, with other rows that await a name."""
        return replace(self, awaiting=tuple(records))

    def is_before(self, first_ts_ns: int, sequence: int | None) -> bool:
        """Whether a capture comes after this state: by its number in the sensor's own order, or by packet time (a sensor
        that lost its count starts again at 1, one whose clock was set back goes on counting)."""
        if sequence is not None and self.sequence != NO_SEQUENCE and sequence > self.sequence:
            return True
        return first_ts_ns >= self.first_ts_ns

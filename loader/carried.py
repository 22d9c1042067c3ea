"""What one capture hands to the next of its sensor: where the sensor stands in time and order, and the decoder's state."""

from dataclasses import dataclass
from struct import Struct, error

from schema.errors import StoreError

_HEADER = Struct("<Bqq")
_VERSION = 1
NO_SEQUENCE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedState:
    """State at the end of a sensor's newest capture in order."""

    first_ts_ns: int = 0  # of that capture's first packet
    sequence: int = NO_SEQUENCE  # of that capture, where its name has one
    open_flows: bytes = b""  # the decoder's own encoding; empty: none

    @classmethod
    def after(cls, first_ts_ns: int, sequence: int | None, open_flows: bytes) -> "CarriedState":
        """The state behind a capture that was loaded in order."""
        return cls(first_ts_ns=first_ts_ns, sequence=NO_SEQUENCE if sequence is None else sequence, open_flows=open_flows)

    def encode(self) -> bytes:
        """As the store keeps it."""
        return _HEADER.pack(_VERSION, self.first_ts_ns, self.sequence) + self.open_flows

    @classmethod
    def decode(cls, data: bytes | None) -> "CarriedState":
        """The state that `encode` wrote; None: nothing was carried yet."""
        if data is None:
            return cls()
        try:
            version, first_ts_ns, sequence = _HEADER.unpack_from(data)
        except error as cause:
            raise StoreError(f"the carried state is cut off: {len(data)} bytes") from cause
        if version != _VERSION:
            raise StoreError(f"the carried state has version {version}; this loader reads {_VERSION}")
        return cls(first_ts_ns=first_ts_ns, sequence=sequence, open_flows=data[_HEADER.size :])

    def is_before(self, first_ts_ns: int, sequence: int | None) -> bool:
        """Whether a capture comes after this state: by its number in the sensor's own order, or by packet time (a sensor
        that lost its count starts again at 1, one whose clock was set back goes on counting)."""
        if sequence is not None and self.sequence != NO_SEQUENCE and sequence > self.sequence:
            return True
        return first_ts_ns >= self.first_ts_ns

"""When each sensor's newest packet was seen: by the captures that its ledger has committed since it was last looked at."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from schema.errors import StoreUnavailableError
from schema.store.reading import StoreReader

_CAPTURES = 100  # late ones come out of order


@dataclass(slots=True)
class _Seen:
    seq: int = 0
    times_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_CAPTURES))


class NewestPackets:
    """Follows the sensors' commits. A sensor that cannot be read keeps the time that it had."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def follow(self, reader: StoreReader, positions: Mapping[str, int]) -> dict[str, int]:
        """Unix ns of the newest packet, by sensor; `positions`: seq of each sensor's newest commit. Without packets: absent."""
        for sensor, seq in positions.items():
            seen = self._seen.setdefault(sensor, _Seen())
            if seq != seen.seq:
                self._advance(reader, sensor, seq, seen)
        return {sensor: max(self._seen[sensor].times_ns) for sensor in positions if self._seen[sensor].times_ns}

    def _advance(self, reader: StoreReader, sensor: str, seq: int, seen: _Seen) -> None:
        after = seen.seq if seen.seq < seq else 0  # a store that came back as an older copy is read anew
        try:
            commits = list(reader.commits(sensor, max(after, seq - _CAPTURES)))
            records = [reader.capture(commit.capture_id) for commit in commits if commit.position.seq <= seq]
        except StoreUnavailableError:
            return
        seen.times_ns.extend(record.newest_packet_ns for record in records if record and record.newest_packet_ns)
        seen.seq = seq

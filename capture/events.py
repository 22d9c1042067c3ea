"""What a sensor tells of itself while it runs."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class SensorEventKind(StrEnum):
    """What happened."""

    RECOVERED = "recovered"  # a file that an earlier run left behind was handed over
    STARTED = "started"  # tcpdump runs
    HANDED_OVER = "handed_over"  # a capture is complete
    TCPDUMP_ENDED = "tcpdump_ended"  # by itself; it is started again
    DISK_FULL = "disk_full"  # captures cannot be written, or are not to be; packets are being lost, and counted
    DISK_FREE = "disk_free"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorCounts:
    """Since the sensor was started."""

    captures: int = 0  # handed over
    packets: int = 0  # in captures handed over
    bytes: int = 0  # size of captures handed over
    handed_over_at: float = 0.0  # Unix time of the newest; 0: none yet
    rotations_by_time: int = 0  # a file's time was over, whether it had packets or not
    rotations_by_size: int = 0
    kernel_drops: int = 0  # by the word of captures handed over
    interface_drops: int = 0
    disk_drops: int = 0  # captured, but there was no room to write them
    restarts: int = 0  # of tcpdump


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorEvent:
    """One thing that happened, in words for people, with the counts so far."""

    kind: SensorEventKind
    detail: str
    counts: SensorCounts
    path: Path | None = None  # of the capture that was handed over

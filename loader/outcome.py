"""What became of one file: the value behind the verdict line, `load --json`, `status` and the loader's metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schema.enums import FileState


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutcome:
    """One file, one state, a reason, and the balance `packets = flow_packets + sum(non_flow)`."""

    file: str
    state: FileState
    reason: str = ""  # damage in words for `loaded`; why, and what to do, for `quarantined` and `waiting`
    sensor: str = ""
    capture_id: bytes = b""  # empty: unknown (no packets, or unreadable)
    packets: int = 0
    flow_packets: int = 0
    non_flow: Mapping[str, int] = field(default_factory=dict)
    damage: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    loaded_at_ms: int = 0  # of the commit: the grace period counts from here
    write_s: float = 0.0  # that the store took for a loaded one: claim, rows, commit

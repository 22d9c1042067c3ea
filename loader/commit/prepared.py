"""A capture decoded under given inputs: identity, manifest, deltas. What claim and commit are told, and no row of it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from loader.commit.inputs import prefix_of
from loader.decode.columns import DecodeReport
from loader.outcome import FileOutcome
from loader.reading.capture import CaptureReading
from schema.enums import FileState
from schema.records import CaptureFacts, CommitDeltas, Manifest, NameRepair, PartitionCounts
from schema.store.writing import Claim, Commit
from schema.tables import FLOWS

# Damage that more bytes may mend: the file was cut off, or is still being written.
CUT_SHORT = frozenset({"cut_tail", "cut_stream"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCapture:
    """All that claim and commit need, the rows aside."""

    facts: CaptureFacts
    inputs: Mapping[str, str]
    manifest: Manifest
    report: DecodeReport
    deltas: CommitDeltas
    carried: bytes | None
    repairs: Sequence[NameRepair] = ()

    def claim(self, started_at_ms: int) -> Claim:
        """What is fixed before the first row."""
        return Claim(
            facts=self.facts,
            inputs=self.inputs,
            manifest=replace(self.manifest, repaired=_partitions_of(self.repairs)),
            started_at_ms=started_at_ms,
            endpoints=self.deltas.endpoints,
            origins=(self.facts.file_id, content_origin(prefix_of(self.inputs))),
        )

    def with_repairs(self, repairs: Sequence[NameRepair], not_sought: int) -> "PreparedCapture":
        """The same with late names of rows of earlier captures; `not_sought`: addresses whose flows were not looked for."""
        return replace(self, repairs=repairs, deltas=self._counting("repairs_not_sought", not_sought))

    def _counting(self, what: str, count: int) -> CommitDeltas:
        return replace(self.deltas, totals={**self.deltas.totals, what: count}) if count else self.deltas

    def commit(self, loaded_at_ms: int, repaired: int) -> Commit:
        """What becomes visible together; `repaired`: rows that were there to be named."""
        endpoints = self.deltas.endpoints.values()
        return Commit(
            deltas=self._counting("names_repaired", repaired),
            flows=sum(totals.flows for totals in endpoints),
            flow_packets=self.report.flow_packets,
            flow_bytes=sum(totals.bytes + totals.bytes_rev for totals in endpoints),
            non_flow=self.report.non_flow,
            reason=damage_text(self.report),
            carried=self.carried,
            loaded_at_ms=loaded_at_ms,
        )

    def outcome(self, path: Path, state: FileState, sensor: str, reason: str = "", loaded_at_ms: int = 0) -> FileOutcome:
        """What became of the file; rows are told of a loaded one only."""
        return FileOutcome(
            file=str(path),
            state=state,
            reason=reason,
            sensor=sensor,
            capture_id=self.facts.capture_id,
            packets=self.report.frames,
            flow_packets=self.report.flow_packets,
            non_flow=self.report.non_flow,
            damage=self.report.damage,
            rows=self.manifest.own_rows if state is FileState.LOADED else {},
            loaded_at_ms=loaded_at_ms,
        )


def _partitions_of(repairs: Sequence[NameRepair]) -> tuple[PartitionCounts, ...]:
    """As a manifest names them."""
    if not repairs:
        return ()
    partitions = Counter((repair.key.destination_ip, repair.key.bucket) for repair in repairs)
    return (PartitionCounts(table=FLOWS.name, partitions=tuple(partitions), rows=tuple(partitions.values())),)


def facts_of(path: Path, reading: CaptureReading, kernel_drops: int | None) -> CaptureFacts:
    """What is known of a capture once its last byte has been read."""
    report = reading.report
    return CaptureFacts(
        capture_id=reading.capture_id,
        file_name=path.name,
        file_id=file_id_of(path),
        size_bytes=path.stat().st_size,
        content_bytes=reading.content_bytes,
        consumed_bytes=report.consumed_bytes,
        link_types=report.link_types,
        frames=report.frames,
        kernel_drops=kernel_drops,
        first_ts_ns=report.first_ts_ns,
        last_ts_ns=report.last_ts_ns,
    )


def file_id_of(path: Path) -> str:
    """A file's identity while it lives: `device:inode`."""
    stat = path.stat()
    return f"{stat.st_dev}:{stat.st_ino}"


def content_origin(content_id: bytes) -> str:
    """What leads from a whole content to the capture that ended it: a file that grew was loaded in parts."""
    return f"content:{content_id.hex()}"


def kernel_drops_beside(path: Path) -> int | None:
    """Packets that the kernel dropped while this file was captured, as its sensor wrote beside it (`NAME.json`)."""
    return _noted_beside(path, "kernel_drops")


def disk_drops_beside(path: Path) -> int:
    """Packets that its sensor had no room for before it handed this file over."""
    return _noted_beside(path, "disk_drops") or 0


def _noted_beside(path: Path, what: str) -> int | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        number = json.loads(path.with_name(path.name + ".json").read_text())[what]
        return int(number) if number is not None else None
    return None


def named_totals(
    report: DecodeReport, manifest: Manifest, kernel_drops: int | None, further: Mapping[str, int]
) -> dict[str, int]:
    """What a commit adds to the ledger's flat totals; zeros are left out."""
    totals = {"captures": 1, "frames": report.frames, "flow_packets": report.flow_packets}
    totals["kernel_drops"] = kernel_drops or 0
    totals |= {f"rows/{table}": rows for table, rows in manifest.own_rows.items()}
    totals |= {f"non_flow/{reason}": packets for reason, packets in report.non_flow.items()}
    totals |= {f"damage/{reason}": count for reason, count in report.damage.items()}
    totals |= report.counters
    totals |= further
    return {name: count for name, count in totals.items() if count}


def believed_start(report: DecodeReport) -> int:
    """When a capture began (Unix ns), as its place among the sensor's captures is judged: a first packet dated far ahead of
    those behind it is not believed."""
    return min(report.first_ts_ns, report.clock_first_ts_ns) if report.clock_first_ts_ns else report.first_ts_ns


def damage_text(report: DecodeReport) -> str:
    """Damage of a capture as its verdict line tells it; empty for none."""
    return ", ".join(f"{reason} {count}" if count > 1 else reason for reason, count in sorted(report.damage.items()))

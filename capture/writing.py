"""The capture file that a sensor is writing: records at its end, or not at all; then handed over with its counts."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO

from capture.events import SensorCounts, SensorEvent, SensorEventKind
from capture.handover import HandOver, is_no_room
from capture.pcap import FILE_HEADER_BYTES, PcapStreamError, StreamFormat, whole_records
from capture.rotation import Piece
from capture.tcpdump import Statistics

Report = Callable[[SensorEvent], None]


@dataclass(slots=True)
class Journal:
    """Counts of a sensor and whoever hears of them. One thread counts; any may look: `counts` is replaced whole."""

    report: Report
    counts: SensorCounts = field(default_factory=SensorCounts)
    captures_now: bool = False  # whether tcpdump runs
    clock: Callable[[], float] = time.time

    def tell(self, kind: SensorEventKind, detail: str, path: Path | None = None, **added: int) -> None:
        """Count, then report."""
        self.count(**added)
        self.report(SensorEvent(kind=kind, detail=detail, counts=self.counts, path=path))

    def handed_over(self, kind: SensorEventKind, detail: str, path: Path, size: int, **added: int) -> None:
        """The capture at `path` is complete (and perhaps loaded and gone by now): count it, then report."""
        self.counts = replace(self.counts, handed_over_at=self.clock())
        self.tell(kind, detail, path, captures=1, bytes=size, **added)

    def count(self, **added: int) -> None:
        """What nobody has to hear of at once."""
        raised = {name: getattr(self.counts, name) + number for name, number in added.items()}
        self.counts = replace(self.counts, **raised)


class CaptureWriter:
    """Writes pieces into the current file. A full disk, or a pause that is asked
    for, loses pieces, whole records at a time, and is counted."""

    def __init__(self, handover: HandOver, journal: Journal) -> None:
        self._handover, self._journal = handover, journal
        self._numbers = count(1)
        self._part: tuple[Path, BinaryIO] | None = None
        self._size = self._packets = self._first_ns = 0
        self._disk_is_full = False
        self._latest = Statistics()  # what the current tcpdump said last
        self._stated = Statistics()  # what files handed over have said of it; below 0: what none has said of those before it

    def write(self, header: bytes, piece: Piece) -> None:
        """Append whole records; begins a file with `header` where there is none."""
        if not piece.records:
            return
        if self._handover.is_to_pause():
            self._no_room(piece.records, "is nearly full and its loader asks for a pause")
            return
        try:
            if self._part is None:
                self._part, self._size = self._handover.begin(next(self._numbers)), 0
                self._append(header)
            self._append(piece.content)
        except OSError as error:
            if not is_no_room(error):
                raise
            self._no_room(piece.records, "is full")
            return
        self._first_ns = self._first_ns or piece.first_ns
        self._packets += piece.records

    def close(self, statistics: Statistics) -> None:
        """Hand the current file over, with the drops since the file before it; without packets there is none."""
        self._latest = statistics
        if self._part is None or not self._packets:
            return
        path, file = self._part
        facts = self._facts(statistics)
        try:
            target, has_facts = self._handover.finish(path, self._first_ns, facts)
        except OSError as error:
            if not is_no_room(error):
                raise
            self._no_room(0, "is full")  # it stays the current file until there is room for its name
            return
        file.close()
        packets, size = self._packets, self._size
        self._part, self._packets, self._first_ns = None, 0, 0
        if has_facts:  # otherwise the next file says it
            self._stated = statistics
        self._journal.handed_over(
            SensorEventKind.HANDED_OVER, f"{target.name}: {packets} packets", target, size, packets=packets,
            kernel_drops=facts["kernel_drops"] if has_facts else 0,
            interface_drops=facts["interface_drops"] if has_facts else 0,
        )  # fmt: skip
        if self._disk_is_full and not self._handover.is_to_pause():
            self._disk_is_full = False
            self._journal.tell(SensorEventKind.DISK_FREE, "there is room again: captures are handed over")

    def tcpdump_began(self) -> None:
        """Its statistics begin at 0 again; what no file has said of the run before it is still to be said."""
        self._stated, self._latest = self._stated.since(self._latest), Statistics()

    def end(self) -> str:
        """Leave nothing behind where nothing was written; what to say of the end."""
        return "; ".join(["stopped", *self._losses(), self._end_of_file()])

    def _end_of_file(self) -> str:
        if self._part is not None:
            path, file = self._part
            file.close()
            if self._packets:
                return f"the disk is full: {self._packets} packets wait in {path} for the next start"
            path.unlink()
        return f"everything {'else ' if self._journal.counts.disk_drops else ''}captured was handed over"

    def _losses(self) -> Iterator[str]:
        if lost := self._journal.counts.disk_drops:
            yield f"{lost} packets were lost: there was no room for them"
        if unnoted := self._handover.unnoted_drops:
            yield f"{unnoted} lost packets will be counted with the next capture"

    def _append(self, content: bytes) -> None:
        if self._part is None:
            raise AssertionError("no file was begun")
        file, view = self._part[1], memoryview(content)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError:
            file.truncate(self._size)  # half a record is none
            file.seek(self._size)
            raise
        self._size += len(content)

    def _facts(self, statistics: Statistics) -> dict[str, int]:
        unstated = statistics.since(self._stated)
        return {
            "packets": self._packets,
            "received": unstated.received,
            "kernel_drops": unstated.dropped,
            "interface_drops": unstated.interface_dropped,
        }

    def _no_room(self, packets: int, why: str) -> None:
        self._handover.drop(packets)
        told = SensorEventKind.DISK_FULL
        self._journal.count(disk_drops=packets)
        if self._size == 0 and self._part is not None:  # not even the header
            path, file = self._part
            file.close()
            path.unlink()
            self._part = None
        if not self._disk_is_full:
            self._disk_is_full = True
            self._journal.tell(told, f"the disk of {self._handover.work.parent} {why}: packets are lost until there is room")


def recover(handover: HandOver, journal: Journal) -> None:
    """Hand over what an earlier run left: whole records are kept, half a record at the end is cut off."""
    for path in handover.leftovers():
        content = path.read_bytes()
        try:
            records = whole_records(content[FILE_HEADER_BYTES:], StreamFormat.of(content), len(content))
        except PcapStreamError:
            path.unlink()  # it ends within the file header: no packet was in it
            continue
        if not records.count:
            path.unlink()
            continue
        with path.open("r+b") as file:
            file.truncate(FILE_HEADER_BYTES + records.end)
        facts = {"packets": records.count, "kernel_drops": None, "recovered": True}
        target = handover.finish(path, records.first_ns or time.time_ns(), facts).path
        detail = f"{target.name}: {records.count} packets that an earlier run had not handed over"
        size = FILE_HEADER_BYTES + records.end
        journal.handed_over(SensorEventKind.RECOVERED, detail, target, size, packets=records.count)

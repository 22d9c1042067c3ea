"""Made-up traffic as a sensor would hand it over: at once, or paced in real time; with its ground truth."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TextIO

from capture.emission import Emission
from capture.handover import HandOver
from capture.pcap import file_header, record
from capture.traffic import TrafficPlan, emissions
from capture.truth import CaptureTruth, GroundTruth, Witness

_NS = 1_000_000_000
_WRITE_BYTES = 1 << 18
_PACE_S = 0.05  # live frames are written in steps of this length


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When one capture ends and the next begins; whichever comes first."""

    seconds: float | None = None
    packets: int | None = None


class _Captures:
    """The capture being written, and what its witness says of it."""

    def __init__(self, handover: HandOver, rotation: Rotation, start_ns: int) -> None:
        self._handover, self._rotation, self._witness = handover, rotation, Witness()
        self._numbers = count(1)
        self._ends_ns = start_ns
        self._begin(start_ns)

    def write(self, emission: Emission) -> Iterator[CaptureTruth]:
        """One more frame; gives the capture that ended before it, if one did."""
        if emission.ts_ns >= self._ends_ns or self._packets == self._rotation.packets:
            yield from self.rotate(emission.ts_ns)
        self._buffer += record(emission.ts_ns, emission.frame)
        self._packets += 1
        self._witness.see(emission)
        if len(self._buffer) >= _WRITE_BYTES:
            self._flush()

    def rotate(self, now_ns: int) -> Iterator[CaptureTruth]:
        """Hand the capture over, unless nothing is in it, and begin the next."""
        if self._packets:
            yield self.finish()
            self._begin(now_ns)
        elif self._rotation.seconds is not None:
            self._ends_ns = now_ns + int(self._rotation.seconds * _NS)

    def due(self, now_ns: int) -> bool:
        """Whether the capture's time is over."""
        return now_ns >= self._ends_ns

    def finish(self) -> CaptureTruth:
        """Hand the last capture over."""
        self._flush()
        self._file.close()
        return self._witness.close(self._handover.finish(self._path, self._started_ns).path.name)

    def drop_empty(self) -> None:
        """Nothing was written since the last rotation: nothing is handed over."""
        self._file.close()
        self._path.unlink()

    @property
    def is_empty(self) -> bool:
        """No frame since the last rotation."""
        return self._packets == 0

    def _begin(self, now_ns: int) -> None:
        self._path, self._file = self._handover.begin(next(self._numbers))
        self._started_ns, self._packets, self._buffer = now_ns, 0, bytearray(file_header())
        seconds = self._rotation.seconds
        self._ends_ns = 1 << 63 if seconds is None else now_ns + int(seconds * _NS)

    def _flush(self) -> None:
        view = memoryview(bytes(self._buffer))
        while view:
            view = view[self._file.write(view) :]
        self._buffer.clear()


def write_captures(plan: TrafficPlan, directory: Path, rotation: Rotation, sensor: str = "demo") -> GroundTruth:
    """All of a bounded plan as captures of one sensor in `directory`; the truth holds every capture."""
    if plan.packets is None:
        raise ValueError("only a bounded plan can be written at once")
    truth = GroundTruth()
    with HandOver(directory, sensor) as handover:
        captures = _Captures(handover, rotation, plan.start_ns)
        for emission in emissions(plan):
            truth.captures.extend(captures.write(emission))
        if captures.is_empty:
            captures.drop_empty()
        else:
            truth.captures.append(captures.finish())
    for capture in truth.captures:
        truth.add(capture)
    return truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Clockwork:
    """Time as `pace` sees it. `wait(seconds)` returns True when it is to stop (`threading.Event.wait` is one)."""

    now_ns: Callable[[], int]
    wait: Callable[[float], bool]


def pace(
    plan: TrafficPlan, handover: HandOver, rotation: Rotation, clock: Clockwork, told: Callable[[CaptureTruth], None]
) -> GroundTruth:
    """Write frames at the time they bear until the plan ends or the clock stops it; `told` hears of each capture after its
    hand-over. The truth holds sums only, so that memory does not grow with time."""
    truth = GroundTruth()
    captures = _Captures(handover, rotation, plan.start_ns)

    def keep(capture: CaptureTruth) -> None:
        truth.add(capture)
        told(capture)

    for emission in emissions(plan):
        while emission.ts_ns > clock.now_ns():
            if clock.wait(_PACE_S):
                break
            if captures.due(now := clock.now_ns()):
                for capture in captures.rotate(now):
                    keep(capture)
        else:
            for capture in captures.write(emission):
                keep(capture)
            continue
        break
    if captures.is_empty:
        captures.drop_empty()
    else:
        keep(captures.finish())
    return truth


def write_truth(truth: GroundTruth, file: TextIO) -> None:
    """As JSON lines: each capture with its rows, then the total. Keep it out of the watched directory."""
    for capture in truth.captures:
        write_capture_truth(capture, file)
    file.write(json.dumps(truth.line()) + "\n")


def write_capture_truth(capture: CaptureTruth, file: TextIO) -> None:
    """The lines of one capture."""
    file.writelines(json.dumps(line) + "\n" for line in capture.lines())

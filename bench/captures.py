"""Captures to measure on, made by the demo's generator where none is given; and what is in a capture."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from capture.pcap import file_header, record
from capture.traffic import TrafficPlan, generate

_WRITE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What pcapline finds in a capture: ratios depend on it."""

    packets: int
    mebibytes: float
    flows: int
    dns_records: int


def made(packets: int, directory: Path) -> Path:
    """A capture of so many packets; made once, the same for ever."""
    path = directory / f"made-{packets}.pcap"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        _write(unfinished, TrafficPlan(packets=packets))
        unfinished.rename(path)
    return path


def _write(path: Path, plan: TrafficPlan) -> None:
    with path.open("wb") as file:
        buffer = bytearray(file_header())
        for ts_ns, frame in generate(plan):
            buffer += record(ts_ns, frame)
            if len(buffer) >= _WRITE_BYTES:
                file.write(buffer)
                buffer.clear()
        file.write(buffer)


def content_of(capture: Path) -> Content:
    """Asks `pcapline read`; raises CalledProcessError for a file that is no capture."""
    command = [sys.executable, "-m", "pcapline", "read", "--summary", "--json", str(capture)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    size = capture.stat().st_size / (1 << 20)
    return Content(told["packets"], size, told["rows"]["flows"], told["rows"]["dns_answers"])

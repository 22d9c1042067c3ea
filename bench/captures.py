"""Captures to measure on: made by the demo's generator, cut, repeated, compressed; and what is in a capture.

What is derived from a capture is kept in a directory beside it and made once. Only classic captures can be cut and repeated.
"""

import json
import struct
import subprocess
import sys
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from capture.pcap import FILE_HEADER_BYTES, RECORD_HEADER_BYTES, StreamFormat, file_header, record
from capture.traffic import TrafficPlan, generate

_WRITE_BYTES = 1 << 20
# Between two repetitions: longer than any flow is waited for.
_PAUSE_S = 3_600


@dataclass(frozen=True, slots=True)
class Content:
    """What pcapline finds in a capture: ratios depend on it."""

    packets: int
    mebibytes: float
    flows: int
    dns_records: int


def made(packets: int, directory: Path) -> Path:
    """A capture of so many packets by the demo's generator, the same for ever."""
    return _once(directory / f"made-{packets}.pcap", lambda path: _generate(path, TrafficPlan(packets=packets)))


def sliced(capture: Path, packets: int, directory: Path) -> Path:
    """The first packets of a capture."""
    return _once(directory / f"{capture.stem}-first-{packets}.pcap", lambda path: _slice(capture, path, packets))


def repeated(capture: Path, times: int, directory: Path) -> Path:
    """A capture over and over, each time an hour after the last packet of the time before."""
    return _once(directory / f"{capture.stem}-times-{times}.pcap", lambda path: _repeat(capture, path, times))


def shifted(capture: Path, seconds: int, path: Path) -> Path:
    """A capture so much later, written over `path`."""
    content = bytearray(capture.read_bytes())
    time_of = struct.Struct(StreamFormat.of(bytes(content[:FILE_HEADER_BYTES])).order + "I")
    for at in _records(content)[:-1]:
        time_of.pack_into(content, at, time_of.unpack_from(content, at)[0] + seconds)
    path.write_bytes(content)
    return path


def compressed(capture: Path, program: str, directory: Path) -> Path:
    """A capture as `gzip` or `zstd` leave it by default."""
    return _once(directory / f"{capture.name}.{program}", lambda path: _compress(capture, path, program))


def _once(path: Path, make: Callable[[Path], None]) -> Path:
    """In a process of its own: the largest memory that this one ever had is counted to all that it starts (see exec)."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        making = get_context("fork").Process(target=make, args=(unfinished,))
        making.start()
        making.join()
        if making.exitcode:
            raise RuntimeError(f"{path} could not be made")
        unfinished.rename(path)
    return path


def _generate(path: Path, plan: TrafficPlan) -> None:
    with path.open("wb") as file:
        buffer = bytearray(file_header())
        for ts_ns, frame in generate(plan):
            buffer += record(ts_ns, frame)
            if len(buffer) >= _WRITE_BYTES:
                file.write(buffer)
                buffer.clear()
        file.write(buffer)


def _records(content: bytes | bytearray, limit: int = sys.maxsize) -> "array[int]":
    """Where records begin, and where the last of them ends. Raises `PcapStreamError` for what is no classic capture."""
    captured = struct.Struct(StreamFormat.of(bytes(content[:FILE_HEADER_BYTES])).order + "I").unpack_from
    offsets, at, behind = array("Q"), FILE_HEADER_BYTES, len(content) - RECORD_HEADER_BYTES
    while at <= behind and len(offsets) < limit:
        offsets.append(at)
        at += RECORD_HEADER_BYTES + captured(content, at + 8)[0]
    offsets.append(at)
    return offsets


def _slice(capture: Path, path: Path, packets: int) -> None:
    content = capture.read_bytes()
    path.write_bytes(content[: _records(content, packets)[-1]])


def _repeat(capture: Path, path: Path, times: int) -> None:
    content = bytearray(capture.read_bytes())
    offsets = _records(content)[:-1]
    seconds = struct.Struct(StreamFormat.of(bytes(content[:FILE_HEADER_BYTES])).order + "I")
    first, last = (seconds.unpack_from(content, offsets[end])[0] for end in (0, -1))
    with path.open("wb") as file:
        file.write(content[:FILE_HEADER_BYTES])
        for _ in range(times):
            file.write(memoryview(content)[FILE_HEADER_BYTES:])
            for at in offsets:
                seconds.pack_into(content, at, seconds.unpack_from(content, at)[0] + last - first + _PAUSE_S)


def _compress(capture: Path, path: Path, program: str) -> None:
    with path.open("wb") as file:
        subprocess.run([program, "-c", str(capture)], stdout=file, check=True)


def content_of(capture: Path) -> Content:
    """Asks `pcapline read`; raises CalledProcessError for a file that is no capture."""
    command = [sys.executable, "-m", "pcapline", "read", "--summary", "--json", str(capture)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    size = capture.stat().st_size / (1 << 20)
    return Content(told["packets"], size, told["rows"]["flows"], told["rows"]["dns_answers"])

"""The kernels as plain Python, where there is neither a compiled one nor the cython package; small bounds are tried there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .captures import ethernet, ipv4, pcap_header, record, tcp, udp

ROOT = Path(__file__).resolve().parents[3]
MAX_OPEN = 64
DECODE = """
import json, sys
sys.modules["cython"] = None  # as if it were not installed
from loader.decode import layout
layout.MAX_OPEN_FLOWS = int(sys.argv[2])
from loader import build
from schema import plain
from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading
from pathlib import Path
import loader.decode.flows as kernel
assert kernel.cython is plain and not build.kernels_compiled()
reading = CaptureReading(Path(sys.argv[1]), DecodeOptions(), identify=False)
flows, dns = [], []
for batch in reading.batches():
    f, d = batch.flows, batch.dns
    flows += [list(row) for row in zip(f.frame, f.packets, f.packets_rev, f.end_reason, f.source_port)]
    dns += [list(row) for row in zip(d.qname, d.rr_type, d.names)]
report = reading.report
shown = {"flows": flows, "dns": dns, "counters": report.counters, "frames": report.frames}
print(json.dumps(shown | {"carried": len(reading.carried)}))
"""
LACK_OF_RESOURCES = 5


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms that decoding needs, without compiled kernels."""
    root = tmp_path_factory.mktemp("bare")
    for room in ("loader", "schema"):
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    return root


def _decode(root: Path, capture: bytes, max_open: int = 262_144, hash_seed: str = "0") -> dict[str, Any]:
    path = root / "capture.pcap"
    path.write_bytes(capture)
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", DECODE, str(path), str(max_open)]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    decoded: dict[str, Any] = json.loads(done.stdout)
    return decoded


def _capture(frames: list[bytes]) -> bytes:
    records = (record(1_700_000_000_000_000 + 1_000 * n, frame) for n, frame in enumerate(frames))
    return pcap_header() + b"".join(records)


def _datagram(port: int) -> bytes:
    return ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(port, 443)))


def test_an_interpreter_without_cython_decodes(bare: Path) -> None:
    capture = (ROOT / "tests" / "golden" / "captures" / "dns-cname-chain.pcap").read_bytes()
    decoded = _decode(bare, capture)
    assert decoded["flows"] == [[1, 0, 1, 4, 40_000]]
    assert decoded["dns"][2] == ["www.example.com", "A", "www.example.com"]


def test_beyond_the_bound_the_longest_silent_flows_end(bare: Path) -> None:
    """One flow speaks all the time and stays; of the others each is silent from its first packet on."""
    talker, count = _datagram(9), 500
    decoded = _decode(bare, _capture([frame for n in range(count) for frame in (_datagram(1_000 + n), talker)]), MAX_OPEN)
    flows = decoded["flows"]
    evicted = [port for _, _, _, reason, port in flows if reason == LACK_OF_RESOURCES]
    assert decoded["counters"]["evicted_flows"] == len(evicted)
    assert evicted == [1_000 + n for n in range(len(evicted))]
    assert count + 1 - MAX_OPEN <= len(evicted) <= count + 1 - MAX_OPEN * 7 // 8 + 1
    assert sum(packets + back for _, packets, back, _, _ in flows) == decoded["frames"] == 2 * count
    assert [packets for _, packets, _, _, port in flows if port == 9] == [count]


def test_eviction_does_not_depend_on_the_process(bare: Path) -> None:
    """The table's hash is seeded anew in each process; what is evicted, and in which order, is not its affair."""
    ports = [1_000 + n * n % 701 for n in range(700)]
    frames = [_datagram(port) for port in ports]
    frames += [ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(port, 443, 0x02))) for port in ports]
    first, second = (_decode(bare, _capture(frames), MAX_OPEN, seed) for seed in ("1", "2"))
    assert first["counters"]["evicted_flows"] > MAX_OPEN
    assert first == second


def test_an_idle_flow_that_is_not_swept_yet_evicts_nobody(bare: Path) -> None:
    """The first flow is idle by the time the bound is reached: with it gone there is room for the others."""
    times = [(0, 0), *((n, 35) for n in range(1, 14)), (14, 50), (1, 61), (15, 62), (16, 62)]  # swept at 35 and 50
    frames = (record(1_700_000_000_000_000 + second * 1_000_000, _datagram(1_000 + n)) for n, second in times)
    decoded = _decode(bare, pcap_header() + b"".join(frames), 16)
    assert "evicted_flows" not in decoded["counters"]
    assert len(decoded["flows"]) == 17


def test_what_begins_after_a_silence_is_not_idle_where_room_is_made_for_it(bare: Path) -> None:
    """The table is full when its second packet says how late it is: those before the silence make room."""
    times = [*((n, 0) for n in range(15)), (15, 25_000), (15, 25_001)]
    frames = (record(1_700_000_000_000_000 + second * 1_000_000, _datagram(1_000 + n)) for n, second in times)
    decoded = _decode(bare, pcap_header() + b"".join(frames), 16)
    assert "evicted_flows" not in decoded["counters"]
    assert [packets for _, packets, _, _, port in decoded["flows"] if port == 1_015] == [2]
    assert len(decoded["flows"]) == 16

"""The same packets give the same rows in every container, byte order and resolution; so do those that editcap converts."""

import shutil
import subprocess
from pathlib import Path

import pytest

from loader.decode import layout
from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading, first_packet_time
from tests.servers import require

from .captures import assert_balanced, decode, ethernet, flow_rows, ipv4, tcp, udp
from .containers import Packet, enhanced, every_container, interface, pcap, section

START_NS = 1_700_000_000_999_998_000
_FRAMES = [
    ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443, bytes(13)))),
    ethernet(ipv4("10.0.0.2", "10.0.0.1", 17, udp(443, 40_000, bytes(200)))),
    ethernet(ipv4("10.0.0.1", "10.0.0.3", 6, tcp(40_001, 80, 0x02))),
    ethernet(bytes(28), 0x0806),
]
PACKETS = [Packet(START_NS + n * 1_001_000, _FRAMES[n % 4], wire=len(_FRAMES[n % 4]) + n % 3) for n in range(30)]
CONTAINERS = every_container(PACKETS)


def _rows(path: Path) -> tuple[object, ...]:
    """All but what differs with the container: its damage, offsets and counters."""
    reading = CaptureReading(path, DecodeOptions(packets=True), identify=False)
    batches = [batch.as_dict() for batch in reading.batches()]
    report = reading.report
    shown = [{name: columns.as_dict() for name, columns in batch.items()} for batch in batches]
    plain = repr([{n: {k: list(v) for k, v in c.items()} for n, c in batch.items()} for batch in shown])
    return plain, report.frames, dict(report.non_flow), report.first_ts_ns, report.last_ts_ns, dict(report.damage)


def test_the_packets_are_what_was_written() -> None:
    batches, report, _ = decode(CONTAINERS["pcap-ns-little"])
    columns = [batch.packets for batch in batches]
    assert_balanced(batches, report)
    assert [ts for part in columns for ts in part.ts_ns] == [packet.ts_ns for packet in PACKETS]
    assert [length for part in columns for length in part.length] == [packet.length for packet in PACKETS]
    assert [length for part in columns for length in part.captured_length] == [len(packet.frame) for packet in PACKETS]


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_gives_the_rows_of_any_other(tmp_path: Path, name: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(CONTAINERS["pcap-us-little"])
    other.write_bytes(CONTAINERS[name])
    assert _rows(other) == _rows(one)
    assert first_packet_time(other) == PACKETS[0].ts_ns


@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "modpcap", "nokiapcap", "rh6_1pcap", "suse6_3pcap", "pcapng"])
@pytest.mark.parametrize("source", ["pcap-us-little", "pcap-ns-big", "pcapng-mixed", "pcap-nokia-big", "pcapng-0x9-big"])
def test_what_editcap_converts_gives_the_same_rows(tmp_path: Path, kind: str, source: str) -> None:
    require(shutil.which("editcap") is not None, "editcap is not installed")
    path, converted = tmp_path / "source", tmp_path / "converted"
    path.write_bytes(CONTAINERS[source])
    subprocess.run(["editcap", "-F", kind, str(path), str(converted)], check=True, capture_output=True)
    assert _rows(converted) == _rows(path)


def test_what_mergecap_puts_together_gives_the_rows_of_one(tmp_path: Path) -> None:
    """Of two link types: an interface each."""
    require(shutil.which("mergecap") is not None, "mergecap is not installed")
    raw = [packet._replace(frame=packet.frame[14:], wire=0) for packet in PACKETS[1::2] if packet.frame[12:14] == b"\x08\0"]
    cut = [packet._replace(wire=0) for packet in PACKETS[::2]]
    first, second, merged = tmp_path / "first", tmp_path / "second", tmp_path / "merged"
    first.write_bytes(pcap(cut))
    second.write_bytes(pcap(raw, magic=0xA1B23C4D, link_type=101))
    subprocess.run(["mergecap", "-w", str(merged), str(first), str(second)], check=True, capture_output=True)
    reading = CaptureReading(merged, DecodeOptions(packets=True), identify=False)
    rows = [batch.packets for batch in reading.batches()]
    assert reading.report.link_types == (1, 101)
    assert [ts for columns in rows for ts in columns.ts_ns] == sorted(packet.ts_ns for packet in cut + raw)
    assert reading.report.flow_packets == len(cut + raw)


def test_a_length_on_the_wire_that_cannot_be_is_clamped_and_counted() -> None:
    """An IPv4 header whose total length is 0 would make it traffic."""
    packet = bytearray(ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443)))
    packet[2:4] = bytes(2)
    frame = ethernet(bytes(packet))
    packets = [Packet(START_NS, frame, wire=0xFFFF_FFFF)]
    for capture in (pcap(packets), section() + interface() + enhanced(packets[0])):
        batches, report, _ = decode(capture)
        assert_balanced(batches, report)
        assert [list(batch.packets.length) for batch in batches if len(batch.packets)] == [[layout.MAX_WIRE_BYTES]]
        assert [row["bytes"] for row in flow_rows(batches)] == [layout.MAX_WIRE_BYTES - 14]
        assert report.counters["clamped_wire_lengths"] == 1

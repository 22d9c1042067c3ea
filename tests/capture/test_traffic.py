"""The generator's frames, read by dpkt and tshark, which know nothing of its labels."""

import ipaddress
import json
import shutil
import socket
import struct
import subprocess
from collections import Counter
from itertools import islice
from pathlib import Path

import dpkt
import pytest

from capture.demo import Clockwork, Rotation, pace, write_captures, write_truth
from capture.handover import HandOver
from capture.traffic import TrafficPlan, generate
from capture.truth import CaptureTruth, FlowTruth, GroundTruth
from schema.capture_names import parse_capture_name
from tests.servers import require

NS = 1_000_000_000
PLAN = TrafficPlan(packets=20_000, packets_per_second=2_000)
ECHO_PORTS = {1: {8: (8, 0), 0: (0, 8)}, 58: {128: (128, 129), 129: (129, 128)}}
Key = tuple[str, str, int, int, int]


def packets_of(path: Path) -> list[tuple[int, bytes]]:
    """Time and frame of each packet; dpkt's own reader has float times."""
    content, offset, packets = path.read_bytes(), 24, []
    while offset < len(content):
        second, ns, captured, length = struct.unpack_from("<IIII", content, offset)
        assert captured == length
        packets.append((second * NS + ns, content[offset + 16 : offset + 16 + captured]))
        offset += 16 + captured
    return packets


def key_of(frame: bytes) -> tuple[Key, int, int] | None:
    """5-tuple as sent, IP length and TCP flags, by dpkt."""
    ip = dpkt.ethernet.Ethernet(frame).data
    if not isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6):
        return None
    protocol = ip.p if isinstance(ip, dpkt.ip.IP) else ip.nxt
    length = ip.len if isinstance(ip, dpkt.ip.IP) else 40 + ip.plen
    if protocol in ECHO_PORTS:
        ports = ECHO_PORTS[protocol][ip.data.type]
    elif protocol in (6, 17):
        ports = (ip.data.sport, ip.data.dport)
    else:
        return None
    family = socket.AF_INET if len(ip.src) == 4 else socket.AF_INET6
    addresses = socket.inet_ntop(family, ip.src), socket.inet_ntop(family, ip.dst)
    return (*addresses, *ports, protocol), length, ip.data.flags if protocol == 6 else 0


def rows_by_dpkt(path: Path, initiators: set[Key]) -> Counter[tuple[object, ...]]:
    """Flow rows by the rules of the field: keyed both ways, told from whoever sent first in the first file."""
    rows: dict[Key, list[int]] = {}
    for ts_ns, frame in packets_of(path):
        if (found := key_of(frame)) is None:
            continue
        key, length, _ = found
        reverse = (key[1], key[0], key[3], key[2], key[4])
        forward = key if key in initiators or reverse not in initiators else reverse
        initiators.add(forward)
        row = rows.setdefault(forward, [ts_ns, ts_ns, 0, 0, 0, 0])
        row[1] = ts_ns
        side = 2 if forward == key else 4
        row[side] += 1
        row[side + 1] += length
    return Counter((*key, *row) for key, row in rows.items())


def as_row(row: FlowTruth) -> tuple[object, ...]:
    return (
        row.source_ip, row.destination_ip, row.source_port, row.destination_port, row.protocol,
        row.first_ts_ns, row.last_ts_ns, row.packets, row.bytes, row.packets_rev, row.bytes_rev,
    )  # fmt: skip


def test_the_same_seed_gives_the_same_frames_and_another_seed_others() -> None:
    first = list(generate(TrafficPlan(packets=3_000)))
    assert first == list(generate(TrafficPlan(packets=3_000)))
    assert first != list(generate(TrafficPlan(packets=3_000, seed=2)))
    times = [ts_ns for ts_ns, _ in first]
    assert times == sorted(set(times))


@pytest.mark.parametrize("packets", [0, 1, 2, 17, 1_000])
def test_a_bounded_plan_has_exactly_its_packets(packets: int) -> None:
    assert len(list(generate(TrafficPlan(packets=packets)))) == packets


def test_an_endless_plan_goes_on() -> None:
    assert len(list(islice(generate(TrafficPlan(packets=None)), 5_000))) == 5_000


@pytest.mark.parametrize("rotation", [Rotation(), Rotation(seconds=1), Rotation(packets=777)])
def test_flow_rows_are_what_dpkt_finds(tmp_path: Path, rotation: Rotation) -> None:
    truth = write_captures(PLAN, tmp_path, rotation)
    initiators: set[Key] = set()
    for capture in truth.captures:
        assert rows_by_dpkt(tmp_path / capture.file, initiators) == Counter(map(as_row, capture.flows)), capture.file
    assert truth.packets == 20_000 == truth.flow_packets + sum(truth.non_flow.values())
    assert {"arp", "not_ip", "unsupported_ip_protocol"} == set(truth.non_flow)
    assert {row.protocol for capture in truth.captures for row in capture.flows} == {1, 6, 17, 58}


def test_names_and_dns_rows_are_what_dpkt_reads(tmp_path: Path) -> None:
    """Names by a second telling: a walk over all answers before each flow."""
    (capture,) = write_captures(PLAN, tmp_path, Rotation()).captures
    told: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    records = 0
    for ts_ns, frame in packets_of(tmp_path / capture.file):
        found = key_of(frame)
        if found is None or found[0][2] != 53:
            continue
        message = dpkt.dns.DNS(dpkt.ethernet.Ethernet(frame).data.data.data)
        records += len(message.an) + len(message.ns) or 1
        qname, chain = message.qd[0].name.lower(), {message.qd[0].name.lower()}
        for answer in message.an:
            assert answer.name.lower() in chain
            if answer.type == dpkt.dns.DNS_CNAME:
                chain.add(answer.cname.lower())
            else:
                address = str(ipaddress.ip_address(answer.rdata))
                told.setdefault((found[0][1], address), []).append((ts_ns, ts_ns + answer.ttl * NS, qname))
    assert records == len(capture.dns)
    for row in capture.flows:
        before = [t for t in told.get((row.source_ip, row.destination_ip), []) if t[0] < row.first_ts_ns]
        assert all(row.first_ts_ns <= until for _, until, _ in before[-1:])
        assert row.hostname == (before[-1][2] if before else None)
        assert row.endpoint == (row.hostname or row.destination_ip)
    assert any(row.hostname is None for row in capture.flows)
    assert all((row.rcode, row.section) in ((3, "authority"), (0, "answer")) for row in capture.dns if row.rr_type != "CNAME")
    assert any(row.rr_type == "SOA" for row in capture.dns)


def test_rotation_moves_no_packet_of_any_endpoint(tmp_path: Path) -> None:
    def by_endpoint(truth: GroundTruth) -> dict[str, tuple[int, int, int, int]]:
        return {name: (e.packets, e.bytes, e.packets_rev, e.bytes_rev) for name, e in truth.endpoints.items()}

    whole = write_captures(PLAN, tmp_path / "whole", Rotation())
    parts = write_captures(PLAN, tmp_path / "parts", Rotation(seconds=0.5))
    assert len(parts.captures) > 10
    assert by_endpoint(whole) == by_endpoint(parts)
    assert whole.flow_rows < parts.flow_rows


def test_tshark_finds_no_wrong_checksum_and_nothing_malformed(tmp_path: Path) -> None:
    require(shutil.which("tshark") is not None, "tshark is missing: apt-get install tshark")
    (capture,) = write_captures(TrafficPlan(packets=5_000), tmp_path, Rotation()).captures
    checks = [f"-o{name}.check_checksum:TRUE" for name in ("ip", "tcp", "udp")]
    bad = "ip.checksum.status==0 or tcp.checksum.status==0 or udp.checksum.status==0 or icmp.checksum.status==0 \
        or icmpv6.checksum.status==0 or igmp.checksum.status==0 or tcp.analysis.flags or (dns and _ws.malformed)"
    command = ["tshark", "-n", "-r", str(tmp_path / capture.file), *checks, "-Y", bad]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout == ""


def test_names_follow_one_another_and_a_second_run_goes_on_with_the_count(tmp_path: Path) -> None:
    write_captures(TrafficPlan(packets=300), tmp_path, Rotation(packets=100), "probe")
    write_captures(TrafficPlan(packets=100), tmp_path, Rotation(packets=100), "probe")
    names = [parse_capture_name(path.name) for path in sorted(tmp_path.glob("*.pcap"))]
    assert sorted(name.sequence for name in names if name is not None) == [1, 2, 3, 4]
    assert {name.sensor for name in names if name is not None} == {"probe"}


def test_the_truth_file_adds_up(tmp_path: Path) -> None:
    truth = write_captures(TrafficPlan(packets=2_000), tmp_path, Rotation(packets=500))
    with (tmp_path / "truth.jsonl").open("w") as file:
        write_truth(truth, file)
    lines = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    total = lines[-1]
    kinds = Counter(line["record"] for line in lines)
    assert kinds["capture"] == 4 and total["record"] == "total"
    assert kinds["flow"] == total["rows"]["flows"] and kinds["dns"] == total["rows"]["dns_answers"]
    assert sum(line["packets"] + line["packets_rev"] for line in lines if line["record"] == "flow") == total["flow_packets"]
    assert sum(line["packets"] for line in lines if line["record"] == "capture") == 2_000


class StepClock:
    """A clock that only waiting moves; it says stop at `ends_ns`."""

    def __init__(self, ends_ns: int) -> None:
        self.now = PLAN.start_ns
        self.ends_ns = ends_ns

    def now_ns(self) -> int:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += int(seconds * NS)
        return self.now >= self.ends_ns


def test_paced_frames_come_at_their_time_until_stopped(tmp_path: Path) -> None:
    clock = StepClock(PLAN.start_ns + 5 * NS)
    plan = TrafficPlan(packets=None, start_ns=PLAN.start_ns, packets_per_second=200)
    heard: list[CaptureTruth] = []
    with HandOver(tmp_path, "demo") as handover:
        truth = pace(plan, handover, Rotation(seconds=1), Clockwork(now_ns=clock.now_ns, wait=clock.wait), heard.append)
    written = [packet for path in sorted(tmp_path.glob("*.pcap")) for packet in packets_of(path)]
    expected = list(islice(generate(plan), len(written)))
    assert written == expected
    assert expected[-1][0] <= clock.now
    assert 4 <= len(heard) <= 6 and truth.captures == []
    assert truth.packets == len(written) == sum(capture.packets for capture in heard)
    assert list((tmp_path / ".capture-demo").glob("*.part")) == []

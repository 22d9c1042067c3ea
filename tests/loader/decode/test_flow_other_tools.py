"""Flows are those that ipfixprobe exports: packets and bytes of each direction, row by row of its own expected results."""

import csv
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pytest

from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading
from tests.shared_captures import SHARED, needs_shared

_FOLDER = (SHARED or Path()) / "captures" / "CESNET__ipfixprobe" / "tests" / "functional"
_ICMP = (1, 58)
# What it exports of which capture. Of some only the flows that a plugin has to do with are exported, of the others all.
_ALL = {
    **{name: name for name in ("dns", "dnssd", "http", "idpcontent", "mqtt", "ntp", "rtsp", "ssdp", "vlan", "wg")},
    **{"basic": "mixed", "phists": "mixed", "pstats": "mixed", "basicplus": "http", "quic": "quic_initial-sample"},
}
_SOME = {"ovpn": "ovpn", "sip": "sip", "smtp": "smtp", "tls": "tls"}

# Source and destination with their ports, the protocol, and which count: one direction of a flow.
_Direction = tuple[str, int, str, int, int, str]


def _add(
    sums: "Counter[_Direction]", ends: tuple[str, int, str, int], protocol: int, counts: tuple[int, int, int, int]
) -> None:
    """Counts: packets and bytes there, packets and bytes back. ipfixprobe knows no ports of ICMP."""
    source, sport, destination, dport = ends
    if protocol in _ICMP:
        sport = dport = 0
    for name, there, back in (("packets", counts[0], counts[2]), ("bytes", counts[1], counts[3])):
        sums[source, sport, destination, dport, protocol, name] += there
        sums[destination, dport, source, sport, protocol, name] += back


def _exported(name: str) -> "Counter[_Direction]":
    """The header stands anywhere among the rows, which were sorted; each of its columns is a type and a name."""
    sums: Counter[_Direction] = Counter()
    lines = (_FOLDER / "outputs" / name).read_text().splitlines()
    header = next(line for line in lines if "uint64 BYTES" in line)
    names = [column.split(" ")[1] for column in header.split(",")]
    for row in csv.DictReader([line for line in lines if line != header], names):
        addresses = str(ip_address(row["SRC_IP"])), str(ip_address(row["DST_IP"]))
        ends = (addresses[0], int(row["SRC_PORT"]), addresses[1], int(row["DST_PORT"]))
        counts = (int(row["PACKETS"]), int(row["BYTES"]), int(row["PACKETS_REV"]), int(row["BYTES_REV"]))
        _add(sums, ends, int(row["PROTOCOL"]), counts)
    return +sums


def _ours(name: str) -> "Counter[_Direction]":
    sums: Counter[_Direction] = Counter()
    for batch in CaptureReading(_FOLDER / "inputs" / f"{name}.pcap", DecodeOptions(), identify=False).batches():
        flows = batch.flows
        for i in range(len(flows)):
            addresses = str(ip_address(flows.source_ip[i])), str(ip_address(flows.destination_ip[i]))
            ends = (addresses[0], flows.source_port[i], addresses[1], flows.destination_port[i])
            counts = (flows.packets[i], flows.bytes[i], flows.packets_rev[i], flows.bytes_rev[i])
            _add(sums, ends, flows.protocol[i], counts)
    return +sums


@needs_shared
@pytest.mark.parametrize("name", sorted(_ALL))
def test_all_flows_are_those_that_ipfixprobe_exports(name: str) -> None:
    assert _ours(_ALL[name]) == _exported(name)


@needs_shared
@pytest.mark.parametrize("name", sorted(_SOME))
def test_the_flows_that_ipfixprobe_exports_are_among_ours(name: str) -> None:
    ours = _ours(_SOME[name])
    assert {key: ours[key] for key in _exported(name)} == dict(_exported(name))

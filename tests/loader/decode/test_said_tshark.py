"""What flows of the public captures say of their destinations, against what tshark reads in the same packets."""

import re
import shutil
import subprocess
from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path

import pytest

from loader.decode.columns import DecodeOptions
from loader.reading.capture import CaptureReading
from tests.servers import require
from tests.shared_captures import needs_shared, shared_captures

_FIELDS = (
    *("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"),
    *("tls.handshake.extensions_server_name", "http.host"),
)
_SPEAKING = re.compile(r"tls|ssl|quic|http|web", re.IGNORECASE)
# A segment in IP fragments is not put together; ARCNET is read by the deep decoder alone.
_UNREAD = re.compile(r"frag_http_req|arcnet")
Ends = tuple[str, str, str, str]


def _captures() -> list[Path]:
    return [path for path in shared_captures() if _SPEAKING.search(path.name) and not _UNREAD.search(path.name)]


def _told_by_tshark(capture: Path) -> dict[Ends, list[str]]:
    """Names that whole hellos and heads say, in their order, by sender and receiver: as DNS spells them, addresses left out."""
    command = ["tshark", "-n", "-r", str(capture), "-Y", "tls.handshake.type==1 or http.request", "-T", "fields"]
    command += ["-E", "separator=/t", "-E", "occurrence=l", *(part for field in _FIELDS for part in ("-e", field))]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    said: dict[Ends, list[str]] = defaultdict(list)
    for line in shown.splitlines():
        value = dict(zip(_FIELDS, line.split("\t"), strict=True))
        source, destination = (value[f"ipv6.{end}"] or value[f"ip.{end}"] for end in ("src", "dst"))
        ports = [value[f"tcp.{end}port"] or value[f"udp.{end}port"] for end in ("src", "dst")]
        name = re.sub(r":\d+$", "", value["tls.handshake.extensions_server_name"] or value["http.host"]).lower()
        if name and ":" not in name and not re.fullmatch(r"[\d.]+", name):
            said[source, ports[0], destination, ports[1]].append(name)
    return said


def _told_by_flows(capture: Path) -> dict[Ends, set[str]]:
    said: dict[Ends, set[str]] = defaultdict(set)
    for batch in CaptureReading(capture, DecodeOptions(), identify=False).batches():
        flows = batch.flows
        ends = zip(flows.source_ip, flows.source_port, flows.destination_ip, flows.destination_port, strict=True)
        for (source, sport, destination, dport), name in zip(ends, flows.said_name, strict=True):
            if name is not None:
                said[str(ip_address(source)), str(sport), str(ip_address(destination)), str(dport)].add(name)
    return said


@needs_shared
@pytest.mark.parametrize("capture", _captures(), ids=lambda path: path.name)
def test_flows_say_what_tshark_reads(capture: Path) -> None:
    """Of a flow's names the first stands. A name may be known to us alone: its head goes on behind the capture's end."""
    require(shutil.which("tshark") is not None, "tshark is not installed")
    theirs, ours = _told_by_tshark(capture), _told_by_flows(capture)
    assert {ends: names[0] for ends, names in theirs.items() if names[0] not in ours.get(ends, ())} == {}

"""`pcapline read`: the JSON contract, its three views, and what is no capture."""

import csv
import gzip
import io
import shutil
from pathlib import Path

import pytest

from schema.tables import FLOWS
from tests.loader.decode import dns_wire as dns
from tests.loader.decode.captures import ipv4, pcap_header, record, udp
from tests.pcapline.captures import START_S, capture, conversation
from tests.pcapline.captures import udp as packet
from tests.pcapline.command import objects, pcapline
from tests.servers import require

CALLS = 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.pcap"
    path.write_bytes(capture(conversation(packets=CALLS)))
    return path


def test_flows_have_the_columns_of_the_table(file: Path) -> None:
    flows = objects(pcapline("read", "--json", file, cwd=file.parent))
    assert len(flows) == 2
    for flow in flows:
        assert set(flow) == {"record", "ts_ns", *FLOWS.names} - {"ts", "ns"}
        assert flow["record"] == "flow"
    talk = next(flow for flow in flows if flow["destination_port"] == 443)
    expected = {
        "source_ip": "10.0.0.7",
        "destination_ip": "93.184.216.34",
        "ts_ns": START_S * 10**9 + 2 * 10**6,
        "frame": 3,
        "packets": CALLS,
        "bytes": CALLS * 28 + sum(range(CALLS)),
        "packets_rev": 0,
        "endpoint": "www.example.com",
        "hostname": "www.example.com",
        "name_evidence": "dns",
    }
    assert {key: talk[key] for key in expected} == expected


def test_one_object_a_resource_record(file: Path) -> None:
    (record,) = objects(pcapline("read", "--dns", "--json", file, cwd=file.parent))
    assert record == {
        "record": "dns",
        "frame": 2,
        "ts_ns": START_S * 10**9 + 10**6,
        "client_ip": "10.0.0.7",
        "client_port": 40_053,
        "resolver_ip": "10.0.0.53",
        "transport": "udp",
        "kind": "dns",
        "txid": 7,
        "rcode": 0,
        "qname": "www.example.com",
        "qtype": 1,
        "section": "answer",
        "rr_index": 0,
        "rr_name": "www.example.com",
        "rr_type": "A",
        "rr_ttl": 300,
        "address": "93.184.216.34",
        "rdata": None,
        "latency_us": None,
    }


def test_one_object_a_packet(file: Path) -> None:
    packets = objects(pcapline("read", "--packets", "--json", file, cwd=file.parent))
    assert [packet["frame"] for packet in packets] == list(range(1, CALLS + 3))
    assert packets[0]["source_ip"] is None
    assert packets[2] == {
        "record": "packet",
        "frame": 3,
        "ts_ns": START_S * 10**9 + 2 * 10**6,
        "source_ip": "10.0.0.7",
        "destination_ip": "93.184.216.34",
        "source_port": 50_000,
        "destination_port": 443,
        "protocol": 17,
        "length": 42,
        "captured_length": 42,
        "fragment": False,
        "vlan": [],
        "outer": [],
    }


def test_a_summary_balances(file: Path) -> None:
    zipped = file.with_suffix(".gz")
    zipped.write_bytes(gzip.compress(file.read_bytes()))
    for summary in objects(pcapline("read", "--summary", "--json", file, zipped, cwd=file.parent)):
        assert summary["packets"] == CALLS + 2 == summary["flow_packets"] + sum(summary["non_flow"].values())
        assert (summary["state"], summary["rows"], summary["damage"]) == ("loaded", {"flows": 2, "dns_answers": 1}, {})


def test_a_file_that_is_only_read_is_neither_loaded_nor_quarantined(file: Path) -> None:
    (file.parent / "bad.pcap").write_text("no capture")
    for words, name in ((": readable", file.name), (": not readable", "bad.pcap")):
        for command in (("read", "--summary"), ("explain",)):
            assert f"{name}{words}" in pcapline(*command, name, cwd=file.parent).stdout


def test_csv_has_the_same_values(file: Path) -> None:
    done = pcapline("read", "--csv", file, cwd=file.parent)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    flows = objects(pcapline("read", "--json", file, cwd=file.parent))
    assert [row["frame"] for row in rows] == [str(flow["frame"]) for flow in flows]
    assert list(rows[0]) == list(flows[0])


def test_csv_of_several_files_has_one_header(file: Path) -> None:
    bad = file.with_name("bad.pcap")
    bad.write_text("no capture")
    done = pcapline("read", "--csv", bad, file, file, cwd=file.parent)
    assert [line.startswith("record,") for line in done.stdout.splitlines()] == [True] + 4 * [False]
    assert done.returncode == 1


def test_record_types_have_one_name(tmp_path: Path) -> None:
    question = dns.message(dns.question(dns.dotted("a.example"), dns.SVCB), flags=0x0100)
    file = tmp_path / "svcb.pcap"
    file.write_bytes(capture([packet("10.0.0.7", "10.0.0.53", (40_000, 53), question)]))
    assert " SVCB " in pcapline("read", "--dns", file, cwd=tmp_path).stdout


def test_a_table_is_for_people(file: Path) -> None:
    done = pcapline("read", file, cwd=file.parent)
    assert "10.0.0.7:50000" in done.stdout
    assert "www.example.com" in done.stdout
    assert "\x1b" not in done.stdout


def test_text_from_the_wire_cannot_steer_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "evil.pcap"
    file.write_bytes(capture(conversation("\x1b[31m.example.com")))
    for view in ("--flows", "--dns"):
        for form in ((), ("--json",), ("--csv",)):
            assert "\x1b" not in pcapline("read", view, *form, file, cwd=tmp_path).stdout


def test_what_is_no_capture_is_told_and_the_others_are_shown(file: Path) -> None:
    bad = file.with_name("bad.pcap")
    bad.write_text("no capture")
    done = pcapline("read", "--json", bad, file.with_name("gone.pcap"), file, cwd=file.parent)
    assert done.returncode == 1
    assert len(objects(done)) == 2
    assert [line.startswith("pcapline: ") for line in done.stderr.splitlines()] == [True, True]
    assert "no such file" in done.stderr


def test_two_views_at_once_are_refused(file: Path) -> None:
    assert pcapline("read", "--dns", "--packets", file, cwd=file.parent).returncode == 2


FRAME_RELAY = b"\x18\x41\x03\xcc"


def test_link_types_that_are_not_read_are_asked_about(tmp_path: Path) -> None:
    """Rows of such packets come behind all others; without tshark, or where it is not wanted, they keep their reason."""
    require(shutil.which("tshark") is not None, "tshark is not here")
    file = tmp_path / "frame-relay.pcap"
    packets = [FRAME_RELAY + ipv4("10.0.0.7", "93.184.216.34", 17, udp(50_000 + n, 443)) for n in range(3)]
    file.write_bytes(pcap_header(107) + b"".join(record(1_700_000_000_000_000 + n, packet) for n, packet in enumerate(packets)))
    (asked,) = objects(pcapline("read", "--summary", "--json", file, cwd=tmp_path))
    assert (asked["flow_packets"], asked["non_flow"], asked["rows"]["flows"]) == (3, {}, 3)
    rows = objects(pcapline("read", "--packets", "--json", file, cwd=tmp_path))
    assert [(row["frame"], row["source_port"], row["length"]) for row in rows] == [(n + 1, 50_000 + n, 32) for n in range(3)]
    for flags, environ in ((("--no-deep",), {}), ((), {"PATH": ""})):
        (alone,) = objects(pcapline("read", "--summary", "--json", *flags, file, cwd=tmp_path, environ=environ))
        assert (alone["flow_packets"], alone["non_flow"]) == (0, {"unsupported_link_type": 3})

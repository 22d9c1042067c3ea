"""`pcapline explain`: one packet in full, or the balance of a capture."""

import gzip
import shutil
from pathlib import Path

import pytest

from tests.golden.make import CAPTURES
from tests.loader.decode.captures import ipv4, pcap_header, record, udp
from tests.loader.decode.containers import Packet, enhanced, interface, section
from tests.pcapline.captures import capture, conversation
from tests.pcapline.command import objects, pcapline
from tests.servers import require

START_US = 1_700_000_000_000_000
FRAME_RELAY = b"\x18\x41\x03\xcc"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.pcap"
    path.write_bytes(capture(conversation(packets=3)))
    return path


@pytest.fixture
def tshark() -> None:
    require(shutil.which("tshark") is not None, "tshark is not here")


def test_a_packet_is_shown_with_its_flow_its_records_and_its_layers(tshark: None, file: Path) -> None:
    done = pcapline("explain", file, "2", "--json", cwd=file.parent)
    assert (done.returncode, done.stderr) == (0, "")
    (told,) = objects(done)
    packet = objects(pcapline("read", "--packets", "--json", file, cwd=file.parent))[1]
    assert (told["packet"], told["reason"], told["link_type"], told["deep"]) == (packet, None, 1, "unneeded")
    (flow,) = told["flows"]
    assert {"record": "flow", **flow} in objects(pcapline("read", "--json", file, cwd=file.parent))
    assert (flow["packets"], flow["packets_rev"], flow["destination_port"]) == (0, 1, 53)
    assert told["dns"] == objects(pcapline("read", "--dns", "--json", file, cwd=file.parent))
    assert "www.example.com. 300 IN A 93.184.216.34" in told["dns_message"].splitlines()
    assert [layer["layer"] for layer in told["layers"]] == ["eth", "ip", "udp", "dns"]
    assert "Transaction ID: 0x0007" in told["layers"][-1]["fields"]


def test_people_read_the_same(tshark: None, file: Path) -> None:
    shown = pcapline("explain", file, "2", cwd=file.parent).stdout
    for words in ("10.0.0.53:53", "counted in its flow", "[flow]", "[DNS]", "IN A 93.184.216.34", "Transaction ID: 0x0007"):
        assert words in shown
    assert "in no flow: arp" in pcapline("explain", file, "1", cwd=file.parent).stdout


def test_a_packet_is_the_same_in_a_compressed_capture(tshark: None, file: Path) -> None:
    zipped = file.with_suffix(".gz")
    zipped.write_bytes(gzip.compress(file.read_bytes()))
    plain, packed = (pcapline("explain", path, "3", "--json", cwd=file.parent).stdout for path in (file, zipped))
    assert plain == packed != ""


def test_what_only_the_deep_decoder_understands(tshark: None, tmp_path: Path) -> None:
    file = tmp_path / "frame-relay.pcap"
    frames = [FRAME_RELAY + ipv4("10.0.0.7", "10.0.0.8", 17, udp(50_000, 443)), b"\x18\x41\x03\x81" + bytes(8)]
    file.write_bytes(pcap_header(107) + b"".join(record(START_US + n, frame) for n, frame in enumerate(frames)))
    (told,) = objects(pcapline("explain", file, "1", "--json", cwd=tmp_path))
    assert (told["packet"]["source_port"], told["reason"], len(told["flows"])) == (50_000, None, 1)
    assert told["deep"].startswith("tshark ")
    assert "its IP header begins at byte 4, says tshark" in pcapline("explain", file, "1", cwd=tmp_path).stdout
    (told,) = objects(pcapline("explain", file, "2", "--json", cwd=tmp_path))
    assert (told["reason"], told["flows"], told["dns_message"]) == ("unsupported_link_type", [], None)
    (told,) = objects(pcapline("explain", file, "1", "--json", "--no-deep", cwd=tmp_path))
    assert (told["reason"], told["deep"]) == ("unsupported_link_type", "off")


def test_a_message_that_is_not_all_read_says_so(tshark: None, tmp_path: Path) -> None:
    file = tmp_path / "broken.pcap"
    file.write_bytes(CAPTURES["dns-broken"])
    (told,) = objects(pcapline("explain", file, "3", "--json", cwd=tmp_path))
    assert told["dns_faults"] == {"dns_malformed_rdata": 1}
    assert "; fault:" in told["dns_message"]
    assert "dns_malformed_rdata 1" in pcapline("explain", file, "3", cwd=tmp_path).stdout


def test_without_tshark_our_own_view_is_shown_and_what_to_do_is_said(file: Path) -> None:
    done = pcapline("explain", file, "2", cwd=file.parent, environ={"PATH": ""})
    assert done.returncode == 3
    assert "counted in its flow" in done.stdout
    assert ("apt-get install" in done.stderr, done.stderr.count("\n")) == (True, 1)


@pytest.mark.parametrize(("name", "frame", "words"), [("talk.pcap", "99", "the last one is 5"), ("gone", "1", "no such file")])
def test_what_is_not_there_is_told_in_a_line(file: Path, name: str, frame: str, words: str) -> None:
    done = pcapline("explain", file.with_name(name), frame, cwd=file.parent)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert words in done.stderr


def test_a_capture_alone_is_explained_by_its_balance(file: Path) -> None:
    (told,) = objects(pcapline("explain", file, "--json", cwd=file.parent))
    (name,) = told.pop("names")
    assert told == objects(pcapline("read", "--summary", "--json", file, cwd=file.parent))[0]
    assert (name["ip"], name["hostname"], name["evidence"]) == ("93.184.216.34", "www.example.com", "dns")
    lines = pcapline("explain", file, cwd=file.parent).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["5", "4", "1", "1"]
    assert lines[-1].split() == ["93.184.216.34", "dns", "www.example.com"]
    assert "in no flow: arp" in lines[3]
    file.write_text("no capture")
    assert pcapline("explain", file, cwd=file.parent).returncode == 1


def test_text_from_the_wire_cannot_steer_a_terminal(tshark: None, tmp_path: Path) -> None:
    file = tmp_path / "evil.pcap"
    file.write_bytes(capture(conversation("\x1b[31m.example.com")))
    for form in ((), ("--json",)):
        assert "\x1b" not in pcapline("explain", file, "2", *form, cwd=tmp_path).stdout


def test_a_packet_of_an_unknown_interface_has_no_layers(tshark: None, tmp_path: Path) -> None:
    file = tmp_path / "unknown.pcapng"
    file.write_bytes(section() + interface() + enhanced(Packet(START_US * 1_000, bytes(60)), number=5))
    done = pcapline("explain", file, "1", cwd=tmp_path)
    assert "in no flow: unknown_interface" in done.stdout
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "its interface is not described" in done.stderr

"""The deep decoder's process: what tshark says of frames, and what comes of one that is away, dies, hangs or babbles."""

import os
import shutil
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader.decode.columns import DecodeOptions
from loader.decode.held import HeldFrame
from loader.reading import deep
from loader.reading.capture import CaptureReading
from loader.reading.deep import TsharkBatch
from tests.loader.decode.captures import assert_balanced, ipv4, pcap_header, record, udp
from tests.servers import require

START_NS = 1_700_000_000_000_000_000
DATAGRAM = ipv4("10.0.0.1", "10.0.0.2", 17, udp(40_000, 443, b"payload"))
IPV6 = struct.pack(">IHBB", 6 << 28, 12, 17, 64) + bytes(range(32)) + udp(40_000, 443, b"more")
SNAP = b"\xaa\xaa\x03\x00\x00\x00"
RADIO = bytes([0, 0, 8, 0, 0, 0, 0, 0])
WLAN = b"\x08\x02\x00\x00" + bytes(18) + b"\x10\x00"
PPP = b"\xff\x03\x00\x21"
AAL5 = b"\x02\x00\x00\x64"  # SunATM: LLC multiplexed, VPI 0, VCI 100


@pytest.fixture
def tshark() -> None:
    require(shutil.which("tshark") is not None, "tshark is not here")


def _frames(*frames: tuple[int, bytes]) -> list[HeldFrame]:
    return [HeldFrame(n + 1, START_NS + n, link, len(data), data) for n, (link, data) in enumerate(frames)]


def _asked(*frames: tuple[int, bytes]) -> TsharkBatch:
    batch = TsharkBatch(_frames(*frames))
    for _ in batch.wait():
        pass
    return batch


def test_one_run_answers_for_all_link_types(tshark: None) -> None:
    batch = _asked(
        (127, RADIO + WLAN + SNAP + b"\x08\x00" + DATAGRAM),
        (127, RADIO + WLAN + SNAP + b"\x86\xdd" + IPV6),
        (127, RADIO + b"\x80\x00" + bytes(40)),  # a beacon
        (9, PPP + DATAGRAM),
        (242, bytes(40) + b"\x08\x00\x00\x00" + DATAGRAM),  # IP over InfiniBand
        (299, DATAGRAM),  # tshark does not know it either
        (123, AAL5 + SNAP + b"\x08\x00" + DATAGRAM),  # tshark counts positions from behind the four bytes
        (9, PPP + DATAGRAM[:19]),  # no whole header
        (9, PPP + b"\x60" + DATAGRAM[1:]),  # no IP of version 4
        (9, b""),
    )
    assert batch.offsets == [40, 40, None, 4, 44, None, 12, None, None, None]
    assert batch.outcome.startswith("tshark 4.")
    assert batch.counters == {"deep_asked": 10, "deep_answered": 5}


def test_a_packet_in_a_packet_is_told_by_its_outermost_header(tshark: None) -> None:
    """Which our kernels then read as they read it in Ethernet: inner addresses, outer ones beside them."""
    assert _asked((9, PPP + ipv4("192.0.2.1", "192.0.2.2", 4, DATAGRAM))).offsets == [4]


def test_of_several_packets_in_a_frame_the_first_counts(tshark: None) -> None:
    """802.11 puts packets for one station together (A-MSDU)."""
    packet = SNAP + b"\x08\x00" + DATAGRAM
    part = bytes(12) + struct.pack(">H", len(packet)) + packet
    padded = part + bytes(-len(part) % 4)
    wlan = b"\x88\x02\x00\x00" + bytes(18) + b"\x10\x00\x80\x00"
    assert _asked((105, wlan + padded + part)).offsets == [48]


def test_a_header_in_other_bytes_than_the_frames_is_not_believed(tshark: None) -> None:
    """6LoWPAN: the IPv6 header is compressed, and tshark shows one that it has made."""
    frame = bytes.fromhex("41cc23feca0200000000000000010000000000000078f600f0f0f0f21633002211")
    batch = _asked((230, frame))
    assert batch.offsets == [None]
    assert batch.counters == {"deep_asked": 1, "deep_elsewhere": 1}


def test_the_users_own_settings_change_nothing(tshark: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that switches a protocol off, and a script that would leave a trace."""
    folder = tmp_path / ".config" / "wireshark"
    folder.mkdir(parents=True)
    (folder / "disabled_protos").write_text("ppp\nip\n")
    (folder / "init.lua").write_text(f'io.open("{tmp_path}/trace", "w"):close()\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", str(folder))
    assert _asked((9, PPP + DATAGRAM)).offsets == [4]
    assert not (tmp_path / "trace").exists()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(st.tuples(st.sampled_from((9, 50, 104, 107, 119, 127, 192, 195, 239, 242)), st.binary(max_size=300))))
def test_hostile_frames_are_answered_within_them(tshark: None, frames: list[tuple[int, bytes]]) -> None:
    batch = _asked(*frames)
    assert len(batch.offsets) == len(frames)
    assert batch.outcome.startswith("tshark")
    for (_, data), offset in zip(frames, batch.offsets, strict=True):
        assert offset is None or data[offset] >> 4 in (4, 6)


Stand = Callable[[str], None]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Puts a script in tshark's place."""

    def put(body: str) -> None:
        script = tmp_path / "tshark"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")

    return put


PDML = '<?xml version="1.0"?><pdml version="0" creator="wireshark/9">'


@pytest.mark.parametrize(
    "body",
    [
        "exit 2",
        "kill -SEGV $$",
        "cat >/dev/null; echo garbage",
        "cat >/dev/null; head -c 100000 /dev/urandom",
        f"echo '{PDML}'",  # cut
        f"echo '{PDML}</pdml>'",  # of no frame
        f"echo '{PDML}<packet/><packet/></pdml>'",  # of more than were asked about
        f'echo \'{PDML}<packet><proto name="ip" pos="x"/></packet></pdml>\'',
        f'echo \'{PDML}<packet><proto name="ip" pos="4" showname="Src: a, Dst: b"/></packet></pdml>\'',
        f"echo '{PDML}<packet/></pdml>'; exit 1",
        f"echo '{PDML}'; yes '<a></a>'",  # for ever
    ],
)
def test_one_that_fails_leaves_the_frames_as_they_were(stand_in: Stand, body: str) -> None:
    stand_in(body)
    batch = _asked((9, PPP + DATAGRAM))
    assert (batch.outcome, batch.offsets) == ("failed", [None])
    assert batch.counters == {"deep_asked": 1, "deep_failed": 1}


@pytest.mark.parametrize("body", ["exec sleep 600", f"echo '{PDML}<packet/></pdml>'; exec >&-; exec sleep 600"])
def test_one_that_hangs_is_killed(stand_in: Stand, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setattr(deep, "_START_S", 0.5)
    stand_in(body)
    assert _asked((9, PPP + DATAGRAM)).outcome == "failed"


@pytest.mark.parametrize(
    ("position", "told", "offset"),
    [
        ("4", "Src: 10.0.0.1, Dst: 10.0.0.2", 4),
        ("5", "Src: 10.0.0.1, Dst: 10.0.0.2", None),
        ("-13", "Src: 10.0.0.1, Dst: 10.0.0.2", None),
        ("4000000000", "Src: 10.0.0.1, Dst: 10.0.0.2", None),
        ("4", "Src: 10.0.0.1, Dst: 10.0.0.3", None),
        ("4", "cut", None),
    ],
)
def test_a_position_is_believed_only_where_the_addresses_are(
    stand_in: Stand, position: str, told: str, offset: int | None
) -> None:
    frame = PPP + DATAGRAM
    geninfo = f'<proto name="geninfo" pos="0" size="{len(frame)}"/>'
    stand_in(f'echo \'{PDML}<packet>{geninfo}<proto name="ip" pos="{position}" showname="{told}"/></packet></pdml>\'')
    batch = _asked((9, frame))
    assert (batch.outcome, batch.offsets) == ("tshark 9", [offset])


def test_where_there_is_none_the_frames_keep_their_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    path = tmp_path / "frame-relay.pcap"
    path.write_bytes(pcap_header(107) + record(1_700_000_000_000_000, b"\x18\x41\x03\xcc" + DATAGRAM))
    reading = CaptureReading(path, DecodeOptions(packets=True), identify=False)
    batches = list(reading.batches(TsharkBatch))
    assert reading.deep_outcome == "absent"
    assert reading.report.non_flow == {"unsupported_link_type": 1}
    assert reading.report.counters == {"deep_absent": 1}
    assert [batch.packets.frame for batch in batches if len(batch.packets)] == [(1,)]
    assert_balanced(batches, reading.report)


def test_nobody_is_asked_about_nothing(tmp_path: Path, stand_in: Stand) -> None:
    stand_in(f"touch {tmp_path}/asked")
    path = tmp_path / "plain.pcap"
    path.write_bytes(pcap_header(101) + record(1_700_000_000_000_000, DATAGRAM))
    reading = CaptureReading(path, DecodeOptions(), identify=False)
    assert sum(len(batch.flows) for batch in reading.batches(TsharkBatch)) == 1
    assert reading.deep_outcome == "unneeded"
    assert not (tmp_path / "asked").exists()


def test_who_stops_waiting_leaves_no_process_behind(stand_in: Stand, tmp_path: Path) -> None:
    stand_in(f"echo $$ >{tmp_path}/pid; echo '{PDML}'; exec sleep 600")
    waiting = TsharkBatch(_frames((9, PPP))).wait()
    while not (tmp_path / "pid").exists():
        next(waiting)
    waiting.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_room_for_the_output_grows_with_the_frames() -> None:
    """Each may be printed whole, in hexadecimal."""
    large = _frames(*[(127, bytes(262_144))] * 64)
    assert deep._output_room(large) > 2 * sum(len(frame.data) for frame in large)

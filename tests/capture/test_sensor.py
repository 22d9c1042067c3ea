"""The sensor with a real tcpdump on a real (virtual) cable."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from capture.events import SensorEvent
from capture.handover import HandOver
from capture.sensor import run_sensor
from capture.settings import CaptureSettings
from capture.writing import Journal
from schema.capture_names import parse_capture_name
from schema.errors import SettingsError
from tests.capture.wire import Sensor, Wire, beside, packets_in, wire
from tests.servers import require
from tests.servers.prometheus import until


@pytest.fixture(scope="module")
def cable() -> Iterator[Wire]:
    with wire() as names:
        yield names


@contextmanager
def sensor_at(cable: Wire, directory: Path, rotate_s: float = 1.0, bpf: str | None = None) -> Iterator[Sensor]:
    sensor = Sensor.start(cable, directory, rotate_s) if bpf is None else Sensor.start(cable, directory, rotate_s, bpf)
    try:
        until(lambda: sensor.told("started") > 0 or sensor.process.poll() is not None, "the sensor started", 15)
        yield sensor
    finally:
        sensor.close()


def sequences(sensor: Sensor) -> list[int]:
    names = [parse_capture_name(path.name) for path in sensor.files()]
    return [name.sequence for name in names if name is not None]


def test_ten_thousand_packets_are_in_files_or_counted_as_dropped(cable: Wire, tmp_path: Path) -> None:
    with sensor_at(cable, tmp_path) as sensor:
        cable.send(10_000, 2_500)
        sensor.stop()
    files = sensor.files()
    drops = sum(beside(path)["kernel_drops"] for path in files)
    assert sum(map(packets_in, files)) + drops == 10_000
    assert [beside(path)["packets"] for path in files] == [packets_in(path) for path in files]
    assert len(files) >= 4 and sequences(sensor) == list(range(1, len(files) + 1))
    assert list((tmp_path / ".capture-probe").glob("*.part")) == []


def test_the_last_packets_of_an_idle_link_are_handed_over_in_time(cable: Wire, tmp_path: Path) -> None:
    """A packet, then silence: two seconds after its rotation at most (and then no empty files)."""
    rotate_s = 1.0
    with sensor_at(cable, tmp_path, rotate_s) as sensor:
        cable.send(1, 1)
        until(lambda: bool(sensor.files()), "the packet is handed over", rotate_s + 2)
        sensor.stop()
    assert [packets_in(path) for path in sensor.files()] == [1]


def test_a_killed_tcpdump_is_started_again_and_counted(cable: Wire, tmp_path: Path) -> None:
    with sensor_at(cable, tmp_path, 30) as sensor:
        cable.send(50, 1_000)
        part = tmp_path / ".capture-probe"
        until(lambda: sum(path.stat().st_size for path in part.glob("*.part")) >= 24 + 50 * 62, "50 packets are written")
        os.kill(sensor.tcpdump_pid(), signal.SIGKILL)
        until(lambda: sensor.told("started") == 2, "tcpdump runs again")
        cable.send(50, 1_000)
        sensor.stop()
    assert sum(map(packets_in, sensor.files())) == 100
    assert sensor.told("tcpdump_ended") == 1 and sensor.events[-1]["restarts"] == 1


def test_what_a_killed_sensor_left_is_recovered_by_the_next(cable: Wire, tmp_path: Path) -> None:
    with sensor_at(cable, tmp_path, 30) as sensor:
        cable.send(40, 1_000)
        part = tmp_path / ".capture-probe"
        until(lambda: sum(path.stat().st_size for path in part.glob("*.part")) >= 24 + 40 * 62, "40 packets are written")
        sensor.process.kill()
        sensor.process.wait()
    (left,) = part.glob("*.part")
    left.write_bytes(left.read_bytes() + b"half a record")
    with sensor_at(cable, tmp_path, 30) as sensor:
        cable.send(2, 1_000)
        sensor.stop()
    assert [packets_in(path) for path in sensor.files()] == [40, 2]
    assert beside(sensor.files()[0])["kernel_drops"] is None
    assert sequences(sensor) == [1, 2]
    assert list(part.glob("*.part")) == []


def test_rotation_by_size(cable: Wire, tmp_path: Path) -> None:
    require(os.geteuid() == 0, "capturing needs root")
    events: list[SensorEvent] = []
    stop = threading.Event()
    settings = CaptureSettings(sensor="small", rotate_s=60, rotate_bytes=4_096)
    sender = "udp and dst host 127.0.0.1 and port 40998"
    words = (settings, "lo", tmp_path, sender, stop, Journal(events.append))
    thread = threading.Thread(target=run_sensor, args=words)
    thread.start()
    try:
        until(lambda: any(event.kind == "started" for event in events), "the sensor started")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for _ in range(300):
                out.sendto(b"abcd", ("127.0.0.1", 40_998))
        until(lambda: len(list(tmp_path.glob("*.pcap"))) >= 4, "files are full")
    finally:
        stop.set()
        thread.join(timeout=10)
    files = sorted(tmp_path.glob("*.pcap"))
    assert sum(map(packets_in, files)) == 300
    assert all(path.stat().st_size <= 4_096 for path in files)


def test_an_interface_that_is_down_is_waited_for(tmp_path: Path) -> None:
    with wire(up=False) as cable:
        sensor = Sensor.start(cable, tmp_path, 1.0)
        try:
            until(lambda: sensor.told("tcpdump_ended") >= 1, "it found the interface down", 15)
            for namespace in (cable.near, cable.far):
                cable.ip(namespace, "link", "set", "tap", "up")
            until(lambda: sensor.told("started") == 1, "it captures", 15)
            cable.send(5, 100)
            sensor.stop()
        finally:
            sensor.close()
    assert sum(map(packets_in, sensor.files())) == 5


def refusal(directory: Path, interface: str, bpf: str | None = None, sensor: str = "probe") -> str:
    with pytest.raises(SettingsError) as error:
        run_sensor(CaptureSettings(sensor=sensor), interface, directory, bpf, threading.Event(), Journal(lambda _: None))
    return str(error.value)


def test_what_cannot_work_is_refused_before_the_first_packet(tmp_path: Path) -> None:
    with wire():
        assert "syntax error" in refusal(tmp_path, "lo", "no such filter")
        assert "there are: " in refusal(tmp_path, "nosuch0") and "lo" in refusal(tmp_path, "nosuch0")
        assert "cannot name a sensor" in refusal(tmp_path, "lo", sensor="../up")
        with HandOver(tmp_path, "probe"):
            assert "another process" in refusal(tmp_path, "lo")
        with pytest.raises(SettingsError, match="not installed"):
            run_sensor(
                CaptureSettings(tcpdump="no-such-tcpdump"), "lo", tmp_path, "tcp", threading.Event(), Journal(lambda _: None)
            )
    assert list(tmp_path.glob("*.pcap")) == []

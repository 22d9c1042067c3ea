"""The processes that run on: demo, watch, exporter, capture; started, used and ended as a user would."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pcapline.captures import capture, conversation
from tests.pcapline.command import ROOT, clean_environment, command_line, objects, pcapline
from tests.servers import require

Process = subprocess.Popen[str]


@contextmanager
def service(*arguments: str | Path, cwd: Path) -> Iterator[tuple[Process, Path]]:
    """A process, and the file its stderr goes to."""
    log = cwd / f"{arguments[0]}.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command_line(*arguments), cwd=cwd, env=clean_environment(), stdout=subprocess.PIPE, stderr=stderr, text=True
        )
        try:
            yield process, log
        finally:
            process.kill()
            process.communicate()


def eventually(condition: Callable[[], object], process: Process, log: Path) -> None:
    for _ in range(1_200):
        if condition():
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    pytest.fail(log.read_text())


def url_in(log: Path) -> str:
    found = re.search(r"metrics at (\S+)", log.read_text())
    return found[1] if found else ""


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_a_bounded_demo_adds_up_and_names_the_capture_that_lost_a_row(tmp_path: Path) -> None:
    arguments = ("demo", "--once", "--packets", "5000", "--out", tmp_path / "demo")
    done = pcapline(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"difference (\d+)", done.stdout) == ["0"] * 4
    assert " 0 differ" in done.stdout
    with sqlite3.connect(tmp_path / "demo" / "pcapline.db") as store:
        victim = store.execute("SELECT capture_id, frame FROM flows LIMIT 1").fetchone()
        assert store.execute("DELETE FROM flows WHERE capture_id = ? AND frame = ?", victim).rowcount == 1
        (name,) = store.execute("SELECT file_name FROM captures WHERE capture_id = ?", victim[:1]).fetchone()
    told = dict(re.findall(r"^  (captures|query) +(.*)$", done.stdout, re.MULTILINE))
    assert list(Path(told["captures"].partition(":")[0]).rglob("*.pcap"))
    asked = told["query"].partition(" query ")[2].split()
    assert pcapline("query", *asked, cwd=tmp_path).returncode == 0
    again = pcapline(*arguments, cwd=tmp_path)
    assert again.returncode == 1
    assert f"rows of {name} " in again.stdout


def test_the_live_demo_counts_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with service("demo", "--rate", "300", cwd=tmp_path) as (process, _):
        assert process.stdout is not None
        lines = (line for line in process.stdout if "flow rows" in line)
        first, second = next(lines), next(lines)
        for form in ((), ("--once",)):
            refused = pcapline("demo", *form, cwd=tmp_path)
            assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (3, "", 1), refused.stderr
            assert "a demo is running in pcapline-demo" in refused.stderr and "--out DIR" in refused.stderr
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    counts = [int(re.findall(r"packets ([\d,]+)", line)[0].replace(",", "")) for line in (first, second)]
    assert 0 < counts[0] < counts[1]
    assert process.returncode == 130
    assert pcapline("verify", "--store", "sqlite:pcapline-demo/pcapline.db", cwd=tmp_path).returncode == 0


def test_watch_loads_what_lands_and_the_exporter_shows_it(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    (spool / "gateway").mkdir(parents=True)
    loader = service("watch", spool, "--web.listen-address", "127.0.0.1:0", cwd=tmp_path)
    with loader as (watching, watch_log):
        eventually(lambda: url_in(watch_log), watching, watch_log)
        for number in range(3):
            talk = conversation(f"h{number}.example.com", client=f"10.0.0.{number + 1}")  # of one client it would be one flow
            (spool / "gateway" / f"{number}.pcap").write_bytes(capture(talk))
        (spool / "gateway" / "bad.pcap").write_text("this is no capture")
        exporter = service("exporter", "--web.listen-address", "127.0.0.1:0", cwd=tmp_path)
        with exporter as (exporting, export_log):
            eventually(lambda: url_in(export_log), exporting, export_log)
            metrics = url_in(export_log)
            for number in range(3):
                line = f'pcapline_endpoint_writes_total{{network="default",server_address="h{number}.example.com"}} 1.0'
                eventually(lambda line=line: line in page(metrics), exporting, export_log)  # type: ignore[misc]
            verified = pcapline("verify", "--scrape", metrics, "--json", cwd=tmp_path)
            identities = {item["identity"]: item["difference"] for item in objects(verified)}
            assert identities == {"packets": 0, "rows": 0, "totals": 0, "metrics": 0}
            exporting.terminate()
            exporting.communicate(timeout=60)
            assert exporting.returncode == 143
            assert export_log.read_text().endswith("pcapline: stopped\n")
        assert 'pcapline_captures_pending{sensor="gateway"}' in page(url_in(watch_log))
        status = objects(pcapline("status", spool, "--json", cwd=tmp_path))
        assert [item["sensor"] for item in status if item["record"] == "sensor"] == ["gateway"]
        assert any("bad.pcap" in item.get("file", "") and item["record"] == "quarantined" for item in status)
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=60)
        assert watching.returncode == 130
        assert "pcapline: stopped; " in watch_log.read_text()


def test_a_directory_that_vanishes_is_waited_for(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    listen = ("--web.listen-address", "127.0.0.1:0", "--sensor", "here")
    (tmp_path / "pcapline.toml").write_text("[loader]\nrescan_s = 0.2\nsettle_s = 0.2\n")
    with service("watch", spool, *listen, cwd=tmp_path) as (process, log):
        eventually(lambda: any((spool / ".pcapline" / "loaders").glob("*.json")), process, log)  # it has looked there
        spool.rename(tmp_path / "away")
        eventually(lambda: "cannot be read" in log.read_text(), process, log)
        (tmp_path / "away" / "late.pcap").write_bytes(capture(conversation()))
        (tmp_path / "away").rename(spool)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("loaded")
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143


def test_watch_without_its_directory_does_not_start(tmp_path: Path) -> None:
    done = pcapline("watch", tmp_path / "none", "--web.listen-address", "127.0.0.1:0", cwd=tmp_path)
    assert done.returncode == 3
    assert "no directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_capture_hands_over_what_it_saw(tmp_path: Path) -> None:
    require(os.geteuid() == 0 and shutil.which("tcpdump") is not None, "capturing needs root and tcpdump")
    spool = tmp_path / "spool"
    spool.mkdir()
    with service("capture", "-i", "lo", spool, "--sensor", "lo", "--rotate", "1", "udp port 9", cwd=tmp_path) as (process, log):
        eventually(lambda: "capturing on lo" in log.read_text(), process, log)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            eventually(lambda: sender.sendto(b"x", ("127.0.0.9", 9)) and _found(spool), process, log)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
    note = json.loads(_found(spool)[0].with_name(_found(spool)[0].name + ".json").read_text())
    assert note["kernel_drops"] is not None


def test_a_sensor_shows_what_it_handed_over(tmp_path: Path) -> None:
    require(os.geteuid() == 0 and shutil.which("tcpdump") is not None, "capturing needs root and tcpdump")
    spool, where = tmp_path / "spool", ("--web.listen-address", "127.0.0.1:0")
    spool.mkdir()
    words = ("capture", "-i", "lo", spool, "--sensor", "edge", "--rotate", "1", *where, "udp and dst host 127.0.0.8 and port 9")
    with service(*words, cwd=tmp_path) as (process, log):
        eventually(lambda: "capturing on lo" in log.read_text(), process, log)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(7):
                sender.sendto(b"x", ("127.0.0.8", 9))
        eventually(lambda: 'packets_captured_total{sensor="edge"} 7.0' in page(url_in(log)), process, log)
        shown = page(url_in(log))
        assert f'pcapline_sensor_captured_bytes_total{{sensor="edge"}} {float(sum(map(_size, _found(spool))))}' in shown
        assert 'pcapline_sensor_packets_dropped_total{sensor="edge",where="kernel"} 0.0' in shown
        assert 'pcapline_sensor_tcpdump_up{sensor="edge"} 1.0' in shown
        assert "pcapline_web_requests_refused_total" in shown and "process_resident_memory_bytes" in shown
        assert "is ready" in page(url_in(log).replace("/metrics", "/-/ready"))
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143


def test_a_sensor_without_the_libraries_captures_and_says_what_its_metrics_need(tmp_path: Path) -> None:
    for library in ("prometheus_client", "starlette", "uvicorn", "bcrypt", "yaml"):
        (tmp_path / f"{library}.py").write_text(f"raise ModuleNotFoundError('No module named {library}')\n")
    words, bare = ("capture", "-i", "nowhere0", tmp_path), {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = pcapline(*words, cwd=tmp_path, environ=bare)
    assert done.returncode == 3 and "no interface nowhere0" in done.stderr
    done = pcapline(*words, "--web.listen-address", "127.0.0.1:0", cwd=tmp_path, environ=bare)
    assert done.returncode == 3 and "pip install 'pcapline[web]'" in done.stderr and "Traceback" not in done.stderr


def test_a_sensors_address_that_is_taken_is_told_before_it_captures(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = pcapline("capture", "-i", "lo", tmp_path, "--web.listen-address", address, cwd=tmp_path)
    assert done.returncode == 3 and address in done.stderr and "Traceback" not in done.stderr
    done = pcapline("capture", "-i", "lo", tmp_path, "--web.config.file", "web.yml", cwd=tmp_path)
    assert done.returncode == 3 and "listen" in done.stderr


def _size(path: Path) -> int:
    return path.stat().st_size


def _found(spool: Path) -> list[Path]:
    return sorted(spool.glob("*.pcap"))


def test_a_wrong_filter_or_interface_is_told_before_anything_starts(tmp_path: Path) -> None:
    require(os.geteuid() == 0 and shutil.which("tcpdump") is not None, "capturing needs root and tcpdump")
    for arguments in (("-i", "lo", tmp_path, "no such filter"), ("-i", "nowhere0", tmp_path)):
        done = pcapline("capture", *arguments, cwd=tmp_path)
        assert done.returncode == 3
        assert "Traceback" not in done.stderr


def test_an_exporter_waits_for_its_store_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "pcapline.toml").write_text("[exporter]\nrefresh_s = 0.1\n")
    (tmp_path / "late.pcap").write_bytes(capture(conversation()))
    with service("exporter", "--web.listen-address", "127.0.0.1:0", cwd=tmp_path) as (process, log):
        eventually(lambda: "there is no store" in log.read_text(), process, log)
        assert not (tmp_path / "pcapline.db").exists()
        with sqlite3.connect(tmp_path / "pcapline.db") as store:  # a loader that is about to make its tables
            store.execute("PRAGMA journal_mode = WAL").fetchall()
        eventually(lambda: "waiting for the loader" in log.read_text(), process, log)
        assert "schema apply" not in log.read_text()
        assert pcapline("load", "late.pcap", cwd=tmp_path).returncode == 0
        eventually(lambda: "www.example.com" in page(url_in(log)), process, log)
        assert log.read_text().count("there is no store") == 1

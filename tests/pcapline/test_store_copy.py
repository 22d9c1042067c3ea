"""`pcapline store copy` and `reopen`, as a person types them."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from schema.store.sqlite import open_sqlite
from tests.e2e.loading import contents
from tests.pcapline.captures import START_S, capture, conversation
from tests.pcapline.command import clean_environment, command_line, objects, pcapline
from tests.pcapline.test_bad_input import settled

COPY = ("store", "copy", "--from", "sqlite:pcapline.db", "--to", "sqlite:new.db")
NEW = ("--store", "sqlite:new.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        talk = conversation(f"{number}.example.com", packets=4 + number, client=f"10.0.0.{number + 1}")
        settled(tmp_path / f"{number}.pcap", capture(talk, start_s=START_S + number * 3600))
    done = pcapline("load", *sorted(tmp_path.glob("[01].pcap")), "--sensor", "gateway", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_move(folder: Path) -> None:
    page = pcapline("exporter", "--once", cwd=folder).stdout
    done = pcapline(*COPY, cwd=folder)
    assert (done.returncode, "every identity holds" in done.stdout) == (0, True), done.stderr
    assert contents(open_sqlite(folder / "new.db")) == contents(open_sqlite(folder / "pcapline.db", read_only=True))
    assert pcapline("verify", "--full", *NEW, cwd=folder).returncode == 0
    assert counters(pcapline("exporter", "--once", *NEW, cwd=folder).stdout) == counters(page)
    assert "refuses to load; pcapline store reopen --store sqlite:pcapline.db" in done.stderr

    refused = pcapline("load", "2.pcap", cwd=folder)
    assert refused.returncode == 3
    assert "was moved to sqlite:new.db" in refused.stderr
    assert pcapline("load", "0.pcap", "2.pcap", "--sensor", "gateway", *NEW, cwd=folder).returncode == 0
    before, after = counters(page), counters(pcapline("exporter", "--once", *NEW, cwd=folder).stdout)
    assert {name: after[name] for name, value in before.items() if after[name] < value} == {}

    again = pcapline(*COPY, "--json", cwd=folder)
    assert (again.returncode, again.stdout) == (0, "")
    assert pcapline("store", "reopen", cwd=folder).returncode == 0
    assert pcapline("load", "2.pcap", cwd=folder).returncode == 0
    assert pcapline(*COPY, cwd=folder).returncode == 3


def test_watch_of_a_store_that_moved_says_so_and_keeps_the_file(folder: Path) -> None:
    assert pcapline(*COPY, cwd=folder).returncode == 0
    (landing := folder / "landing").mkdir()
    shutil.copy(folder / "2.pcap", landing)
    command = command_line("watch", "landing", "--web.listen-address", "127.0.0.1:0")
    with subprocess.Popen(command, cwd=folder, env=clean_environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = next((line for line in process.stderr if "was moved to sqlite:new.db" in line), None)
        process.terminate()
        process.stderr.read()
    assert told is not None
    assert (landing / "2.pcap").exists()


def counters(page: str) -> dict[str, float]:
    """What an exporter counts of the traffic, by series."""
    lines = (line.rpartition(" ") for line in page.splitlines() if line.startswith("pcapline_") and "_total{" in line)
    return {name: float(value) for name, _, value in lines if "endpoint" in name or "sensor" in name}


def test_json_tells_every_section_and_identity(folder: Path) -> None:
    items = objects(pcapline(*COPY, "--json", cwd=folder))
    copied = {item["section"]: item["copied"] for item in items if item.get("record") == "copied"}
    assert (copied["captures"], copied["sensors"]) == (2, 1)
    assert {item["identity"]: item["difference"] for item in items if "identity" in item} == dict.fromkeys(
        ("packets", "rows", "totals"), 0
    )


def test_killed_copy_goes_on(folder: Path) -> None:
    before = contents(open_sqlite(folder / "pcapline.db"))
    for pause_s in (0.3, 0.35, 0.4, 0.45, 0.5, 0.6):
        with subprocess.Popen(command_line(*COPY), cwd=folder, env=clean_environment(), stderr=subprocess.DEVNULL) as process:
            time.sleep(pause_s)
            process.send_signal(signal.SIGKILL)
    done = pcapline(*COPY, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert contents(open_sqlite(folder / "new.db")) == before


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("copy",), 2, "--to"),
        (("copy", "--to", "sqlite:pcapline.db"), 2, "one store"),
        (("reopen", "--to", "sqlite:new.db"), 2, "--store URL alone"),
        (("copy", "--from", "sqlite:absent.db", "--to", "sqlite:new.db"), 5, "absent.db yet"),
        (("copy", "--to", "sqlite:full.db"), 3, "neither empty nor half a copy"),
        (("copy", "--to", "mysql:new.db"), 3, "mysql"),
    ],
)
def test_bad_input(folder: Path, arguments: tuple[str, ...], code: int, why: str) -> None:
    shutil.copy(folder / "pcapline.db", folder / "full.db")
    done = pcapline("store", *arguments, cwd=folder)
    assert (done.returncode, why in done.stderr) == (code, True), done.stderr
    assert not (folder / "absent.db").exists()


def test_no_demo_loads_into_a_store_that_was_moved(folder: Path) -> None:
    assert pcapline(*COPY, cwd=folder).returncode == 0
    for form in ((), ("--once",)):
        refused = pcapline("demo", *form, "--out", folder, cwd=folder)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (3, "", 1), refused.stderr
        assert "was moved to sqlite:new.db" in refused.stderr
    assert not any((folder / "captures").iterdir())

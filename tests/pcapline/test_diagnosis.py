"""What `pcapline doctor` finds of the machine and the store, and the line that fixes each."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from loader.watch.note import NoteKeeper
from pcapline.diagnosis import Finding, capture_right, clock, inotify_limits, listening, room, skew, watched_directory
from pcapline.spool_status import spool_findings
from pcapline.storediagnosis import health_finding
from pcapline.wiring import lease_owner
from schema.store.notes import MOVED, Moved
from schema.store.reading import StoreHealth
from schema.store.sqlite import open_sqlite
from tests.pcapline.command import clean_environment, command_line, objects, pcapline
from tests.servers import require

HEALTH = StoreHealth(
    kind="cassandra", version="5.0.9", schema_version=1, wanted_schema_version=1, durable=True, detail="1 node"
)


def level(finding: Finding) -> str:
    """What is not in order has the line that fixes it."""
    assert bool(finding.fix) == (finding.level != "ok"), finding
    return finding.level


def test_limits_of_inotify(tmp_path: Path) -> None:
    (tmp_path / "max_user_watches").write_text("128\n")
    (tmp_path / "max_user_instances").write_text("1024\n")
    low, enough = inotify_limits(tmp_path)
    assert (level(low), level(enough)) == ("warn", "ok")
    assert low.fix == "sudo sysctl fs.inotify.max_user_watches=8192"
    assert list(inotify_limits(tmp_path / "absent")) == []


def test_ports() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert level(listening("exporter", address)) == "warn"
    assert level(listening("exporter", address)) == "ok"
    assert level(listening("exporter", "192.0.2.1:1")) == "warn"  # of no machine
    assert level(listening("exporter", "here")) == "warn"


def test_directories(tmp_path: Path) -> None:
    assert level(next(watched_directory(tmp_path))) == "ok"
    absent = list(watched_directory(tmp_path / "absent"))
    assert [level(finding) for finding in absent] == ["FAIL"]
    assert absent[0].fix == f"mkdir -p {tmp_path}/absent"
    assert all(level(finding) in ("ok", "warn") for finding in room("here", tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_directory_of_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    assert level(next(watched_directory(tmp_path))) == "FAIL"


def test_clocks() -> None:
    assert level(clock()) in ("ok", "warn")
    assert [level(skew("a node", 10_000, there)) for there in (10_500, 8_000, 13_000)] == ["ok", "warn", "warn"]
    assert "2.0 s behind" in skew("a node", 10_000, 8_000).text


def test_right_to_capture() -> None:
    found = capture_right()
    assert level(found) == "ok" or (shutil.which("tcpdump") or "tcpdump") in found.fix


def test_root_of_a_container_that_may_not_capture(tmp_path: Path) -> None:
    """What `doctor` says of it is what `capture` does."""
    require(os.geteuid() == 0 and shutil.which("setpriv") is not None, "dropping rights needs root and setpriv (util-linux)")
    require(shutil.which("tcpdump") is not None, "tcpdump is missing")

    def confined(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = ["setpriv", "--bounding-set=-net_raw", *command_line(*arguments)]
        return subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=60)

    found = [
        item
        for item in objects(confined("doctor", "--json"))
        if "may capture" in item["text"] or "live traffic" in item["text"]
    ]
    assert [item["level"] for item in found] == ["warn"]
    assert "--cap-add NET_RAW" in found[0]["fix"]
    refused = confined("capture", "-i", "lo", tmp_path / "captures")
    assert (refused.returncode, "no right to capture" in refused.stderr) == (4, True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "ok"),
        ({"version": "5.0.10"}, "ok"),
        ({"version": "5.0.8"}, "warn"),
        ({"version": "6.0-alpha2"}, "warn"),
        ({"durable": False}, "warn"),
        ({"schema_version": 0}, "FAIL"),
        ({"kind": "sqlite", "version": "3.40.1"}, "FAIL"),
        ({"kind": "sqlite", "version": "3.54.1"}, "ok"),
    ],
)
def test_health_of_a_store(change: dict[str, object], expected: str) -> None:
    assert level(health_finding("cassandra://node/pcapline", replace(HEALTH, **change))) == expected  # type: ignore[arg-type]


def test_store_that_moved_and_one_without_a_place(tmp_path: Path) -> None:
    with closing(open_sqlite(tmp_path / "pcapline.db")) as store:
        store.apply_schema()
        moved = Moved(copy_id="00", target="sqlite:new.db", at_ms=int(time.time() * 1000), done=True)
        store.change_note(MOVED, None, moved.text())
    found = [item for item in objects(pcapline("doctor", "--json", cwd=tmp_path)) if "moved" in item["text"]]
    assert [(item["level"], "sqlite:new.db" in item["text"]) for item in found] == [("FAIL", True)]
    done = pcapline("doctor", "--json", "--store", "sqlite:absent/pcapline.db", tmp_path / "none", cwd=tmp_path)
    failed = [item for item in objects(done) if item["level"] == "FAIL"]
    assert [item["fix"] for item in failed] == [f"mkdir -p {tmp_path}/none", f"mkdir -p {tmp_path}/absent"]
    assert done.returncode == 1


def test_what_of_a_watched_directory_waits_for_somebody(tmp_path: Path) -> None:
    assert list(spool_findings(tmp_path)) == []
    aside = tmp_path / ".pcapline" / "quarantine" / "edge"
    aside.mkdir(parents=True)
    (aside / "a.pcap").write_bytes(b"words")
    (aside / "a.pcap.reason.txt").write_text("not_a_capture: words")
    keeper = NoteKeeper(directory=tmp_path, owner=lease_owner())
    keeper.write([], "the disk is nearly full", time.time())
    found = list(spool_findings(tmp_path))
    assert [level(finding) for finding in found] == ["warn", "warn"]
    assert found[0].text == f"1 file in quarantine in {tmp_path}"
    assert "asked to pause" in found[1].text
    assert found[1].fix == f"make room; pcapline status {tmp_path} says how"
    told = pcapline("doctor", tmp_path, cwd=tmp_path).stdout
    assert f"pcapline status {tmp_path} says why" in told

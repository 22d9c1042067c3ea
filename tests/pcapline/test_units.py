"""`pcapline service`: units that systemd takes, with the least rights, written and removed as asked."""

import os
import shutil
import socket
import subprocess
from configparser import RawConfigParser
from dataclasses import replace
from pathlib import Path

import pytest

from pcapline.units import NAMES, Place, closed_part, unit, unit_name
from tests.pcapline.command import pcapline
from tests.servers.prometheus import until

PLACE = Place(
    program=("/bin/true",),
    state=Path("/var/lib/pcapline"),
    captures=Path("/var/lib/pcapline/captures"),
    store="sqlite:/var/lib/pcapline/pcapline.db",
    config=None,
    of_one_user=False,
    run_as=None,
)


def parsed(name: str, place: Place, *arguments: str) -> dict[str, str]:
    """The service's part of a unit."""
    parser = RawConfigParser(strict=True, delimiters="=")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(unit(name, place, arguments))
    return dict(parser["Service"])


@pytest.mark.parametrize("name", NAMES)
def test_each_has_the_least_rights(name: str) -> None:
    service = parsed(name, PLACE)
    assert (service["DynamicUser"], service["ProtectSystem"], service["NoNewPrivileges"]) == ("yes", "strict", "yes")
    assert service["Restart"] == "on-failure"
    assert service["MemoryMax"].endswith("M")
    assert "ReadWritePaths" not in service
    captures = name == "capture"
    assert service["CapabilityBoundingSet"] == ("CAP_NET_RAW" if captures else "")
    assert service.get("AmbientCapabilities") == ("CAP_NET_RAW" if captures else None)
    assert ("AF_PACKET" in service["RestrictAddressFamilies"]) == captures


def test_commands_are_those_of_the_command_line() -> None:
    place = replace(PLACE, config=Path("/etc/my settings.toml"), captures=Path("/srv/50% of $x"), run_as="netops")
    assert parsed("watch", place)["ExecStart"] == (
        '/bin/true watch --store sqlite:/var/lib/pcapline/pcapline.db --config "/etc/my settings.toml" "/srv/50%% of $$x"'
    )
    assert parsed("capture", PLACE, "-i", "eth0")["ExecStart"] == "/bin/true capture -i eth0 /var/lib/pcapline/captures"
    assert parsed("exporter", PLACE)["ExecStart"] == "/bin/true exporter --store sqlite:/var/lib/pcapline/pcapline.db"
    service = parsed("watch", place)
    assert (service["User"], service["ReadWritePaths"]) == ("netops", '"/srv/50%% of $$x"'.replace("$$", "$"))
    assert "DynamicUser" not in service


@pytest.mark.skipif(
    not (os.geteuid() == 0 and shutil.which("setpriv") and shutil.which("tcpdump")), reason="needs root, setpriv, tcpdump"
)
def test_tcpdump_captures_with_these_rights_alone() -> None:
    service = parsed("capture", PLACE)
    right = service["AmbientCapabilities"].removeprefix("CAP_").lower()
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"]
    sets = [f"--{which}=-all,+{right}" for which in ("inh-caps", "ambient-caps", "bounding-set")]
    confined = ["setpriv", "--no-new-privs", "--reuid=65534", "--regid=65534", "--clear-groups", *sets]
    tcpdump = ["tcpdump", "-i", "lo", "-c", "1", "--immediate-mode", "-w", "-", "udp port 9"]
    with subprocess.Popen([*confined, *tcpdump], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(lambda: is_over(process), "a captured packet", 60)
        found, told = process.communicate()
    assert b"here" in found, told


def is_over(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it has ended, by a packet that is sent now at the latest."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"here", ("127.0.0.1", 9))
    return process.poll() is not None


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(
    "place", [PLACE, replace(PLACE, run_as="root"), replace(PLACE, of_one_user=True)], ids=["", "run-as", "user"]
)
def test_systemd_takes_them(tmp_path: Path, place: Place) -> None:
    for name in NAMES:
        (tmp_path / unit_name(name)).write_text(unit(name, place, ["-i", "lo"] if name == "capture" else []))
    units = [str(tmp_path / unit_name(name)) for name in NAMES]
    manager = ["--user"] if place.of_one_user else []
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["systemd-analyze", "verify", *manager, *units], env=environ, capture_output=True, text=True, timeout=60
    )
    # other units of this machine may be ill
    assert not [line for line in done.stderr.splitlines() if "pcapline" in line], done.stderr


def test_install_and_uninstall(tmp_path: Path) -> None:
    folder, environ = tmp_path / "units", {"HOME": str(tmp_path), "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": ""}
    options = ("--user", "--into", folder)
    done = pcapline("service", "install", *options, "-i", "lo", cwd=tmp_path, environ=environ)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == sorted(map(unit_name, NAMES))
    assert "systemctl --user enable --now pcapline-watch.service" in done.stderr
    assert (tmp_path / ".local/state/pcapline/captures").is_dir()
    assert f"sqlite:{tmp_path}/.local/state/pcapline/pcapline.db" in (folder / "pcapline-watch.service").read_text()
    (folder / "pcapline-exporter.service").write_text("[Service]\nExecStart=/bin/false\n")
    refused = pcapline("service", "install", *options, cwd=tmp_path, environ=environ)
    assert (refused.returncode, "was not written by pcapline" in refused.stderr) == (3, True)
    done = pcapline("service", "uninstall", *options, cwd=tmp_path, environ=environ)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["pcapline-exporter.service"]
    assert "stays" in done.stderr


def test_print_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "units"
    done = pcapline("service", "install", "--print", "--into", folder, "--store", "cassandra://db/pcapline", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ExecStart=") == 2
    assert done.stdout.count("--store cassandra://db/pcapline") == 2
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("install", "--directory", "/srv/captures"), "needs --run-as USER"),
        (("install", "--user", "--run-as", "root"), "run as you"),
        (("start",), "invalid choice"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    done = pcapline("service", *arguments, "--into", tmp_path / "units", cwd=tmp_path)
    assert (done.returncode, why in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "units").exists()


def test_program_that_others_cannot_run_is_seen(tmp_path: Path) -> None:
    (closed := tmp_path / "closed").mkdir()
    program = closed / "bin" / "pcapline"
    program.parent.mkdir()
    program.touch(0o755)
    assert closed_part(program, tmp_path) is None
    closed.chmod(0o700)
    assert closed_part(program, tmp_path) == closed

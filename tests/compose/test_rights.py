"""docs/explanation/rights.md: its tables are what Compose and systemd read, and each test it names exists."""

import re
from pathlib import Path
from typing import Any

from pcapline.units import Place, unit
from tests.servers.compose import configuration

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "rights.md"
ONCE = {"secrets", "roles", "schema"}
OF_ANOTHER = {"host": "the machine's", "none": "none", "service:probe": "the probe's"}


def line(name: str, service: dict[str, Any]) -> list[str]:
    """The row of a service."""
    networks = service.get("network_mode")
    return [
        f"`{name}`" + (" (once)" if name in ONCE else ""),
        service["user"].split(":")[0],
        ", ".join(f"`{right}`" for right in service.get("cap_add", [])) or "none",
        "yes" if service.get("security_opt") == ["no-new-privileges:true"] else "no",
        OF_ANOTHER[networks] if networks else ", ".join(sorted(service["networks"])),
        _written(name, service),
        f"{int(service['mem_limit']) // 1024**2} MiB",
    ]


def _written(name: str, service: dict[str, Any]) -> str:
    volumes = {str(mount["source"]) for mount in service.get("volumes", []) if not mount.get("read_only")}
    if volumes == {name}:
        return "its data"
    if name == "secrets":
        return "its secrets"
    return ", ".join(sorted(volumes)) or "nothing"


def rows(number: int) -> list[list[str]]:
    """Of the page's first or second table of services."""
    table = PAGE.read_text().split("| service |")[number].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_the_table_is_what_compose_reads() -> None:
    services = configuration("demo")["services"]
    shown = rows(1)
    assert sorted(shown) == sorted(line(name, service) for name, service in services.items())


def of_unit(name: str) -> list[str]:
    """The row of a unit."""
    state = Path("/var/lib/pcapline")
    place = Place(
        program=("/opt/pcapline/bin/pcapline",),
        state=state,
        captures=state / "captures",
        store="sqlite:pcapline.db",
        config=None,
        of_one_user=False,
        run_as=None,
    )
    says = dict(line.split("=", 1) for line in unit(name, place).splitlines() if "=" in line)
    assert says["DynamicUser"] == says["NoNewPrivileges"] == "yes" and says["ProtectSystem"] == "strict"
    right = says["CapabilityBoundingSet"]
    return [
        f"`{name}`",
        "one that systemd makes up",
        f"`{right}`" if right else "none",
        f"`{says['RestrictAddressFamilies']}`",
        f"`/var/lib/{says['StateDirectory']}`",
        says["MemoryMax"],
    ]


def test_the_table_of_services_is_what_the_units_say() -> None:
    assert rows(2) == [of_unit(name) for name in ("watch", "exporter", "capture")]


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/\S+\.py)::(\w+)`", PAGE.read_text())
    assert len(named) > 5
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), (file, test)

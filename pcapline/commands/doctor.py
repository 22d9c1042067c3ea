"""Look at everything pcapline needs; exit code 1 when something it cannot do without is missing.

pcapline doctor
pcapline doctor --store cassandra://127.0.0.1/pcapline
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shutil import disk_usage, which
from typing import TYPE_CHECKING, NamedTuple

from pcapline import __version__
from pcapline.names_guard import ROOMS
from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from schema.errors import PcaplineError
from schema.settings import Settings, StoreSettings

if TYPE_CHECKING:
    from schema.store.port import StoreHealth

_CAP_NET_RAW = 13
_LOW_DISK_BYTES = 1 << 30
# Every SQLite before it can corrupt a file in WAL mode when a write races a checkpoint.
_SAFE_SQLITE = (3, 51, 3)
# Distribution -> what needs it, and the extra that brings it.
_LIBRARIES = {
    "apsw": ("the embedded store", "sqlite"),
    "cassandra-driver": ("the Cassandra store", "cassandra"),
    "watchdog": ("watch", "loader"),
    "isal": ("captures in gzip", "loader"),
    "zstandard": ("captures in zstd", "loader"),
    "lz4": ("captures in lz4", "loader"),
    "cryptography": ("names that QUIC clients say", "loader"),
    "prometheus-client": ("exporter, watch", "exporter"),
    "pyshark": ("explain", "deep"),
    "dnspython": ("explain of DNS messages", "deep"),
}


class Finding(NamedTuple):
    """One line: `ok`, `warn` or `FAIL`, what was found, and what fixes it."""

    level: str
    text: str
    fix: str = ""


def arguments(parser: ArgumentParser) -> None:
    """Which store is looked at as well."""
    add_store_option(parser)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """A line a finding."""
    failed = False
    for finding in _findings(given.config, given.store):
        failed = failed or finding.level == "FAIL"
        _tell(finding, as_json=given.as_json)
    return 1 if failed else 0


def _tell(finding: Finding, *, as_json: bool) -> None:
    from pcapline.output import json_line
    from pcapline.text import printable

    if as_json:
        sys.stdout.write(json_line(finding._asdict()) + "\n")
    else:
        fix = f". Fix: {finding.fix}" if finding.fix else ""
        sys.stdout.write(f"{finding.level:<4}  {printable(finding.text + fix)}\n")


def _findings(config: str | None, store: str | None) -> Iterator[Finding]:
    yield Finding("ok", f"python {sys.version.split()[0]}, pcapline {__version__}")
    yield _room_names()
    yield _kernels()
    yield from _libraries()
    yield _tool("tcpdump", "captures live traffic")
    yield _tool("tshark", "reads link types that the decoder does not, and explains packets in full")
    yield _capture_right()
    yield _disk()
    try:
        settings = settings_of(config, {"store.url": store})
    except PcaplineError as error:
        yield Finding("FAIL", f"settings: {error}", "correct the setting")
        return
    yield Finding("ok", "settings are valid")
    yield from _inventory(settings)
    yield from _guarded("store", lambda: _store(settings))


def _guarded(what: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except PcaplineError as error:
        yield Finding("FAIL", f"{what}: {error}")


def _room_names() -> Finding:
    """By what is installed; where a room is really imported from was checked before this command began."""
    from importlib.metadata import packages_distributions

    providers = packages_distributions()
    others = {room: set(providers.get(room, [])) - {"pcapline"} for room in ROOMS}
    taken = [f"{room} ({', '.join(sorted(names))})" for room, names in others.items() if names]
    if taken:
        return Finding("FAIL", f"package names taken: {', '.join(taken)}", "install pcapline into an environment of its own")
    return Finding("ok", "the package names capture, loader, exporter and schema are pcapline's own")


def _kernels() -> Finding:
    from loader.build import kernels_compiled

    if kernels_compiled():
        return Finding("ok", "the decoder is compiled")
    fix = "install gcc and python3-dev, then install pcapline again"
    return Finding("warn", "the decoder runs uncompiled, many times slower", fix)


def _libraries() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    for name, (purpose, extra) in _LIBRARIES.items():
        try:
            yield Finding("ok", f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("warn", f"{name} is missing: needed for {purpose}", f"pip install 'pcapline[{extra}]'")


def _tool(name: str, purpose: str) -> Finding:
    if place := which(name):
        return Finding("ok", f"{name}: {place}")
    return Finding("warn", f"{name} is missing: it {purpose}", f"sudo apt-get install --no-install-recommends {name}")


def _capture_right() -> Finding:
    place = which("tcpdump")
    if os.geteuid() == 0 or _has_capability(_CAP_NET_RAW) or (place and "security.capability" in os.listxattr(place)):
        return Finding("ok", "tcpdump may capture for this user")
    fix = f"sudo setcap cap_net_raw,cap_net_admin=ep {place or '/usr/bin/tcpdump'}"
    return Finding("warn", "no right to capture live traffic (reading files needs none)", fix)


def _has_capability(number: int) -> bool:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return False
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> number & 1)


def _disk() -> Finding:
    free = disk_usage(".").free
    text = f"{free / (1 << 30):,.1f} GiB free in the working directory"
    return Finding("ok", text) if free >= _LOW_DISK_BYTES else Finding("warn", text, "make room: a full disk stops loading")


def _inventory(settings: Settings) -> Iterator[Finding]:
    try:
        from pcapline.inventory import inventory_faults
    except ImportError:  # told above
        return
    fix = "correct it, see docs/how-to/name-your-own-hosts.md"
    yield from (Finding("FAIL", f"inventory {fault}", fix) for fault in inventory_faults(settings))


def _store(settings: Settings) -> Iterator[Finding]:
    from pcapline.wiring import Purpose, opened_store, store_kind

    wanted = settings.of(StoreSettings)
    if store_kind(wanted) == "sqlite":
        if not Path(wanted.url.partition(":")[2]).expanduser().exists():
            yield Finding("ok", f"store {wanted.url}: not there yet; the first load makes it")
            return
        yield _integrity(wanted)
    with opened_store(wanted, Purpose.READ) as reader:
        yield _health(wanted, reader.health())


def _integrity(wanted: StoreSettings) -> Finding:
    from pcapline.wiring import store_damage

    found = store_damage(wanted)
    if found is None or not found.faults:
        return Finding("ok", f"store {wanted.url}: the file is whole ({found.check if found else ''})")
    fix = "stop what writes to it, keep a copy, restore a backup or load the archive into a new store"
    return Finding("FAIL", f"store {wanted.url} is damaged: {'; '.join(found.faults)}", fix)


def _health(wanted: StoreSettings, health: "StoreHealth") -> Finding:
    text = f"store {wanted.url}: {health.kind} {health.version}, schema {health.schema_version}, {health.detail}"
    if health.schema_version != health.wanted_schema_version:
        return Finding("FAIL", f"{text}; schema {health.wanted_schema_version} is needed", "pcapline schema apply")
    if health.kind == "sqlite" and tuple(map(int, health.version.split("."))) < _SAFE_SQLITE:
        return Finding("FAIL", f"{text}: this SQLite can corrupt the file", "pip install --upgrade apsw")
    if not health.durable:
        text += "; an acknowledged commit may be lost in a crash, so that no input is deleted"
        return Finding("warn", text, "see docs/how-to/durable-cassandra.md")
    return Finding("ok", text)

"""Look at everything pcapline needs; exit code 1 when something it cannot do without is missing.

pcapline doctor
pcapline doctor captures/
pcapline doctor --store cassandra://127.0.0.1/pcapline
"""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from shutil import which

from pcapline import __version__
from pcapline.diagnosis import Finding, capture_right, clock, inotify_limits, listening, room, watched_directory
from pcapline.names_guard import ROOMS
from pcapline.options import add_config_option, add_json_option, add_store_option, settings_of
from pcapline.storediagnosis import store_findings
from pcapline.usage import some_path
from schema.errors import PcaplineError
from schema.settings import Settings, StoreSettings

_ANSWER_S = 30.0
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
    "bcrypt": ("users of the exporter's pages", "exporter"),
    "pyyaml": ("web configurations", "exporter"),
    "obstore": ("captures from object storage", "remote"),
    "confluent-kafka": ("captures that Kafka tells of", "remote"),
    "pyshark": ("explain", "deep"),
    "dnspython": ("explain of DNS messages", "deep"),
}


def arguments(parser: ArgumentParser) -> None:
    """Which store and directory are looked at as well."""
    parser.add_argument("directory", metavar="DIR", nargs="?", type=some_path, help="one that is, or is to be, watched")
    add_store_option(parser)
    add_json_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """A line a finding."""
    failed = False
    for finding in _findings(given):
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


def _findings(given: Namespace) -> Iterator[Finding]:
    yield Finding("ok", f"python {sys.version.split()[0]}, pcapline {__version__}")
    yield _room_names()
    yield _kernels()
    yield from _libraries()
    yield _tool("tcpdump", "captures live traffic")
    yield _tool("tshark", "reads link types that the decoder does not, and explains packets in full")
    yield capture_right()
    yield clock()
    yield from inotify_limits()
    yield from room("in the working directory", Path())
    if given.directory is not None:
        yield from watched_directory(given.directory)
        yield from _spool(given.directory)
    try:
        settings = settings_of(given.config, {"store.url": given.store})
    except PcaplineError as error:
        yield Finding("FAIL", f"settings: {error}", "correct the setting")
        return
    yield Finding("ok", "settings are valid")
    yield from _inventory(settings)
    yield from _ports(settings)
    yield from _guarded("store", lambda: store_findings(settings.of(StoreSettings)))


def _guarded(what: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except PcaplineError as error:
        problem, _, fix = str(error).rpartition(": ")
        yield Finding("FAIL", f"{what}: {problem}", fix) if problem else Finding("FAIL", f"{what}: {error}")


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
        return Finding("ok", f"{name}: {place}, {_version(place)}")
    return Finding("warn", f"{name} is missing: it {purpose}", f"sudo apt-get install --no-install-recommends {name}")


def _version(program: str) -> str:
    """Its own first line about itself."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, errors="replace", timeout=_ANSWER_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"which does not run ({error})"
    return next(iter((done.stdout or done.stderr).splitlines()), "without a version")


def _spool(directory: Path) -> Iterator[Finding]:
    try:
        from pcapline.spool_status import spool_findings
    except ImportError:  # told above
        return
    yield from spool_findings(directory)


def _ports(settings: Settings) -> Iterator[Finding]:
    from exporter.settings import ExporterSettings
    from loader.settings import LoaderSettings

    yield listening("exporter", settings.of(ExporterSettings).listen)
    yield listening("loader", settings.of(LoaderSettings).listen)


def _inventory(settings: Settings) -> Iterator[Finding]:
    try:
        from pcapline.inventory import inventory_faults
    except ImportError:  # told above
        return
    fix = "correct it, see docs/how-to/name-your-own-hosts.md"
    yield from (Finding("FAIL", f"inventory {fault}", fix) for fault in inventory_faults(settings))

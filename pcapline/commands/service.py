"""systemd units for those without containers: watch, exporter, and capture where an interface is named; with the least rights.

sudo pcapline service install
sudo pcapline service install -i eth0 --store cassandra://127.0.0.1/pcapline
pcapline service install --print                          (show them, write nothing)
pcapline service uninstall --user
"""

import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from pcapline.options import add_config_option, add_store_option, settings_of
from pcapline.text import printable
from pcapline.units import HEADER, NAMES, Place, closed_part, unit, unit_name
from pcapline.usage import UsageError, some_path
from schema.errors import PermissionDeniedError, SettingsError
from schema.settings import StoreSettings

_SYSTEM_UNITS, _SYSTEM_STATE = Path("/etc/systemd/system"), Path("/var/lib/pcapline")


def arguments(parser: ArgumentParser) -> None:
    """What is done, for whom, and with what."""
    parser.add_argument("action", choices=("install", "uninstall"), help="write the units, or remove them")
    parser.add_argument("--print", dest="only_print", action="store_true", help="show the units, write nothing")
    parser.add_argument("--user", action="store_true", help="of this user's own systemd, not of the machine's")
    parser.add_argument("-i", "--interface", metavar="IF", help="capture there as well")
    parser.add_argument("--directory", metavar="DIR", type=some_path, help="of captures; default: captures beside the store")
    as_whom = "a user that is there; default: one that systemd makes up, which can only write to /var/lib/pcapline"
    parser.add_argument("--run-as", metavar="USER", help=as_whom)
    parser.add_argument("--into", metavar="DIR", type=some_path, help="where units are, if not where systemd looks first")
    add_store_option(parser)
    add_config_option(parser)


def run(given: Namespace) -> int:
    """Write, show or remove."""
    if given.user and given.run_as:
        raise UsageError("--run-as is for services of the machine: those of --user run as you")
    folder = given.into or _units_folder(given)
    if given.action == "uninstall":
        return _uninstall(given, folder)
    place = _place(given)
    units = {unit_name(name): unit(name, place, arguments) for name, arguments in _services(given)}
    if given.only_print:
        sys.stdout.write("\n".join(f"# {folder / name}\n{text}" for name, text in units.items()))
        return 0
    _install(given, folder, place, units)
    return 0


def _services(given: Namespace) -> Iterator[tuple[str, list[str]]]:
    """Which services there are to be, and further words of their commands."""
    for name in NAMES:
        if name != "capture":
            yield name, []
        elif given.interface:
            yield name, ["-i", given.interface]


def _place(given: Namespace) -> Place:
    state = _user_state() if given.user else _SYSTEM_STATE
    captures = given.directory.absolute() if given.directory else state / "captures"
    if not given.user and not given.run_as and state not in captures.parents:
        raise UsageError(f"--directory outside of {state} needs --run-as USER: one who may write there")
    return Place(
        program=_program(),
        state=state,
        captures=captures,
        store=_store_url(given, state),
        config=Path(given.config).absolute() if given.config else None,
        of_one_user=given.user,
        run_as=given.run_as,
    )


def _store_url(given: Namespace, state: Path) -> str:
    """The one that the settings name; a file of no certain place lies with the service's state."""
    url = settings_of(given.config, {"store.url": given.store}).of(StoreSettings).url
    kind, _, path = url.partition(":")
    return f"sqlite:{state / Path(path).expanduser()}" if kind == "sqlite" else url


def _program() -> tuple[str, ...]:
    """The installed command beside this interpreter; without one the interpreter itself."""
    beside = Path(sys.executable).with_name("pcapline")
    return (str(beside),) if beside.is_file() else (sys.executable, "-m", "pcapline")


def _install(given: Namespace, folder: Path, place: Place, units: dict[str, str]) -> None:
    if not given.user:
        _refuse_unreadable(place)
    for name in units:
        if not _is_ours(folder / name):
            raise SettingsError(f"{folder / name} is there and was not written by pcapline: move it away")
    _make(folder)
    if given.user or given.run_as:
        _make(place.captures)
    for name, text in units.items():
        try:
            (folder / name).write_text(text)
        except PermissionError as error:
            raise PermissionDeniedError(f"{folder / name} cannot be written: run it with sudo, or give --user") from error
        sys.stdout.write(f"{folder / name}\n")
    systemctl = "systemctl --user" if given.user else "systemctl"
    _say(f"start them with: {systemctl} daemon-reload && {systemctl} enable --now {' '.join(units)}")
    _warn_of_what_is_absent(given)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise PermissionDeniedError(f"{directory} cannot be made: run it with sudo, or give --user") from error


def _refuse_unreadable(place: Place) -> None:
    """A service's user is not this one. Raises `SettingsError` where it could not even run the program."""
    for file in (Path(place.program[0]), Path(sys.executable).resolve(), Path(__file__).resolve().parent):
        if closed := closed_part(file):
            what = f"{file} cannot be run by a service: {closed} is closed to other users"
            raise SettingsError(f"{what}; install pcapline where all may read it (/opt/pcapline), or give --user")


def _warn_of_what_is_absent(given: Namespace) -> None:
    if shutil.which("systemctl") is None:
        _say("warning: there is no systemd here")
    if given.user and given.interface:
        _say("capture has what rights tcpdump has: pcapline doctor says which, and the line that gives them")


def _uninstall(given: Namespace, folder: Path) -> int:
    there = [folder / unit_name(name) for name in NAMES if (folder / unit_name(name)).exists()]
    for path in filter(_is_ours, there):
        if not given.only_print:
            try:
                path.unlink()
            except PermissionError as error:
                raise PermissionDeniedError(f"{path} cannot be removed: run it with sudo") from error
        sys.stdout.write(f"{path}\n")
    for path in [path for path in there if path.exists() and not _is_ours(path)]:
        _say(f"{path} was not written by pcapline and stays")
    systemctl = "systemctl --user" if given.user else "systemctl"
    names = " ".join(path.name for path in there)
    _say(f"what still runs ends with: {systemctl} disable --now {names}" if there else f"no unit of pcapline in {folder}")
    return 0


def _is_ours(path: Path) -> bool:
    """Whether it may be replaced or removed."""
    return not path.exists() or path.read_text(errors="replace").startswith(HEADER)


def _units_folder(given: Namespace) -> Path:
    if not given.user:
        return _SYSTEM_UNITS
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def _user_state() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "pcapline"


def _say(message: str) -> None:
    sys.stderr.write(f"pcapline: {printable(message)}\n")

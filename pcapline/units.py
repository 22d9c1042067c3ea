"""systemd units of the services, each with the least rights with which it works. Pure: where things are is handed in."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("watch", "exporter", "capture")
HEADER = "# Written by pcapline service install; pcapline service uninstall removes it.\n"
_MEMORY_MAX = {"watch": "512M", "exporter": "256M", "capture": "256M"}
_ABOUT = {
    "watch": "pcapline: loads captures that land in a directory",
    "exporter": "pcapline: metrics of what is loaded, for Prometheus",
    "capture": "pcapline: captures live traffic",
}
# 2, 3, 4: a flag, a setting or a right is wrong, and will be the next time. 130, 143: told to end, and ended in good order.
_ENDING = """\
Type=exec
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 3 4
SuccessExitStatus=130 143
KillMode=mixed
TimeoutStopSec=90
"""
# What a service of any user may be denied.
_BOUNDS = """\
UMask=0027
LimitNOFILE=65536
TasksMax=256
"""
_SANDBOX = """\
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
NoNewPrivileges=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
_NO_RIGHTS = "CapabilityBoundingSet=\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n"
# tcpdump inherits it; netlink tells it of interfaces.
_CAPTURE_RIGHTS = """\
CapabilityBoundingSet=CAP_NET_RAW
AmbientCapabilities=CAP_NET_RAW
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_PACKET AF_NETLINK
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the services run, and as whom."""

    program: tuple[str, ...]  # what runs the command, as words
    state: Path  # the store, unless another is named, and what is captured, unless that is elsewhere
    captures: Path
    store: str
    config: Path | None  # settings file
    of_one_user: bool  # a user's own services: systemd may give them no right that the user has not
    run_as: str | None  # a user that is there; None: one that systemd makes up for them


def unit_name(name: str) -> str:
    """As systemd knows it."""
    return f"pcapline-{name}.service"


def unit(name: str, place: Place, arguments: Sequence[str] = ()) -> str:
    """The text of one unit; `arguments`: further words of its command."""
    config = ("--config", str(place.config)) if place.config else ()
    store = ("--store", place.store) if name != "capture" else ()
    directory = (str(place.captures),) if name != "exporter" else ()
    command = (*place.program, name, *store, *config, *arguments, *directory)
    wanted_by = "default.target" if place.of_one_user else "multi-user.target"
    return f"""\
{HEADER}[Unit]
Description={_ABOUT[name]}
After=network-online.target
Wants=network-online.target

[Service]
{_before(name, place)}ExecStart={" ".join(map(_word, command))}
WorkingDirectory={_path(place.state)}
{_ENDING}MemoryMax={_MEMORY_MAX[name]}
{_BOUNDS}{_rights(name, place)}
[Install]
WantedBy={wanted_by}
"""


def closed_part(program: Path, below: Path = Path("/")) -> Path | None:
    """The first part of the way to a program that only its owner may pass: a service of another user cannot run it.

    `below`: where to begin to look.
    """
    for place in reversed([program, *program.parents]):
        if below in place.parents and not place.stat().st_mode & stat.S_IXOTH:
            return place
    return None


def _before(name: str, place: Place) -> str:
    """A directory below the state's is made by who uses it first: one outside is there already."""
    return "" if name == "exporter" else f"ExecStartPre=/bin/mkdir -p {_word(str(place.captures))}\n"


def _rights(name: str, place: Place) -> str:
    if place.of_one_user:
        # tcpdump has its right by its file, which gives nothing where no privileges may be gained
        return "" if name == "capture" else "NoNewPrivileges=yes\n"
    return _user(place) + _SANDBOX + (_CAPTURE_RIGHTS if name == "capture" else _NO_RIGHTS)


def _user(place: Place) -> str:
    """Whose it is, and what it may write to. The services share a user, so that each finds the others' files."""
    user = "User=pcapline\nDynamicUser=yes\n" if place.run_as is None else f"User={place.run_as}\n"
    more = "" if place.state in place.captures.parents else f"ReadWritePaths={_quoted(str(place.captures))}\n"
    return f"{user}StateDirectory=pcapline\nStateDirectoryMode=0750\n{more}"


def _word(text: str) -> str:
    """A word of a command line as systemd reads it: there it also puts variables in."""
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if not text or any(mark in text for mark in ' \t\'";\\"') else escaped


def _path(path: Path) -> str:
    return str(path).replace("%", "%%")

"""What the machine itself lacks: rights, room, limits, ports, a clock that is right; each with the one line that fixes it."""

import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from shutil import disk_usage, which
from typing import NamedTuple

_CAP_NET_RAW = 13
_LOW_DISK_BYTES = 1 << 30
_LOW_INODES = 10_000
# Watches: a directory each, below the watched one; instances: one a watch, of all programs of this user.
_INOTIFY = {"max_user_watches": 8_192, "max_user_instances": 128}
_UNSYNCHRONISED = 0x40  # STA_UNSYNC
_MOST_SKEW_MS = 1_000


class Finding(NamedTuple):
    """One line: `ok`, `warn` or `FAIL`, what was found, and what fixes it."""

    level: str
    text: str
    fix: str = ""


def capture_right() -> Finding:
    """Whether tcpdump may capture for this user."""
    place = which("tcpdump")
    may_be_given = _has_capability("CapBnd", _CAP_NET_RAW)  # a container's root may lack what its bounding set lacks
    given = place and may_be_given and "security.capability" in os.listxattr(place)
    if given or _has_capability("CapEff", _CAP_NET_RAW):
        return Finding("ok", "tcpdump may capture for this user")
    fix = f"sudo setcap cap_net_raw=ep {place or '/usr/bin/tcpdump'}"
    if not may_be_given:
        fix = "start this container or service with CAP_NET_RAW (docker run --cap-add NET_RAW)"
    return Finding("warn", "no right to capture live traffic (reading files needs none)", fix)


def _has_capability(kind: str, number: int) -> bool:
    """Whether a set of this process (`CapEff`: effective, `CapBnd`: the bounding set) holds a capability."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux, where root may do all
        return os.geteuid() == 0
    held = next((line.split()[1] for line in lines if line.startswith(f"{kind}:")), "0")
    return bool(int(held, 16) >> number & 1)


def room(what: str, directory: Path) -> Iterator[Finding]:
    """Bytes and files that a directory's file system still takes."""
    free, files = disk_usage(directory).free, os.statvfs(directory)
    text = f"{free / (1 << 30):,.1f} GiB free {what}"
    fix = "make room: a full disk stops loading"
    yield Finding("ok", text) if free >= _LOW_DISK_BYTES else Finding("warn", text, fix)
    if files.f_files and files.f_favail < _LOW_INODES:  # some file systems have no bound of them
        yield Finding("warn", f"{files.f_favail:,} files may still be made {what}", f"remove small files: {fix}")


def watched_directory(directory: Path) -> Iterator[Finding]:
    """Whether a directory can be watched, and its files moved to the archive."""
    if not directory.is_dir():
        yield Finding("FAIL", f"{directory} is no directory", f"mkdir -p {directory}")
        return
    if os.access(directory, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        yield Finding("ok", f"{directory} can be read and written")
    else:
        fix = f"sudo setfacl -m u:{os.geteuid()}:rwx {directory}"
        yield Finding("FAIL", f"{directory} cannot be read and written by this user", fix)
    yield from room(f"in {directory}", directory)


def inotify_limits(place: Path = Path("/proc/sys/fs/inotify")) -> Iterator[Finding]:
    """Whether the kernel tells of as many directories as a watch asks for; without that, files are seen by a scan, later."""
    for name, wanted in _INOTIFY.items():
        try:
            limit = int((place / name).read_text())
        except (OSError, ValueError):  # not Linux
            return
        text = f"inotify {name}: {limit:,}"
        low = Finding("warn", f"{text}; files may be seen later", f"sudo sysctl fs.inotify.{name}={wanted}")
        yield Finding("ok", text) if limit >= wanted else low


def listening(name: str, address: str) -> Finding:
    """Whether a service may listen at HOST:PORT. One that is taken may be taken by the very service."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with socket.socket(found[0][0], socket.SOCK_STREAM) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            own.bind(found[0][4])
    except PermissionError:
        return Finding("FAIL", f"{name}: this user may not listen at {address}", f"{name}.listen: a port from 1024 on")
    except (OSError, ValueError, OverflowError) as error:
        why = f"{name}: {address} is in use, or is no address of this machine ({error})"
        return Finding("warn", why, f"if it is not pcapline that listens there, name another one: {name}.listen")
    return Finding("ok", f"{name}: {address} is free")


def clock() -> Finding:
    """Whether this machine's clock is kept right, as the kernel has been told."""
    try:
        state = _Timex()
        code = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    except (OSError, AttributeError):  # not Linux
        return Finding("ok", "nobody can say here whether the clock is kept right")
    if code >= 0 and not state.status & _UNSYNCHRONISED:
        return Finding("ok", f"the clock is kept right, within {state.maxerror / 1000:,.0f} ms")
    text = "nobody keeps this machine's clock right: packet times and leases are only as good as it is"
    return Finding("warn", text, "sudo timedatectl set-ntp true")


def skew(store: str, here_ms: int, there_ms: int) -> Finding:
    """How far a store's clock is from this machine's; here it was read in the middle of asking."""
    apart = there_ms - here_ms
    if abs(apart) <= _MOST_SKEW_MS:
        return Finding("ok", f"the clocks of {store} and of this machine agree within a second")
    ahead = "ahead of" if apart > 0 else "behind"
    text = f"the clock of {store} is {abs(apart) / 1000:,.1f} s {ahead} this machine's: rows expire by it, leases by this one"
    return Finding("warn", text, "sudo timedatectl set-ntp true, on both")


class _Timex(ctypes.Structure):
    """struct timex, up to what is read of it; the kernel writes the rest behind."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )

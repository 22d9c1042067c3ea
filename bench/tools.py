"""What is compared: pcapline, and what a user would pick instead. A tool that is absent is told and left out."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

Command = list[str]
_LARGE_PACKETS = 1_000_000
READ, LOAD, GZIP, ZSTD = "read --summary", "load", "read --summary, gzip", "read --summary, zstd"


@dataclass(frozen=True, slots=True)
class Place:
    """What one run may use: the capture, an empty directory of its own, a UDP port where nobody minds what comes."""

    capture: Path
    scratch: Path
    udp_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A command to compare. pcapline's own of the same task is what it is compared to."""

    name: str
    task: str
    gives: str
    command: Callable[[Place], Command]
    needs: Sequence[str]  # programs, or modules of this environment
    bar: float | None = None  # pcapline takes at most so many times as long, from a million packets on
    small_bar: float | None = None  # and below
    slice: int | None = None  # it is given only so many packets, and compared by the packet
    program: str = ""  # that its capture is compressed with

    @property
    def is_ours(self) -> bool:
        """Whether the others are compared to it."""
        return self.name.startswith("pcapline")

    def bar_at(self, packets: int) -> float | None:
        """What pcapline is to reach beside it on a capture of so many packets."""
        return self.bar if packets >= _LARGE_PACKETS else self.small_bar

    @property
    def missing(self) -> str:
        """What of its needs is not installed."""
        return next((need for need in self.needs if shutil.which(need) is None and find_spec(need) is None), "")


def _pcapline(*arguments: str) -> Command:
    return [str(Path(sys.executable).with_name("pcapline")), *arguments]


def _read(place: Place) -> Command:
    return _pcapline("read", "--summary", str(place.capture))


def _load(place: Place) -> Command:
    return _pcapline("load", str(place.capture), "--store", f"sqlite:{place.scratch / 'bench.db'}")


def _tcpdump(place: Place) -> Command:
    return ["tcpdump", "--count", "-r", str(place.capture)]


def _piped(unpack: str) -> Callable[[Place], Command]:
    return lambda place: ["sh", "-c", f'{unpack} "$0" | tcpdump --count -r -', str(place.capture)]


def _softflowd(place: Place) -> Command:
    # without a control socket: version 1.1.0 may wait on it for ever when it reads a file
    own = ["-d", "-c", "none", "-p", str(place.scratch / "pid")]
    return ["softflowd", "-r", str(place.capture), "-v", "9", "-n", f"127.0.0.1:{place.udp_port}", *own]


def _nfpcapd(place: Place) -> Command:
    return ["nfpcapd", "-r", str(place.capture), "-w", str(place.scratch)]


def _tshark(place: Place) -> Command:
    headers = "ip.src ip.dst ipv6.src ipv6.dst ip.proto ip.len tcp.srcport tcp.dstport tcp.flags udp.srcport udp.dstport"
    fields = ["frame.time_epoch", *headers.split(), "dns.qry.name", "dns.a", "dns.aaaa", "dns.cname"]
    return ["tshark", "-n", "-r", str(place.capture), "-T", "fields", *(word for field in fields for word in ("-e", field))]


def _library(name: str) -> Callable[[Place], Command]:
    return lambda place: [sys.executable, "-m", f"bench.peers.{name}_flows", str(place.capture)]


_SUMMARY = "headers, DNS, names, flows"
_FLOWS = "flows, no DNS"
TOOLS = (
    Tool(name="pcapline read --summary", task=READ, gives=_SUMMARY, command=_read, needs=()),
    Tool(name="tcpdump --count", task=READ, gives="a count", command=_tcpdump, needs=("tcpdump",), bar=1.0),
    Tool(name="softflowd", task=READ, gives=_FLOWS, command=_softflowd, needs=("softflowd",), bar=1 / 3),
    Tool(
        name="nfpcapd",
        task=READ,
        gives=f"{_FLOWS}, in a file",
        command=_nfpcapd,
        needs=("nfpcapd",),
        bar=1 / 3.5,
        small_bar=1.0,
    ),
    Tool(name="nfstream", task=READ, gives=_FLOWS, command=_library("nfstream"), needs=("nfstream",), slice=200_000),
    Tool(
        name="tshark -T fields",
        task=READ,
        gives="fields of headers and DNS",
        command=_tshark,
        needs=("tshark",),
        bar=1 / 100,
        slice=100_000,
    ),
    Tool(name="dpkt", task=READ, gives=_FLOWS, command=_library("dpkt"), needs=("dpkt",), slice=100_000),
    Tool(name="scapy", task=READ, gives=_FLOWS, command=_library("scapy"), needs=("scapy",), slice=20_000),
    Tool(name="pyshark", task=READ, gives=_FLOWS, command=_library("pyshark"), needs=("pyshark", "tshark"), slice=2_000),
    Tool(name="pcapline read --summary", task=GZIP, gives=_SUMMARY, command=_read, needs=("gzip",), program="gzip"),
    Tool(
        name="zcat | tcpdump --count",
        task=GZIP,
        gives="a count",
        command=_piped("zcat"),
        needs=("zcat", "tcpdump"),
        bar=1.0,
        program="gzip",
    ),
    Tool(name="pcapline read --summary", task=ZSTD, gives=_SUMMARY, command=_read, needs=("zstd",), program="zstd"),
    Tool(
        name="zstdcat | tcpdump --count",
        task=ZSTD,
        gives="a count",
        command=_piped("zstdcat"),
        needs=("zstdcat", "tcpdump"),
        bar=1.0,
        program="zstd",
    ),
    Tool(name="pcapline load", task=LOAD, gives=f"{_SUMMARY}; every table, hashed, durable", command=_load, needs=()),
    Tool(name="nfpcapd", task=LOAD, gives=f"{_FLOWS}, in a file", command=_nfpcapd, needs=("nfpcapd",), bar=1.5),
)
# What the largest captures are given to: those that end on the same day.
FAST = tuple(tool for tool in TOOLS if tool.task in (READ, LOAD) and tool.slice is None)

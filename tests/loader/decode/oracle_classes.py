"""The named classes of difference between the decoder and tshark, each told by what it is and not by where it occurs.

What each means, how often it occurs and which side is right: `docs/decode-differences.md`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.loader.decode.oracle_rows import DnsRow, PacketRow, Raw

UNEXPLAINED = "unexplained"
DNS_PORTS = {53, 5353, 5355}
_ADDRESSES = {"source", "destination", "source_port", "destination_port", "protocol", "fragment", "vlan"}


@dataclass(frozen=True)
class Difference:
    """One row that only one side has, or that the two have differently."""

    capture: Path
    frame: int
    expected: PacketRow | DnsRow | None
    raw: Raw  # tshark's object; of a row that only the decoder has, that of the frame's first row
    ours: PacketRow | DnsRow | None
    fields: frozenset[str]  # that differ; none where a side is missing
    reason: str | None  # why the decoder keeps the packet out of the flows
    fragment: bool  # the packet is one
    counters: dict[str, int]  # of the capture
    damage: dict[str, int]
    inner: bool = False  # compared by the innermost IP header
    depth: int = 1  # IP headers that the decoder found

    @property
    def stack(self) -> set[str]:
        """Protocols that tshark saw in the packet."""
        return set(self.raw.get("stack", "").split(":"))


_Rule = Callable[[Difference], Any]

# What the decoder does not read, or does not take for an answer: not counted among the supported rows.
UNSUPPORTED: dict[str, _Rule] = {
    "encapsulation": lambda d: _packet(d) and d.reason in ("not_ip", "unknown_ethertype", "tunnel") and d.fields <= _ADDRESSES,
    "compressed-packet": lambda d: d.inner and "ipcomp" in d.stack and d.reason == "unsupported_ip_protocol",
    "dns-in-link-type": lambda d: _dns(d) and d.ours is None and d.reason == "unsupported_link_type",
    "dns-on-another-port": lambda d: _dns(d) and d.expected and not {d.raw.get("sport"), d.raw.get("dport")} & DNS_PORTS,
    "dns-other-opcode": lambda d: _dns(d) and d.ours is None and d.counters.get("dns_other_opcode"),
    "dns-quoted": lambda d: _dns(d) and d.raw.get("quoted"),
    "dns-unreadable-record": lambda d: _dns(d) and d.raw.get("short") and _dns_damage(d),
    "dns-opt": lambda d: _dns(d) and d.raw.get("rtype") == "OPT",
}

# Two views of the same bytes.
EXPLAINED: dict[str, _Rule] = {
    "link-type-of-no-frames": lambda d: d.expected is None and d.reason == "unsupported_link_type",
    "pseudo-header": lambda d: d.fields == {"length", "captured"} and d.reason == "unsupported_link_type",
    "sample": lambda d: _packet(d) and {"sflow", "openflow_v1", "openflow_v4"} & d.stack and d.fields <= _ADDRESSES,
    "tunnel-on-another-port": lambda d: d.inner and d.depth > d.raw["depth"] and d.raw["dport"] == 8472,
    "too-many-layers": lambda d: _packet(d) and d.reason == "too_many_layers",
    "header-cut": lambda d: d.fields <= _ADDRESSES and d.reason == "header_cut",
    "header-malformed": lambda d: d.fields <= _ADDRESSES and d.reason == "malformed_ip",
    "offloaded-datagram": lambda d: _packet(d) and d.fields <= _ADDRESSES and d.reason is None and d.raw["len"] > 0xFFFF,
    "payload-length-zero": lambda d: d.fields <= {"protocol", "fragment"} and "ipv6" in d.stack and _cut(d),
    "time-fraction": lambda d: d.fields == {"ts_ns"} and _same_second(d),
    "after-corrupt-record": lambda d: (
        isinstance(d.expected, PacketRow) and _another_record(d) and d.damage.get("corrupt_record")
    ),
    "dns-behind-a-hole": lambda d: _dns(d) and d.expected is None and d.counters.get("dns_stream_holes"),
}


def class_of(difference: Difference) -> str:
    """Its class, or `UNEXPLAINED`."""
    for name, rule in (UNSUPPORTED | EXPLAINED).items():
        if rule(difference):
            return name
    return UNEXPLAINED


def _another_record(d: Difference) -> bool:
    """Not the same record seen otherwise: we have none of that number, or one of another time."""
    return d.ours is None or "ts_ns" in d.fields


def _dns(d: Difference) -> bool:
    return isinstance(d.expected or d.ours, DnsRow)


def _packet(d: Difference) -> bool:
    return isinstance(d.expected, PacketRow) and isinstance(d.ours, PacketRow)


def _cut(d: Difference) -> bool:
    return isinstance(d.expected, PacketRow) and d.expected.captured < d.expected.length


def _same_second(d: Difference) -> bool:
    """The oracle cuts fractions of a second to nine digits; a carry into the seconds has ten."""
    if d.expected is None or d.ours is None or d.expected.ts_ns is None or d.ours.ts_ns is None:
        return False
    whole, rest = divmod(d.ours.ts_ns, 1_000_000_000)
    return d.expected.ts_ns == (whole - 1) * 1_000_000_000 + (rest + 1_000_000_000) // 10


def _dns_damage(d: Difference) -> bool:
    return any(name in d.counters for name in ("dns_cut", "dns_malformed", "dns_too_large"))

"""Rows of one capture in a form that two decoders can share: what tshark saw, and what `read` prints.

Conventions that are not differences are folded here, and nowhere else: names lower case without the last dot, their escapes
undone, as tshark prints them; an IPv4-mapped address is the IPv4 address; ICMP has no ports; of record data what tshark tells
is compared: an address, the texts of TXT, of other types one name; a message without a question speaks of each record's own
name; unanswered queries are ours alone. A packet without time takes the decoder's, one of a time beyond the rows' range its
end; 802.1ad tags are not in the oracle's list of tags; it numbers a pcapng's custom blocks among the packets.
"""

import gzip
import ipaddress
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from loader.decode.columns import DecodeOptions, DecodeReport
from loader.decode.mnemonics import type_text
from loader.reading.capture import CaptureReading, DeepDecoder
from pcapline.objects import dns_objects, packet_objects
from tests.shared_captures import SHARED

Raw = dict[str, Any]
_ICMP = (1, 58)
# The end of the rows' range of times: the last whole second that a signed number of nanoseconds holds.
LAST_TS_NS = 9_223_372_035_999_999_999
_ADDRESS_TYPES = ("A", "AAAA")
# Which word of our record data is the name that tshark tells.
_NAME_AT = {"NS": 0, "CNAME": 0, "PTR": 0, "DNAME": 0, "SOA": 0, "SVCB": 1, "HTTPS": 1, "MX": 1, "SRV": 3}
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


class PacketRow(NamedTuple):
    """One frame."""

    ts_ns: int | None
    source: str | None
    destination: str | None
    source_port: int | None
    destination_port: int | None
    protocol: int | None
    length: int
    captured: int
    vlan: tuple[int, ...]
    fragment: bool


class DnsRow(NamedTuple):
    """One resource record of a response."""

    section: str
    rr_type: str | None
    rr_name: str | None
    answer: str | None
    ttl: int | None
    ts_ns: int | None
    client: str | None
    resolver: str | None
    client_port: int | None
    kind: str
    txid: int | None
    rcode: int | None
    qname: str
    qtype: int


@dataclass
class Expected:
    """What tshark saw of a capture: rows and the objects that they were made of."""

    packets: list[tuple[PacketRow, Raw]] = field(default_factory=list)
    dns: list[tuple[DnsRow, Raw]] = field(default_factory=list)

    @property
    def nested(self) -> bool:
        """Some packet has a packet in it: the outermost IP header is not the innermost one."""
        return any(raw["depth"] > 1 for _, raw in self.packets)


class OurPacket(NamedTuple):
    """A packet row, why it is in no flow, and the addresses around it."""

    row: PacketRow
    reason: str | None
    outer: list[list[str]]


@dataclass
class Ours:
    """What the decoder gives."""

    packets: list[OurPacket]
    dns: list[tuple[DnsRow, Raw]]
    report: DecodeReport
    deep: bool = False  # the deep decoder was asked


def expected_rows(capture: Path) -> Expected:
    """From the file of expected results beside the capture: packets as their outermost IP header says."""
    with gzip.open(f"{capture}.expected.jsonl.gz", "rt", encoding="utf-8") as lines:
        return _expected(lines)


def inner_rows(capture: Path) -> Expected:
    """What the oracle sees now of the innermost IP headers."""
    assert SHARED is not None
    command = [sys.executable, str(SHARED / "tools" / "oracle.py"), str(capture), "--packets", "--inner"]
    seen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return _expected(seen.splitlines())


def _expected(lines: Iterable[str]) -> Expected:
    expected = Expected()
    for raw in map(json.loads, lines):
        if raw["t"] == "packet":
            expected.packets.append((_expected_packet(raw), raw))
        elif raw["t"] == "dns":
            expected.dns.append((_expected_dns(raw), raw))
    return expected


def our_rows(capture: Path, deep: DeepDecoder | None = None) -> Ours:
    """As `read --packets --json` and `read --dns --json` print them, by frame; raises `CaptureError` as `read` does."""
    reading = CaptureReading(capture, DecodeOptions(packets=True), identify=False)
    packets: dict[int, OurPacket] = {}
    dns: list[tuple[DnsRow, Raw]] = []
    for batch in reading.batches(deep):
        for raw, reason in zip(packet_objects(batch.packets), batch.packets.reason, strict=True):
            packets[raw["frame"]] = OurPacket(_our_packet(raw), reason, raw["outer"])
        dns += [(_our_dns(raw), raw) for raw in dns_objects(batch.dns) if raw["rcode"] is not None]
    return Ours([row for _, row in sorted(packets.items())], dns, reading.report, deep is not None)


def alike(expected: PacketRow, raw: Raw, ours: PacketRow) -> tuple[PacketRow, PacketRow]:
    """Both sides with what one of them cannot say left out."""
    if raw["ns"] is None:
        expected = expected._replace(ts_ns=ours.ts_ns)
    elif raw["ns"] > LAST_TS_NS:
        expected = expected._replace(ts_ns=LAST_TS_NS)
    tags = [token for token in raw["stack"].split(":") if token in ("vlan", "ieee8021ad")]
    if "ieee8021ad" in tags and len(tags) == len(ours.vlan):
        ours = ours._replace(vlan=tuple(tag for tag, token in zip(ours.vlan, tags, strict=True) if token == "vlan"))
    return expected, ours


def as_outermost(expected: PacketRow, row: PacketRow, ours: OurPacket) -> tuple[PacketRow, PacketRow]:
    """Both sides as the outermost IP header says, of which ours keeps the addresses."""
    if ours.outer:
        source, destination = ours.outer[0]
        row = row._replace(source=source, destination=destination)
        return expected._replace(**_UNKNOWN_OF_OUTER), row._replace(**_UNKNOWN_OF_OUTER)
    return expected, row


def as_frame(expected: PacketRow, row: PacketRow) -> tuple[PacketRow, PacketRow]:
    """Both sides without what is in the frame."""
    return expected._replace(**_UNKNOWN_OF_FRAME), row._replace(**_UNKNOWN_OF_FRAME)


def is_custom_block(raw: Raw, ours: Ours) -> bool:
    """A row without time, of nothing but data, in a capture that has custom blocks."""
    custom = {"pcapng_blocks/CB", "pcapng_blocks/DCB"} & ours.report.counters.keys()
    return bool(custom) and raw["stack"] == "data" and raw["ns"] is None


_UNKNOWN_OF_OUTER: dict[str, Any] = {"source_port": None, "destination_port": None, "protocol": None, "fragment": False}
_UNKNOWN_OF_FRAME: dict[str, Any] = {**_UNKNOWN_OF_OUTER, "source": None, "destination": None, "vlan": ()}


def by_frame(rows: list[tuple[DnsRow, Raw]], key: str) -> dict[int, list[tuple[DnsRow, Raw]]]:
    """DNS rows of each frame, in their order."""
    frames: dict[int, list[tuple[DnsRow, Raw]]] = {}
    for row in rows:
        frames.setdefault(row[1][key], []).append(row)
    return frames


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def _name(text: str) -> str:
    lower = text.lower()
    return "." if lower in ("<root>", "") else lower.rstrip(".")


def _expected_packet(raw: Raw) -> PacketRow:
    ends = (_address(raw["src"]), _address(raw["dst"]), raw["sport"], raw["dport"], raw["proto"])
    return PacketRow(raw["ns"], *ends, raw["len"], raw["caplen"], tuple(raw["vlan"]), bool(raw["frag"]))


def _our_packet(raw: Raw) -> PacketRow:
    sport, dport = (None, None) if raw["protocol"] in _ICMP else (raw["source_port"], raw["destination_port"])
    ends = (raw["source_ip"], raw["destination_ip"], sport, dport, raw["protocol"])
    return PacketRow(raw["ts_ns"], *ends, raw["length"], raw["captured_length"], tuple(raw["vlan"]), bool(raw["fragment"]))


def _expected_dns(raw: Raw) -> DnsRow:
    owner = None if raw["name"] is None else _name(raw["name"])
    answer = raw["answer"]
    if answer is not None:
        answer = _address(answer) if raw["rtype"] in _ADDRESS_TYPES else _name(answer) if raw["rtype"] in _NAME_AT else answer
    return DnsRow(
        raw["section"], _type(raw["rtype"]), owner, answer, raw["ttl"], raw["ns"], _address(raw["client"]),
        _address(raw["server"]), raw["dport"], raw["kind"], None if raw["id"] is None else int(raw["id"], 0), raw["rcode"],
        (owner or ".") if raw["query"] is None else _name(raw["query"]), raw["qtype"] or 0,
    )  # fmt: skip


def _type(text: str | None) -> str | None:
    """The oracle knows fewer mnemonics than IANA's registry has."""
    return type_text(int(text[4:])) if text and text.startswith("TYPE") else text


def _our_answer(raw: Raw) -> str | None:
    if raw["rdata"] is None:
        return raw["address"]  # type: ignore[no-any-return]
    if raw["rr_type"] in _NAME_AT:
        return _our_name(raw["rdata"].split(" ")[_NAME_AT[raw["rr_type"]]])
    return "".join(map(spoken, _STRING.findall(raw["rdata"]))) if raw["rr_type"] == "TXT" else None


def spoken(escaped: str) -> str:
    """Text with the escapes of master files undone, octets beyond ASCII as UTF-8."""
    octets = re.sub(rb"\\(\d{3}|.)", lambda m: bytes([int(m[1])]) if len(m[1]) == 3 else m[1], escaped.encode("ascii"))
    return octets.decode("utf-8", "replace")


def _our_name(text: str | None) -> str | None:
    return _name(spoken(text)) if text and "\\" in text else text


def _our_dns(raw: Raw) -> DnsRow:
    return DnsRow(
        raw["section"] or "none", raw["rr_type"], _our_name(raw["rr_name"]), _our_answer(raw), raw["rr_ttl"], raw["ts_ns"],
        raw["client_ip"], raw["resolver_ip"], raw["client_port"], raw["kind"], raw["txid"], raw["rcode"],
        _our_name(raw["qname"]) or ".", raw["qtype"],
    )  # fmt: skip


def differing(expected: PacketRow | DnsRow | None, ours: PacketRow | DnsRow | None) -> Iterator[str]:
    """Names of the fields that differ; none where a side is missing."""
    if expected is None or ours is None:
        return
    for name, left, right in zip(expected._fields, expected, ours, strict=True):
        if left != right:
            yield name
